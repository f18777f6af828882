"""The embedded index: the Qdrant engine in this process (qdrant-edge), without a server.

    PATH/active               name of the active collection
    PATH/collections/NAME/    one engine shard each
    PATH/purged/NAME/         a whole copy without what was deleted, about to take its original's place
    PATH/scratch/             what is being created or dropped; whatever a kill leaves here is swept by the next one

A write is durable when it returns. The engine appends it to its log through a memory map and syncs nothing: that
survives the end of the process, and the fsync of the log that we add (1 to 8 ms) makes it survive a power
cut, for the engine replays its log on opening. `flush()` writes the segments themselves and shortens the log; it takes
20 to 50 ms and is done now and then, to keep reopening quick.

The engine holds Python's global lock while it works, so one lock here costs no parallelism, and `optimize` stops every
thread of the process for as long as it takes.
"""

# ruff: noqa: D102 - the port describes the methods

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from infra.index_rules import candidates, collection_name, fuse, restamped
from infra.ports import Hit, Point, Restamp, SparseVector, StoredPoint, Vectors
from schemas.errors import PenstockError, Unreachable
from schemas.payload import DENSE, INDEXED_FIELDS, SPARSE

#: Points in one engine operation.
_BATCH = 256
#: Points in one page of a scroll.
_PAGE = 1000
#: Full log files (32 MiB, about 8,000 points, each) after which the segments are flushed and the log is shortened.
_FULL_LOGS = 2
#: Bytes to leave free on the disk. The engine maps its files, and a full disk under a map kills the process (SIGBUS)
#: instead of raising; a batch can make it open a new page in each of its stores, up to 32 MiB each.
_FREE_BYTES = 256 << 20
#: The same for opening a collection, even to read it: the engine makes a new log file, 32 MiB.
_OPENING_BYTES = 64 << 20


