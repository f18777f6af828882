"""Forget: erase a document, or a tenant, everywhere we can reach, and prove it. What we cannot reach is named."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from infra.report_folder import erase as erase_reports
from penstock.compose import open_push_store, open_reader
from penstock.workshop import Workshop
from schemas.errors import Unreachable, UsageError
from schemas.identity import document_id
from workers.advance import ours

#: Copies no process of ours can reach.
OUT_OF_REACH = (
    "the source itself",
    "Kafka's topics, until their retention ends",
    "backups of the home, the source or the servers",
    "answers already given, and reports that were copied or written on other machines",
)

#: Seconds until what a worker had sent to the index has arrived, or failed: its client's time limit, and a little.
LATE_S = 35.0


def forget(shop: Workshop, *, uri: str | None, tenant: str) -> dict[str, Any]:
    """Erase one document (by its URI) or all of a tenant's.

    Returns:
        {"tenant", "documents": [URIs], "points": how many, "vectors": how many, "proved", "out_of_reach"}.

    Raises:
        UsageError: no such document.
        Unreachable: something survived; nothing is reported as erased then.
    """
    # A container is forgotten with all that lies in it; nobody opens it any more, so that needs no marks.
    views = shop.ledger.views.documents(None, scope=[(tenant, uri)] if uri else None)
    doomed = {id_: view.uri for id_, view in views.items() if view.tenant == tenant}
    if uri is not None:
        doomed[document_id(tenant, uri)] = uri
        if len(doomed) == 1 and not views and not _points(shop, tenant, doomed):
            todo = "`penstock status` counts what is known, `penstock search` shows URIs; check --tenant"
            raise UsageError(f"{uri} is not a document of tenant {tenant}", todo)
    ids = list(doomed)
    some = None if uri is None else ids
    _erase_pushed(shop, tenant, sorted(doomed.values()), whole=uri is None)
    # Killed half-way, what is left of a document must not pass for the whole: from here on it is due.
    shop.ledger.documents.distrust(ids, at=shop.pipeline.now())
    points = _points(shop, tenant, some)
    for collection, doomed_points in points.items():
        shop.index.delete(collection, doomed_points)
    in_hand = shop.ledger.documents.in_hand(ids)
    shop.ledger.documents.erase(ids, mark=ids if uri is None else [document_id(tenant, uri)])
    if in_hand:
        # A worker may be writing one of them this moment; without its row it can begin nothing more.
        time.sleep(LATE_S)
        for collection, late in _points(shop, tenant, some).items():
            shop.index.delete(collection, late)
    vectors = shop.ledger.vectors.erase_unused(tenant)
    shop.ledger.parses.erase_unused(tenant)
    shop.ledger.letters.erase(doomed.values())
    if uri is None:
        shop.ledger.sources.remove(tenant)
    shop.ledger.scrub()
    # After the rows: a report being written is then written anew.
    erase_reports(shop.home.reports)
    # Every collection, also one that a forget killed half-way has already deleted the points of.
    for collection in ours(shop.index):
        shop.index.purge(collection)
    for collection, left in _points(shop, tenant, some).items():
        raise Unreachable(collection, f"{len(left)} points survived", "run forget again")
    return {
        "tenant": tenant,
        "documents": sorted(doomed.values()),
        "points": sum(map(len, points.values())),
        "vectors": vectors,
        "proved": True,
        "out_of_reach": list(OUT_OF_REACH),
    }


def _erase_pushed(shop: Workshop, tenant: str, uris: Sequence[str], *, whole: bool) -> None:
    """Delete from the push store what is forgotten, and of a whole tenant also what was never indexed."""
    store = open_push_store(shop.settings)
    pushed = {uri for uri in uris if uri.startswith("push://")}
    for source in shop.ledger.sources.all() if whole else ():
        if source.tenant == tenant and source.uri.startswith("push://"):
            pushed |= {entry.uri for entry in open_reader(shop.settings, source).list()}
    for uri in sorted(pushed):
        store.delete(tenant, uri)


def _points(shop: Workshop, tenant: str, some: Iterable[str] | None) -> dict[str, list[str]]:
    """Ids of the points of some documents, or of all of a tenant's, by collection; collections without any left out."""
    wanted = [None] if some is None else list(some)
    found = {
        collection: [point.id for one in wanted for point in shop.index.scroll(collection, tenant, document_id=one)]
        for collection in ours(shop.index)
    }
    return {collection: ids for collection, ids in found.items() if ids}
