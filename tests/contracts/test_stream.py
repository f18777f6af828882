"""Every log gives what infra.ports promises: Kafka's, and the one in memory that tests of intake stand on."""

import contextlib
import time
import uuid

import pytest

from infra.ports import Message
from tests.support.memory_log import MemoryLog, MemoryPublisher, MemoryStream
from tests.support.services.kafka import admin

#: Seconds. What has been sent arrives within this, also on a machine that is busy with other tests.
PATIENCE = 90


class World:
    """One log with one topic of several partitions."""

    def __init__(self, topic, publisher, member, evict):
        #: member() joins the group; evict(member) has the group take it for dead.
        self.topic, self.publisher, self.member, self.evict = topic, publisher, member, evict

    def send(self, *values):
        return self.publisher.send([Message(self.topic, value.encode(), value.encode()) for value in values])


@pytest.fixture(scope="module")
def servers(services):
    return services.fresh_topics()


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.server)])
def world(request):
    topic = f"test-{uuid.uuid4().hex[:8]}"
    with contextlib.ExitStack() as stack:
        if request.param == "memory":
            log = MemoryLog({topic: 4})
            yield World(topic, MemoryPublisher(log), lambda: enter(stack, MemoryStream(log, [topic])), log.leave)
            return
        from infra.kafka import KafkaPublisher, KafkaStream
        from infra.kafka_topics import create_topics

        servers, group = request.getfixturevalue("servers"), f"{topic}-group"
        create_topics(servers, [topic], dead_letters=f"{topic}-dead")
        publisher = enter(stack, KafkaPublisher(servers))
        yield World(
            topic,
            publisher,
            lambda: enter(stack, KafkaStream(servers, [topic], group=group)),
            lambda _: evict_all(servers, group),
        )


def enter(stack, part):
    stack.callback(part.close)
    return part


def evict_all(servers, group):
    from kafka.admin import MemberToRemove

    with admin(servers) as client:
        members = client.describe_groups([group])[group]["members"]
        client.remove_group_members(group, [MemberToRemove(member_id=one["member_id"]) for one in members])


def read(stream, count, *, limit=500):
    """Poll until `count` records are there."""
    records, deadline = [], time.monotonic() + PATIENCE
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records"
        records += stream.poll(0.2, limit)
    return records


def next_offsets(records):
    return {(record.topic, record.partition): record.offset + 1 for record in records}


def values(records):
    return sorted(record.value.decode() for record in records)


def test_what_is_sent_is_read_as_it_was(world):
    message = Message(world.topic, b"key", b"value\x00\xff", (("a", b"1"), ("a", b""), ("b", b"\xff")))
    [(partition, offset)] = world.publisher.send([message])
    [record] = read(world.member(), 1)
    assert (record.topic, record.partition, record.offset) == (world.topic, partition, offset)
    assert (record.key, record.value, record.headers) == (message.key, message.value, message.headers)
    assert record.at > 0


def test_records_without_a_key_or_a_value_are_read_as_such(world):
    world.publisher.send([Message(world.topic, b"k", None), Message(world.topic, None, b"v")])
    assert {(record.key, record.value) for record in read(world.member(), 2)} == {(b"k", None), (None, b"v")}


def test_messages_of_one_key_keep_their_order(world):
    world.publisher.send([Message(world.topic, b"same", str(n).encode()) for n in range(50)])
    assert [record.value for record in read(world.member(), 50)] == [str(n).encode() for n in range(50)]


def test_a_poll_gives_no_more_than_its_limit(world):
    world.send(*"abcdefgh")
    stream = world.member()
    first = read(stream, 1, limit=3)
    assert 1 <= len(first) <= 3
    assert values(first + read(stream, 8 - len(first), limit=3)) == list("abcdefgh")


def test_what_was_not_committed_comes_again(world):
    world.send("a", "b")
    stream = world.member()
    assert stream.commit(next_offsets(read(stream, 2)))
    world.send("c", "d")
    assert values(read(stream, 2)) == ["c", "d"]
    stream.close()
    assert values(read(world.member(), 2)) == ["c", "d"]


def test_a_new_group_reads_from_the_beginning(world):
    world.send("before")
    assert values(read(world.member(), 1)) == ["before"]


def test_a_paused_stream_gives_nothing_until_it_is_resumed(world):
    stream = world.member()
    world.send("a")
    read(stream, 1)
    stream.pause()
    world.send("b")
    assert stream.poll(0.5, 500) == []
    stream.resume()
    assert values(read(stream, 1)) == ["b"]


def test_a_pause_holds_for_partitions_that_arrive_later(world):
    first, second = world.member(), world.member()
    share(first, second)
    second.pause()
    first.close()
    world.send(*"abcdefgh")
    deadline = time.monotonic() + PATIENCE
    while second.lag() < 8:
        assert time.monotonic() < deadline
        assert second.poll(0.2, 500) == []
    assert second.poll(0.5, 500) == []
    second.resume()
    assert values(read(second, 8)) == list("abcdefgh")


def test_a_rebalance_names_what_was_lost_and_gives_it_again_elsewhere(world):
    """What stays is not lost, and goes on where it was: a log that said otherwise would have records dropped."""
    first = world.member()
    world.send(*"abcdefghijklmnop")
    records = read(first, 16)
    first.lost()
    second = world.member()
    again, lost, deadline = [], set(), time.monotonic() + PATIENCE
    while not lost or len(again) < sum((record.topic, record.partition) in lost for record in records):
        assert time.monotonic() < deadline, (lost, again)
        assert first.poll(0.1, 500) == []
        lost |= first.lost()
        again += second.poll(0.1, 500)
    assert values(again) == values(record for record in records if (record.topic, record.partition) in lost)
    kept = {place: offset for place, offset in next_offsets(records).items() if place not in lost}
    assert 0 < len(kept) < len(next_offsets(records))
    assert first.commit(kept)


def test_a_member_taken_for_dead_cannot_commit_and_its_records_come_again(world):
    stream = world.member()
    world.send("a", "b")
    records = read(stream, 2)
    world.evict(stream)
    assert not stream.commit(next_offsets(records))
    if not isinstance(stream, MemoryStream):  # this one comes back by itself
        assert values(read(stream, 2)) == ["a", "b"]
        assert stream.commit(next_offsets(records))
    assert next_offsets(records).keys() <= stream.lost()


def test_lag_counts_what_was_not_handed_out(world):
    stream = world.member()
    world.send("a")
    read(stream, 1)
    assert stream.lag() == 0
    world.send("b", "c", "d")
    assert stream.lag() == 3


def share(first, second):
    """Poll both until each has partitions: only a second member makes the first lose some."""
    deadline = time.monotonic() + PATIENCE
    first.poll(0.2, 1)
    while not first.lost():
        assert time.monotonic() < deadline
        second.poll(0.1, 1)
        first.poll(0.1, 1)
    second.poll(0.5, 1)
