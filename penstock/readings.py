"""What the ledger says when Prometheus asks: due, dead, unverified. Costs a few small queries, whoever asks."""

from collections.abc import Iterator

from infra.ledger import Ledger
from infra.metrics import Reading
from schemas.errors import Unreachable


def readings(ledger: Ledger, *, now: float) -> Iterator[Reading]:
    """The gauges of one moment; where the ledger does not answer, the one that says so."""
    try:
        found = list(_readings(ledger, now))
    except Unreachable:
        found = [Reading("penstock_ledger_up", "Whether the ledger answers", 0)]
    yield from found


def _readings(ledger: Ledger, now: float) -> Iterator[Reading]:
    yield Reading("penstock_ledger_up", "Whether the ledger answers", 1)
    yield Reading("penstock_due_documents", "Documents that are due", ledger.documents.due(now=now))
    oldest = ledger.views.oldest_due()
    age = 0.0 if oldest is None else max(0.0, now - oldest[1])
    yield Reading("penstock_oldest_due_seconds", "How long the oldest due document has been due", age)
    yield Reading("penstock_dead_letters", "Events not understood and not replayed", ledger.letters.count())
    yield Reading("penstock_refused_documents", "Held, parked or failing documents", ledger.views.refused())
    held, since = ledger.quarantine.pressing()
    age = 0.0 if since is None else max(0.0, now - since)
    yield Reading("penstock_held_documents", "Documents with a newer version that the rules or the parser hold", held)
    yield Reading("penstock_held_oldest_seconds", "How long the oldest of them has been held", age)
    for source in ledger.sources.all():
        labels = (("tenant", source.tenant), ("uri", source.uri))
        age = float("inf") if source.verified_at is None else max(0.0, now - source.verified_at)
        yield Reading("penstock_source_unverified_seconds", "Since the source was last verified", age, labels)
        yield Reading("penstock_source_freshness_seconds", "Its freshness target", source.freshness, labels)
