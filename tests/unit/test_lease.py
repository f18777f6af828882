"""A lease is renewed while its worker lives, and tells a worker that overslept before it writes."""

import threading
import time

import pytest

import workers.lease
from infra.ledger import open_ledger
from schemas.errors import Unreachable
from tests.contracts.test_ledger import NOW, claim, hear
from workers.lease import Lease, LeaseLost


@pytest.fixture
def ledger(tmp_path):
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", now=NOW)
    hear(opened, "a", "b")
    yield opened
    opened.close()


@pytest.fixture
def running(monkeypatch):
    """The machine's running time, as a list of one number that the test moves."""
    at = [100.0]
    monkeypatch.setattr(workers.lease, "running_time", lambda: at[0])
    return at


class Renewals:
    """The ledger's documents, as far as a lease needs them: records renewals, and fails as long as it is told to."""

    def __init__(self):
        self.calls, self.failing, self.called = [], False, threading.Event()

    def renew(self, claims, *, until):
        self.calls.append(([one.uri for one in claims], until))
        self.called.set()
        if self.failing:
            raise Unreachable("the ledger", "is away", "wait")
        return set()


def test_a_worker_may_write_until_its_lease_ends_measured_from_before_the_claim(ledger, running):
    lease = Lease(ledger.documents, claim(ledger), seconds=60, began=100.0, now=lambda: NOW)
    running[0] = 159.9
    lease.check()
    running[0] = 160.0
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_living_worker_keeps_its_claims_and_the_ledger_knows(ledger):
    claims = claim(ledger, lease_s=0.3)
    began = workers.lease.running_time()
    with Lease(ledger.documents, claims, seconds=0.3, began=began, now=lambda: NOW + 100) as lease:
        time.sleep(0.6)
        lease.check()
    assert claim(ledger, owner="other", round_="2", now=NOW + 100.2) == []


def test_what_is_settled_is_not_renewed_any_more(ledger):
    claims, renewals = claim(ledger), Renewals()
    lease = Lease(renewals, claims, seconds=0.06, began=workers.lease.running_time() + 1, now=lambda: NOW)
    lease.settled(claims[0])
    lease.settled(claims[0])
    assert lease.left == claims[1:]
    with lease:
        assert renewals.called.wait(5)
    assert renewals.calls[0] == ([claims[1].uri], NOW + 0.06)


def test_a_ledger_that_does_not_answer_renews_nothing_and_the_lease_ends_in_time(ledger):
    renewals = Renewals()
    renewals.failing = True
    with Lease(renewals, claim(ledger), seconds=0.3, began=workers.lease.running_time(), now=lambda: NOW) as lease:
        time.sleep(0.35)
        with pytest.raises(LeaseLost):
            lease.check()
    assert renewals.calls


def test_a_worker_that_overslept_renews_nothing(ledger, running):
    renewals = Renewals()
    with Lease(renewals, claim(ledger), seconds=0.06, began=0.0, now=lambda: NOW):
        time.sleep(0.2)
    assert renewals.calls == []


def test_the_thread_ends_with_the_work_whatever_became_of_it(ledger):
    def work(lease):
        with lease:
            assert "lease" in {thread.name for thread in threading.enumerate()}
            raise KeyError

    with pytest.raises(KeyError):
        work(Lease(Renewals(), claim(ledger), seconds=60, began=0.0, now=lambda: NOW))
    assert "lease" not in {thread.name for thread in threading.enumerate()}
