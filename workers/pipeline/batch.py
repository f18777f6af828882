"""The story of one batch: look, shape, embed, write, settle. Documents share embedding batches and transactions.

1. Look at each document's source; most need nothing more.
2. Shape those that changed: parse, rules, chunk, rules.
3. Compare with the points that are there.
4. Embed the texts that have no vector yet.
5. Record the intent, write, prove (write.py).
6. Settle everything under its generation.

A failure of one document is held or retried as that document's; a part that does not answer stops the batch, and the
claims it leaves behind are taken up in recovery.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from infra.failpoints import reach
from infra.ledger.records import Claim, Settlement
from schemas.errors import Reason, Refusal
from schemas.identity import parent_uri
from schemas.verdicts import first_refusal
from workers.advance import ours
from workers.pipeline import gates, outcome
from workers.pipeline.changes import changes
from workers.pipeline.embed import embed, vector_keys
from workers.pipeline.look import look
from workers.pipeline.members import WRAPPER, hear_members, wraps
from workers.pipeline.opener import Opener
from workers.pipeline.parts import Blocked, Content, Gone, Look, Missing, Pipeline, Shaped, Unchanged, Unreached
from workers.pipeline.shape import carry_over, shape
from workers.pipeline.write import Draft, write
from workers.removals import Removals


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document: a key of `index --json`'s documents, and its content hash where it has one."""

    claim: Claim
    verdict: str
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    claim: Claim
    look: Look
    shaped: Shaped | None


def work(pipeline: Pipeline, claims: Sequence[Claim], removals: Removals) -> Iterator[Outcome]:
    """Work on claimed documents, in groups bounded by their bytes. Yields outcomes as they are settled."""
    reach("claim.after")
    for group in _groups(pipeline, claims, removals):
        yield from _settle_group(pipeline, group)


def _groups(pipeline: Pipeline, claims: Sequence[Claim], removals: Removals) -> Iterator[list[_Found]]:
    group: list[_Found] = []
    size = rows = 0
    opened: dict[int, Opener] = {}
    coming = [claim.uri for claim in claims]
    for claim in claims:
        found = look(pipeline, claim, opened, coming)
        if isinstance(found, Gone):
            found = _judged(claim, removals)
        shaped: Shaped | Blocked | None = None
        if isinstance(found, Content):
            size += len(found.body or b"")
            shaped = shape(pipeline, claim, found)
        if isinstance(shaped, Blocked):
            found, shaped = shaped, None
        shaped = shaped or carry_over(pipeline, claim, found)
        rows += len(shaped.chunks) if isinstance(shaped, Shaped) and isinstance(found, Content) else 0
        gates.expect(rows)
        # The bytes are not needed any more: a group holds texts, not files.
        group.append(_Found(claim, found, shaped))
        if size >= pipeline.limits.group_bytes:
            yield group
            group, size, rows = [], 0, 0
    if group:
        yield group


def _judged(claim: Claim, removals: Removals) -> Look:
    """Whether a document that is not found is gone (promise P7)."""
    if parent_uri(claim.uri) is not None:
        return Gone()  # its container says so, or went before it: that removal has been judged
    if removals.awaits(claim):
        return Missing(judged=False)
    # A tombstone was believed when it was made: there is no good version to lose, only late writes to clear away.
    if not claim.gone and outcome.may_be_searchable(claim):
        believed = removals.believes(claim)
        if not believed:
            return Missing(judged=believed is not None)
    return Gone()


