"""Compare source, ledger and index, chunk by chunk. Reads the source and the index themselves, never only the ledger.

For every object of a source the bytes are read and hashed; what the pipeline would make of them is made again and
compared with the points that are there: ids, text, headings, page, ordinal, title, hashes, attributes and vectors.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from infra.ledger.records import Attributes
from infra.ledger.sources import KnownSource
from infra.ledger.views import View
from infra.ports import SourceReader, StoredPoint
from schemas.documents import Chunk, ParsedDocument, SourceEntry
from schemas.errors import Reason, Refusal
from schemas.identity import content_hash, document_id, lies_in, member_uri, parent_uri, point_id
from schemas.sources import owners
from workers.chunking import chunk
from workers.pipeline import gates
from workers.pipeline.members import inside, too_deep, wraps
from workers.pipeline.opener import ContainerGone, Opener, fetch_if_there
from workers.pipeline.parts import Pipeline
from workers.pipeline.shape import document_name

#: Vectors that agree at least this well (cosine) are the same: batch and machine move the last bits.
SAME_VECTOR = 0.999


@dataclass
class Findings:
    """What an audit found, as lists of URIs, in the shape of `audit --json`. `repaired`: what --repair worked on."""

    documents: int = 0
    chunks: int = 0
    stale: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    #: Ids to repair, and orphaned points by tenant; not part of the contract.
    suspects: dict[str, tuple[str, str]] = field(default_factory=dict)
    orphans: dict[str, list[str]] = field(default_factory=dict)

    @property
    def consistent(self) -> bool:
        """Whether index, ledger and source agree; a held document agrees by its last good version."""
        return not (self.stale or self.missing or self.orphaned or self.duplicate)

    def to_json(self) -> dict[str, Any]:
        """The contract of design.md, section 5."""
        names = ("stale", "missing", "orphaned", "duplicate", "held", "repaired")
        lists = {name: sorted(getattr(self, name)) for name in names}
        return {"consistent": self.consistent, "documents": self.documents, "chunks": self.chunks, **lists}


def audit(pipeline: Pipeline, collection: str, sources: Sequence[KnownSource], *, whole: bool = False) -> Findings:
    """Audit sources against a collection; `whole`: points that no source owns are looked for, too.

    Raises:
        Unreachable: a source or the index does not answer; nothing is concluded then.
    """
    findings = Findings()
    scope = [(source.tenant, source.uri) for source in sources]
    views = pipeline.ledger.views.documents(collection, scope=scope)
    points = _points(pipeline, collection, scope, whole=whole)
    audited: set[str] = set()
    within = inside(views)
    for source in sources:
        reader = pipeline.reader(source)
        for entry in reader.list():
            id_ = document_id(source.tenant, entry.uri)
            if entry.uri.endswith("/") or id_ in audited or pipeline.ledger.documents.is_forgotten(id_):
                continue  # a source may lie within another one
            if not _owned(pipeline, source, entry.uri):
                continue  # another tenant's since: what is left of it here is an orphan
            _audit_tree(pipeline, findings, _Whole(source, views, points, audited, within), reader, entry)
    for id_, view in views.items():  # known, and not in the source any more
        there = points.pop(id_, [])
        if view.standing.removal_held:
            findings.held.append(view.uri)
            findings.documents, findings.chunks = findings.documents + 1, findings.chunks + len(there)
        elif there:
            _suspect(findings.orphaned, findings, view.tenant, view.uri)
    for left in points.values():  # in the index, and known to nobody
        tenant, uri = left[0].payload["tenant"], left[0].payload["uri"]
        findings.orphaned.append(uri)
        findings.orphans.setdefault(tenant, []).extend(point.id for point in left)
    return findings


@dataclass(frozen=True, slots=True)
class _Whole:
    """What is left to compare of a source: views and points by document id; `audited` has the ids that are done.

    inside: ids of what lies in each container, by URI.
    """

    source: KnownSource
    views: dict[str, View]
    points: dict[str, list[StoredPoint]]
    audited: set[str]
    inside: dict[str, list[str]]


def _audit_tree(
    pipeline: Pipeline, findings: Findings, left: _Whole, reader: SourceReader | Opener, entry: SourceEntry
) -> None:
    """Audit one document, and what lies in it."""
    tenant = left.source.tenant
    id_ = document_id(tenant, entry.uri)
    left.audited.add(id_)
    parsed = _audit_one(
        pipeline, findings, left.source, reader, entry, left.views.pop(id_, None), left.points.pop(id_, [])
    )
    if parsed is not None:
        uris = [member_uri(entry.uri, one.name) for one in parsed.members]
    else:  # it cannot be opened: what was in it is held, too
        known = (left.views.get(one) for one in left.inside.get(entry.uri, ()))
        uris = [view.uri for view in known if view and not view.standing.gone and parent_uri(view.uri) == entry.uri]
    opener = reader if isinstance(reader, Opener) else Opener(reader, pipeline.parser)
    opener.announce(uris)
    for uri in uris:
        if not pipeline.ledger.documents.is_forgotten(document_id(tenant, uri)):
            _audit_tree(pipeline, findings, left, opener, entry._replace(uri=uri))


def audit_some(pipeline: Pipeline, collection: str, source: KnownSource, uris: Sequence[str]) -> Findings:
    """Audit these documents of a source: costs what they cost, however many there are besides."""
    findings = Findings()
    ids = {uri: document_id(source.tenant, uri) for uri in uris}
    views = pipeline.ledger.views.documents(collection, ids=list(ids.values()))
    outside = pipeline.reader(source)
    opener = Opener(outside, pipeline.parser, list(ids))
    for uri, id_ in ids.items():
        reader = outside if parent_uri(uri) is None else opener
        try:
            entry = reader.stat(uri)
        except ContainerGone:
            entry = None
        view = views.get(id_)
        if view is None or view.standing.due:
            continue  # forgotten or changed meanwhile
        points = pipeline.index.scroll(collection, source.tenant, document_id=id_, with_vectors=True)
        if entry is not None:
            _audit_one(pipeline, findings, source, reader, entry, view, list(points))
        elif not view.standing.removal_held:
            _suspect(findings.orphaned, findings, source.tenant, uri)  # its removal was never heard of
    return findings


def _audit_one(
    pipeline: Pipeline,
    findings: Findings,
    source: KnownSource,
    reader: SourceReader | Opener,
    entry: SourceEntry,
    view: View | None,
    there: list[StoredPoint],
) -> ParsedDocument | None:
    """Audit one document; returns what it is now, None if that is refused."""
    findings.documents += 1
    findings.chunks += len(there)
    repeated = [n for n in Counter(point.payload["meta"]["ordinal"] for point in there).values() if n > 1]
    hash_: str | None
    parsed: ParsedDocument | None
    now: ParsedDocument | None = None
    try:
        hash_, parsed = _read(pipeline, source, reader, entry, view)
        now = parsed
    except Refusal:
        findings.held.append(entry.uri)
        hash_, parsed = _last_good(pipeline, view)
    findings.documents -= now is not None and wraps(now)
    expected = () if parsed is None or not parsed.blocks else _cut(pipeline, parsed)
    if expected and not there:
        _suspect(findings.missing, findings, source.tenant, entry.uri)
    elif _faults(pipeline, source, entry.uri, view, hash_, parsed, expected, there):
        faults = findings.duplicate if repeated else findings.stale
        _suspect(faults, findings, source.tenant, entry.uri)
    return now


def _cut(pipeline: Pipeline, parsed: ParsedDocument) -> tuple[Chunk, ...]:
    limit = min(pipeline.limits.chunk_tokens, pipeline.tokenizer.limit)
    return chunk(parsed, pipeline.tokenizer, max_tokens=limit)


def _read(
    pipeline: Pipeline, source: KnownSource, reader: SourceReader | Opener, entry: SourceEntry, view: View | None
) -> tuple[str | None, ParsedDocument]:
    """(content hash, parse) of what the source holds now, by the rules of the pipeline."""
    if entry.problem is not None:
        raise entry.problem
    fetched = fetch_if_there(reader, entry.uri, max_bytes=pipeline.limits.document_bytes)
    if fetched is None:
        return None, ParsedDocument("", "", ())  # gone since it was listed: nothing should be there
    hash_ = content_hash(fetched.body)
    if view is not None and view.standing.held and view.held_hash == hash_:
        # Refused under this pipeline before, and its reason stands: a bomb need not go off again.
        raise Refusal(Reason(view.held_reason or Reason.CORRUPT))
    parsed = pipeline.parser.parse(fetched.body, document_name(entry.uri))
    if parsed.members and (refusal := too_deep(entry.uri)):
        raise refusal
    rules, hidden_text = pipeline.rules.of(source.tenant, entry.uri), pipeline.limits.hidden_text
    if view is not None and view.last_hash == hash_:
        return hash_, gates.shown(rules, parsed, hidden_text)  # it passed, perhaps by a person's word
    return hash_, gates.accepted(rules, parsed, size=len(fetched.body), hidden_text=hidden_text)


def _last_good(pipeline: Pipeline, view: View | None) -> tuple[str | None, ParsedDocument | None]:
    if view is None or view.last_hash is None or view.parser is None:
        return None, None
    parsed = pipeline.ledger.parses.get(view.tenant, view.last_hash, view.parser)
    rules = pipeline.rules.of(view.tenant, view.uri)
    return view.last_hash, parsed and gates.shown(rules, parsed, pipeline.limits.hidden_text)


def _faults(
    pipeline: Pipeline,
    source: KnownSource,
    uri: str,
    view: View | None,
    hash_: str | None,
    parsed: ParsedDocument | None,
    expected: Sequence[Chunk],
    there: Sequence[StoredPoint],
) -> bool:
    """Whether the points differ from what they should be."""
    id_ = document_id(source.tenant, uri)
    by_id = {point.id: point for point in there}
    wanted = {point_id(id_, one.hash, one.occurrence): one for one in expected}
    if wanted.keys() != by_id.keys():
        return True
    if not there:
        return False
    attributes = view.indexed.attributes if view and view.indexed else Attributes(source.acl, source.metadata)
    keys = {point.id: point.vector_key for point in view.indexed.points} if view and view.indexed else {}
    vectors = pipeline.ledger.vectors.get(source.tenant, pipeline.embedder.info.name, keys.values())
    return any(
        _differs(by_id[one], want, parsed, hash_, attributes) or _turned(by_id[one], vectors.get(keys.get(one, "")))
        for one, want in wanted.items()
    )


def _differs(
    point: StoredPoint, want: Chunk, parsed: ParsedDocument | None, hash_: str | None, attributes: Attributes
) -> bool:
    payload, meta = point.payload, point.payload["meta"]
    found = (payload["content"], meta["headings"], meta["page"], meta["ordinal"], payload["chunk_hash"])
    should = (want.text, list(want.headings), want.page, want.ordinal, want.hash)
    about = (meta["title"], payload["content_hash"], sorted(payload["acl"]), meta["metadata"])
    said = {**(parsed.metadata if parsed else {}), **attributes.metadata}
    known = (parsed and parsed.title, hash_, sorted(attributes.acl), said)
    return found != should or about != known


def _turned(point: StoredPoint, vector: Any) -> bool:
    """Whether the stored vector is not the one its text gave."""
    if point.dense is None:
        return True
    norm = float(np.linalg.norm(point.dense))
    if not np.isfinite(norm) or norm == 0.0:
        return True
    return vector is not None and float(np.dot(point.dense / norm, vector / np.linalg.norm(vector))) < SAME_VECTOR


def _points(
    pipeline: Pipeline, collection: str, scope: Sequence[tuple[str, str]], *, whole: bool
) -> dict[str, list[StoredPoint]]:
    """Every point of the scope in the index, by document."""
    found: dict[str, list[StoredPoint]] = {}
    tenants = {tenant for tenant, _ in scope} if collection in pipeline.index.collections() else set()
    for tenant in sorted(tenants):
        prefixes = [uri for of, uri in scope if of == tenant]
        for point in pipeline.index.scroll(collection, tenant, with_vectors=True):
            if whole or any(lies_in(point.payload["uri"], prefix) for prefix in prefixes):
                found.setdefault(point.payload["document_id"], []).append(point)
    return found


def _owned(pipeline: Pipeline, source: KnownSource, uri: str) -> bool:
    return any(owner.tenant == source.tenant for owner in owners(uri, pipeline.sources.values()))


def _suspect(faults: list[str], findings: Findings, tenant: str, uri: str) -> None:
    faults.append(uri)
    findings.suspects[document_id(tenant, uri)] = (tenant, uri)


def repair(pipeline: Pipeline, collection: str, findings: Findings, *, now: float) -> Iterator[str]:
    """Make due what differs, taking nothing for granted, and delete what belongs to nothing; yields URIs."""
    for ids in findings.orphans.values():
        pipeline.index.delete(collection, ids)
    pipeline.ledger.documents.distrust(list(findings.suspects), at=now)
    yield from (uri for _, uri in findings.suspects.values())