class EdgeIndex:
    """`Index` in the folder `path`, for one process at a time. Thread-safe."""

    def __init__(self, path: Path, *, free_bytes: int = _FREE_BYTES) -> None:
        """Open the index in `path`; nothing is written there before the first `create`."""
        import qdrant_edge  # only for those who use it

        self._edge = qdrant_edge
        self._path = path
        self._free_bytes = free_bytes
        self._lock = RLock()
        self._shards: dict[str, Any] = {}
        self._logs: dict[str, set[str]] = {}
        self._finish_purge()

    def collections(self) -> list[str]:
        with self._driver():
            home = self._path / "collections"
            return sorted(entry.name for entry in home.iterdir()) if home.is_dir() else []

    def create(self, collection: str, dimension: int) -> None:
        target = self._home(collection)
        with self._driver():
            if target.is_dir():
                return
            self._need_space(self._free_bytes)
            fresh = self._swept_scratch() / collection
            shard = self._made(fresh, dimension)
            shard.flush()
            shard.close()
            target.parent.mkdir(exist_ok=True)
            _rename(fresh, target)
            self._shard(collection)  # takes the engine's lock on it, as a reopened one would

    def active(self) -> str | None:
        with self._driver():
            pointer = self._path / "active"
            name = pointer.read_text().strip() if pointer.is_file() else ""
            return name if name in self.collections() else None

    def activate(self, collection: str) -> None:
        with self._driver():
            if not self._home(collection).is_dir():
                raise self._missing(collection)
            fresh = self._path / "active.new"
            with fresh.open("w") as file:
                file.write(collection)
                file.flush()
                os.fsync(file.fileno())
            _rename(fresh, self._path / "active")

    def drop(self, collection: str) -> None:
        with self._driver():
            home = self._home(collection)
            if not home.is_dir():
                return
            if shard := self._shards.pop(collection, None):
                shard.close()
            self._logs.pop(collection, None)
            _rename(home, self._swept_scratch() / collection)
            self._swept_scratch()

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        update = self._edge.UpdateOperation
        self._write(collection, (update.upsert_points([self._point(p) for p in batch]) for batch in _batches(points)))

    def restamp(self, collection: str, changes: Sequence[Restamp]) -> None:
        ids = list(dict.fromkeys(point_id for change in changes for point_id in change.ids))
        with self._lock:
            payloads = {point.id: point.payload for point in self.retrieve(collection, ids)}
            after = restamped(payloads, changes)
            overwrite = self._edge.UpdateOperation.overwrite_payload
            self._write(collection, (overwrite([point_id], payload) for point_id, payload in after.items()))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        update = self._edge.UpdateOperation
        self._write(collection, (update.delete_points(list(batch)) for batch in _batches(ids)))

    def retrieve(self, collection: str, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredPoint]:
        with self._driver():
            shard, vectors = self._shard(collection), [DENSE] if with_vectors else False
            return [_stored(r) for batch in _batches(ids) for r in shard.retrieve(list(batch), True, vectors)]

    def scroll(
        self, collection: str, tenant: str, *, document_id: str | None = None, with_vectors: bool = False
    ) -> Iterator[StoredPoint]:
        offset, only = None, self._filter(tenant, document_id=document_id)
        vectors = [DENSE] if with_vectors else False
        while True:
            with self._driver():  # held for a page, never while the reader is busy with it
                request = self._edge.ScrollRequest(
                    offset=offset, limit=_PAGE, filter=only, with_payload=True, with_vector=vectors
                )
                records, offset = self._shard(collection).scroll(request)
            yield from map(_stored, records)
            if offset is None:
                return

    def count(self, collection: str, tenant: str, *, document_id: str | None = None) -> int:
        with self._driver():
            request = self._edge.CountRequest(exact=True, filter=self._filter(tenant, document_id=document_id))
            return int(self._shard(collection).count(request))

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
        edge = self._edge
        wanted: list[Any] = []
        if dense is not None:
            wanted.append(edge.Query.Nearest(dense.tolist(), using=DENSE))
        if sparse is not None and sparse.indices:
            wanted.append(edge.Query.Nearest(edge.SparseVector(*sparse), using=SPARSE))
        with self._driver():
            shard, only = self._shard(collection), self._filter(tenant, acl=acl)
            requests = [edge.QueryRequest(limit=candidates(limit), query=query, filter=only) for query in wanted]
            rankings = shard.query_batch(edge.QueryBatchRequest(requests)) if requests else []
            best = fuse([[(str(hit.id), hit.score) for hit in ranking] for ranking in rankings], limit)
            payloads = {str(r.id): r.payload for r in shard.retrieve([point_id for point_id, _ in best], True, False)}
        return [Hit(point_id, score, payloads[point_id]) for point_id, score in best]

    def purge(self, collection: str) -> None:
        """Copy what is there into a new shard and delete the old files; the engine itself only marks points deleted."""
        with self._driver():
            source, edge = self._shard(collection), self._edge
            config = json.loads((self._home(collection) / "edge_config.json").read_text())
            self._need_space(
                self._free_bytes + sum(file.stat().st_blocks * 512 for file in self._home(collection).rglob("*"))
            )
            fresh = self._swept_scratch() / collection
            copy = self._made(fresh, config["vectors"][DENSE]["size"])
            offset = None
            while True:
                request = edge.ScrollRequest(offset=offset, limit=_PAGE, with_payload=True, with_vector=True)
                records, offset = source.scroll(request)
                points = [edge.Point(record.id, record.vector, record.payload) for record in records]
                if points:
                    copy.update(edge.UpdateOperation.upsert_points(points))
                if offset is None:
                    break
            copy.flush()
            copy.close()
            self._shards.pop(collection).close()
            self._logs.pop(collection, None)
            (self._path / "purged").mkdir(exist_ok=True)
            _rename(fresh, self._path / "purged" / collection)
            self._finish_purge()

    def _finish_purge(self) -> None:
        """Put whole copies in the place of their originals; also after a kill at any moment of it."""
        purged = self._path / "purged"
        with self._driver():
            for copy in purged.iterdir() if purged.is_dir() else ():
                shutil.rmtree(self._home(copy.name), ignore_errors=True)
                _rename(copy, self._home(copy.name))

    def optimize(self, collection: str) -> None:
        """Build the HNSW graph. Takes minutes at 100,000 points, needs twice the disk, and stops all threads."""
        with self._driver():
            self._need_space(
                self._free_bytes + 2 * sum(file.stat().st_blocks * 512 for file in self._home(collection).rglob("*"))
            )
            shard = self._shard(collection)
            shard.optimize()
            shard.flush()

    def close(self) -> None:
        with self._driver():
            while self._shards:
                _, shard = self._shards.popitem()
                shard.flush()
                shard.close()

    def _write(self, collection: str, operations: Iterator[Any]) -> None:
        with self._driver():
            shard = self._shard(collection)
            for number, operation in enumerate(operations):
                if number % _BATCH == 0:
                    self._need_space(self._free_bytes)
                shard.update(operation)
            if self._sync_log(collection) >= _FULL_LOGS:
                shard.flush()

    def _sync_log(self, collection: str) -> int:
        """Sync what the log gained since the last call; how many of its files are full.

        Only open files grow, and each fsync waits for the disk. When a name has changed, for a file that became full
        is renamed, everything is synced, the directory too: the engine drops what follows a file that a power cut put
        back under its old name.
        """
        log = self._home(collection) / "wal"
        while True:
            names = {file.name for file in log.iterdir()}
            renamed = names != self._logs.get(collection)
            try:
                for name in names:
                    if renamed or name.startswith("open-"):
                        _fsync(log / name)
            except FileNotFoundError:  # renamed since we looked
                continue
            if renamed:
                _fsync(log)
            self._logs[collection] = names
            return sum(name.startswith("closed-") for name in names)

    def _filter(self, tenant: str, *, document_id: str | None = None, acl: Sequence[str] | None = None) -> Any:
        """The only maker of filters: whatever else is asked for, the tenant is in it (P9)."""
        edge = self._edge
        must = [edge.FieldCondition("tenant", match=edge.MatchValue(tenant))]
        if document_id is not None:
            must.append(edge.FieldCondition("document_id", match=edge.MatchValue(document_id)))
        if acl is not None:
            must.append(edge.FieldCondition("acl", match=edge.MatchAny(list(acl))))
        return edge.Filter(must=must)

    def _config(self, dimension: int) -> Any:
        edge = self._edge
        return edge.EdgeConfig(
            vectors={DENSE: edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)},
            sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        )

    def _field_indexes(self) -> Iterator[Any]:
        edge = self._edge
        schemas = {name: getattr(edge.PayloadSchemaType, kind.title()) for name, kind in INDEXED_FIELDS.items()}
        schemas["tenant"] = edge.KeywordIndexParams(is_tenant=True)
        for name, schema in schemas.items():
            yield edge.UpdateOperation.create_field_index(name, schema)

    def _made(self, folder: Path, dimension: int) -> Any:
        """A new shard in a folder, with its payload indexes."""
        shard = self._edge.EdgeShard.create(str(folder), self._config(dimension))
        for operation in self._field_indexes():
            shard.update(operation)
        return shard

    def _point(self, point: Point) -> Any:
        sparse = self._edge.SparseVector(*point.sparse)
        return self._edge.Point(point.id, {DENSE: point.dense.tolist(), SPARSE: sparse}, point.payload)

    def _shard(self, collection: str) -> Any:
        """The open shard, opened on first use."""
        if collection not in self._shards:
            home = self._home(collection)
            if not home.is_dir():
                raise self._missing(collection)
            self._need_space(_OPENING_BYTES)
            self._shards[collection] = self._edge.EdgeShard.load(str(home))
        return self._shards[collection]

    def _home(self, collection: str) -> Path:
        return self._path / "collections" / collection_name(collection)

    def _swept_scratch(self) -> Path:
        scratch = self._path / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        return scratch

    def _need_space(self, need: int) -> None:
        existing = next(folder for folder in (self._path, *self._path.absolute().parents) if folder.exists())
        free = shutil.disk_usage(existing).free
        if free < need:
            raise Unreachable(
                f"index {self._path}",
                f"the disk has {free >> 20} MB left, and {need >> 20} MB are needed",
                "free some space, then run again",
            )

    def _missing(self, collection: str) -> Unreachable:
        return Unreachable(f"index {self._path}", f"it has no collection {collection}", "run `penstock index` first")

    @contextmanager
    def _driver(self) -> Iterator[None]:
        """Take the lock, and turn whatever the engine or the disk raises into Unreachable: the one place for it."""
        with self._lock:
            try:
                yield
            except PenstockError:
                raise
            except Exception as error:
                raise self._unreachable(error) from error
            except BaseException as error:
                if type(error).__name__ != "PanicException":  # the engine's own crash is no Exception
                    raise
                raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> Unreachable:
        if "WouldBlock" in str(error):
            return Unreachable(
                f"index {self._path}", "another process has it open", "wait for it to finish, or stop it"
            )
        return Unreachable(
            f"index {self._path}", f"{type(error).__name__}: {error}", "run again; if it stays, rebuild this index"
        )


def _stored(record: Any) -> StoredPoint:
    dense = np.asarray(record.vector[DENSE], dtype=np.float32) if record.vector else None
    return StoredPoint(str(record.id), record.payload or {}, dense)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _rename(old: Path, new: Path) -> None:
    """Rename atomically and durably; `new` is replaced if it is a file."""
    old.replace(new)
    _fsync(new.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