def _settle_group(pipeline: Pipeline, group: Sequence[_Found]) -> Iterator[Outcome]:
    group = _chunks_judged(pipeline, group)
    drafts = [_draft(pipeline, found.shaped) for found in group if found.shaped is not None]
    drafts, unsound = _embed_and_write(pipeline, _with_keys(pipeline, drafts))
    if unsound:
        drafts += _last_good(pipeline, [found.claim for found in group if found.claim.document_id in unsound])
    written = {draft.shaped.claim.document_id: draft for draft in drafts}
    settlements, outcomes = [], []
    for found in group:
        claim, seen = found.claim, found.look
        if claim.document_id in unsound:
            seen = _unsound(seen, unsound[claim.document_id])
        settlement = _conclude(pipeline, claim, seen, written.get(claim.document_id))
        if settlement is None:
            continue  # its claim has moved on to another worker, who will say what became of it
        settlements.append(settlement)
        hash_ = seen.content_hash if isinstance(seen, Content) else None
        verdict = outcome.NOTHING if _wrapping(found) else outcome.verdict(claim, seen)
        outcomes.append(Outcome(claim, verdict, hash_))
    hear_members(pipeline, ((found.claim, found.look, found.shaped) for found in group))
    settled = _record(pipeline, settlements, written.values())
    gates.record(pipeline, [one for settlement in settlements for one in settlement.findings or ()])
    reach("settle.after")
    for one in outcomes:
        pipeline.progress(one.claim.uri)
        if one.claim.document_id in settled:
            yield one


def _chunks_judged(pipeline: Pipeline, group: Sequence[_Found]) -> list[_Found]:
    """The group with what the rules say of its new chunks, asked about all of them at once."""
    new = [one.shaped for one in group if one.shaped is not None and isinstance(one.look, Content)]
    said = gates.of_chunks(pipeline, [one for one in new if one.chunks])
    return [_with_findings(pipeline, one, said.get(one.claim.document_id, ())) for one in group]


def _with_findings(pipeline: Pipeline, found: _Found, said: gates.Findings) -> _Found:
    if not said or found.shaped is None:
        return found
    everything = (*(found.shaped.findings or ()), *said)
    refusal = first_refusal(said)
    if refusal is None:
        return replace(found, shaped=replace(found.shaped, findings=everything))
    blocked = Blocked(refusal, found.shaped.identity, found.shaped.content_hash, findings=everything)
    return _Found(found.claim, blocked, carry_over(pipeline, found.claim, blocked))


def _wrapping(found: _Found) -> bool:
    """Whether a container is nothing but that: what is counted are its members."""
    if found.shaped is not None and isinstance(found.look, Content):
        return wraps(found.shaped.parsed)
    return found.claim.kind == WRAPPER and isinstance(found.look, Unchanged | Gone)


def _draft(pipeline: Pipeline, shaped: Shaped) -> Draft:
    claim = shaped.claim
    proved = {point.id: point for point in claim.indexed.points} if claim.indexed else {}
    suspects = None
    if claim.recover:
        there = pipeline.index.scroll(pipeline.collection, claim.tenant, document_id=claim.document_id)
        suspects = {point.id for point in there} | set(claim.intended)
    return Draft(shaped, changes(claim.document_id, shaped.chunks, proved, suspects=suspects), ())


def _with_keys(pipeline: Pipeline, drafts: Sequence[Draft]) -> list[Draft]:
    """Add the cache key of every chunk: known for points that stay, computed in one call for the others."""
    new = [draft.shaped.chunks[i].text for draft in drafts for i in draft.changes.write]
    computed = iter(vector_keys(pipeline, new))
    complete = []
    for draft in drafts:
        indexed = draft.shaped.claim.indexed
        known = {point.id: point.vector_key for point in indexed.points} if indexed else {}
        fresh = {draft.changes.ids[i]: next(computed) for i in draft.changes.write}
        keys = tuple(fresh.get(one) or known[one] for one in draft.changes.ids)
        complete.append(Draft(draft.shaped, draft.changes, keys))
    return complete


def _embed_and_write(pipeline: Pipeline, drafts: Sequence[Draft]) -> tuple[list[Draft], dict[str, gates.Findings]]:
    """Embed and write; returns what was written, and the documents whose vectors broke a rule, with what it says."""
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    for draft in drafts:
        for i in draft.changes.write:
            wanted[draft.shaped.claim.tenant].setdefault(draft.keys[i], draft.shaped.chunks[i].text)
    embedded = {tenant: embed(pipeline, tenant, texts) for tenant, texts in wanted.items()}
    vectors = {tenant: found for tenant, (found, _) in embedded.items()}
    unsound: dict[str, gates.Findings] = {}
    for draft in drafts:
        faults = embedded[draft.shaped.claim.tenant][1] if draft.changes.write else {}
        if said := next((faults[draft.keys[i]] for i in draft.changes.write if draft.keys[i] in faults), None):
            unsound[draft.shaped.claim.document_id] = (*(draft.shaped.findings or ()), *said)
    sound = [draft for draft in drafts if draft.shaped.claim.document_id not in unsound]
    # Last good parses go first: a version is never recorded without what a later change would start from.
    pipeline.ledger.parses.put(
        (d.shaped.claim.tenant, d.shaped.content_hash, d.shaped.parse_key, d.shaped.parsed) for d in sound
    )
    return (write(pipeline, sound, vectors) if sound else []), unsound


