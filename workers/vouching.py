"""A source's listing: taking it, believing or doubting what vanished, and whether it verified the source."""

from typing import Any

from infra.ledger import Ledger
from infra.ledger.records import Hearing
from infra.ledger.sources import KnownSource
from schemas.errors import Unreachable
from workers.pipeline.parts import Pipeline
from workers.reconcile import Reconciled, reconcile
from workers.removals import Guard

#: Where removals are not found by one listing, those of the last hour are counted together.
HOUR_S = 3600.0


def unlisted_guard(pipeline: Pipeline, source_id: int) -> Guard:
    """The guard of a source that was not listed: its root must be the one last seen, and the last hour counts."""
    source, views = pipeline.sources[source_id], pipeline.ledger.views
    try:
        root = pipeline.reader(source).root_identity()
    except Unreachable:
        return Guard(0, root_trusted=False)
    removed = views.removed_since(source_id, pipeline.now() - HOUR_S)
    trusted = source.root_identity in (None, root)
    # Counting is for the rare case that many were removed: an event must not cost more where there are more documents.
    return Guard(lambda: views.live(source_id) + removed, removed, root_trusted=trusted)


def vouch(ledger: Ledger, listing: Reconciled, guard: Guard) -> list[dict[str, Any]]:
    """Record whether a listing verified its source; returns what of it could not be listed."""
    source = listing.source
    believed = all(document.document_id in guard.believed for document in listing.vanished)
    if not listing.complete:
        error = f"{listing.unlisted[0][0]} cannot be listed"
        ledger.sources.failed(source.id, error=error, at=listing.began_at)
    elif listing.root_changed and not believed:
        error = "another folder stands in its place, and documents are missing from it"
        ledger.sources.failed(source.id, error=error, at=listing.began_at)
    else:
        ledger.sources.verified(source.id, root_identity=listing.root, at=listing.began_at)
    return [
        {"uri": uri, "reason": refusal.reason.value, "detail": refusal.detail, "todo": refusal.todo}
        for uri, refusal in listing.unlisted
    ]


def take_listing(pipeline: Pipeline, source: KnownSource, *, listed: set[int], now: float) -> Reconciled:
    """List a source and make due what differs.

    Args:
        pipeline: the parts.
        source: the source.
        listed: ids of the sources that are listed in this round.
        now: seconds since the epoch.

    Raises:
        Unreachable: it cannot be listed.
    """
    recover_unknown = bool(pipeline.ledger.get("recover_unknown"))
    if recover_unknown and source.verified_at is None:
        _adopt(pipeline, source, now=now)
    return reconcile(
        pipeline.ledger,
        source,
        pipeline.reader(source),
        others=pipeline.sources.values(),
        now=now,
        listed=listed,
        recover_unknown=recover_unknown,
    )


def believe(ledger: Ledger, listing: Reconciled, guard: Guard, *, moved: set[str]) -> None:
    """Park what of the vanished is doubted, and make due what is believed to be gone."""
    parked = guard.judge(listing.vanished, moved=moved, listed=listing.seen)
    ledger.documents.hold_removals([one.document_id for one in parked], at=listing.began_at)
    going = [one.document_id for one in listing.vanished if one.document_id in guard.believed]
    ledger.documents.hear_removed(going, at=listing.began_at, allowed=True)


def _adopt(pipeline: Pipeline, source: KnownSource, *, now: float) -> None:
    """Make known what the index holds of a source whose ledger was lost: deleted meanwhile, nobody else would ask."""
    active = pipeline.index.active()
    points = pipeline.index.scroll(active, source.tenant) if active else ()
    uris = {str(point.payload["uri"]) for point in points if source.owns(str(point.payload["uri"]))}
    hearings = [Hearing(source.tenant, uri, source.id) for uri in sorted(uris)]
    pipeline.ledger.documents.hear(hearings, at=now, recover=True)
