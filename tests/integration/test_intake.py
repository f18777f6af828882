"""Intake over a log in memory and a real ledger: what fails when, and that nothing is lost by it."""

import contextlib
import itertools
import json

import pytest
import sqlalchemy as sa

from infra.ledger import open_ledger
from infra.ledger.records import Settlement
from infra.ledger.tables import documents
from infra.ports import Message
from schemas.errors import Unreachable
from schemas.identity import document_id
from schemas.sources import Source
from tests.support.memory_log import MemoryLog, MemoryPublisher, MemoryStream
from tests.unit.test_s3_records import aws
from tests.unit.test_understand import cloud_event
from workers.dead_letters import REPLAYED, replay
from workers.intake import BATCH, RETRY_S, Intake

EVENTS, DEAD = "events", "dead"
#: Before the clock of these worlds.
PAST = "1970-01-01T00:00:01Z"


class World:
    """One intake at a time, its log, its ledger, and the wake-ups it sent."""

    def __init__(self, ledger):
        self.log = MemoryLog({EVENTS: 3, DEAD: 1})
        self.publisher = MemoryPublisher(self.log)
        self.ledger, self.time = ledger, 1000.0
        self.woken, self.swept, self.queue_down = [], 0, False
        self.start()

    def start(self):
        """Start an intake, as after a crash of the one before."""
        if hasattr(self, "stream"):
            self.log.leave(self.stream)
        self.stream = MemoryStream(self.log, [EVENTS])
        self.intake = Intake(
            self.stream,
            self.publisher,
            self.ledger,
            dead_letters=DEAD,
            wake=self.wake,
            sweep=self.sweep,
            now=lambda: self.time,
            elapsed=lambda: self.time,
            sleep=self.sleep,
            high_water=10,
            low_water=5,
        )

    def wake(self, ids):
        if self.queue_down:
            raise Unreachable("queue", "is down", "wait")
        self.woken += ids

    def sweep(self):
        self.wake([])
        self.swept += 1
        return 0

    def put(self, *events):
        for event in events:
            body = event if event is None or isinstance(event, bytes) else json.dumps(event).encode()
            self.log.append(Message(EVENTS, repr(event).encode(), body, (("trace", b"1"),)))

    def step(self, seconds=0.1, timeout_s=0.0):
        self.time += seconds
        return self.intake.step(timeout_s)

    def sleep(self, seconds):
        self.time += seconds

    def heard(self):
        """URIs heard, with how often."""
        with self.ledger._database.connect() as connection:
            return {row.uri: row.heard for row in connection.execute(sa.select(documents.c.uri, documents.c.heard))}

    def uncommitted(self):
        return sum(
            len(lane) - self.log.committed[place] for place, lane in self.log.records.items() if place[0] == EVENTS
        )


