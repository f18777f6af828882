"""`penstock serve`: takes in webhooks and pushed content, over HTTP.

Embedded, this process holds the home and does the work too: what it took in is heard in the ledger before the client
gets its 2xx, and wakes up the loop that follows every known source. Scaled, it is an event on Kafka, confirmed.
"""

import queue
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from infra.home_socket import serving as serving_socket
from infra.http_server import serving
from infra.kafka_topics import DOCUMENTS, check_topics
from infra.ledger import Ledger
from infra.metrics import exposition
from infra.ports import Message, Publisher
from infra.settings import Settings, declared_sources
from penstock.answers import answering, searching
from penstock.compose import open_index, open_model, open_push_store
from penstock.front import Front
from penstock.indexing import advance_to_current, register
from penstock.readings import readings
from penstock.scaled import open_shared_ledger, require
from penstock.search import Query
from penstock.watch import follow
from penstock.workshop import Workshop, workshop
from producers.webhook import keys_of
from schemas.errors import Unreachable
from schemas.events import DocumentEvent
from schemas.identity import document_id
from workers.intake import hear
from workers.run import Report, run

#: Seconds a request waits for those before it to be confirmed.
PUBLISH_WAIT_S = 10.0


def serve_embedded(
    settings: Settings, *, stop: threading.Event, ready: Callable[[str], None], on_round: Callable[[Report], None]
) -> None:
    """Serve, and keep every known and declared source indexed, until `stop` is set; `ready` is given the address."""
    events: queue.Queue[DocumentEvent] = queue.Queue()
    with ExitStack() as stack:
        shop = stack.enter_context(workshop(settings))
        stack.enter_context(serving_socket(shop.home.socket, answering(shop)))
        _register_declared(shop)
        advance_to_current(shop)

        def publish(event: DocumentEvent) -> None:
            hear(shop.ledger, [event], shop.ledger.sources.all(), now=shop.pipeline.now())
            events.put(event)

        search = searching(settings, shop.ledger, shop.index, shop.pipeline.embedder)
        front = _front(settings, shop.ledger, publish, search, {})
        ready(stack.enter_context(serving(front.routes(), host=settings.http_host, port=settings.http_port)))
        sources = shop.known_sources()
        on_round(run(shop.pipeline, sources, scope=[(source.tenant, source.uri) for source in sources]))
        follow(shop, sources, stop=stop, on_round=on_round, events=events)


def serve_scaled(
    settings: Settings, publisher: Publisher, *, stop: threading.Event, ready: Callable[[str], None]
) -> None:
    """Serve, and publish what is taken in, until `stop` is set; `ready` is given the address."""
    with ExitStack() as stack:
        require(settings, "serve")
        stack.callback(publisher.close)
        ledger = open_shared_ledger(settings)
        stack.callback(ledger.close)
        store = open_push_store(settings)
        for source in ledger.sources.all():
            if source.uri.startswith("push://"):
                store.prepare(source.tenant, source.uri)
        servers = settings.kafka_bootstrap_servers or ""
        checks = {"kafka": lambda: check_topics(servers, [DOCUMENTS])}
        front = _front(settings, ledger, _publishing(publisher), _remote_search(settings, ledger, stack), checks)
        ready(stack.enter_context(serving(front.routes(), host=settings.http_host, port=settings.http_port)))
        stop.wait()


def _front(
    settings: Settings,
    ledger: Ledger,
    publish: Callable[[DocumentEvent], None],
    search: Callable[[Query], dict[str, Any]] | None,
    checks: Mapping[str, Callable[[], object]],
) -> Front:
    store, now = open_push_store(settings), ledger.clock()
    secrets = {tenant: [one.get_secret_value() for one in given] for tenant, given in settings.webhook_secrets.items()}
    return Front(
        keys=keys_of(secrets),
        ledger=ledger,
        store=store,
        publish=publish,
        sources=ledger.sources.all,
        search=search,
        checks={"ledger": lambda: ledger.get("format"), "push store": store.check, **checks},
        metrics=lambda: exposition(lambda: readings(ledger, now=now())),
        home=str(settings.folder),
        max_document_bytes=settings.max_document_bytes,
        now=now,
        new_id=lambda: str(uuid.uuid4()),
    )


def _publishing(publisher: Publisher) -> Callable[[DocumentEvent], None]:
    """Publish one event at a time and wait for it; requests come from many threads."""
    alone = threading.Lock()

    def publish(event: DocumentEvent) -> None:
        key = document_id(event.data.tenant or "", event.data.uri).encode()
        message = Message(DOCUMENTS, key, event.model_dump_json().encode())
        if not alone.acquire(timeout=PUBLISH_WAIT_S):
            raise Unreachable("Kafka", "it confirms too slowly", "try again later")
        try:
            publisher.send([message])
        finally:
            alone.release()

    return publish


def _remote_search(settings: Settings, ledger: Ledger, stack: ExitStack) -> Callable[[Query], dict[str, Any]] | None:
    """Search on the Qdrant server; an embedded index belongs to the process that writes it."""
    if settings.qdrant_url is None:
        return None
    index = open_index(settings)
    stack.callback(index.close)
    embedder = open_model(settings, dtype=ledger.get("dtype") or settings.dtype)[1]
    return searching(settings, ledger, index, embedder)


def _register_declared(shop: Workshop) -> None:
    for tenant, uris in _by_tenant(shop.settings).items():
        register(shop, uris, tenant)


def _by_tenant(settings: Settings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source in declared_sources(settings.sources):
        found.setdefault(source.tenant, []).append(source.uri)
    return found
