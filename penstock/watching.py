"""`penstock watch` in the scaled composition: a producer. Changes of folders become events on Kafka, and nothing else.

Whenever a folder's watch begins to stand, each file in it counts as changed. What is missed even so (removals while
nobody watched, a broker that was away for longer than it remembers) the scheduled listing finds.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from infra.kafka_topics import DOCUMENTS
from infra.ledger import Ledger
from infra.ports import Message, Publisher
from infra.settings import Settings
from penstock.compose import resolve_sources
from penstock.scaled import open_shared_ledger
from penstock.watch import MOST, gather
from producers.folder_watch import each_file, watch_folder
from schemas.errors import Unreachable, UsageError
from schemas.events import DocumentEvent
from schemas.identity import document_id, file_path
from schemas.sources import Source

_log = structlog.get_logger("penstock.watching")

#: Documents remembered while Kafka does not answer; beyond that the next listing finds what was missed.
REMEMBERED = 100_000


def watch_scaled(
    settings: Settings,
    arguments: Sequence[str],
    publisher: Publisher,
    *,
    tenant: str,
    stop: threading.Event,
    ready: Callable[[], None],
) -> None:
    """Register the sources and publish their changes until `stop` is set.

    Raises:
        UsageError: a source is no folder or file: a bucket publishes its own notifications.
        Unreachable: the ledger does not answer.
    """
    ledger = open_shared_ledger(settings)
    try:
        sources = _register(settings, ledger, arguments, tenant)
    finally:
        ledger.close()
    events: queue.Queue[DocumentEvent] = queue.Queue(MOST)
    for source in sources:
        threading.Thread(target=_produce, args=(source, events, stop), name=f"watch {source.uri}", daemon=True).start()
    ready()
    waiting: dict[bytes, DocumentEvent] = {}
    while not stop.is_set():
        for event in gather(events, stop):
            key = document_id(tenant, event.subject).encode()
            if key in waiting or len(waiting) < REMEMBERED:
                waiting[key] = event  # the last one of a document says all there is to say
        waiting = _publish(publisher, waiting, stop)


def _publish(
    publisher: Publisher, waiting: dict[bytes, DocumentEvent], stop: threading.Event
) -> dict[bytes, DocumentEvent]:
    """Send what waits; returns what still does."""
    if not waiting:
        return waiting
    messages = [
        Message(DOCUMENTS, key, event.model_dump_json(exclude_none=True).encode(), ()) for key, event in waiting.items()
    ]
    try:
        publisher.send(messages)
    except Unreachable as error:
        _log.warning("events.wait", documents=len(waiting), error=str(error))
        stop.wait(5)
        return waiting
    return {}


def _register(settings: Settings, ledger: Ledger, arguments: Sequence[str], tenant: str) -> list[Source]:
    sources = resolve_sources(arguments, tenant, settings, ledger.sources.all())
    for source in sources:
        if not source.uri.startswith("file://"):
            todo = "let the bucket publish to PENSTOCK_KAFKA_S3_TOPIC, or run `penstock relay`"
            raise UsageError(f"{source.uri} is no folder: there is nothing to watch here", todo)
        ledger.sources.register(source)
    return sources


def _produce(source: Source, events: "queue.Queue[DocumentEvent]", stop: threading.Event) -> None:
    path = Path(file_path(source.uri).decode("utf-8", "surrogateescape"))
    folder = path if source.uri.endswith("/") else path.parent
    for event in watch_folder(folder, stop=stop, begin=source.uri):
        for one in each_file(event):
            if source.owns(one.subject):
                events.put(one)
