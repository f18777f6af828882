"""What a schedule makes workers do: reconcile a source, make due what the pipeline changed, audit a sample.

None of it does the documents' own work: it makes them due, and wake-ups bring that to whoever is free.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from infra.ledger.sources import KnownSource
from schemas.errors import OtherFingerprint, Unreachable
from workers.advance import advance, finish
from workers.audit import audit_some, repair
from workers.pipeline.parts import Pipeline
from workers.reconcile import Reconciled
from workers.removals import Guard, moves
from workers.vouching import HOUR_S, believe, take_listing, vouch

_log = structlog.get_logger("penstock.scheduled")

#: Documents of a source that one audit looks at.
SAMPLE = 50
#: How often a change of pipeline is looked for, and the end of a change of model.
REINDEX_S = 60


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled job: the task it becomes, that task's argument, and the seconds between two slots."""

    task: str
    argument: object
    cadence: float

    @property
    def name(self) -> str:
        """What its slots go by."""
        return self.task if self.argument is None else f"{self.task}:{self.argument}"

    def slot(self, now: float) -> int:
        """When the slot that a moment lies in began: slots of a changed cadence compare with those before."""
        return int(now // self.cadence * self.cadence)


def jobs(sources: Iterable[KnownSource], *, audit_cadence: float) -> list[Job]:
    """Every job there is. Pure."""
    found = [Job("penstock.reindex", None, REINDEX_S)]
    for source in sources:
        found.append(Job("penstock.reconcile", source.id, source.cadence))
        found.append(Job("penstock.audit", source.id, audit_cadence))
    return found


def reconcile_source(pipeline: Pipeline, source: KnownSource, *, dispatch: Callable[[], None]) -> Reconciled | None:
    """List a source, make due what differs, and judge what vanished; None where it could not be listed.

    Args:
        pipeline: the parts.
        source: the source.
        dispatch: wakes workers for what is due.
    """
    began, ledger = pipeline.now(), pipeline.ledger
    try:
        listing = take_listing(pipeline, source, listed={source.id}, now=began)
    except Unreachable as error:
        ledger.sources.failed(source.id, error=error.what, at=began)
        _log.warning("source.unreachable", uri=source.uri, error=str(error))
        return None
    ledger.documents.hear_removed(listing.disowned, at=began, allowed=True)
    guard = _judge(pipeline, listing)
    if guard is not None:
        vouch(ledger, listing, guard)
    dispatch()
    vanished = len(listing.vanished)
    _log.info("source.reconciled", uri=source.uri, seen=listing.seen, repaired=listing.heard, vanished=vanished)
    return listing


def _judge(pipeline: Pipeline, listing: Reconciled) -> Guard | None:
    """Believe or park what vanished; None while what was added meanwhile may yet explain it as moved."""
    ledger, source = pipeline.ledger, listing.source
    removed = ledger.views.removed_since(source.id, listing.began_at - HOUR_S)
    guard = Guard(listing.live + removed, removed, root_trusted=not listing.root_changed)
    if not listing.complete or not listing.vanished:
        return guard
    hashes = [one.content_hash for one in listing.vanished if one.content_hash]
    added = ledger.views.added_since(source.tenant, hashes, source.verified_at or 0.0)
    # What vanished may have been added since then itself: it has not moved to where it was.
    elsewhere = added.keys() - {one.document_id for one in listing.vanished}
    moved = moves(listing.vanished, [added[one] for one in elsewhere])
    if guard.too_many(removed + len(listing.vanished) - len(moved)) and listing.heard:
        return None  # the next listing judges, once what is new has been read
    believe(ledger, listing, guard, moved=moved)
    return guard


def reindex(pipeline: Pipeline) -> None:
    """Make due whatever the current pipeline would make otherwise, and end a change of model that is complete."""
    with pipeline.ledger.exclusively("penstock.advance"):
        # Looked at again under the lock: a deploy may have been advancing it while this waited.
        if pipeline.ledger.get("fingerprint") != pipeline.fingerprint.to_json():
            raise OtherFingerprint
        advance(pipeline.ledger, pipeline.index, pipeline.fingerprint, pipeline.embedder.info, now=pipeline.now())
        finish(pipeline.ledger, pipeline.index, pipeline.collection, pipeline.embedder.info)


def audit_sample(pipeline: Pipeline, source: KnownSource) -> list[str]:
    """Audit some documents of a source, and make due what differs; returns their URIs."""
    active = pipeline.index.active()
    if active != pipeline.collection:
        return []  # a change of model is under way: what searches use was made by another one
    uris = pipeline.ledger.views.sample(source.id, SAMPLE, seed=str(uuid.uuid4()))
    findings = audit_some(pipeline, active, source, uris)
    repaired = list(repair(pipeline, active, findings, now=pipeline.now()))
    _log.log(30 if repaired else 20, "source.audited", uri=source.uri, documents=len(uris), differing=repaired)
    return repaired
