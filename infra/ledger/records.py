"""The ledger's values: what a claim hands to a worker, and what the worker hands back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from schemas.fingerprint import Fingerprint
from schemas.verdicts import Finding


class Priority(IntEnum):
    """Which documents go first: those something happened to, before those that only a new pipeline changes."""

    EVENT = 0
    REINDEX = 1


class PlacedPoint(NamedTuple):
    """A point that was written: its id, the cache key of its vector, and its place in the document."""

    id: str
    vector_key: str
    ordinal: int
    page: int | None
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of a document besides its bytes: who may read it, and the source's own metadata."""

    acl: tuple[str, ...]
    metadata: Mapping[str, str]

    def to_json(self) -> str:
        """Compact JSON, equal for equal attributes."""
        return json.dumps([sorted(self.acl), dict(self.metadata)], sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Attributes":
        """The attributes `to_json` was made from."""
        acl, metadata = json.loads(text)
        return Attributes(tuple(acl), metadata)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What was proved to be in one collection for one document."""

    collection: str
    generation: int
    content_hash: str
    fingerprint: Fingerprint
    attributes: Attributes
    indexed_at: float
    points: tuple[PlacedPoint, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A refused version: why, which one, and under which pipeline it was refused."""

    reason: str
    detail: str
    identity: str
    content_hash: str | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One document to work on, exclusively until `generation` moves on.

    last_hash, parser, kind, identity, modified_at describe the last good version; `indexed` what the target
    collection holds of it; `elsewhere` names the other collections that hold points of it.
    """

    document_id: str
    tenant: str
    uri: str
    source_id: int
    heard_at: float
    generation: int
    recover: bool
    intended: tuple[str, ...]
    identity: str
    last_hash: str | None
    parser: str | None
    kind: str | None
    modified_at: float | None
    acl: tuple[str, ...] | None
    metadata: Mapping[str, str] | None
    held: Held | None
    gone: bool
    attempts: int
    indexed: Indexed | None
    elsewhere: tuple[str, ...]
    claimed_at: float = 0.0
    happened_at: float | None = None
    crashes: int = 0
    removal_held: bool = False
    removal_allowed: bool = False
    #: Characters of the last good version's text.
    characters: int | None = None
    #: Hash of a version that a person let pass.
    released: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The proved outcome of a claim.

    values: columns of the document to set. indexed: what a collection now holds. erased: no collection holds it any
    more. event, detail: a line of the document's history; "" for none. done: False leaves the document due.
    findings: what the rules said of the version that was settled or held; None: they were not asked.
    """

    claim: Claim
    values: Mapping[str, object]
    indexed: Indexed | None = None
    erased: bool = False
    event: str = ""
    detail: str = ""
    done: bool = True
    findings: tuple[Finding, ...] | None = None


class Hearing(NamedTuple):
    """That a document may have changed. acl, metadata: None leaves what is known. happened_at: when, if known."""

    tenant: str
    uri: str
    source_id: int
    acl: Sequence[str] | None = None
    metadata: Mapping[str, str] | None = None
    happened_at: float | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was not understood.

    id: topic:partition:offset of the record. position: the same of its copy in the dead-letter topic.
    """

    id: str
    reason: str
    detail: str
    at: float
    position: str
    replayed_at: float | None = None


class Waiting(NamedTuple):
    """A due document that nobody is at work on. `alone`: it was in hand when workers died, so it goes by itself."""

    document_id: str
    priority: int
    alone: bool


class KnownMember(NamedTuple):
    """A document inside a container, gone or not, as it is compared with what its container holds now."""

    uri: str
    content_hash: str | None
    held: bool
    held_hash: str | None
    removal_held: bool
    gone: bool
    source_id: int
    acl: tuple[str, ...] | None
    metadata: Mapping[str, str] | None


class KnownDocument(NamedTuple):
    """A document as reconcile compares it with a listing."""

    document_id: str
    uri: str
    identity: str
    held_identity: str | None
    removal_held: bool
    due: bool
    content_hash: str | None
    source_id: int
