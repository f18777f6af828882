"""Intake: events raise `heard`. A hint is never the truth: the worker re-reads the source.

A removal, or a change of a whole folder, makes the source be listed again instead: what vanished is judged as a whole.
"""

from collections.abc import Sequence

import structlog

from infra.ledger import Ledger
from infra.ledger.records import Hearing
from infra.ledger.sources import KnownSource
from schemas.events import REMOVED, DocumentEvent
from schemas.sources import owners

_log = structlog.get_logger("penstock.intake")


def hear(ledger: Ledger, events: Sequence[DocumentEvent], sources: Sequence[KnownSource], *, now: float) -> set[int]:
    """Take events into the ledger, in one transaction.

    Returns:
        Ids of sources to be listed again.
    """
    relist: set[int] = set()
    hearings: list[Hearing] = []
    for event in events:
        owning = owners(event.data.uri, sources)
        if event.data.tenant is not None:
            owning = [source for source in owning if source.tenant == event.data.tenant]
        if not owning:
            _log.warning("event.refused", uri=event.data.uri, reason="no declared source owns it")
        for source in owning:
            if event.type == REMOVED or event.data.uri.endswith("/"):
                relist.add(source.id)
                continue
            data = event.data
            hearings.append(Hearing(source.tenant, data.uri, source.id, data.acl, data.metadata))
    if hearings:
        ledger.documents.hear(hearings, at=now)
    return relist
