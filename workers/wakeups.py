"""Wake-ups: short messages that tell a worker which documents are due. Not the record: the ledger is that.

Sent when something is heard, and again by the sweeper for whatever is due, in nobody's hand, and was not woken lately.
So a lost message costs `RESEND_S`, a repeated one a glance at the ledger, and the queue never grows beyond its bound.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import structlog

from infra.failpoints import reach
from infra.ledger.documents import Documents
from infra.ledger.records import Priority, Waiting
from schemas.errors import Unreachable

_log = structlog.get_logger("penstock.wakeups")

#: Documents of one wake-up: small ones share the model's batches, and a lost worker leaves no more than these behind.
TASK_DOCUMENTS = 32
#: Wake-ups a queue holds before no more are sent: some for each of many workers, and a bound on what nobody reads.
QUEUE_BOUND = 200
#: Seconds after which a wake-up that had no effect counts as lost.
RESEND_S = 30.0
#: Documents woken in one sweep.
SWEEP_LIMIT = 2000


class Queue(Protocol):
    """Where wake-ups go. Raises Unreachable when it does not answer."""

    def send(self, ids: Sequence[str], priority: Priority) -> None:
        """Send one wake-up."""

    def depth(self, priority: Priority) -> int:
        """How many wait to be taken."""


def bundles(waiting: Iterable[Waiting]) -> Iterator[tuple[Priority, list[str]]]:
    """Documents grouped into wake-ups: by priority; each that was in hand when workers died by itself. Pure.

    A document that kills its worker must not take its neighbours along a second time.
    """
    open_: dict[Priority, list[str]] = {priority: [] for priority in Priority}
    for one in waiting:
        priority = Priority(one.priority)
        if one.alone:
            yield priority, [one.document_id]
            continue
        open_[priority].append(one.document_id)
        if len(open_[priority]) == TASK_DOCUMENTS:
            yield priority, open_[priority]
            open_[priority] = []
    yield from ((priority, ids) for priority, ids in open_.items() if ids)


class Dispatcher:
    """Sends wake-ups for the documents of one ledger."""

    def __init__(self, documents: Documents, queue: Queue) -> None:
        self._documents, self._queue = documents, queue

    def sweep(self, *, now: float) -> int:
        """Wake for whatever is due, in nobody's hand and not woken lately; returns for how many documents.

        Raises:
            Unreachable: the ledger or the queue does not answer. What was not sent is found by the next sweep.
        """
        self._documents.hear_rechecks(at=now)
        room = {priority: QUEUE_BOUND - self._queue.depth(priority) for priority in Priority}
        waiting = self._documents.waiting(now=now, woken_before=now - RESEND_S, limit=SWEEP_LIMIT)
        sent = 0
        for priority, ids in bundles(waiting):
            if room[priority] <= 0:
                continue
            # Before it is sent: a worker that has it at once must not find the documents locked by this very record.
            self._documents.woken(ids, at=now)
            try:
                self._queue.send(ids, priority)
            except Unreachable:
                self._documents.woken(ids, at=None)
                raise
            reach("wake.after")
            room[priority] -= 1
            sent += len(ids)
        return sent

    def wake(self, *, now: float) -> None:
        """As `sweep`, for what was just heard; a queue that does not answer is left to the next sweep."""
        try:
            self.sweep(now=now)
        except Unreachable as error:
            _log.warning("wakeups.failed", error=str(error))
