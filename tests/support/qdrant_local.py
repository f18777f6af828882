"""qdrant-client's local mode, made quick enough to stand behind a server: filters by tenant and document do not scan.

Local mode checks a filter against every payload there is. Here each collection keeps, for the keys our filters use,
which points hold which value; what else a filter asks is checked on those points only. The answers stay the same.
"""

import warnings
from collections import defaultdict
from typing import Any

import numpy as np
from qdrant_client import QdrantClient
from qdrant_client.http import models
from qdrant_client.local import qdrant_local
from qdrant_client.local.local_collection import LocalCollection
from qdrant_client.local.payload_filters import check_filter, validate_filter
from qdrant_client.local.utils import normalize_point_id

#: Payload keys, from the top, whose values are kept: those with which Penstock and its readers filter.
KEPT = ("tenant", "document_id")


def open_local(location: str) -> QdrantClient:
    """A client on a folder, or on ":memory:". For a process of its own: it replaces local mode's collection.

    In a folder, what a call has written is there after a SIGKILL.
    """
    qdrant_local.LocalCollection = KeptCollection
    warnings.filterwarnings("ignore", message="Local mode is not recommended", category=UserWarning)
    warnings.filterwarnings("ignore", message="Payload indexes have no effect", category=UserWarning)
    where = {"location" if location == ":memory:" else "path": location}
    return QdrantClient(**where, force_disable_check_same_thread=True)


class _Payloads(list[Any]):
    """Payloads by internal number, which remember who holds what. Local mode replaces payloads, and changes none."""

    def __init__(self, payloads: list[Any]) -> None:
        super().__init__()
        self.holders: dict[tuple[str, str], set[int]] = defaultdict(set)
        for payload in payloads:
            self.append(payload)

    def append(self, payload: Any) -> None:
        super().append(payload)
        for held in _held(payload):
            self.holders[held].add(len(self) - 1)

    def __setitem__(self, number: Any, payload: Any) -> None:
        for held in _held(self[number]):
            self.holders[held].discard(number)
        super().__setitem__(number, payload)
        for held in _held(payload):
            self.holders[held].add(number)


def _held(payload: Any) -> list[tuple[str, str]]:
    found = []
    for key in KEPT:
        value = (payload or {}).get(key)
        found += [(key, one) for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    return found


class KeptCollection(LocalCollection):
    """A collection of local mode with a quick way for filters on kept keys."""

    def __init__(self, config: Any, location: str | None = None, **options: Any) -> None:
        super().__init__(config, location, **options)
        self.payload: Any = _Payloads(self.payload)
        if self.storage is not None:
            self.storage.storage.execute("PRAGMA journal_mode=WAL")
            self.storage.storage.execute("PRAGMA synchronous=NORMAL")

    def _payload_and_non_deleted_mask(
        self, payload_filter: models.Filter | None, vector_name: str | None = None
    ) -> np.ndarray:
        must = payload_filter.must if payload_filter is not None else None
        conditions = must if isinstance(must, list) else [must]
        kept = [condition for condition in conditions if _is_kept(condition)]
        if payload_filter is None or not kept:
            return super()._payload_and_non_deleted_mask(payload_filter, vector_name)
        validate_filter(payload_filter)
        sets = sorted((self.payload.holders.get((one.key, one.match.value), set()) for one in kept), key=len)
        numbers = set.intersection(*sets)
        rest = payload_filter.model_copy(update={"must": [one for one in conditions if not _is_kept(one)] or None})
        if rest != models.Filter():
            numbers = {number for number in numbers if self._passes(rest, number)}
        mask = np.zeros(len(self.payload), dtype=bool)
        mask[list(numbers)] = True
        mask = mask & ~self.deleted
        return mask if vector_name is None else mask & ~self.deleted_per_vector[vector_name]

    def _passes(self, rest: models.Filter, number: int) -> bool:
        return check_filter(rest, self.payload[number], self.ids_inv[number], self._calculate_has_vector(number))

    def _scroll_by_id(
        self,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        offset: Any = None,
        with_payload: Any = True,
        with_vectors: Any = False,
    ) -> tuple[list[models.Record], Any]:
        """As local mode's, but it sorts only what passes the filter."""
        mask = self._payload_and_non_deleted_mask(scroll_filter)
        found = sorted((self._universal_id(self.ids_inv[number]), number) for number in np.flatnonzero(mask).tolist())
        start = self._universal_id(normalize_point_id(offset)) if offset is not None else ("", -1)
        page = [number for universal, number in found if universal >= start][: limit + 1]
        records = [
            models.Record(
                id=self.ids_inv[number],
                payload=self._get_payload(number, with_payload),
                vector=self._get_vectors(number, with_vectors),
            )
            for number in page[:limit]
        ]
        return records, self.ids_inv[page[limit]] if len(page) > limit else None


def _is_kept(condition: Any) -> bool:
    """A condition `key == text` on a kept key and nothing more."""
    if not isinstance(condition, models.FieldCondition) or condition.key not in KEPT:
        return False
    alone = condition == models.FieldCondition(key=condition.key, match=condition.match)
    return alone and isinstance(condition.match, models.MatchValue) and isinstance(condition.match.value, str)
