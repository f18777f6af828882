"""One run over sources: list them, work on what is due, judge what vanished, switch to a new model's collection.

The same steps serve `index`, `reindex` and each round of `watch`; they differ in what was made due before.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from infra.clock import running_time
from infra.ledger.records import Claim
from infra.ledger.scopes import Scope
from infra.ledger.sources import KnownSource
from schemas.errors import Unreachable
from schemas.identity import lies_in
from workers.advance import finish, migrating
from workers.lease import Lease, LeaseLost
from workers.pipeline.batch import Outcome, work
from workers.pipeline.parts import Pipeline
from workers.reconcile import Reconciled
from workers.removals import Guard, Removals, moves
from workers.vouching import believe, take_listing, unlisted_guard, vouch

_log = structlog.get_logger("penstock.run")

DOCUMENT_COUNTS = ("seen", "added", "updated", "moved", "unchanged", "removed", "held", "failed")


@dataclass
class Report:
    """What a run did, in the shape of `index --json`. `unreachable`: sources that could not be listed, and why."""

    documents: Counter[str] = field(default_factory=Counter)
    chunks: Counter[str] = field(default_factory=Counter)
    characters_embedded: int = 0
    seconds: float = 0.0
    refused: list[dict[str, Any]] = field(default_factory=list)
    unreachable: list[dict[str, Any]] = field(default_factory=list)
    switched: bool = False

    def to_json(self) -> dict[str, Any]:
        """The contract of design.md, section 5."""
        refused = [{key: one[key] for key in ("uri", "reason", "detail")} for one in self.refused + self.unreachable]
        return {
            "documents": {name: self.documents[name] for name in DOCUMENT_COUNTS},
            "chunks": {name: self.chunks[name] for name in ("embedded", "reused", "deleted", "total")},
            "characters_embedded": self.characters_embedded,
            "seconds": round(self.seconds, 3),
            "refused": refused,
        }

    @property
    def exit_status(self) -> int:
        """0 all good, 1 some documents refused, held or parked, 2 a source out of reach."""
        return 2 if self.unreachable else 1 if self.refused else 0


def run(
    pipeline: Pipeline,
    sources: Sequence[KnownSource],
    *,
    scope: Scope | None,
    insist: bool = False,
    window_s: float = 0.0,
) -> Report:
    """Bring the index in line with sources.

    Args:
        pipeline: the parts; its `sources` are all that are declared.
        sources: those to list.
        scope: the documents to work on; None: every due one.
        insist: believe removals however many (--allow-mass-delete).
        window_s: seconds back whose removals count towards the limit; 0: only this run's.
    """
    report, began = Report(), pipeline.now()
    removals = Removals(lambda source_id: unlisted_guard(pipeline, source_id))
    listings: list[Reconciled] = []
    for source in sources:
        guard = Guard(0, insist=insist)
        removals.guards[source.id] = guard
        try:
            listing = take_listing(pipeline, source, listed={one.id for one in sources}, now=began)
        except Unreachable as error:
            guard.root_trusted = False
            _unlisted(pipeline, report, source, error, began)
            continue
        guard.live, guard.root_trusted = listing.live, insist or not listing.root_changed
        if window_s:
            guard.removed = pipeline.ledger.views.removed_since(source.id, began - window_s)
            guard.live += guard.removed
        # What another tenant owns since goes without a doubt: somebody declared it so.
        guard.believed |= set(listing.disowned)
        pipeline.ledger.documents.hear_removed(listing.disowned, at=began)
        if listing.complete:
            guard.awaiting = {document.document_id for document in listing.vanished}
        elif not insist:
            guard.doubted = {document.document_id for document in listing.vanished if document.removal_held}
        listings.append(listing)
        report.documents["seen"] += listing.seen
    # The switch waits for every document, so every document is worked on; the report stays that of these sources.
    reach = None if migrating(pipeline.index, pipeline.collection) else scope
    outcomes = drain(pipeline, removals, scope=reach)
    moved = _remove(pipeline, removals, listings, outcomes, scope=reach)
    report.switched = finish(pipeline.ledger, pipeline.index, pipeline.collection, pipeline.embedder.info)
    for listing in listings:
        report.refused += vouch(pipeline.ledger, listing, removals.guards[listing.source.id])
    _count(pipeline, report, outcomes, moved, scope)
    report.seconds = pipeline.now() - began
    return report


def drain(pipeline: Pipeline, removals: Removals, *, scope: Scope | None) -> list[Outcome]:
    """One round of work: every document of the scope that is due, once."""
    round_ = pipeline.next_round()
    outcomes: list[Outcome] = []
    while True:
        began = running_time()
        claims = pipeline.ledger.documents.claim(
            owner=pipeline.owner,
            now=pipeline.now(),
            lease_s=pipeline.lease_s,
            limit=pipeline.limits.claim_documents,
            round_=round_,
            collection=pipeline.collection,
            scope=scope,
            fingerprint=pipeline.fingerprint.to_json() if pipeline.ledger.shared else None,
        )
        if not claims:
            return outcomes
        for outcome in _under_lease(pipeline, claims, removals, began):
            outcomes.append(outcome)
            _log.info("document.settled", uri=outcome.claim.uri, outcome=outcome.verdict)


def _under_lease(pipeline: Pipeline, claims: Sequence[Claim], removals: Removals, began: float) -> Iterator[Outcome]:
    documents = pipeline.ledger.documents
    with Lease(documents, claims, seconds=pipeline.lease_s, began=began, now=pipeline.now) as lease:
        pipeline.may_write = lease.check
        try:
            for outcome in work(pipeline, claims, removals):
                lease.settled(outcome.claim)
                yield outcome
        except LeaseLost as error:
            _log.warning("lease.lost", documents=len(lease.left), error=str(error))
        except Unreachable as error:
            if pipeline.ledger.shared:  # else the next holder of the home's lock takes them up
                documents.give_back(lease.left, next_attempt_at=pipeline.now(), error=str(error))
            raise
        finally:
            pipeline.may_write = lambda: None


def _remove(
    pipeline: Pipeline,
    removals: Removals,
    listings: Sequence[Reconciled],
    outcomes: list[Outcome],
    *,
    scope: Scope | None,
) -> int:
    """Judge what vanished, once what was added is known; returns how many were moves."""
    moves = 0
    for listing in listings:
        if not listing.vanished or not listing.complete:
            continue
        guard = removals.guards[listing.source.id]
        moved = _moved(listing, outcomes)
        believe(pipeline.ledger, listing, guard, moved=moved)
        moves += len(moved & guard.believed)
    # A round of its own: those that vanished may have been tried in the first, when they were due for another reason.
    outcomes += drain(pipeline, removals, scope=scope)
    return moves


def _moved(listing: Reconciled, outcomes: Sequence[Outcome]) -> set[str]:
    """Ids of vanished documents whose bytes were added elsewhere in this run."""
    tenant = listing.source.tenant
    added = [one for one in outcomes if one.verdict == "added" and one.claim.tenant == tenant]
    return moves(listing.vanished, [one.content_hash for one in added if one.content_hash])


def _unlisted(pipeline: Pipeline, report: Report, source: KnownSource, error: Unreachable, at: float) -> None:
    pipeline.ledger.sources.failed(source.id, error=error.what, at=at)
    entry = {"uri": source.uri, "reason": "unreachable", "detail": error.what, "todo": error.todo}
    report.unreachable.append(entry)
    _log.info("source.unreachable", uri=source.uri, error=str(error))


def _asked_for(outcome: Outcome, scope: Scope | None) -> bool:
    if scope is None:
        return True
    of, uri = outcome.claim.tenant, outcome.claim.uri
    return any(of == tenant and lies_in(uri, one) for tenant, one in scope)


def _count(pipeline: Pipeline, report: Report, outcomes: Sequence[Outcome], moved: int, scope: Scope | None) -> None:
    counts, documents = pipeline.tally.counts, report.documents
    last = {one.claim.document_id: one.verdict for one in outcomes if _asked_for(one, scope)}
    documents.update(verdict for verdict in last.values() if verdict)
    documents["seen"] += pipeline.ledger.views.inside(scope)
    documents["added"] -= moved
    documents["removed"] -= moved
    documents["moved"] += moved
    refusals = pipeline.ledger.views.refusals(scope)
    documents["held"] = sum(1 for one in refusals if one["reason"] not in ("unreachable", "removal-held"))
    busy = sum(documents[name] for name in ("added", "updated", "moved", "held", "failed"))
    documents["unchanged"] = max(0, documents["seen"] - busy)
    report.refused += refusals
    report.characters_embedded = counts["characters_embedded"]
    report.chunks["embedded"] = counts["embedded"]
    report.chunks["reused"] = counts["written"] - counts["embedded"]
    report.chunks["deleted"] = counts["deleted"]
    report.chunks["total"] = pipeline.ledger.views.chunks(pipeline.collection, scope)
