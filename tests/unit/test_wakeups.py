"""Wake-ups point at the ledger: lost ones are sent again, repeated ones cost nothing, and a queue has a bound."""

import pytest

from infra.ledger import open_ledger
from infra.ledger.records import Hearing, Priority, Waiting
from schemas.errors import Unreachable
from tests.contracts.test_ledger import NOW, claim, hear
from workers.wakeups import QUEUE_BOUND, RESEND_S, TASK_DOCUMENTS, Dispatcher, bundles

EVENT, REINDEX = Priority


class FullQueue:
    """A queue that holds messages by priority, holds `filled` others, and is away after `left` more."""

    def __init__(self, filled=0, left=None):
        self.sent, self.filled, self.left = [], filled, left

    def send(self, ids, priority):
        if self.left == 0:
            raise Unreachable("queue", "is away", "wait")
        self.left = None if self.left is None else self.left - 1
        self.sent.append((priority, list(ids)))

    def depth(self, priority):
        return (self.filled if priority == EVENT else 0) + sum(1 for of, _ in self.sent if of == priority)


@pytest.fixture
def ledger(tmp_path):
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", now=NOW)
    yield opened
    opened.close()


def waiting(count, priority=EVENT, *, alone=False):
    return [Waiting(f"{priority.name}{number}", priority, alone) for number in range(count)]


def test_documents_go_together_by_priority_in_bundles_that_a_worker_can_lose():
    some = waiting(TASK_DOCUMENTS + 1) + waiting(2, REINDEX)
    found = list(bundles(some))
    assert [(priority, len(ids)) for priority, ids in found] == [(EVENT, TASK_DOCUMENTS), (EVENT, 1), (REINDEX, 2)]
    assert [one for _, ids in found for one in ids] == [
        one[0] for one in waiting(TASK_DOCUMENTS + 1) + waiting(2, REINDEX)
    ]


def test_each_document_whose_worker_died_goes_alone():
    found = list(bundles([*waiting(2, REINDEX, alone=True), *waiting(2)]))
    assert [len(ids) for _, ids in found] == [1, 1, 2]


def test_nothing_waits_nothing_is_sent():
    assert list(bundles([])) == []


def test_what_was_woken_is_woken_again_only_once_the_wake_up_counts_as_lost(ledger):
    hear(ledger, "a")
    queue = FullQueue()
    dispatcher = Dispatcher(ledger.documents, queue)
    assert [dispatcher.sweep(now=NOW + after) for after in (0, 1, RESEND_S, RESEND_S + 1)] == [1, 0, 0, 1]
    claim(ledger, now=NOW + 100)
    assert dispatcher.sweep(now=NOW + 140) == 0  # somebody is at work on it
    assert dispatcher.sweep(now=NOW + 161) == 1


def test_a_full_queue_takes_no_more_of_its_priority_and_the_other_one_goes_on(ledger):
    hear(ledger, *range(TASK_DOCUMENTS * 2))
    ledger.documents.hear([Hearing("t", "file:///old", 1)], at=NOW, priority=REINDEX)
    queue = FullQueue(filled=QUEUE_BOUND - 1)
    dispatcher = Dispatcher(ledger.documents, queue)
    assert dispatcher.sweep(now=NOW) == TASK_DOCUMENTS + 1
    assert [priority for priority, _ in queue.sent] == [EVENT, REINDEX]
    queue.filled = 0
    assert dispatcher.sweep(now=NOW) == TASK_DOCUMENTS  # at once: no wake-up was sent for them


def test_what_a_queue_that_goes_away_did_not_take_is_found_by_the_next_sweep(ledger):
    hear(ledger, *range(TASK_DOCUMENTS * 2))
    queue = FullQueue(left=1)
    dispatcher = Dispatcher(ledger.documents, queue)
    with pytest.raises(Unreachable):
        dispatcher.sweep(now=NOW)
    dispatcher.wake(now=NOW)  # says so in the log, and nothing else
    queue.left = None
    assert dispatcher.sweep(now=NOW) == TASK_DOCUMENTS
    assert len({one for _, ids in queue.sent for one in ids}) == TASK_DOCUMENTS * 2
