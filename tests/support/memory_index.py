"""An index in memory (infra.ports.Index), for tests that need thousands of them; ranks by the dense vector alone.

Every write passes `passing` before it and half-way through it, where a test may stop, kill or fail whoever writes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from infra.index_rules import restamped
from infra.ports import Hit, Point, Restamp, SparseVector, StoredPoint, Vectors

#: Told "upsert.before" and the like with the write that is to come; what it returns is written.
Passing = Callable[[str, Callable[[], None]], None]


class MemoryIndex:
    """`Index` in this process. A write is two halves, as no store writes many points at once."""

    def __init__(self, passing: Passing = lambda _name, write: write()) -> None:
        self.points: dict[str, dict[str, StoredPoint]] = {}
        self._active: str | None = None
        self._passing = passing

    def collections(self) -> list[str]:
        return sorted(self.points)

    def create(self, collection: str, dimension: int) -> None:
        self.points.setdefault(collection, {})

    def active(self) -> str | None:
        return self._active

    def activate(self, collection: str) -> None:
        assert collection in self.points
        self._active = collection

    def drop(self, collection: str) -> None:
        self.points.pop(collection, None)

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        held = self.points[collection]

        def write(some: Sequence[Point]) -> None:
            held.update({point.id: StoredPoint(point.id, point.payload, point.dense) for point in some})

        self._halves("upsert", list(points), write)

    def restamp(self, collection: str, changes: Sequence[Restamp]) -> None:
        held = self.points[collection]

        def write(some: Sequence[Restamp]) -> None:
            ids = {one for change in some for one in change.ids if one in held}
            for one, payload in restamped({one: held[one].payload for one in ids}, some).items():
                held[one] = StoredPoint(one, payload, held[one].dense)

        self._halves("restamp", list(changes), write)

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        held = self.points[collection]

        def write(some: Sequence[str]) -> None:
            for one in some:
                held.pop(one, None)

        self._halves("delete", list(ids), write)

    def _halves(self, name: str, items: list[Any], write: Callable[[Any], None]) -> None:
        middle = len(items) // 2
        for place, some in (("before", items[:middle]), ("half", items[middle:])):
            if some:
                self._passing(f"{name}.{place}", lambda some=some: write(some))

    def retrieve(self, collection: str, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredPoint]:
        held = self.points[collection]
        return [held[one] for one in ids if one in held]

    def scroll(
        self, collection: str, tenant: str, *, document_id: str | None = None, with_vectors: bool = False
    ) -> Iterator[StoredPoint]:
        for point in list(self.points[collection].values()):
            if point.payload["tenant"] == tenant and document_id in (None, point.payload["document_id"]):
                yield point

    def count(self, collection: str, tenant: str, *, document_id: str | None = None) -> int:
        return sum(1 for _ in self.scroll(collection, tenant, document_id=document_id))

    def query(
        self,
        collection: str,
        tenant: str,
        *,
        dense: Vectors | None,
        sparse: SparseVector | None,
        limit: int,
        acl: Sequence[str] | None = None,
    ) -> list[Hit]:
        assert dense is not None
        found = [
            Hit(point.id, float(np.dot(dense, point.dense)), point.payload) for point in self.scroll(collection, tenant)
        ]
        return sorted(found, key=lambda hit: (-hit.score, hit.id))[:limit]

    def purge(self, collection: str) -> None: ...

    def optimize(self, collection: str) -> None: ...

    def close(self) -> None: ...
