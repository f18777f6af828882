"""Answers that need the index: by the process that holds the home if there is one, by opening it otherwise."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

from infra.home import Home
from infra.home_socket import ask
from infra.ledger import Ledger
from infra.ports import Embedder, Index
from infra.settings import Settings
from penstock.compose import existing_ledger, open_index, open_model, resolve_sources
from penstock.search import Query, search
from penstock.workshop import Workshop, make_pipeline, open_parser
from schemas.errors import HomeBusy, Unreachable, UsageError
from workers.advance import collection_name
from workers.audit import Findings, audit, repair
from workers.removals import Removals
from workers.run import drain
from workers.vouching import unlisted_guard

#: How long a reader waits for another reader to close the index: opening, asking and closing takes well under this.
READER_WAIT_S = 30.0


def answering(shop: Workshop) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What the holder of the home answers on its socket, from the parts it has open."""
    find = searching(shop.settings, shop.ledger, shop.index, shop.pipeline.embedder)

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        match question.pop("ask", None):
            case "search":
                return find(Query(**question))
            case "audit":
                return _audit(shop.settings, shop.ledger, shop.index, **question).to_json()
            case unknown:
                raise UsageError(f"the process that holds the home does not answer {unknown!r}", "upgrade it")

    return answer


def searching(
    settings: Settings, ledger: Ledger, index: Index, embedder: Embedder
) -> Callable[[Query], dict[str, Any]]:
    """Searches with parts that stay open, and with whatever model the active collection has by then."""

    def find(query: Query) -> dict[str, Any]:
        nonlocal embedder
        embedder = _matching(settings, index, _searching_model(settings, ledger, embedder))
        return search(query, ledger=ledger, index=index, embedder=embedder, now=time.time())

    return find


def answer_search(settings: Settings, query: Query) -> dict[str, Any]:
    """Search, through the holder's socket or the index itself."""
    question = {"ask": "search", **asdict(query)}
    if (reply := _ask(settings, question)) is not None:
        return reply
    ledger = existing_ledger(settings)
    if ledger is None:
        return {"query": query.text, "hits": []}
    # The model is loaded before the home is locked: others need not wait for that.
    embedder = _searching_model(settings, ledger, open_model(settings)[1])
    embedder.encode([query.text])
    with _reading(settings, question) as opened:
        if isinstance(opened, dict):
            return opened
        embedder = _matching(settings, opened, embedder)
        return search(query, ledger=ledger, index=opened, embedder=embedder, now=time.time())


def answer_audit(settings: Settings, arguments: Sequence[str], tenant: str) -> dict[str, Any]:
    """Audit without repair, through the holder's socket or the index itself."""
    question = {"ask": "audit", "arguments": list(arguments), "tenant": tenant}
    if (reply := _ask(settings, question)) is not None:
        return reply
    ledger = existing_ledger(settings)
    if ledger is None:
        return Findings().to_json()
    with _reading(settings, question) as opened:
        if isinstance(opened, dict):
            return opened
        return _audit(settings, ledger, opened, arguments=arguments, tenant=tenant).to_json()


def audit_and_repair(shop: Workshop, arguments: Sequence[str], tenant: str) -> dict[str, Any]:
    """Audit, mend what differs, and audit again: the findings are those after the repair."""
    recorded = shop.ledger.get("fingerprint")
    if recorded not in (None, shop.pipeline.fingerprint.to_json()):
        raise UsageError("code or settings changed since the last run", "run `penstock index` on the sources first")
    first = _audit(shop.settings, shop.ledger, shop.index, arguments=arguments, tenant=tenant)
    pipeline = shop.pipeline
    repaired = list(repair(pipeline, _active(shop), first, now=pipeline.now()))
    shop.known_sources()
    drain(pipeline, Removals(lambda source_id: unlisted_guard(pipeline, source_id)), scope=None)
    second = _audit(shop.settings, shop.ledger, shop.index, arguments=arguments, tenant=tenant)
    second.repaired = sorted(set(repaired) | set(first.orphaned))
    return second.to_json()


def _active(shop: Workshop) -> str:
    return shop.index.active() or shop.pipeline.collection


def _audit(settings: Settings, ledger: Ledger, index: Index, *, arguments: Sequence[str], tenant: str) -> Findings:
    known = ledger.sources.all()
    sources = known
    if arguments:
        wanted = {(one.tenant, one.uri) for one in resolve_sources(arguments, tenant, settings, known)}
        sources = [source for source in known if (source.tenant, source.uri) in wanted]
        if unknown := wanted - {(source.tenant, source.uri) for source in sources}:
            uri = min(unknown)[1]
            raise UsageError(f"{uri} is not a source of tenant {tenant}", "`penstock status` lists the sources")
    # Where the index was lost, the ledger still says what should be there, and all of it is missing.
    active = index.active() or (ledger.get("model") or {}).get("collection")
    if active is None or not sources:
        return Findings()
    # A parser of its own: the child dies with the thread that started it, and this may be the socket's.
    with open_parser(settings, ledger) as parser:
        pipeline = make_pipeline(settings, ledger, index, parser)
        if pipeline.collection != active:
            # A change of model is under way: what searches use is held against the model that it was built with.
            old = settings.model_copy(update={"model": (ledger.get("model") or {}).get("name", settings.model)})
            pipeline = make_pipeline(old, ledger, index, parser)
        return audit(pipeline, active, sources, whole=not arguments)


def _searching_model(settings: Settings, ledger: Ledger, opened: Embedder) -> Embedder:
    """The embedder of the collection that searches use: the one already opened, or the old one during a migration."""
    name = (ledger.get("model") or {}).get("name", opened.info.name)
    if name == opened.info.name:
        return opened
    return open_model(settings, name, dtype=ledger.get("dtype") or settings.dtype)[1]


def _matching(settings: Settings, index: Index, embedder: Embedder) -> Embedder:
    """The embedder of the active collection: killed half-way through a switch, the ledger still names the old model."""
    active = index.active()
    if active in (None, collection_name(embedder.info)):
        return embedder
    configured = open_model(settings)[1]
    if collection_name(configured.info) != active:
        todo = "run `penstock index`, which brings a change of model to its end"
        raise Unreachable(str(active), "it was built with another model than the one recorded", todo)
    return configured


@contextmanager
def _reading(settings: Settings, question: dict[str, Any]) -> Iterator[Index | dict[str, Any]]:
    """The index, opened under the lock for a moment, or the answer of whoever came to hold it meanwhile."""
    home, began = Home(settings.folder), time.monotonic()
    if settings.qdrant_url is not None:  # a server: nobody holds it
        index = open_index(settings)
        try:
            yield index
        finally:
            index.close()
        return
    while True:
        with ExitStack() as stack:
            try:
                stack.enter_context(home.locked(wait_s=0.2))
            except HomeBusy:
                if (reply := _ask(settings, question)) is not None:
                    yield reply
                    return
                if time.monotonic() - began > READER_WAIT_S:
                    raise
                continue
            index = open_index(settings)
            stack.callback(index.close)
            yield index
            return


def _ask(settings: Settings, question: dict[str, Any]) -> dict[str, Any] | None:
    home = Home(settings.folder)
    home.check_format()
    return ask(home.socket, question) if home.socket.exists() else None
