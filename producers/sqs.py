"""SQS to Kafka: a bucket's notifications on AWS, as they are. What cannot be understood is intake's to say.

A message is deleted from the queue only once Kafka has confirmed it: cut off in between, it is relayed twice.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import structlog
from pydantic import ValidationError

from infra.ports import Message, Publisher
from infra.sqs import Parcel
from schemas.errors import Unreachable
from schemas.s3_records import read_notification

_log = structlog.get_logger("penstock.sqs")

#: Seconds: the wait after a first failure, doubled up to the second.
RETRY_S, RETRY_MOST_S = 1.0, 60.0


class Queue(Protocol):
    """A queue of texts (infra.sqs.SqsQueue)."""

    def take(self, wait_s: int = 20) -> list[Parcel]:
        """The next messages. Raises Unreachable."""

    def delete(self, parcels: Sequence[Parcel]) -> None:
        """Delete messages. Raises Unreachable."""


def relay(queue: Queue, publisher: Publisher, stop: threading.Event, *, topic: str, wait_s: int = 20) -> int:
    """Relay until `stop` is set, and return how many messages that were. A part that does not answer is waited for."""
    relayed, wait = 0, RETRY_S
    while not stop.is_set():
        try:
            relayed += relay_once(queue, publisher, topic=topic, wait_s=wait_s)
            wait = RETRY_S
        except Unreachable as error:
            _log.warning("relay.waits", error=str(error), seconds=wait)
            stop.wait(wait)
            wait = min(RETRY_MOST_S, wait * 2)
    return relayed


def relay_once(queue: Queue, publisher: Publisher, *, topic: str, wait_s: int = 20) -> int:
    """Relay the next messages, and return how many.

    Raises:
        Unreachable: what was not deleted comes again.
    """
    parcels = queue.take(wait_s)
    if parcels:
        publisher.send([Message(topic, _key(parcel.body), parcel.body.encode()) for parcel in parcels])
        queue.delete(parcels)
    return len(parcels)


def _key(body: str) -> bytes | None:
    """The object's URI, by which Kafka keeps the order; that of the first where there are several, none for poison."""
    try:
        found = read_notification(body)
    except ValidationError:
        return None
    return found.events[0].subject.encode() if found and found.events else None
