"""`index` and `reindex`: register the sources, advance the fingerprint, run, report."""

from collections.abc import Sequence

from infra.ledger.sources import KnownSource
from penstock.compose import resolve_sources
from penstock.workshop import Workshop
from schemas.errors import UsageError
from schemas.identity import document_id
from workers.advance import advance
from workers.run import Report, run


def register(shop: Workshop, arguments: Sequence[str], tenant: str) -> list[KnownSource]:
    """Declare the sources given on the command line; attributes that changed make their documents due."""
    wanted = resolve_sources(arguments, tenant, shop.settings, shop.ledger.sources.all())
    found = []
    for source in wanted:
        registered = shop.ledger.sources.register(source)
        if registered.attributes_changed:
            shop.ledger.documents.hear_again([(source.tenant, source.uri)], at=shop.pipeline.now())
        found.append(registered.source)
    shop.known_sources()
    return found


def advance_to_current(shop: Workshop) -> None:
    """Make this code and these settings the current ones, with what that makes due."""
    pipeline = shop.pipeline
    pipeline.collection = advance(
        shop.ledger, shop.index, pipeline.fingerprint, pipeline.embedder.info, now=pipeline.now()
    )


def index(
    shop: Workshop, arguments: Sequence[str], *, tenant: str, insist: bool = False, remember: Sequence[str] = ()
) -> Report:
    """Bring the index in line with sources, then stop."""
    sources = _unique(register(shop, arguments, tenant))
    for uri in remember:
        if not shop.ledger.documents.remember(document_id(tenant, uri)):
            raise UsageError(f"{uri} was not forgotten", "check the URI and --tenant")
    advance_to_current(shop)
    scope = [(source.tenant, source.uri) for source in sources]
    shop.ledger.documents.hurry(scope)
    return run(shop.pipeline, sources, scope=scope, insist=insist)


def reindex(shop: Workshop, argument: str, *, tenant: str, force: bool) -> Report:
    """Make what the fingerprint changed due, or with `force` everything, and work on it."""
    wanted = resolve_sources([argument], tenant, shop.settings, shop.ledger.sources.all())[0]
    known = {(source.tenant, source.uri): source for source in shop.known_sources()}
    source = known.get((wanted.tenant, wanted.uri))
    if source is None:
        todo = f"run `penstock index {argument}` first; `penstock status` lists the sources"
        raise UsageError(f"{wanted.uri} is not a source of tenant {tenant}", todo)
    advance_to_current(shop)
    scope = [(source.tenant, source.uri)]
    shop.ledger.documents.hurry(scope)
    if force:
        shop.ledger.documents.hear_again(scope, at=shop.pipeline.now(), distrust=True)
    return run(shop.pipeline, [source], scope=scope)


def _unique(sources: Sequence[KnownSource]) -> list[KnownSource]:
    return list({source.id: source for source in sources}.values())
