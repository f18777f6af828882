"""The rules on a version's way: of the document as parsed, the batch's chunks, new vectors; what a person let pass.

Rules decide in validation/; here they are asked, and what they say is counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version

import numpy as np
import structlog

from infra.ledger.records import Claim
from infra.ledger.views import View
from infra.ports import Vectors
from schemas.documents import HiddenText, ParsedDocument
from schemas.errors import Reason, Refusal
from schemas.verdicts import Finding, Gate, Severity, first_refusal
from validation import suite
from validation.chunks import check_chunks, chunk_rows
from validation.plain import WORTH
from validation.ruleset import RuleSet
from validation.table import BY_NAME, TABLE, Action
from validation.vectors import batch_drift, check_vectors
from workers.pipeline.parts import Pipeline, Shaped
from workers.pipeline.visible import ALL_HIDDEN, visible

_log = structlog.get_logger("penstock.rules")

Findings = tuple[Finding, ...]


def expect(chunks: int) -> None:
    """Have what judges large tables loaded in the background, once so many chunks are at hand that one is to come."""
    if chunks >= WORTH // 2:
        _load()


@cache
def _load() -> None:
    suite.warm()


def of_document(pipeline: Pipeline, claim: Claim, parsed: ParsedDocument, *, size: int, content_hash: str) -> Findings:
    """What the rules say of a version as parsed. size: bytes."""
    rules = pipeline.rules.of(claim.tenant, claim.uri)
    twin = None
    if rules.settings["duplicate"].action is not Action.ALLOW:
        # One in the same batch is not in the ledger yet.
        first = pipeline.bytes_seen.setdefault((claim.tenant, content_hash), claim.uri)
        twin = pipeline.ledger.views.twin(claim.tenant, content_hash, other_than=claim.document_id)
        twin = twin or (first if first != claim.uri else None)
    with pipeline.tally.stage("rules"):
        before = length_before(claim, content_hash)
        found = rules.document(parsed, size=size, last_good_characters=before, twin=twin)
    _count(pipeline.verdicts, Gate.DOCUMENT, [rules])
    return let_pass(found) if claim.released == content_hash else found


def length_before(known: Claim | View, content_hash: str) -> int | None:
    """Characters of the last good version's text, if there is one and it is another than this."""
    return known.characters if known.last_hash not in (None, content_hash) else None


def of_chunks(pipeline: Pipeline, versions: Sequence[Shaped]) -> dict[str, Findings]:
    """What the rules say of the chunks of a batch's new versions, by document id; those without findings left out."""
    claims = [one.claim for one in versions]
    rules = {claim.document_id: pipeline.rules.of(claim.tenant, claim.uri) for claim in claims}
    limit = min(pipeline.limits.chunk_tokens, pipeline.tokenizer.limit)
    rows = [row for one in versions for row in chunk_rows(one.claim.document_id, one.chunks, limit=limit)]
    with pipeline.tally.stage("rules"):
        found = check_chunks(rows, rules)
    _count(pipeline.verdicts, Gate.CHUNK, rules.values())
    passed = {one.claim.document_id for one in versions if one.claim.released == one.content_hash}
    return {id_: let_pass(said) if id_ in passed else said for id_, said in found.items()}


def accepted(
    rules: RuleSet,
    parsed: ParsedDocument,
    *,
    size: int,
    hidden_text: HiddenText,
    last_good_characters: int | None = None,
) -> ParsedDocument:
    """What is indexed of a version, by the rules that look at no other document.

    Raises:
        Refusal: they hold it, or nothing of it would be shown.
    """
    if refusal := first_refusal(rules.document(parsed, size=size, last_good_characters=last_good_characters)):
        raise refusal
    found = shown(rules, parsed, hidden_text)
    if not found.blocks and not found.members:
        raise Refusal(Reason.NO_TEXT, ALL_HIDDEN)
    return found


def of_vectors(pipeline: Pipeline, computed: Mapping[str, Vectors]) -> dict[str, Findings]:
    """What the rules say of vectors just computed, by key; and whether they lie where the collection's lie."""
    rules = pipeline.rules.of("", "")
    with pipeline.tally.stage("rules"):
        found = check_vectors(computed, dimension=pipeline.embedder.info.dimension)
        sound = [vector for key, vector in computed.items() if key not in found]
        if len(sound) >= rules.settings["drift"].given.from_vectors:
            _drift(pipeline, np.asarray(sound, dtype=np.float64), rules)
    _count(pipeline.verdicts, Gate.VECTOR, [rules])
    return found


def _drift(pipeline: Pipeline, vectors: Vectors, rules: RuleSet) -> None:
    """Warn of a batch that points away from all before it, and count it in. Nobody is held for it."""
    place = f"centroid {pipeline.collection}"
    known = pipeline.ledger.get(place) or {"vectors": 0, "sum": [0.0] * vectors.shape[1]}
    before = np.asarray(known["sum"])
    if drift := batch_drift(vectors, before if known["vectors"] else None, rules):
        _log.warning("rules.drift", detail=drift.detail, vectors=len(vectors))
        pipeline.noticed.append(drift)
    total = (before + vectors.sum(axis=0)).round(4).tolist()
    pipeline.ledger.put(place, {"vectors": known["vectors"] + len(vectors), "sum": total})


def let_pass(findings: Iterable[Finding]) -> Findings:
    """The findings of a version that a person let pass: they warn; but for rules that say it cannot be indexed."""
    return tuple(
        one
        if one.rule in BY_NAME and BY_NAME[one.rule].fixed
        else replace(one, severity=Severity.WARN, detail=f"{one.detail}; let pass")
        for one in findings
    )


def shown(rules: RuleSet, parsed: ParsedDocument, hidden_text: HiddenText) -> ParsedDocument:
    """What of a parse is indexed: what readers see, without what the rules take out.

    Raises:
        Refusal: RULE_ERROR, the rules could not take it out.
    """
    return visible(rules.redacted(parsed), hidden_text)


def _count(verdicts: Counter[str], gate: Gate, rules: Iterable[RuleSet]) -> None:
    for one in rules:
        verdicts.update(
            row.name for row in TABLE if row.gate is gate and one.settings[row.name].action is not Action.ALLOW
        )
        own = (*one.forbid, *one.require) if gate is Gate.DOCUMENT else one.expectations if gate is Gate.CHUNK else ()
        verdicts.update(rule.name for rule in own)


def record(pipeline: Pipeline, said: Sequence[Finding]) -> None:
    """Write down how often each rule was asked since the last time, and what came of it."""
    pipeline.bytes_seen.clear()
    if pipeline.verdicts:
        asked, pipeline.verdicts = pipeline.verdicts, Counter()
        noticed, pipeline.noticed = pipeline.noticed, []
        pipeline.ledger.quarantine.count(asked, [*said, *noticed], at=pipeline.now())


def code(pipeline: Pipeline) -> str:
    """The code and the rules that refuse a version, for whoever looks at it later."""
    return f"penstock {version('penstock')}, {pipeline.rules.version}"
