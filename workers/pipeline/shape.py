"""Bytes to blocks to chunks, with the rules between."""

from urllib.parse import unquote

from infra.failpoints import reach
from infra.ledger.records import Claim
from schemas.documents import Chunk, ParsedDocument
from schemas.errors import Reason, Refusal
from validation.rules import CHUNK_RULES, DOCUMENT_RULES, Cut, check
from workers.chunking import chunk
from workers.pipeline.look import parse_key
from workers.pipeline.members import too_deep
from workers.pipeline.parts import Blocked, Content, Gone, Look, Missing, Pipeline, Shaped, Unchanged
from workers.pipeline.visible import ALL_HIDDEN, metadata, visible


def shape(pipeline: Pipeline, claim: Claim, found: Content) -> Shaped | Blocked:
    """Parse and cut one version."""
    try:
        parsed = found.parsed or _parse(pipeline, claim, found.body or b"")
        if parsed.members and (refusal := too_deep(claim.uri)):
            raise refusal
        chunks = _cut(pipeline, parsed)
    except Refusal as refusal:
        return Blocked(refusal, found.identity, found.content_hash)
    if not chunks and not parsed.members:
        return Blocked(Refusal(Reason.NO_TEXT, ALL_HIDDEN), found.identity, found.content_hash)
    fingerprint, attributes = pipeline.fingerprint.of_kind(parsed.kind), pipeline.attributes(claim)
    key = parse_key(fingerprint.parser, claim.uri)
    return Shaped(
        claim,
        found,
        found.content_hash,
        found.identity,
        found.modified_at,
        parsed,
        key,
        fingerprint,
        attributes,
        metadata(parsed, pipeline.limits.hidden_text, attributes.metadata),
        chunks,
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
    return Shaped(
        claim,
        found,
        claim.last_hash,
        claim.identity,
        modified_at,
        parsed,
        claim.parser,
        fingerprint,
        attributes,
        metadata(parsed, pipeline.limits.hidden_text, attributes.metadata),
        _cut(pipeline, parsed),
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
    check(parsed, DOCUMENT_RULES)
    reach("parse.after")
    return parsed


def _cut(pipeline: Pipeline, parsed: ParsedDocument) -> tuple[Chunk, ...]:
    """The chunks of what is indexed of a parse: none of a mere container, or where all text is hidden."""
    parsed = visible(parsed, pipeline.limits.hidden_text)
    if not parsed.blocks:
        return ()
    limit = min(pipeline.limits.chunk_tokens, pipeline.tokenizer.limit)
    with pipeline.tally.stage("chunk"):
        chunks = chunk(parsed, pipeline.tokenizer, max_tokens=limit)
        check(Cut(chunks, limit), CHUNK_RULES)
    reach("chunk.after")
    return chunks
