"""Kafka: the streams and publishers of infra.ports.

A client starts a thread when it is made and is not thread-safe: one for each process, made after any fork.
What kafka-python raises becomes `Unreachable` here, and nowhere else.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from infra.ports import Message, Partition, Record
from schemas.errors import Unreachable

_log = structlog.get_logger("penstock.kafka")

#: Seconds. How long one answer may take; a batch of messages may be tried again for twice as long.
ANSWER_S = 5
#: Seconds without a heartbeat after which a dead member's partitions go to others.
SESSION_S = 10
#: Seconds without a poll after which a member that hangs counts as dead.
POLL_S = 120

#: The group no longer lets us commit: others have the partitions, or will have them in a moment.
_REFUSED = (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


class KafkaPublisher:
    """Writes to Kafka; connects on first use, and anew after a failure."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._producer: KafkaProducer | None = None

    def send(self, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """Write and confirm messages, as infra.ports says."""
        deadline = time.monotonic() + 3 * ANSWER_S
        try:
            with answering(self._servers):
                producer = self._connected()
                sent = [producer.send(m.topic, m.value, m.key, list(m.headers)) for m in messages]
                found = [one.get(timeout=max(0.1, deadline - time.monotonic())) for one in sent]
        except Unreachable:
            # What it still holds must not arrive after we have said that it did not.
            self._close(0)
            raise
        return [(one.partition, one.offset) for one in found]

    def close(self) -> None:
        """Release everything."""
        self._close(ANSWER_S)

    def _close(self, timeout: float) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                producer.close(timeout=timeout)

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = connect(
                KafkaProducer,
                bootstrap_servers=self._servers,
                client_id="penstock",
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_block_ms=ANSWER_S * 1000,
                request_timeout_ms=ANSWER_S * 1000,
                delivery_timeout_ms=2 * ANSWER_S * 1000,
                bootstrap_timeout_ms=ANSWER_S * 1000,
                # How large a record may be is for each topic to say.
                max_request_size=64 * 1024 * 1024,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        return self._producer


class KafkaStream:
    """Reads topics as a member of a group.

    Raises:
        Unreachable: the servers do not answer.
    """

    def __init__(self, servers: str, topics: Sequence[str], *, group: str = "penstock-intake") -> None:
        self._servers = servers
        with answering(servers):
            self._consumer = connect(
                KafkaConsumer,
                bootstrap_servers=servers,
                client_id="penstock",
                group_id=group,
                # A commit says that the ledger has it; only we know when. A new group reads all there is.
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                session_timeout_ms=SESSION_S * 1000,
                heartbeat_interval_ms=SESSION_S * 1000 // 10,
                max_poll_interval_ms=POLL_S * 1000,
                request_timeout_ms=6 * ANSWER_S * 1000,
                bootstrap_timeout_ms=2 * ANSWER_S * 1000,
                # Else a broker that was away for a while is asked again after half a minute.
                reconnect_backoff_max_ms=1000,
                # A topic made while we run is seen soon.
                metadata_max_age_ms=60_000,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        self._holdings = _Holdings(self._consumer)
        self._consumer.subscribe(topics=list(topics), listener=self._holdings)

    def poll(self, timeout_s: float, limit: int) -> list[Record]:
        """The next records, as infra.ports says."""
        with answering(self._servers):
            batches = self._consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=limit)
        if self._holdings.joining:
            # kafka-python 3.0.12 finishes a rejoin in a later poll only where this flag is set. One for new partitions
            # does not set it: if it outlasted its poll it was forgotten, with no partitions, no heartbeat, no error.
            self._consumer._coordinator.request_rejoin()  # noqa: SLF001
        return [
            Record(r.topic, r.partition, r.offset, r.key, r.value, _headers(r.headers), r.timestamp / 1000)
            for batch in batches.values()
            for r in batch
        ]

    def lost(self) -> set[Partition]:
        """The partitions taken away since this was last asked."""
        return self._holdings.take_lost()

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Record the next offsets to be read; False if the group no longer lets us."""
        wanted = {TopicPartition(*place): OffsetAndMetadata(next_, "", -1) for place, next_ in offsets.items()}
        with answering(self._servers):
            try:
                self._consumer.commit(wanted, timeout_ms=ANSWER_S * 1000)
            except _REFUSED as error:
                _log.info("commit.refused", error=str(error) or type(error).__name__)
                return False
        return True

    def pause(self) -> None:
        """Hand out nothing more, also of partitions that arrive later."""
        self._holdings.paused = True
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """End the pause."""
        self._holdings.paused = False
        self._consumer.resume(*self._consumer.assignment())

    def lag(self) -> int:
        """How many records of its partitions were not handed out yet."""
        with answering(self._servers):
            owned = list(self._consumer.assignment())
            ends = self._consumer.end_offsets(owned, timeout_ms=ANSWER_S * 1000) if owned else {}
            read = {one: self._consumer.position(one, timeout_ms=ANSWER_S * 1000) for one in owned}
        return sum(max(0, ends[one] - (read[one] or 0)) for one in owned)

    def close(self) -> None:
        """Leave the group and release everything."""
        with suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=ANSWER_S * 1000)


class _Holdings(ConsumerRebalanceListener):  # type: ignore[misc]
    """Which partitions are ours, and which were ours.

    A rebalance first calls all of them revoked, and then gives most of them back with their positions kept: what counts
    is the difference. One that returns after having been away starts at the group's offset, and not paused.
    Called on the consumer's own thread while `poll` waits for it.

    joining: a rebalance has begun, and the library has not told its end yet.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._owned: set[TopicPartition] = set()
        self._lost: set[Partition] = set()
        self.paused = self.joining = False

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002
        self.joining = True
        self._compare()

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:  # noqa: ARG002
        self.joining = False
        self._compare()

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        self.joining = True
        self._lost |= {(one.topic, one.partition) for one in lost}
        self._owned -= set(lost)

    def take_lost(self) -> set[Partition]:
        lost, self._lost = self._lost, set()
        return lost

    def _compare(self) -> None:
        owned = set(self._consumer.assignment())
        self._lost |= {(one.topic, one.partition) for one in self._owned - owned}
        self._owned = owned
        if self.paused:
            self._consumer.pause(*owned)


def read_record(servers: str, topic: str, partition: int, offset: int) -> Record | None:
    """The record at one place, or None if the topic no longer has it.

    Raises:
        Unreachable: the servers do not answer.
    """
    with answering(servers):
        consumer = connect(
            KafkaConsumer,
            bootstrap_servers=servers,
            client_id="penstock",
            enable_auto_commit=False,
            bootstrap_timeout_ms=2 * ANSWER_S * 1000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
        try:
            place = TopicPartition(topic, partition)
            if not _is_within(consumer, place, offset):
                return None
            consumer.assign([place])
            consumer.seek(place, offset)
            found = consumer.poll(timeout_ms=3 * ANSWER_S * 1000, max_records=1).get(place, [])
        finally:
            consumer.close()
    if not found:
        raise Unreachable(f"Kafka topic {topic}", f"did not give its record {partition}:{offset}", "try again")
    r = found[0]
    # A compacted or expired record is passed over in silence.
    return (
        Record(topic, partition, offset, r.key, r.value, _headers(r.headers), r.timestamp / 1000)
        if (r.offset == offset)
        else None
    )


def _is_within(consumer: KafkaConsumer, place: TopicPartition, offset: int) -> bool:
    if place.partition not in (consumer.partitions_for_topic(place.topic) or ()):
        return False
    first, end = consumer.beginning_offsets([place]), consumer.end_offsets([place])
    return bool(first[place] <= offset < end[place])


def connect(kind: Callable[..., Any], **settings: Any) -> Any:
    """Make a client. One that finds no server leaves its thread and sockets behind, were they not closed here."""
    made: list[Any] = []

    def network(**config: Any) -> Any:
        made.append(KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**config))
        return made[-1]

    try:
        return kind(kafka_client=network, **settings)
    except KafkaError:
        for one in made:
            one.close()
        raise


@contextmanager
def answering(servers: str) -> Iterator[None]:
    """Turn what the driver raises into `Unreachable`."""
    try:
        yield
    except KafkaError as error:
        what = f"Kafka does not answer as it should: {type(error).__name__}"
        what += f": {error}" if str(error) and str(error) != type(error).__name__ else ""
        raise Unreachable(servers, what, "check PENSTOCK_KAFKA_BOOTSTRAP_SERVERS and the broker") from error


def _headers(given: Sequence[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value or b"") for name, value in given)
