"""Bytes to blocks to chunks, with the rules between."""

from urllib.parse import unquote

from infra.failpoints import reach
from infra.ledger.records import Claim
from schemas.documents import Chunk, ParsedDocument
from schemas.errors import Reason, Refusal
from schemas.verdicts import first_refusal
from workers.chunking import chunk
from workers.pipeline import gates
from workers.pipeline.look import parse_key
from workers.pipeline.members import too_deep
from workers.pipeline.parts import Blocked, Content, Gone, Look, Missing, Pipeline, Shaped, Unchanged
from workers.pipeline.visible import ALL_HIDDEN


def shape(pipeline: Pipeline, claim: Claim, found: Content) -> Shaped | Blocked:
    """Parse, judge and cut one version."""
    said: gates.Findings | None = None
    try:
        parsed = found.parsed or _parse(pipeline, claim, found.body or b"")
        refusal = too_deep(claim.uri) if parsed.members else None
        if refusal is None:
            said = gates.of_document(pipeline, claim, parsed, size=found.size, content_hash=found.content_hash)
            refusal = first_refusal(said)
        if refusal is not None:
            return Blocked(refusal, found.identity, found.content_hash, findings=said)
        shown = _shown(pipeline, claim, parsed)
        chunks = _cut(pipeline, shown)
    except Refusal as refused:
        return Blocked(refused, found.identity, found.content_hash, findings=said)
    if not chunks and not parsed.members:
        return Blocked(Refusal(Reason.NO_TEXT, ALL_HIDDEN), found.identity, found.content_hash, findings=said)
    fingerprint, attributes = pipeline.fingerprint.of_kind(parsed.kind), pipeline.attributes(claim)
    key = parse_key(fingerprint.parser, claim.uri)
    return Shaped(
        claim,
        found,
        found.content_hash,
        found.identity,
        found.modified_at,
        parsed,
        shown,
        key,
        fingerprint,
        attributes,
        chunks,
        said,
    )


def carry_over(pipeline: Pipeline, claim: Claim, found: Look) -> Shaped | None:
    """Shape the last good version from its stored parse, where its source cannot give a newer one.

    Needed when the target collection does not hold it as the current chunker, model and attributes would make it, or
    when a dead worker may have written over it. None where there is nothing to do, or no good version to do it with.
    """
    if isinstance(found, Gone | Unchanged) or found == Missing(judged=False):
        return None
    if claim.last_hash is None or claim.parser is None or claim.gone:
        return None
    fingerprint = pipeline.fingerprint.with_parser(claim.parser.partition("|")[0])
    attributes, entry = pipeline.attributes(claim), claim.indexed
    wanted = (claim.last_hash, fingerprint, attributes)
    if entry and not claim.recover and (entry.content_hash, entry.fingerprint, entry.attributes) == wanted:
        return None
    parsed = pipeline.ledger.parses.get(claim.tenant, claim.last_hash, claim.parser)
    if parsed is None:
        return None
    modified_at = claim.modified_at or 0.0
    try:
        shown = _shown(pipeline, claim, parsed)
    except Refusal:
        return None  # as it should be now it cannot be shown; as it was it stays
    return Shaped(
        claim,
        found,
        claim.last_hash,
        claim.identity,
        modified_at,
        parsed,
        shown,
        claim.parser,
        fingerprint,
        attributes,
        _cut(pipeline, shown),
    )


def document_name(uri: str) -> str:
    """The name a document goes by in its folder: what a parser may look at besides the bytes."""
    return unquote(uri.rpartition("/")[2], errors="replace")


def _parse(pipeline: Pipeline, claim: Claim, body: bytes) -> ParsedDocument:
    with pipeline.tally.stage("parse"):
        # What is parsed now will be embedded soon: let the model load meanwhile.
        pipeline.embedder.warm()
        parsed = pipeline.parser.parse(body, document_name(claim.uri))
    pipeline.tally.counts["documents_parsed"] += 1
    reach("parse.after")
    return parsed


def _shown(pipeline: Pipeline, claim: Claim, parsed: ParsedDocument) -> ParsedDocument:
    return gates.shown(pipeline.rules.of(claim.tenant, claim.uri), parsed, pipeline.limits.hidden_text)


def _cut(pipeline: Pipeline, shown: ParsedDocument) -> tuple[Chunk, ...]:
    """The chunks of what is indexed of a parse: none of a mere container, or where all text is hidden."""
    if not shown.blocks:
        return ()
    limit = min(pipeline.limits.chunk_tokens, pipeline.tokenizer.limit)
    with pipeline.tally.stage("chunk"):
        chunks = chunk(shown, pipeline.tokenizer, max_tokens=limit)
    reach("chunk.after")
    return chunks
