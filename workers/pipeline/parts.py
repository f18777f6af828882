"""What the steps of the pipeline share: the parts they work with, and a frozen value for each stage."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from infra.ledger import Ledger
from infra.ledger.records import Attributes, Claim
from infra.ledger.sources import KnownSource
from infra.ports import Embedder, Index, SourceReader, Tokenizer
from schemas.documents import Chunk, HiddenText, ParsedDocument
from schemas.errors import Refusal
from schemas.fingerprint import Fingerprint, PipelineFingerprint
from schemas.sources import owners
from schemas.verdicts import Finding
from validation.ruleset import Rules
from workers.parsing.registry import Parser


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the work: bytes of a document and of a group worked on together, documents of a claim.

    hidden_text: what comes of text that no reader of a document sees.
    """

    document_bytes: int
    group_bytes: int
    claim_documents: int
    chunk_tokens: int
    hidden_text: HiddenText = "skip"


@dataclass
class Tally:
    """What the work has cost so far, and the seconds each stage took."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


@dataclass
class Pipeline:
    """The parts a batch is worked on with. `collection` is the one written to; `now` gives seconds since the epoch.

    lease_s: seconds a claim lasts unless renewed.
    """

    ledger: Ledger
    index: Index
    tokenizer: Tokenizer
    embedder: Embedder
    parser: Parser
    fingerprint: PipelineFingerprint
    rules: Rules
    collection: str
    limits: Limits
    owner: str
    now: Callable[[], float]
    lease_s: float
    sources: dict[int, KnownSource] = field(default_factory=dict)
    open_reader: Callable[[KnownSource], SourceReader] = field(kw_only=True)
    readers: dict[int, SourceReader] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    #: How often each rule was asked, since that was last written down.
    verdicts: Counter[str] = field(default_factory=Counter)
    #: What was noticed of no document in particular, since then.
    noticed: list[Finding] = field(default_factory=list)
    #: URI by (tenant, content hash) of the versions of the batch at hand.
    bytes_seen: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Called before every write to the index; raises where the claims may have passed to another worker.
    may_write: Callable[[], None] = lambda: None
    #: Called as each document is finished, with its URI.
    progress: Callable[[str], None] = lambda _uri: None
    _rounds: int = 0

    def next_round(self) -> str:
        """A name for a round of work, unlike any before."""
        self._rounds += 1
        return f"{self.owner}#{self._rounds}"

    def reader(self, source: KnownSource) -> SourceReader:
        """The reader of a source, opened once."""
        if source.id not in self.readers:
            self.readers[source.id] = self.open_reader(source)
        return self.readers[source.id]

    def owns(self, claim: Claim) -> bool:
        """Whether the document still belongs to its tenant: the longest matching prefix owns it."""
        return any(owner.tenant == claim.tenant for owner in owners(claim.uri, self.sources.values()))

    def attributes(self, claim: Claim) -> Attributes:
        """What events said of the document, and what its source declares where they said nothing."""
        source = self.sources[claim.source_id]
        acl = source.acl if claim.acl is None else claim.acl
        metadata: Mapping[str, str] = source.metadata if claim.metadata is None else claim.metadata
        return Attributes(tuple(sorted(acl)), metadata)


# --- what a look at the source finds -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The source agrees with what is proved. `identity` is the one to compare with next time."""

    identity: str
    modified_at: float


@dataclass(frozen=True, slots=True)
class Gone:
    """The source says exactly "not found"."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The source says "not found", and that is not believed. `judged` is False while this run has yet to judge it."""

    judged: bool


@dataclass(frozen=True, slots=True)
class Blocked:
    """This version is refused. `news` is False when it was refused before, under this very pipeline.

    findings: what the rules said of it; None: they were not asked.
    """

    refusal: Refusal
    identity: str
    content_hash: str | None = None
    news: bool = True
    findings: tuple[Finding, ...] | None = None


@dataclass(frozen=True, slots=True)
class Unreached:
    """The source did not answer for this document."""

    error: str


@dataclass(frozen=True, slots=True)
class Content:
    """A version to index: its bytes, or what a parser made of them before. size: of the bytes."""

    content_hash: str
    identity: str
    modified_at: float
    body: bytes | None
    parsed: ParsedDocument | None
    size: int = 0


Look = Unchanged | Gone | Missing | Blocked | Unreached | Content

# --- what is made of it --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shaped:
    """A version cut into chunks. `look` is what the source said: no `Content` when an older version is carried over.

    parsed: as the parser made it, to be kept. shown: what of it is indexed. findings: what the rules said of it.
    """

    claim: Claim
    look: Look
    content_hash: str
    identity: str
    modified_at: float
    parsed: ParsedDocument
    shown: ParsedDocument
    parse_key: str
    fingerprint: Fingerprint
    attributes: Attributes
    chunks: tuple[Chunk, ...]
    findings: tuple[Finding, ...] | None = None
