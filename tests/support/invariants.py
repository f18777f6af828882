"""The invariants of a scaled plant, checked from outside: against the bucket, never against the pipeline's own counts.

INV-1 convergence, INV-3 nothing lost, INV-4 isolation and INV-5 bounded work by `check`, at quiescence; INV-2 and
INV-4 at all times by `Watch`, through the public search. INV-6, liveness, is `ScaledPlant.until`.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import sqlalchemy as sa

from infra.index_qdrant import QdrantIndex
from infra.ledger import open_ledger
from infra.ledger.tables import history
from infra.stub_embedder import StubEmbedder
from penstock.search import Query, search
from schemas.identity import content_hash
from tests.support import oracle
from tests.support.oracle import Attributes, Recipe
from tests.support.plant_scaled import TENANTS, ScaledPlant

#: A word of each tenant's own in all it has: found anywhere else, something leaked.
CANARIES = {"north": "canarynorthqzx", "south": "canarysouthvkw"}


def text(key: str, version: object, *, paragraphs: int = 1) -> bytes:
    """A document that says whose, which and what version it is; `paragraphs` of a chunk each."""
    tenant = key.split("/", maxsplit=1)[0]
    parts = [f"# Document {key} version {version}\n"]
    for number in range(paragraphs):
        words = " ".join(f"word{number}x{n}" for n in range(60))
        parts.append(f"## Part {number} of {key}\n\nAbout {CANARIES[tenant]} {version}: {words}.\n")
    return "\n".join(parts).encode()


def check(plant: ScaledPlant) -> Counter[str]:
    """INV-1, 3, 4, 5 with nothing under way (`ScaledPlant.quiesce`); returns what was counted."""
    held = {plant.uri(key): reason for key, reason in plant.held.items()}
    counts: Counter[str] = Counter()
    rows = plant.rows()
    collection = plant.index.active()
    assert collection == plant.collection
    recipe = Recipe("stub-64", plant.chunk_tokens)
    views = plant.ledger.views.documents(collection)
    for tenant in TENANTS:
        contents = plant.contents(tenant)
        wanted: dict[str, Any] = {}
        for uri, body in contents.items():
            row = rows.get(uri)
            assert row is not None, f"INV-3: {uri} is lost"
            assert (row.held_reason, row.gone_at) == (held.get(uri), None), f"INV-3: {uri} is {row}"
            counts[f"held {row.held_reason}" if row.held_reason else "indexed"] += 1
            if uri not in held:
                assert row.content_hash == content_hash(body), f"INV-1: {uri}"
                wanted |= oracle.points(tenant, uri, body, recipe, Attributes())
        found = oracle.stored(plant.index, collection, tenant)
        faults = oracle.differences(found, wanted)
        assert not faults, f"INV-1: {len(faults)} faults, the first: {faults[:3]}"
        counts["points"] += len(found)
        for point in plant.index.scroll(collection, tenant):
            payload = point.payload
            entry = views[payload["document_id"]].indexed
            assert entry is not None
            assert payload["generation"] == entry.generation, f"INV-1: generation of {payload['uri']}"
            _at_home(tenant, payload["uri"], payload["content"])
        of_tenant = {uri: row for uri, row in rows.items() if row.tenant == tenant}
        gone = {uri for uri, row in of_tenant.items() if row.gone_at is not None}
        assert of_tenant.keys() == contents.keys() | gone, "INV-3: a document that never was"
        assert not gone & contents.keys()
        counts["gone"] += len(gone)
    accepted = {plant.uri(key) for key in plant.versions}
    assert accepted <= rows.keys(), f"INV-3: never heard of {accepted - rows.keys()}"
    assert sum(counts[one] for one in counts if one != "points") == len(rows), "INV-3: the counts do not balance"
    _bounded(plant, counts)
    for one in plant.running:
        log = one.log.read_text(errors="replace")
        assert not [word for word in CANARIES.values() if word in log], f"INV-4: contents in the log of {one}"
    return counts


def _bounded(plant: ScaledPlant, counts: Counter[str]) -> None:
    """INV-5: at most one write of a generation took effect; claims stay in proportion to what was heard and crashed."""
    h = history.c
    query = sa.select(h.document_id, h.generation, sa.func.count()).where(h.event.in_(("added", "updated", "removed")))
    with plant.ledger._database.connect() as connection:
        lines = connection.execute(query.group_by(h.document_id, h.generation)).all()
    assert all(number == 1 for _, _, number in lines), f"INV-5: {lines}"
    counts["writes"] = len(lines)
    counts["claims"] = sum(row.generation - plant.ledger.birth_ms for row in plant.rows().values())
    counts["heard"] = sum(row.heard for row in plant.rows().values())


def _at_home(tenant: str, uri: str, content: str) -> None:
    assert f"/{tenant}/" in uri, f"INV-4: {uri} in an answer to {tenant}"
    foreign = [word for other, word in CANARIES.items() if other != tenant and word in content]
    assert not foreign, f"INV-4: {tenant} reads {foreign}"


@dataclass
class Watch:
    """Searches all the while, as a person would, and remembers every answer that should not be. A context manager.

    INV-2: no hit is of a version older than the one that the ledger had proved before the search, nor of a document
    whose tombstone it had. Versions must be unlike each other.
    """

    plant: ScaledPlant
    every_s: float = 0.3
    searches: int = 0
    hits: int = 0
    faults: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            assert not self.faults, self.faults[:5]
            assert self.hits, "the watch saw nothing"

    def _run(self) -> None:
        given = self.plant.given
        ledger = open_ledger(given["PENSTOCK_DATABASE_URL"], now=time.time())
        index = QdrantIndex(given["PENSTOCK_QDRANT_URL"])
        try:
            while not self._stop.wait(self.every_s):
                for tenant in TENANTS:
                    self._look(ledger, index, tenant)
        except Exception as error:  # noqa: BLE001
            self.faults.append(f"the watch itself failed: {error!r}")
        finally:
            index.close()
            ledger.close()

    def _look(self, ledger: Any, index: QdrantIndex, tenant: str) -> None:
        floors = self._floors(ledger, index, tenant)
        if floors is None:
            return
        query = Query(CANARIES[tenant], 100, tenant)
        answer = search(query, ledger=ledger, index=index, embedder=StubEmbedder(64), now=time.time())
        self.searches += 1
        for hit in answer["hits"]:
            self.hits += 1
            _at_home(tenant, hit["uri"], hit["text"])
            seen = self._version(hit["uri"], hit["content_hash"])
            if seen < floors.get(hit["uri"], 0):
                self.faults.append(f"INV-2: {hit['uri']} version {seen} after {floors[hit['uri']]} was proved")

    def _floors(self, ledger: Any, index: QdrantIndex, tenant: str) -> dict[str, int] | None:
        active = index.active()
        if active is None:
            return None
        floors = {}
        for view in ledger.views.documents(active).values():
            if view.tenant != tenant or view.last_hash is None:
                continue
            floors[view.uri] = self._version(view.uri, view.last_hash) + view.standing.gone
        return floors

    def _version(self, uri: str, hash_: str) -> int:
        """The number of the version with these bytes; -1 where there never was one."""
        versions = self.plant.versions[uri.removeprefix(f"s3://{self.plant.bucket}/")]
        numbers = [n for n, body in enumerate(list(versions)) if body is not None and content_hash(body) == hash_]
        return max(numbers, default=-1)
