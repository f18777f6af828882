"""`index` and `reindex`: register the sources, advance the fingerprint, run, report."""

from collections.abc import Sequence
from typing import Any

from infra.ledger.scopes import Scope
from infra.ledger.sources import KnownSource
from infra.source_names import document_uri
from penstock.compose import check_there, open_push_store, open_reader, resolve_sources
from penstock.workshop import Workshop
from schemas.errors import Unreachable, UsageError
from schemas.identity import document_id
from schemas.sources import Source
from workers.advance import advance, migrating
from workers.run import Report, run


def register(shop: Workshop, arguments: Sequence[str], tenant: str) -> tuple[list[KnownSource], list[dict[str, Any]]]:
    """Declare the sources given on the command line; attributes that changed make their documents due.

    Returns:
        The sources, and for those never seen before that do not answer, why: a slip of the pen becomes no source.
    """
    known = shop.ledger.sources.all()
    wanted = resolve_sources(arguments, tenant, shop.settings, known)
    found, refused = [], []
    for source in wanted:
        if not any(source.owns(one.uri) and source.tenant == one.tenant for one in known):
            try:
                _first_look(shop, source)
            except Unreachable as error:
                refused.append({"uri": source.uri, "reason": "unreachable", "detail": error.what, "todo": error.todo})
                continue
        if shop.ledger.sources.changes_attributes(source):
            # Due first, declared after: killed in between, the next run does the first again, which harms nothing.
            shop.ledger.documents.hear_again([(source.tenant, source.uri)], at=shop.pipeline.now())
        found.append(shop.ledger.sources.register(source))
    shop.known_sources()
    return found, refused


def _first_look(shop: Workshop, source: Source) -> None:
    if source.uri.startswith("push://"):
        open_push_store(shop.settings).prepare(source.tenant, source.uri)
    reader = open_reader(shop.settings, source)
    reader.root_identity()
    check_there(reader, source, known=lambda: shop.ledger.documents.known(source.tenant, source.uri))


def advance_to_current(shop: Workshop) -> None:
    """Make this code and these settings the current ones, with what that makes due."""
    pipeline = shop.pipeline
    with shop.ledger.exclusively("penstock.advance"):
        pipeline.collection = advance(
            shop.ledger, shop.index, pipeline.fingerprint, pipeline.embedder.info, now=pipeline.now()
        )


def index(
    shop: Workshop, arguments: Sequence[str], *, tenant: str, insist: bool = False, remember: Sequence[str] = ()
) -> Report:
    """Bring the index in line with sources, then stop."""
    found, refused = register(shop, arguments, tenant)
    sources = list({source.id: source for source in found}.values())
    for uri in remember:
        if not shop.ledger.documents.remember(document_id(tenant, document_uri(uri))):
            raise UsageError(f"{uri} was not forgotten", "check the URI and --tenant")
    advance_to_current(shop)
    scope = [(source.tenant, source.uri) for source in sources]
    _hurry(shop, scope)
    report = run(shop.pipeline, sources, scope=scope, insist=insist)
    report.unreachable += refused
    return report


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
    _hurry(shop, scope)
    if force:
        shop.ledger.documents.hear_again(scope, at=shop.pipeline.now(), distrust=True)
    return run(shop.pipeline, [source], scope=scope)


def _hurry(shop: Workshop, scope: Scope) -> None:
    """Try again at once what could not be reached; all of it where a change of model waits for every document."""
    shop.ledger.documents.hurry(None if migrating(shop.index, shop.pipeline.collection) else scope)