@pytest.fixture
def ledger(tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", now=1.0)
    ledger.sources.register(Source(uri="s3://b/"))
    yield ledger
    ledger._database.dispose()


@pytest.fixture
def world(ledger):
    return World(ledger)


def uri(name):
    return f"s3://b/{name}"


@contextlib.contextmanager
def failing(monkeypatch, part, name):
    """Make a method of the ledger fail meanwhile."""

    def fail(*_, **__):
        raise Unreachable("ledger", "is down", "wait")

    with monkeypatch.context() as patch:
        patch.setattr(part, name, fail)
        yield


def test_events_are_heard_committed_and_woken(world):
    world.put(cloud_event(uri("a")), {"Records": [aws("b"), aws("c")]}, cloud_event(uri("a")))
    assert world.step() == 3
    assert world.heard() == {uri("a"): 1, uri("b"): 1, uri("c"): 1}
    assert world.uncommitted() == 0
    assert set(world.woken) == {document_id("default", uri(name)) for name in "abc"}


def test_fifty_saves_of_one_document_are_one_piece_of_work(world):
    world.put(*[cloud_event(uri("a"), id=str(n)) for n in range(50)])
    world.step()
    assert len(world.woken) == 1


def test_a_batch_is_never_larger_than_its_limit(world):
    world.put(*[cloud_event(uri("a"), id=str(n)) for n in range(BATCH + 1)])
    assert (world.step(), world.step()) == (BATCH, 1)


def test_removals_raise_heard_like_changes_and_acl_and_metadata_are_carried(world):
    world.put(cloud_event(uri("a"), type="penstock.document.removed.v1"))
    world.put(cloud_event(uri("b"), data={"uri": uri("b"), "acl": ["x"], "metadata": {"k": "v"}}))
    world.step()
    assert world.heard() == {uri("a"): 1, uri("b"): 1}
    [work] = [one for one in claim(world, 2) if one.uri == uri("b")]
    assert (work.acl, work.metadata) == (("x",), {"k": "v"})


def test_a_folder_is_ignored(world):
    world.put(cloud_event("s3://b/folder/"))
    world.step()
    assert (world.heard(), world.uncommitted(), world.log.all(DEAD)) == ({}, 0, [])


def test_what_is_not_understood_is_a_dead_letter_with_its_bytes_and_the_rest_goes_on(world):
    bad = [b"\xff\x00", None, {"hello": 1}, cloud_event(type="penstock.document.changed.v9"), b"x" * 2_000_000]
    world.put(*bad, {"Event": "s3:TestEvent"}, cloud_event(uri("good")))
    world.step()
    assert world.heard() == {uri("good"): 1}
    assert world.uncommitted() == 0
    letters = {letter.id: letter for letter in world.ledger.letters.list()}
    assert len(letters) == len(world.log.all(DEAD)) == len(bad)
    for record in world.log.all(DEAD):
        headers = {name: value.decode() for name, value in record.headers}
        place = (headers["errors.topic"], int(headers["errors.partition"]), int(headers["errors.offset"]))
        original, letter = world.log.find(*place), letters[":".join(map(str, place))]
        assert record.value == (original.value or b"")
        assert (record.key, headers["trace"]) == (original.key, "1")
        assert (headers["errors.reason"], headers["errors.detail"]) == (letter.reason, letter.detail)
        assert letter.position == f"{DEAD}:0:{record.offset}"
        assert headers["errors.at"] == "1970-01-01T00:16:40.100000+00:00"


def test_an_event_under_no_source_or_of_another_tenant_is_a_dead_letter(world):
    world.put(cloud_event("s3://other/a"), cloud_event(uri("a"), data={"uri": uri("a"), "tenant": "mallory"}))
    world.step()
    assert world.heard() == {}
    assert {letter.reason for letter in world.ledger.letters.list()} == {"no-source", "other-tenant"}


def test_each_tenant_that_declared_the_source_hears_and_a_named_one_alone(world):
    world.ledger.sources.register(Source(uri="s3://b/", tenant="t2"))
    world.put(cloud_event(uri("both")), cloud_event(uri("one"), data={"uri": uri("one"), "tenant": "t2"}))
    world.step()
    expected = {document_id("default", uri("both")), document_id("t2", uri("both")), document_id("t2", uri("one"))}
    assert set(world.woken) == expected


def test_while_the_ledger_is_away_the_batch_stays_in_hand_and_the_polls_go_on(world, monkeypatch):
    world.put(cloud_event(uri("a")), b"bad")
    with failing(monkeypatch, world.ledger.documents, "hear"):
        assert world.step() == 0
        world.put(cloud_event(uri("b")))
        polls = world.stream.polls
        for _ in range(20):
            assert world.step(seconds=5) == 0
        assert world.stream.polls == polls + 20
        assert (world.intake.in_hand, world.intake.paused, world.uncommitted()) == (2, True, 3)
    while world.uncommitted():
        world.step(seconds=31)
    assert world.heard() == {uri("a"): 1, uri("b"): 1}
    assert not world.intake.paused
    # The dead letter was confirmed before the ledger failed: it is not written for every attempt.
    assert len(world.log.all(DEAD)) == 1


def test_the_waits_between_attempts_grow(world, monkeypatch):
    attempts = []

    def fail(*_, **__):
        attempts.append(world.time)
        raise Unreachable("ledger", "is down", "wait")

    monkeypatch.setattr(world.ledger.documents, "hear", fail)
    world.put(cloud_event(uri("a")))
    for _ in range(2000):
        world.step(seconds=0.1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert gaps[0] == pytest.approx(RETRY_S, abs=0.2)
    assert max(gaps) <= 30.2
    assert gaps[:6] == sorted(gaps[:6])
    assert len(attempts) < 15


def test_an_offset_is_not_committed_before_its_dead_letter_is_confirmed(world):
    world.publisher.down = True
    world.put(b"bad", cloud_event(uri("a")))
    for _ in range(5):
        world.step(seconds=31)
    assert (world.uncommitted(), world.ledger.letters.list(), world.intake.paused) == (2, [], True)
    world.publisher.down = False
    world.step(seconds=31)
    assert (world.uncommitted(), len(world.ledger.letters.list()), world.heard()) == (0, 1, {uri("a"): 1})


def test_a_wake_up_that_fails_loses_nothing_and_stops_nothing(world):
    world.queue_down = True
    world.put(cloud_event(uri("a")))
    world.step()
    world.put(cloud_event(uri("b")))
    world.step()
    assert (world.uncommitted(), world.heard(), world.woken) == (0, {uri("a"): 1, uri("b"): 1}, [])
    world.queue_down = False
    world.step(seconds=2)
    assert world.swept == 1


def test_the_sweeper_runs_every_second_and_no_oftener(world):
    for _ in range(50):
        world.step(seconds=0.1)
    assert 4 <= world.swept <= 6


def test_a_crash_between_the_ledger_and_the_commit_is_heard_twice_and_lost_never(world, monkeypatch):
    monkeypatch.setattr(world.stream, "commit", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    world.put(cloud_event(uri("a")), b"bad")
    with pytest.raises(KeyboardInterrupt):
        world.step()
    world.start()
    world.step()
    assert (world.heard(), world.uncommitted()) == ({uri("a"): 2}, 0)
    # The copy that was written twice is one letter.
    assert (len(world.log.all(DEAD)), len(world.ledger.letters.list())) == (2, 1)


def test_a_commit_that_is_refused_is_tried_again_and_hearing_goes_on(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(world.stream, "commit", lambda _: False)
        world.put(cloud_event(uri("a")))
        assert world.step() == 1
        assert world.uncommitted() == 1
    world.step()
    assert world.uncommitted() == 0


def test_records_of_a_lost_partition_are_dropped_and_heard_elsewhere(world, monkeypatch):
    world.put(*[cloud_event(uri(str(n))) for n in range(9)])
    with failing(monkeypatch, world.ledger.documents, "hear"):
        world.step()
    other = MemoryStream(world.log, [EVENTS])
    world.step(seconds=0)
    theirs = len(other.poll(0, 500))
    assert 0 < theirs < 9
    assert world.intake.in_hand == 9 - theirs
    world.step(seconds=31)
    assert (len(world.heard()), world.uncommitted()) == (9 - theirs, theirs)
    # What it commits now is its own: the other's partitions stay where the other left them.
    other.close()
    world.step()
    world.step()
    assert (len(world.heard()), world.uncommitted()) == (9, 0)


def test_reading_pauses_at_the_high_water_mark_and_goes_on_at_the_low_one(world):
    world.put(*[cloud_event(uri(str(n))) for n in range(12)])
    world.step()
    world.step(seconds=1.1)
    assert world.intake.paused
    world.put(cloud_event(uri("later")))
    assert world.step(seconds=1.1) == 0
    settle(world, 6)
    world.step(seconds=1.1)
    assert world.intake.paused
    settle(world, 1)
    world.step(seconds=1.1)
    assert not world.intake.paused
    assert world.step() == 1


def test_the_end_of_a_failure_does_not_end_the_pause_for_the_water_mark(world, monkeypatch):
    world.put(*[cloud_event(uri(str(n))) for n in range(12)])
    with failing(monkeypatch, world.ledger.documents, "hear"):
        world.step()
    assert world.intake.paused
    assert world.step(seconds=31) == 12
    assert world.intake.paused


def test_a_log_that_is_away_is_asked_again(world):
    world.put(cloud_event(uri("a")))
    world.log.down = True
    assert world.step() == 0
    world.log.down = False
    assert world.step() == 1


@pytest.mark.parametrize(("timeout_s", "waited"), [(0.2, 0.2), (9.0, RETRY_S), (0.0, 0.0)])
def test_a_log_that_fails_at_once_is_not_asked_again_at_once(world, timeout_s, waited):
    world.log.down = True
    before = world.time
    world.step(0, timeout_s)
    assert world.time - before == pytest.approx(waited)


def test_a_dead_letter_is_replayed_as_it_was_to_where_it_came_from(world):
    world.put(cloud_event("s3://new/a"), None, b"never")
    world.step()
    world.ledger.sources.register(Source(uri="s3://new/"))
    done = replay(world.ledger, world.publisher, world.log.find, now=lambda: world.time)
    assert len(done.sent) == 3
    assert done.vanished == []
    world.step()
    assert world.heard() == {"s3://new/a": 1}
    again = [record for record in world.log.all(EVENTS) if REPLAYED in dict(record.headers)]
    assert sorted(record.value is None for record in again) == [False, False, True]
    assert all(dict(record.headers).keys() == {"trace", REPLAYED} for record in again)
    # Those that are as bad as before wait again, under the place they now have.
    assert len(world.ledger.letters.list()) == 2
    assert len(world.ledger.letters.list(replayed=True)) == 5


def test_a_dead_letter_that_vanished_from_its_topic_is_named_and_stays_listed(world):
    world.put(b"bad", b"worse")
    world.step()
    gone = world.ledger.letters.list()[0]
    done = replay(
        world.ledger,
        world.publisher,
        lambda *place: None if ":".join(map(str, place)) == gone.position else world.log.find(*place),
        now=lambda: world.time,
    )
    assert (done.vanished, len(done.sent)) == ([gone.id], 1)
    assert gone.id in {letter.id for letter in world.ledger.letters.list()}


def test_an_event_against_the_rules_is_a_dead_letter_and_one_ahead_of_the_clock_only_noted(world):
    ahead = cloud_event(uri("ahead.md"), time="2100-01-01T00:00:00Z")
    large = cloud_event(uri("large.md"), time=PAST, data={"uri": uri("large.md"), "metadata": {"x": "y" * 2**20}})
    world.put(cloud_event(uri("a.md"), time=PAST), ahead, large)
    world.step()
    world.step(5.0)
    assert world.heard() == {uri("a.md"): 1, uri("ahead.md"): 1}
    [letter] = world.ledger.letters.list()
    assert letter.reason == "against-rules"
    assert letter.detail.startswith("event-size: it has 1,048,")
    rates = {rule: counts for _, rule, *counts in world.ledger.quarantine.rates(since=0.0)}
    assert rates == {"event-size": [3, 0, 1], "clock-skew": [3, 1, 0]}


def claim(world, count):
    """Have so many due documents taken by a worker."""
    claims = world.ledger.documents.claim(
        owner="test", now=world.time, lease_s=60.0, limit=count, round_=str(world.time), collection="c"
    )
    assert len(claims) == count
    return claims


def settle(world, count):
    """Have so many due documents worked on."""
    world.ledger.documents.settle([Settlement(one, {}) for one in claim(world, count)], at=world.time)
