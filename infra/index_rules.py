"""What every index does alike, decided without a driver: naming collections, fusing rankings, restamping payloads.

Both adapters use these, so that one home gives the same answers whichever of them holds it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from infra.ports import Restamp
from schemas.errors import UsageError

#: RRF's constant: a hit of rank r (from 1) in one ranking adds 1 / (60 + r). 60 is the published value.
RRF_K = 60
#: Candidates of each ranking, at least: fusing only the best ten would lose what both rank eleventh.
_CANDIDATES = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

Ranking = Iterable[tuple[str, float]]


def collection_name(name: str) -> str:
    """The name itself, if every store and file system takes it.

    Raises:
        UsageError: it is empty, over 128 characters, or has others than ASCII letters, digits, ".", "_" and "-".
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a collection", "use letters, digits, dots and dashes")
    return name


def candidates(limit: int) -> int:
    """How many hits of each ranking to ask for, to fuse `limit` of them."""
    return max(_CANDIDATES, 2 * limit)


def fuse(rankings: Sequence[Ranking], limit: int) -> list[tuple[str, float]]:
    """The best (id, score) by reciprocal rank fusion, best first; `rankings` are (id, the store's score).

    Scores that agree in five digits count as equal and are ordered by id, as are equal sums: stores order ties as
    they please, and equal texts (copies of a document) do tie.
    """
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        ordered = sorted(ranking, key=lambda hit: (-float(f"{hit[1]:.5g}"), hit[0]))
        for rank, (point_id, _) in enumerate(ordered, start=1):
            scores[point_id] += 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[:limit]


def restamped(payloads: dict[str, dict[str, Any]], changes: Sequence[Restamp]) -> dict[str, dict[str, Any]]:
    """New payloads, by id, of those that really change. Later changes win; ids without a payload are ignored.

    Whole payloads, because the stores' own merging writes differ: some drop keys whose new value is None.
    """
    after = dict(payloads)
    for change in changes:
        for point_id in change.ids:
            if (old := after.get(point_id)) is not None:
                after[point_id] = old | change.flat | {"meta": old.get("meta", {}) | change.meta}
    return {point_id: payload for point_id, payload in after.items() if payload != payloads[point_id]}
