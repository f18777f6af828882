"""Intake on a real Kafka, killed, stopped and cut off: everything that was accepted is heard, or a dead letter."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from kafka.admin import MemberToRemove, NewPartitions

from infra.kafka import KafkaPublisher, KafkaStream, read_record
from infra.kafka_topics import check_topics, create_topics
from infra.ledger import open_ledger
from infra.ledger.records import Settlement
from infra.ledger.tables import documents
from infra.ports import Message
from schemas.errors import Unreachable
from schemas.sources import Source
from tests.support.services.kafka import admin
from tests.unit.test_s3_records import aws
from tests.unit.test_understand import cloud_event
from workers.dead_letters import replay
from workers.intake import Intake

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
#: Seconds. A loaded machine, and a group that takes a member for dead only after its session.
PATIENCE = 60


class Place:
    """Topics of its own on a broker, a ledger, and intakes over them, in this process or in others."""

    def __init__(self, servers, folder):
        name = f"test-{uuid.uuid4().hex[:8]}"
        self.servers, self.folder = servers, folder
        self.topic, self.dead, self.group = name, f"{name}-dead", f"{name}-group"
        self.url = f"sqlite:///{folder}/ledger.sqlite"
        self.ledger = open_ledger(self.url, now=time.time())
        self.ledger.sources.register(Source(uri="s3://b/"))
        self.publisher = KafkaPublisher(servers)
        self.children, self.streams = [], []
        self.queue_down, self.swept = False, 0
        create_topics(servers, [self.topic], dead_letters=self.dead)

    def put(self, *events):
        bodies = [one if one is None or isinstance(one, bytes) else json.dumps(one).encode() for one in events]
        self.publisher.send([Message(self.topic, str(n).encode(), body) for n, body in enumerate(bodies)])

    def stream(self):
        self.streams.append(KafkaStream(self.servers, [self.topic], group=self.group))
        return self.streams[-1]

    def intake(self, **marks):
        def wake(_ids):
            if self.queue_down:
                raise Unreachable("queue", "is down", "wait")

        def sweep():
            wake(())
            self.swept += 1
            return 0

        return Intake(
            self.stream(),
            self.publisher,
            self.ledger,
            dead_letters=self.dead,
            wake=wake,
            sweep=sweep,
            now=time.time,
            **({"high_water": 1_000_000, "low_water": 1} | marks),
        )

    def child(self, fail=""):
        log = self.folder / f"intake-{len(self.children)}.log"
        with log.open("wb") as output:
            self.children.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "tests.support.intake_child",
                        *(self.servers, self.group, self.topic, self.dead, self.url),
                    ],
                    cwd=ROOT,
                    env={**os.environ, "PENSTOCK_FAIL": fail},
                    stdout=output,
                    stderr=output,
                )
            )
        return self.children[-1], log

    def heard(self):
        with self.ledger._database.connect() as connection:
            return {row.uri: row.heard for row in connection.execute(sa.select(documents.c.uri, documents.c.heard))}

    def uncommitted(self):
        """Records of the topic that the group has not committed."""
        with admin(self.servers) as client:
            found = client.list_group_offsets([self.group])
        committed = {(tp.topic, tp.partition): one.offset for tp, one in found.get(self.group, {}).items()}
        return self.ends() - sum(max(0, offset) for offset in committed.values())

    def ends(self):
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(bootstrap_servers=self.servers)
        try:
            places = [TopicPartition(self.topic, part) for part in consumer.partitions_for_topic(self.topic)]
            return sum(consumer.end_offsets(places).values())
        finally:
            consumer.close()

    def bury(self, child):
        """Wait until a killed child is gone, and spare its group the session for which it is not missed."""
        assert child.wait(PATIENCE) == -signal.SIGKILL
        with admin(self.servers) as client:
            client.remove_group_members(self.group, [MemberToRemove(member_id=one) for one in self.members()])

    def members(self):
        with admin(self.servers) as client:
            return {one["member_id"] for one in client.describe_groups([self.group])[self.group]["members"]}

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for stream in self.streams:
            stream.close()
        self.publisher.close()
        self.ledger._database.dispose()


@pytest.fixture(scope="module")
def servers(services):
    return services.fresh_topics()


@pytest.fixture
def place(servers, tmp_path):
    found = Place(servers, tmp_path)
    yield found
    found.close()


def until(condition, step=lambda: time.sleep(0.1)):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        step()


def uri(number):
    return f"s3://b/{number}"


def test_killed_between_the_ledger_and_the_commit_it_hears_again_and_loses_nothing(place):
    """Scenario 1."""
    place.put(*[cloud_event(uri(number)) for number in range(500)])
    killed, _ = place.child(fail="hear.after:kill")
    place.bury(killed)
    before = place.heard()
    assert before
    assert place.uncommitted() == 500
    place.child()
    until(lambda: place.uncommitted() == 0)
    after = place.heard()
    assert after.keys() == {uri(number) for number in range(500)}
    # One row a document, raised once more at the most for each delivery.
    assert all(after[one] == count + 1 for one, count in before.items())


@pytest.mark.parametrize("fail", ["bury.after:kill", "commit.after:kill"])
def test_killed_at_its_other_steps_it_loses_nothing_either(place, fail):
    place.put(cloud_event(uri(1)), b"bad", cloud_event(uri(2)))
    killed, _ = place.child(fail=fail)
    place.bury(killed)
    place.child()
    until(lambda: place.uncommitted() == 0)
    assert place.heard().keys() == {uri(1), uri(2)}
    [letter] = place.ledger.letters.list()
    topic, partition, offset = letter.position.rsplit(":", 2)
    assert read_record(place.servers, topic, int(partition), int(offset)).value == b"bad"


def test_a_rejoin_that_outlasts_a_poll_is_finished_by_a_later_one(place):
    """kafka-python forgets one that only new partitions call for: it reads nothing then, and says nothing.

    The polls here are so short that every answer of the broker comes after one has given up.
    """
    stream, heard = place.stream(), []

    def poll():
        heard.extend(one.value for one in stream.poll(0.001, 100))

    place.put(b"before")
    until(lambda: heard, poll)
    with admin(place.servers) as client:
        client.create_partitions({place.topic: NewPartitions(total_count=12)})
    stream._consumer._client.cluster.request_update()  # else it looks once a minute
    until(lambda: len(stream._consumer.assignment()) == 12, poll)
    place.put(*[b"since"] * 50)
    until(lambda: len(heard) == 51, poll)


def test_while_the_queue_of_wake_ups_is_down_hearing_goes_on_in_the_group(place):
    """Scenario 3."""
    intake = place.intake()
    place.put(cloud_event(uri("first")))
    until(lambda: intake.step(0.2) == 1, lambda: None)
    members = place.members()
    place.queue_down = True
    place.put(*[cloud_event(uri(number)) for number in range(50)])
    until(lambda: len(place.heard()) == 51, lambda: intake.step(0.2))
    swept = place.swept
    place.queue_down = False
    until(lambda: place.swept > swept, lambda: intake.step(0.2))
    assert place.uncommitted() == 0
    assert place.members() == members
    assert len(members) == 1


def test_a_member_that_was_stopped_too_long_cannot_commit_over_the_one_that_took_over(place):
    """Scenario 6: stopped after the ledger has its batch and before the commit."""
    place.put(*[cloud_event(uri(number)) for number in range(20)])
    stopped, log = place.child(fail="hear.after:stop")
    os.waitpid(stopped.pid, os.WUNTRACED)
    place.child()
    until(lambda: place.uncommitted() == 0)
    stopped.send_signal(signal.SIGCONT)
    place.put(*[cloud_event(uri(number)) for number in range(20, 40)])
    until(lambda: "commit.refused" in log.read_text())
    until(lambda: place.uncommitted() == 0)
    assert place.heard().keys() == {uri(number) for number in range(40)}
    assert stopped.poll() is None


def test_a_pause_at_the_high_water_mark_survives_rebalances(place):
    """Scenario 7."""
    intake = place.intake(high_water=5, low_water=2)
    place.put(*[cloud_event(uri(number)) for number in range(10)])
    until(lambda: intake.paused, lambda: intake.step(0.2))
    until(lambda: len(place.heard()) == 10 or intake.paused, lambda: intake.step(0.2))
    known = place.heard().keys()
    other = place.stream()
    until(lambda: other.lag() > 0 or other._consumer.assignment(), lambda: (other.poll(0.1, 1), intake.step(0.1)))
    other.close()
    place.put(*[cloud_event(uri(number)) for number in range(10, 40)])
    until(lambda: intake._stream.lag() >= 30, lambda: intake.step(0.1))
    for _ in range(10):
        assert intake.step(0.2) == 0
    assert (place.heard().keys(), intake.in_hand) == (known, 0)
    claims = place.ledger.documents.claim(
        owner="test", now=time.time(), lease_s=60.0, limit=100, round_="1", collection="c"
    )
    place.ledger.documents.settle([Settlement(claim, {}) for claim in claims], at=time.time())
    until(lambda: len(place.heard()) == 40, lambda: intake.step(0.2))


def test_poison_is_kept_byte_by_byte_and_the_partition_moves_on(place):
    """Scenario 9, and the replay."""
    oversize = b"\xff" * 1_000_000
    bad = [b"{", oversize, None, cloud_event(type="penstock.document.changed.v9"), cloud_event("s3://new/x")]
    test_event = {"Event": "s3:TestEvent", "Bucket": "b"}
    place.put(*bad, test_event, {"Records": [aws("a"), aws("b"), aws("c")]}, cloud_event(uri("last")))
    check_topics(place.servers, [place.topic], dead_letters=place.dead)
    intake = place.intake()
    until(lambda: place.heard().keys() == {uri(one) for one in ("a", "b", "c", "last")}, lambda: intake.step(0.2))
    until(lambda: place.uncommitted() == 0, lambda: intake.step(0.2))
    letters = place.ledger.letters.list()
    kept = []
    for letter in letters:
        topic, partition, offset = letter.position.rsplit(":", 2)
        record = read_record(place.servers, topic, int(partition), int(offset))
        headers = dict(record.headers)
        original = ":".join(headers[f"errors.{name}"].decode() for name in ("topic", "partition", "offset"))
        assert (original, headers["errors.reason"].decode()) == (letter.id, letter.reason)
        kept.append(record.value)
    expected = [one if isinstance(one, bytes) else json.dumps(one).encode() if one else b"" for one in bad]
    assert sorted(kept) == sorted(expected)

    place.ledger.sources.register(Source(uri="s3://new/"))
    done = replay(place.ledger, place.publisher, lambda *at: read_record(place.servers, *at), now=time.time)
    assert (len(done.sent), done.vanished) == (5, [])
    until(lambda: "s3://new/x" in place.heard(), lambda: intake.step(0.2))


def test_without_the_dead_letter_topic_nothing_is_committed_until_it_is_back(place):
    """Scenario 10."""
    with admin(place.servers) as client:
        client.delete_topics([place.dead])
    with pytest.raises(Unreachable, match=rf"{place.dead}.*doctor --fix"):
        check_topics(place.servers, [place.topic], dead_letters=place.dead)
    intake = place.intake()
    place.put(b"bad", cloud_event(uri(1)))
    until(lambda: intake.in_hand == 2, lambda: intake.step(0.2))
    for _ in range(3):
        assert intake.step(0.2) == 0
    assert (place.uncommitted(), place.heard(), intake.paused) == (2, {}, True)
    create_topics(place.servers, [place.topic], dead_letters=place.dead)
    until(lambda: place.uncommitted() == 0, lambda: intake.step(0.2))
    assert place.heard().keys() == {uri(1)}
    assert len(place.ledger.letters.list()) == 1


def test_a_group_whose_offsets_were_lost_reads_everything_again(place):
    """Scenario 11."""
    first = place.intake()
    place.put(*[cloud_event(uri(number)) for number in range(10)])
    until(lambda: len(place.heard()) == 10, lambda: first.step(0.2))
    place.streams[0].close()
    place.put(*[cloud_event(uri(number)) for number in range(10, 20)])
    with admin(place.servers) as client:
        client.delete_groups([place.group])
    second = place.intake()
    until(lambda: len(place.heard()) == 20, lambda: second.step(0.2))
    assert place.heard() == {uri(number): 2 if number < 10 else 1 for number in range(20)}


def test_the_dead_letter_topic_must_take_the_largest_record_of_the_others(place):
    small = f"{place.dead}-small"
    with admin(place.servers) as client:
        client.create_topics({small: {"num_partitions": 1, "configs": {"max.message.bytes": "1000000"}}})
    with pytest.raises(Unreachable, match=r"1000000 bytes.*max\.message\.bytes"):
        check_topics(place.servers, [place.topic], dead_letters=small)
    assert create_topics(place.servers, [place.topic], dead_letters=small) == [small]
    check_topics(place.servers, [place.topic], dead_letters=small)
    assert create_topics(place.servers, [place.topic], dead_letters=small) == []


def test_a_broker_that_is_not_there_is_unreachable_soon():
    """And leaves nothing behind: intake tries for as long as it takes."""
    began, threads = time.monotonic(), threading.active_count()
    with pytest.raises(Unreachable, match="PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"):
        check_topics("127.0.0.1:9", ["t"])
    with pytest.raises(Unreachable):
        KafkaPublisher("127.0.0.1:9").send([Message("t", b"k", b"v")])
    assert time.monotonic() - began < 30
    until(lambda: threading.active_count() == threads)


def test_a_record_that_is_no_longer_there_is_none(place):
    place.put(b"one")
    assert read_record(place.servers, place.topic, 0, 10_000) is None
    assert read_record(place.servers, place.topic, 99, 0) is None


def test_a_broker_that_goes_and_comes_back_is_read_on(place, services):
    intake = place.intake()
    place.put(cloud_event(uri("before")))
    until(place.heard, lambda: intake.step(0.2))
    services.kafka.kill()
    try:
        for _ in range(3):
            began = time.monotonic()
            assert intake.step(0.2) == 0
            assert time.monotonic() - began < 20
    finally:
        services.kafka.start()
    until(lambda: sent(place), lambda: time.sleep(0.5))
    until(lambda: len(place.heard()) == 2, lambda: intake.step(0.2))
    until(lambda: place.uncommitted() == 0, lambda: intake.step(0.2))


def sent(place):
    try:
        place.put(cloud_event(uri("after")))
    except Unreachable:
        return False
    return True
