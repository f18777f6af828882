"""What the source says of a document now, compared with what is proved. Reads as little as can decide it."""

from collections.abc import Sequence
from dataclasses import replace

from infra.failpoints import reach
from infra.ledger.records import Claim
from infra.ports import SourceReader
from schemas.documents import ParsedDocument, SourceEntry
from schemas.errors import Reason, Refusal, Unreachable
from schemas.identity import content_hash, parent_uri
from workers.pipeline.members import without_container
from workers.pipeline.opener import ContainerGone, Opener
from workers.pipeline.parts import Blocked, Content, Gone, Look, Pipeline, Unchanged, Unreached

#: Workers that may die over a document before it is held: fewer and a healthy one is held for the machine's faults.
CRASHES = 5


def parse_key(parser: str, uri: str) -> str:
    """Under what a parse is stored: bytes alone do not decide it, the name's ending has a say in the kind."""
    name = uri.rpartition("/")[2]
    return f"{parser}|{name.rpartition('.')[2].lower() if '.' in name else ''}"


def look(pipeline: Pipeline, claim: Claim, opened: dict[int, Opener], coming: Sequence[str] = ()) -> Look:
    """Look at one document's source: stat, and only where that leaves a doubt, read and hash.

    opened: the containers that are open, by source id; it grows. coming: the URIs looked at in this batch.
    """
    if not pipeline.owns(claim):
        return Gone()
    source = pipeline.reader(pipeline.sources[claim.source_id])
    reader: SourceReader | Opener = source
    if parent_uri(claim.uri) is not None:
        reader = opened.setdefault(claim.source_id, Opener(source, pipeline.parser, coming))
    try:
        entry = reader.stat(claim.uri)
        if entry is None:
            return Gone()
        known = _by_identity(pipeline, claim, entry)
        if known is not None:
            return known
        with pipeline.tally.stage("fetch"):
            fetched = reader.fetch(claim.uri, max_bytes=pipeline.limits.document_bytes)
    except Refusal as refusal:
        # No identity: a permission or a limit may change without a trace in it, so this is tried again on every run.
        news = claim.held is None or claim.held.reason != refusal.reason
        return Blocked(refusal, "", news=news)
    except Unreachable as error:
        return Unreached(str(error))
    except ContainerGone:
        return without_container(pipeline, claim)
    reach("fetch.after")
    if fetched is None:
        return Gone()
    pipeline.tally.counts["documents_read"] += 1
    return _by_content(
        pipeline,
        claim,
        Content(
            content_hash(fetched.body), fetched.identity, fetched.modified_at, fetched.body, None, len(fetched.body)
        ),
    )


def up_to_date(pipeline: Pipeline, claim: Claim) -> bool:
    """Whether the target collection is proved to hold the last good version as this pipeline would make it."""
    entry = claim.indexed
    if entry is None or claim.kind is None or claim.recover or claim.gone:
        return False
    current = pipeline.fingerprint.of_kind(claim.kind)
    return (
        entry.content_hash == claim.last_hash
        and entry.fingerprint == current
        and entry.attributes == pipeline.attributes(claim)
    )


def _by_identity(pipeline: Pipeline, claim: Claim, entry: SourceEntry) -> Look | None:
    """What the cheap identity alone decides; None: the bytes must be read."""
    held = claim.held
    if held and entry.identity == held.identity != "" and held.fingerprint == pipeline.fingerprint.digest:
        return Blocked(Refusal(Reason(held.reason), held.detail), held.identity, held.content_hash, news=False)
    if claim.crashes >= CRASHES:
        return Blocked(Refusal(Reason.WORKER_CRASH, f"{claim.crashes} workers failed at it"), entry.identity)
    if entry.problem is not None:
        return Blocked(entry.problem, entry.identity)
    if not entry.identity or entry.identity != claim.identity or claim.last_hash is None:
        return None
    if up_to_date(pipeline, claim):
        return Unchanged(entry.identity, entry.modified_at)
    parsed = None if claim.recover else known_parse(pipeline, claim, claim.last_hash)
    if parsed is None:
        return None
    return Content(claim.last_hash, entry.identity, entry.modified_at, None, parsed, entry.size)


def _by_content(pipeline: Pipeline, claim: Claim, content: Content) -> Look:
    """What the hash of the bytes decides."""
    if content.content_hash == claim.last_hash and up_to_date(pipeline, claim):
        return Unchanged(content.identity, content.modified_at)
    held = claim.held
    if held and held.content_hash == content.content_hash and held.fingerprint == pipeline.fingerprint.digest:
        refusal = Refusal(Reason(held.reason), held.detail)
        return Blocked(refusal, content.identity, content.content_hash, news=False)
    parsed = None if claim.recover else known_parse(pipeline, claim, content.content_hash)
    if parsed is None:
        return content
    return replace(content, body=None, parsed=parsed)


def known_parse(pipeline: Pipeline, claim: Claim, hash_: str) -> ParsedDocument | None:
    """What the current parser made of this content before, under whatever URI."""
    for key, parsed in pipeline.ledger.parses.find(claim.tenant, hash_):
        version = pipeline.fingerprint.parsers.get(parsed.kind)
        if version is not None and key == parse_key(version, claim.uri):
            return parsed
    return None