def _conclude(pipeline: Pipeline, claim: Claim, found: Look, draft: Draft | None) -> Settlement | None:
    now, target = pipeline.now(), pipeline.collection
    match found:
        case Unchanged():
            return outcome.unchanged(claim, found, now=now)
        case Content():
            return None if draft is None else outcome.indexed(draft, found, target=target, now=now)
        case Blocked():
            if claim.recover and claim.last_hash is None:
                _erase(pipeline, claim)  # a dead worker may have written a version that is now refused
            digest = pipeline.fingerprint.digest
            code = gates.code(pipeline)
            return outcome.held(claim, found, fingerprint=digest, code=code, now=now, carried=draft, target=target)
        case Unreached():
            return outcome.failed(claim, found, now=now, carried=draft, target=target)
        case Missing(judged=False):
            return outcome.postponed(claim)
        case Missing():
            return outcome.removal_held(claim, now=now, carried=draft, target=target)
        case Gone():
            _erase(pipeline, claim)
            return outcome.gone(claim, now=now)


def _erase(pipeline: Pipeline, claim: Claim) -> None:
    """Delete every point of a document, in every collection that may hold some."""
    ids = {point.id for point in claim.indexed.points} if claim.indexed else set()
    ids |= set(claim.intended)
    with pipeline.tally.stage("index"):
        # A dead worker may have written to a collection that has no record of it.
        suspects = ours(pipeline.index) if claim.recover else claim.elsewhere
        for collection in {pipeline.collection, *suspects}:
            there = set(ids) if collection == pipeline.collection else set()
            if claim.recover or collection != pipeline.collection:
                scrolled = pipeline.index.scroll(collection, claim.tenant, document_id=claim.document_id)
                there |= {point.id for point in scrolled}
            pipeline.may_write()
            pipeline.index.delete(collection, sorted(there))
            if left := pipeline.index.retrieve(collection, sorted(there)):
                raise AssertionError(f"{len(left)} points of {claim.uri} survived their deletion")
            pipeline.tally.counts["deleted"] += len(there)


def _record(pipeline: Pipeline, settlements: Sequence[Settlement], written: Iterable[Draft]) -> set[str]:
    with pipeline.tally.stage("ledger"):
        settled = pipeline.ledger.documents.settle(settlements, at=pipeline.now())
        outdated: dict[str, set[str]] = defaultdict(set)
        for settlement in settlements:
            if settlement.claim.last_hash and (settlement.indexed or settlement.erased):
                outdated[settlement.claim.tenant].add(settlement.claim.last_hash)
        if pipeline.ledger.shared:
            # Another worker may have settled the last other document of these bytes meanwhile, and dropped their parse.
            pipeline.ledger.parses.put(
                (d.shaped.claim.tenant, d.shaped.content_hash, d.shaped.parse_key, d.shaped.parsed) for d in written
            )
        for tenant, hashes in outdated.items():
            pipeline.ledger.parses.collect(tenant, hashes)
    return settled


def _last_good(pipeline: Pipeline, claims: Sequence[Claim]) -> list[Draft]:
    """Write the last good versions of documents whose new vectors broke a rule, where they are not whole."""
    shaped = [carry_over(pipeline, claim, _unsound(None, ())) for claim in claims]
    drafts = [_draft(pipeline, one) for one in shaped if one is not None]
    return _embed_and_write(pipeline, _with_keys(pipeline, drafts))[0]


def _unsound(found: Look | None, said: gates.Findings) -> Blocked:
    known = (found.identity, found.content_hash) if isinstance(found, Content | Blocked) else ("", None)
    return Blocked(first_refusal(said) or Refusal(Reason.BAD_VECTORS), *known, findings=said)
