"""What an index holds, as two homes are compared: everything a reader sees but time stamps and generations."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from infra.index_edge import EdgeIndex
from tests.support.plant import Plant

#: Cosine from which two vectors count as the same.
SAME = 0.999


def contents(home: Path, tenant: str = "default") -> dict[str, tuple[Any, ...]]:
    """Point id -> (what is compared, vector), of the active collection. No other collection may be left."""
    index = EdgeIndex(home / "index")
    try:
        active = index.active()
        assert index.collections() == ([active] if active else [])
        points = list(index.scroll(active, tenant, with_vectors=True)) if active else []
    finally:
        index.close()
    assert len({point.id for point in points}) == len(points)
    return {point.id: (_compared(point.payload), point.dense) for point in points}


def texts(home: Path, tenant: str = "default") -> str:
    """Every text in the index, joined."""
    return "\n".join(compared["content"] for compared, _ in contents(home, tenant).values())


def fresh_contents(home: Path, *sources: object, status: int | None = 0, **environment: str) -> Any:
    """What a new home holds after one index run over these sources, by the same command line in this process."""
    Plant(home, **environment).index(*sources, status=status)
    found = contents(home)
    shutil.rmtree(home)
    return found


def assert_same(found: dict[str, tuple[Any, ...]], wanted: dict[str, tuple[Any, ...]]) -> None:
    """Two homes hold the same."""
    plain = {id_: compared for id_, (compared, _) in found.items()}
    assert plain == {id_: compared for id_, (compared, _) in wanted.items()}
    for id_, (_, vector) in found.items():
        assert float(np.dot(vector, wanted[id_][1])) >= SAME, id_


def _compared(payload: dict[str, Any]) -> dict[str, Any]:
    flat = {name: payload[name] for name in ("id", "content", "tenant", "uri", "chunk_hash", "content_hash", "acl")}
    meta = payload["meta"]
    names = ("title", "content_type", "headings", "page", "ordinal", "embedding_model", "fingerprint", "metadata")
    return flat | {name: meta[name] for name in names}
