"""Which documents an event makes heard: those of the sources that own its URI, each for its own tenant. No I/O."""

from collections.abc import Iterable

import structlog

from infra.ledger.records import Hearing
from infra.ledger.sources import KnownSource
from infra.ports import Record
from schemas.events import DocumentEvent
from schemas.identity import outermost
from workers.understand import Refused, Why, excerpt, happened_at, understand

_log = structlog.get_logger("penstock.intake")


class Owners:
    """Which sources own a URI, as schemas.sources.owners says; asked once for each event, so by look-up."""

    def __init__(self, sources: Iterable[KnownSource]) -> None:
        self._by_uri: dict[str, list[KnownSource]] = {}
        for source in sources:
            self._by_uri.setdefault(source.uri, []).append(source)

    def of(self, uri: str) -> list[KnownSource]:
        """The sources with the longest matching prefix; none if nobody declared one."""
        if found := self._by_uri.get(uri):
            return found
        end = len(uri)
        while (end := uri.rfind("/", 0, end)) >= 0:
            if found := self._by_uri.get(uri[: end + 1]):
                return found
        return []


def judge(record: Record, owners: Owners) -> tuple[list[Hearing], Refused | None]:
    """What a record makes heard, and why not all of it."""
    understood = understand(record)
    if isinstance(understood, Refused):
        return [], understood
    hearings: list[Hearing] = []
    refused = understood.refused
    for event in understood.events:
        if event.data.uri.endswith("/"):
            _log.info("event.ignored", uri=event.data.uri, reason="a folder is no document")
            continue
        owning = owners_of(event, owners)
        if isinstance(owning, Refused):
            refused = refused or owning
        else:
            hearings += hearings_of(event, owning)
    return hearings, refused


def owners_of(event: DocumentEvent, owners: Owners) -> list[KnownSource] | Refused:
    """The sources that own an event's document; of its tenant only, where it names one."""
    # An event about what lies in a container is one about the container.
    uri, tenant = outermost(event.data.uri), event.data.tenant
    owning = owners.of(uri)
    if not owning:
        return Refused(Why.NO_SOURCE, excerpt(f"no declared source owns it: {uri}"))
    if tenant is None:
        return owning
    theirs = [source for source in owning if source.tenant == tenant]
    return theirs or Refused(
        Why.OTHER_TENANT, excerpt(f"tenant {tenant[:64]!r} declared no source that owns it: {uri}")
    )


def hearings_of(event: DocumentEvent, owning: Iterable[KnownSource]) -> list[Hearing]:
    """That each of these sources heard of the event."""
    data, at = event.data, happened_at(event)
    return [Hearing(source.tenant, outermost(data.uri), source.id, data.acl, data.metadata, at) for source in owning]
