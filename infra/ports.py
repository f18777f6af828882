"""The seams: what the work needs of the world, each as a protocol of a few methods.

Every port has at least two implementations and one contract suite (tests/contracts) that runs on all of them.
Driver types never cross a port.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from schemas.documents import Fetched, SourceEntry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
else:  # numpy takes 120 ms to import, which commands that touch no vector need not pay
    Vectors = Any


class SourceReader(Protocol):
    """Reads one source: a folder, a file, or a bucket under a prefix. Never writes to it."""

    def root_identity(self) -> str:
        """Identity of the root itself (device and inode, bucket), to notice that another one took its place.

        Raises:
            Unreachable: the root is missing, unreadable, forbidden, or not what was declared.
        """

    def list(self) -> Iterator[SourceEntry]:
        """Every object under the root, in no particular order, reading none of them.

        What cannot be read is yielded with `problem` set; a part that cannot be listed (a forbidden subfolder) is
        yielded with a problem under the URI of that part, which ends in "/".

        Raises:
            Unreachable: also half-way; what was yielded till then is true, what was not is unknown.
        """

    def stat(self, uri: str) -> SourceEntry | None:
        """The object as it is now, or None when it is proved gone: the root answers and says exactly "not found".

        Raises:
            Unreachable: anything else than a clear answer.
        """

    def fetch(self, uri: str, *, max_bytes: int) -> Fetched | None:
        """The bytes of one consistent version, or None as in `stat`. Blocks for as long as reading takes.

        Raises:
            Refusal: TOO_LARGE beyond `max_bytes` (without reading it all), UNREADABLE, CHANGING, or its problem.
            Unreachable: as in `stat`.
        """


class SparseVector(NamedTuple):
    """A sparse vector: `indices` (uint32, unique) and their `values`."""

    indices: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Point:
    """A point to write. `dense` has the collection's dimension and unit norm."""

    id: str
    dense: Vectors
    sparse: SparseVector
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A point as read back; `dense` only where vectors were asked for."""

    id: str
    payload: dict[str, Any]
    dense: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Restamp:
    """Payload changes for some points: `flat` keys replace top-level ones, `meta` keys replace those inside `meta`."""

    ids: Sequence[str]
    flat: dict[str, Any]
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result; `score` is the fused one, higher is better."""

    id: str
    score: float
    payload: dict[str, Any]


class Index(Protocol):
    """The vector index: named collections, one of them active. Writes return once they are durable.

    Raises `Unreachable` when the store does not answer, confirm or accept. Every write is idempotent.
    Every read that is not by id takes the tenant and sees nothing of another one (P9).
    """

    def collections(self) -> list[str]:
        """Names of all collections."""

    def create(self, collection: str, dimension: int) -> None:
        """Create a collection with its vectors and payload indexes; nothing happens if it exists."""

    def active(self) -> str | None:
        """The collection that searches should use, or None in an empty index."""

    def activate(self, collection: str) -> None:
        """Switch searches to this collection, atomically and durably."""

    def drop(self, collection: str) -> None:
        """Delete a collection and its points; nothing happens if it does not exist."""

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert or replace points, in the order given, in batches the store accepts."""

    def restamp(self, collection: str, changes: Sequence[Restamp]) -> None:
        """Change payloads of existing points; ids that do not exist are ignored."""

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Delete points by id; ids that do not exist are ignored."""

    def retrieve(self, collection: str, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredPoint]:
        """The points of these ids that exist."""

    def scroll(
        self, collection: str, tenant: str, *, document_id: str | None = None, with_vectors: bool = False
    ) -> Iterator[StoredPoint]:
        """Every point of a tenant, or of one of its documents."""

    def count(self, collection: str, tenant: str, *, document_id: str | None = None) -> int:
        """Exact number of points of a tenant, or of one of its documents."""

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
        """Best points of a tenant by dense, sparse, or both fused by RRF (k = 60), best first.

        acl: only points whose `acl` shares a principal with it; None: no such filter.
        """

    def purge(self, collection: str) -> None:
        """Rewrite storage so that what was deleted leaves no trace on disk, where the store is ours to rewrite."""

    def optimize(self, collection: str) -> None:
        """Let the store build what makes reads fast; may take long, changes no answer but its speed."""

    def close(self) -> None:
        """Flush and release everything; the index can be opened by another process afterwards."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What of a model shapes vectors and chunks: its name, vector dimension, and tokens it reads (special ones off)."""

    name: str
    dimension: int
    max_tokens: int


class Tokenizer(Protocol):
    """The embedding model's own tokenizer, without its special tokens and without truncation. Loads without torch."""

    #: Names the tokenizer and its limit; part of the chunker's fingerprint.
    identity: str
    #: Most tokens the model reads of one text, special ones not counted.
    limit: int

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token, in order."""


class Embedder(Protocol):
    """Texts to vectors. Thread-safe; blocks while computing."""

    info: ModelInfo

    def warm(self) -> None:
        """Start loading in the background, without blocking; nothing happens if it has been started."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit-norm float32 vectors, shape (len(texts), info.dimension). Batches and sorts by length itself.

        Raises:
            Unreachable: the model cannot be loaded or does not answer.
        """


class VectorCache(Protocol):
    """Vectors already computed, by tenant, model and token ids (schemas.identity has no part in it)."""

    def get(self, tenant: str, model: str, keys: Iterable[str]) -> dict[str, Vectors]:
        """Those of the keys that are known."""

    def put(self, tenant: str, model: str, vectors: dict[str, Vectors]) -> None:
        """Remember vectors; known keys stay as they are."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in a log. `at`: seconds since the epoch, by whoever wrote it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    at: float


@dataclass(frozen=True, slots=True)
class Message:
    """A record to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


#: (topic, partition)
Partition = tuple[str, int]


class Publisher(Protocol):
    """Writes to a log. Messages of one key keep their order."""

    def send(self, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """Write messages, and return (partition, offset) of each once every replica in sync has it.

        Blocks until then, some seconds at the most.

        Raises:
            Unreachable: not all are confirmed; those that were may appear a second time when sent again.
        """

    def close(self) -> None:
        """Release everything."""


class Stream(Protocol):
    """Reads some topics as a member of a group, each partition in order, from the offset the group has committed.

    What is not committed comes again: after a restart here, after `lost` wherever the partition went. Not thread-safe.
    """

    def poll(self, timeout_s: float, limit: int) -> list[Record]:
        """The next records, at most `limit`; waits no longer than `timeout_s` for the first, returns none if paused.

        To be called often, paused or not: whoever stops calling is taken for dead by the group.

        Raises:
            Unreachable: the log does not answer. To be called again.
        """

    def lost(self) -> set[Partition]:
        """The partitions taken away since this was last asked: uncommitted records of theirs come again elsewhere."""

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Record, for each partition, the next offset to be read; False if the group no longer lets us.

        Raises:
            Unreachable: the log does not answer.
        """

    def pause(self) -> None:
        """Hand out nothing more, also of partitions that arrive later."""

    def resume(self) -> None:
        """End the pause."""

    def lag(self) -> int:
        """How many records of its partitions were not handed out yet.

        Raises:
            Unreachable: the log does not answer.
        """

    def close(self) -> None:
        """Leave the group and release everything."""
