"""The topics of Kafka: whether they are there and fit, and making them so."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from infra.kafka import ANSWER_S, answering, connect
from schemas.errors import Unreachable

#: Topics: CloudEvents, and what was not understood of any topic.
DOCUMENTS, DEAD_LETTERS = "penstock.documents.v1", "penstock.dead-letters.v1"
#: Intakes of one group share the partitions; so many can share a topic's work.
PARTITIONS = 6
#: Bytes of a dead letter at most, and what a dead letter has beyond its record: its headers.
DEAD_LETTER_BYTES, HEADER_BYTES = 4 * 1024 * 1024, 16 * 1024


def check_topics(servers: str, topics: Sequence[str], *, dead_letters: str = DEAD_LETTERS) -> None:
    """Check that all topics exist, and that any record of the others fits into a dead letter.

    Raises:
        Unreachable: naming the topic and what to do.
    """
    with _admin(servers) as admin:
        wanted = [*topics, dead_letters]
        there = {one["name"] for one in admin.describe_topics(wanted) if one["error_code"] == 0}
        for name in wanted:
            if name not in there:
                raise Unreachable(f"Kafka topic {name}", "does not exist", "run `penstock doctor --fix`")
        limits = _limits(admin, wanted)
    largest = max(topics, key=lambda name: limits[name])
    if limits[dead_letters] < limits[largest] + HEADER_BYTES:
        raise Unreachable(
            f"Kafka topic {dead_letters}",
            f"takes {limits[dead_letters]} bytes a record, and {largest} has records of up to {limits[largest]}",
            f"set its max.message.bytes to {limits[largest] + HEADER_BYTES} or more, or run `penstock doctor --fix`",
        )


def create_topics(servers: str, topics: Sequence[str], *, dead_letters: str = DEAD_LETTERS) -> list[str]:
    """Create what is missing, and let the dead-letter topic take what the others take.

    Returns:
        Names of the topics created or changed.

    Raises:
        Unreachable: the servers do not answer, or do not allow it.
    """
    with _admin(servers) as admin:
        there = {one["name"] for one in admin.describe_topics([*topics, dead_letters]) if one["error_code"] == 0}
        keep = {"max.message.bytes": str(DEAD_LETTER_BYTES), "retention.ms": "-1"}
        missing: dict[str, Any] = {name: {"num_partitions": PARTITIONS} for name in topics if name not in there}
        if dead_letters not in there:
            missing[dead_letters] = {"num_partitions": 1, "configs": keep}
        if missing:
            admin.create_topics(missing, timeout_ms=3 * ANSWER_S * 1000, wait_for_metadata=True)
        limits = _limits(admin, [*topics, dead_letters])
        needed = max(limits[name] for name in topics) + HEADER_BYTES
        if limits[dead_letters] >= needed:
            return list(missing)
        change = {"max.message.bytes": str(max(needed, DEAD_LETTER_BYTES))}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, dead_letters, change)])
        return list(dict.fromkeys([*missing, dead_letters]))


@contextmanager
def _admin(servers: str) -> Iterator[KafkaAdminClient]:
    with answering(servers):
        admin = connect(
            KafkaAdminClient,
            bootstrap_servers=servers,
            client_id="penstock",
            bootstrap_timeout_ms=ANSWER_S * 1000,
            request_timeout_ms=2 * ANSWER_S * 1000,
        )
        try:
            yield admin
        finally:
            admin.close()


def _limits(admin: KafkaAdminClient, topics: Sequence[str]) -> dict[str, int]:
    """Most bytes of one record, by topic."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    found = admin.describe_configs(wanted, config_filter="all")["topic"]
    return {name: int(found[name]["max.message.bytes"]["value"]) for name in topics}
