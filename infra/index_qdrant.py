"""The index in Qdrant through qdrant-client: a server, or the client's local mode (a folder, or memory).

The active collection is the one behind the alias `penstock`, so that downstream readers follow a switch by name.
Every write waits for its result and checks it. Local mode is made quick by SQLite's write-ahead log, whose file is
synced once per write here instead of once per point by the client.
"""

# ruff: noqa: D102 - the port describes the methods

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, cast

import numpy as np

from infra.index_rules import candidates, collection_name, fuse, restamped
from infra.ports import Hit, Point, Restamp, SparseVector, StoredPoint, Vectors
from infra.settings import without_passwords
from schemas.errors import PenstockError, Unreachable
from schemas.payload import DENSE, INDEXED_FIELDS, SPARSE

#: The alias readers query.
ALIAS = "penstock"
#: The oldest server this is written for: its client speaks to one minor version below its own at most.
OLDEST_SERVER = (1, 19)
#: Points in one request: about 3 MB as JSON, a tenth of what a server accepts by default.
_BATCH = 256
#: Points in one page of a scroll. Local mode filters all points for every page, so its pages are large.
_PAGE, _LOCAL_PAGE = 1000, 10_000


class QdrantIndex:
    """`Index` at `location`: a server's URL, a folder for local mode, or ":memory:". Thread-safe.

    Local mode is for one process at a time, reads everything into memory on opening, and compares a query with every
    point.
    """

    def __init__(self, location: str, *, api_key: str | None = None, timeout_s: int = 30) -> None:
        """Connect to, or open, the index.

        Raises:
            Unreachable: the folder is in use or damaged. A server that is away shows at the first call.
        """
        from qdrant_client import QdrantClient, models  # costs about a second

        self._models = models
        self._location = location
        self._lock = RLock()
        self._is_server = location.startswith(("http://", "https://"))
        with self._driver():
            if self._is_server:
                # Said for every client of a key over plain HTTP, which on a private network is the operator's choice.
                warnings.filterwarnings("ignore", message="Api key is used with an insecure", category=UserWarning)
                self._client = QdrantClient(url=location, api_key=api_key, timeout=timeout_s, check_compatibility=False)
                return
            # Said on every opening beyond 20,000 points; the decision record says it once.
            warnings.filterwarnings("ignore", message="Local mode is not recommended", category=UserWarning)
            where: dict[str, Any] = {"location" if location == ":memory:" else "path": location}
            self._client = QdrantClient(**where, force_disable_check_same_thread=True)
            self._tune_local()

    def check_server(self) -> str | None:
        """The server's version; None in local mode.

        Raises:
            Unreachable: it does not answer, or is older than OLDEST_SERVER.
        """
        if not self._is_server:
            return None
        with self._driver():
            version = self._client.info().version
            found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
            if found < OLDEST_SERVER:
                oldest = ".".join(map(str, OLDEST_SERVER))
                raise self._unreachable(
                    f"it is Qdrant {version}, older than {oldest}", f"upgrade it to {oldest} or later"
                )
            return version

    def collections(self) -> list[str]:
        with self._driver():
            return sorted(found.name for found in self._client.get_collections().collections)

    def create(self, collection: str, dimension: int) -> None:
        models = self._models
        with self._driver():
            if not self._client.collection_exists(collection_name(collection)):
                try:
                    self._client.create_collection(
                        collection,
                        vectors_config={DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
                        sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                    )
                except Exception:  # another process may have made it in between: workers start together
                    if not self._client.collection_exists(collection):
                        raise
                self._tune_local()
            if self._is_server:  # local mode has no payload indexes
                self._index_fields(collection)

    def active(self) -> str | None:
        with self._driver():
            aliases = self._client.get_aliases().aliases
            return next((found.collection_name for found in aliases if found.alias_name == ALIAS), None)

    def activate(self, collection: str) -> None:
        models = self._models
        with self._driver():
            if not self._client.collection_exists(collection_name(collection)):
                raise self._unreachable(f"it has no collection {collection}", "run `penstock index` first")
            switch: list[Any] = [
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(collection_name=collection, alias_name=ALIAS)
                )
            ]
            if self.active():
                gone = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=ALIAS))
                switch.insert(0, gone)
            self._confirm(self._client.update_collection_aliases(switch))

    def drop(self, collection: str) -> None:
        with self._driver():
            if self._client.collection_exists(collection_name(collection)):
                self._confirm(self._client.delete_collection(collection))

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        for batch in _batches(points):
            with self._writing(collection):
                self._confirm(self._client.upsert(collection, [self._point(p) for p in batch], wait=True))

    def restamp(self, collection: str, changes: Sequence[Restamp]) -> None:
        models = self._models
        ids = list(dict.fromkeys(point_id for change in changes for point_id in change.ids))
        with self._writing(collection):
            payloads = {point.id: point.payload for point in self.retrieve(collection, ids)}
            for batch in _batches(list(restamped(payloads, changes).items())):
                operations = [
                    models.OverwritePayloadOperation(
                        overwrite_payload=models.SetPayload(payload=payload, points=[point_id])
                    )
                    for point_id, payload in batch
                ]
                self._confirm(*self._client.batch_update_points(collection, operations, wait=True))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        for batch in _batches(ids):
            with self._writing(collection):
                selector = self._models.PointIdsList(points=list(batch))
                self._confirm(self._client.delete(collection, selector, wait=True))

    def retrieve(self, collection: str, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredPoint]:
        vectors = [DENSE] if with_vectors else False
        with self._driver():
            return [
                _stored(record)
                for batch in _batches(list(dict.fromkeys(ids)))
                for record in self._client.retrieve(collection, list(batch), with_vectors=vectors)
            ]

    def scroll(
        self, collection: str, tenant: str, *, document_id: str | None = None, with_vectors: bool = False
    ) -> Iterator[StoredPoint]:
        offset: Any = None
        while True:
            with self._driver():  # held for a page, never while the reader is busy with it
                records, offset = self._client.scroll(
                    collection,
                    scroll_filter=self._filter(tenant, document_id=document_id),
                    limit=_PAGE if self._is_server else _LOCAL_PAGE,
                    offset=offset,
                    with_vectors=[DENSE] if with_vectors else False,
                )
            yield from map(_stored, records)
            if offset is None:
                return

    def count(self, collection: str, tenant: str, *, document_id: str | None = None) -> int:
        only = self._filter(tenant, document_id=document_id)
        with self._driver():
            return self._client.count(collection, count_filter=only, exact=True).count

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
        models, only = self._models, self._filter(tenant, acl=acl)
        wanted: list[tuple[str, Any]] = []
        if dense is not None:
            wanted.append((DENSE, dense.tolist()))
        if sparse is not None and sparse.indices:
            wanted.append((SPARSE, models.SparseVector(indices=sparse.indices, values=sparse.values)))
        requests = [
            models.QueryRequest(query=query, using=name, filter=only, limit=candidates(limit), with_payload=False)
            for name, query in wanted
        ]
        with self._driver():
            answers = self._client.query_batch_points(collection, requests) if requests else []
            best = fuse([[(str(hit.id), hit.score) for hit in answer.points] for answer in answers], limit)
            payloads = {point.id: point.payload for point in self.retrieve(collection, [i for i, _ in best])}
        # A point deleted between the two calls is no hit.
        return [Hit(point_id, score, payloads[point_id]) for point_id, score in best if point_id in payloads]

    def purge(self, collection: str) -> None:
        """Local mode: rewrite the file. A server vacuums by itself, in its own time."""
        with self._driver():
            for holder in self._local_storages():
                location, storage = getattr(holder, "location", None), getattr(holder, "storage", None)
                if location is not None and location.parent.name == collection and storage is not None:
                    storage.execute("VACUUM")
                    storage.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def optimize(self, collection: str) -> None:
        """Nothing to do: a server optimises by itself, and local mode has nothing to build."""

    def close(self) -> None:
        with self._driver():
            self._client.close()

    def _filter(self, tenant: str, *, document_id: str | None = None, acl: Sequence[str] | None = None) -> Any:
        """The only maker of filters: whatever else is asked for, the tenant is in it (P9)."""
        models = self._models
        must: list[Any] = [models.FieldCondition(key="tenant", match=models.MatchValue(value=tenant))]
        if document_id is not None:
            must.append(models.FieldCondition(key="document_id", match=models.MatchValue(value=document_id)))
        if acl is not None:
            must.append(models.FieldCondition(key="acl", match=models.MatchAny(any=list(acl))))
        return models.Filter(must=must)

    def _point(self, point: Point) -> Any:
        sparse = self._models.SparseVector(indices=point.sparse.indices, values=point.sparse.values)
        vector = {DENSE: point.dense.tolist(), SPARSE: sparse}
        return self._models.PointStruct(id=point.id, vector=vector, payload=point.payload)

    def _index_fields(self, collection: str) -> None:
        """Create the payload indexes that are missing, also those a kill kept an earlier `create` from."""
        models = self._models
        known = self._client.get_collection(collection).payload_schema
        for name, kind in INDEXED_FIELDS.items():
            schema: Any = models.PayloadSchemaType(kind)
            if name == "tenant":
                schema = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
            if name not in known:
                self._confirm(self._client.create_payload_index(collection, name, schema, wait=True))

    def _confirm(self, *answers: Any) -> None:
        """Every answer says that the write is done: True, or an update with the status `completed`."""
        for answer in answers:
            if answer is not True and getattr(answer, "status", None) != self._models.UpdateStatus.COMPLETED:
                raise self._unreachable(f"it did not confirm a write: {answer}", "run again")

    def _local_storages(self) -> Iterable[Any]:
        """SQLite holders of local mode's collections. They are private to the client: without them it is only slow."""
        if self._is_server or self._location == ":memory:":
            return []
        collections = getattr(getattr(self._client, "_client", None), "collections", {})
        return [found.storage for found in collections.values() if getattr(found, "storage", None) is not None]

    def _tune_local(self) -> None:
        for holder in self._local_storages():
            with suppress(AttributeError):
                holder.storage.execute("PRAGMA journal_mode=WAL")
                holder.storage.execute("PRAGMA synchronous=NORMAL")

    @contextmanager
    def _writing(self, collection: str) -> Iterator[None]:
        """A write: as `_driver`, and local mode's log is on the disk when it ends."""
        with self._driver():
            yield
            for holder in self._local_storages():
                location = getattr(holder, "location", None)
                log = Path(f"{location}-wal")
                if location is not None and location.parent.name == collection and log.exists():
                    descriptor = os.open(log, os.O_RDONLY)
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)

    @contextmanager
    def _driver(self) -> Iterator[None]:
        """Turn whatever the client raises into Unreachable, and guard local mode by a lock: the one place for it."""
        try:
            if self._is_server:
                yield
            else:
                with self._lock:
                    yield
        except PenstockError:
            raise
        except Exception as error:
            if "already accessed by another instance" in str(error):
                raise self._unreachable("another process has it open", "wait for it to finish, or stop it") from error
            raise self._unreachable(_said(error), "run `penstock doctor`") from error

    def _unreachable(self, what: str, todo: str) -> Unreachable:
        return Unreachable(f"index {without_passwords(self._location)}", what, todo)


def _said(error: Exception) -> str:
    """What went wrong on one line: the client's own errors for servers take two, or none."""
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        try:
            text = error.structured()["status"]["error"]
        except (ValueError, LookupError, TypeError):
            text = error.reason_phrase
        return f"it answered {error.status_code}: {text}"
    if isinstance(error, ResponseHandlingException):
        return " ".join(f"no usable answer: {str(error.source) or type(error.source).__name__}".split())
    return f"{type(error).__name__}: {error}"


def _stored(record: Any) -> StoredPoint:
    dense = np.asarray(record.vector[DENSE], dtype=np.float32) if record.vector else None
    return StoredPoint(str(record.id), cast("dict[str, Any]", record.payload or {}), dense)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
