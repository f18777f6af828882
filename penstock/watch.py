"""Watch: index, then follow changes until interrupted.

Changes are hints: a changed file makes its document due, anything that looks like a removal makes its source be listed
again, and every source is listed again at its cadence anyway, so that a lost hint costs time and nothing else.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from infra.ledger.scopes import Scope
from infra.ledger.sources import KnownSource
from penstock.workshop import Workshop
from producers.folder_watch import watch_folder
from schemas.errors import Unreachable
from schemas.events import DocumentEvent
from schemas.identity import file_path
from workers.intake import hear
from workers.run import Report, run
from workers.vouching import HOUR_S

_log = structlog.get_logger("penstock.watch")

#: How long to wait for more after a first change: editors save in several steps.
SETTLE_S = 0.3
#: Most events taken up together.
MOST = 10_000


def follow(
    shop: Workshop,
    sources: Sequence[KnownSource],
    *,
    stop: threading.Event,
    on_round: Callable[[Report], None],
    insist: bool = False,
    events: "queue.Queue[DocumentEvent] | None" = None,
) -> None:
    """Follow sources until `stop` is set; `on_round` sees the report of every round that did something.

    events: where others put what they heard, beside the folders that are watched.
    """
    events = queue.Queue() if events is None else events
    for source in sources:
        if source.uri.startswith("file://"):
            _start(source, events, stop)
    scope = [(source.tenant, source.uri) for source in sources]
    listed = {source.id: time.monotonic() for source in sources}
    overdue: set[int] = set()
    while not stop.is_set():
        batch = gather(events, stop)
        now = time.monotonic()
        overdue |= {source.id for source in sources if now - listed[source.id] >= source.cadence}
        overdue |= hear(shop.ledger, batch, list(shop.pipeline.sources.values()), now=shop.pipeline.now())
        waiting = shop.ledger.documents.due(now=shop.pipeline.now(), scope=scope)
        if not overdue and not waiting:
            continue
        round_ = [source for source in shop.known_sources() if source.id in overdue & listed.keys()]
        try:
            report = _round(shop, round_, scope, insist=insist)
        except Unreachable as error:
            _log.warning("round.failed", error=str(error))
            # The claims it leaves are this process's own: the next round takes them up in recovery.
            shop.ledger.documents.break_leases()
            stop.wait(5)
            continue
        listed |= dict.fromkeys((source.id for source in round_), now)
        overdue.clear()
        on_round(report)


def _round(shop: Workshop, listing: Sequence[KnownSource], scope: Scope, *, insist: bool) -> Report:
    shop.pipeline.tally.counts.clear()
    return run(shop.pipeline, listing, scope=scope, insist=insist, window_s=HOUR_S)


def _start(source: KnownSource, events: "queue.Queue[DocumentEvent]", stop: threading.Event) -> None:
    path = Path(file_path(source.uri).decode("utf-8", "surrogateescape"))
    folder = path if source.uri.endswith("/") else path.parent

    def produce() -> None:
        for event in watch_folder(folder, stop=stop, begin=source.uri):
            if source.owns(event.subject):
                events.put(event)

    threading.Thread(target=produce, name=f"watch {source.uri}", daemon=True).start()


def gather(events: "queue.Queue[DocumentEvent]", stop: threading.Event) -> list[DocumentEvent]:
    """The next changes, at most `MOST`, together with what follows closely; at most a second's wait."""
    try:
        batch = [events.get(timeout=1.0)]
    except queue.Empty:
        return []
    stop.wait(SETTLE_S)
    while len(batch) < MOST:
        try:
            batch.append(events.get_nowait())
        except queue.Empty:
            break
    return batch
