"""Dead letters: events that were not understood, kept with their bytes, and sent again once the cause is mended.

The topic holds the bytes and headers as they came, the ledger says where; a replay sends them to where they came from.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from infra.ledger import Ledger
from infra.ledger.records import DeadLetter
from infra.ports import Message, Publisher, Record

#: Headers of ours: what went wrong, and that a record was sent again.
ERRORS, REPLAYED = "errors.", "penstock-replayed"

#: Finds a record by topic, partition and offset; None if it is no longer there.
Finder = Callable[[str, int, int], Record | None]


class Replay(NamedTuple):
    """What a replay did: ids sent again, and ids whose record has vanished from the dead-letter topic."""

    sent: list[str]
    vanished: list[str]


def dead_letter(record: Record, topic: str, reason: str, detail: str, *, at: float) -> Message:
    """The message that keeps a record: its key, bytes and headers as they were, and ours about why and whence."""
    ours = {
        "reason": reason,
        "detail": detail,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "at": datetime.fromtimestamp(at, UTC).isoformat(),
    }
    # A record without a value would delete what has its key, were the topic ever compacted.
    ours |= {"null": "1"} if record.value is None else {}
    theirs = tuple(header for header in record.headers if not header[0].startswith(ERRORS))
    headers = theirs + tuple((ERRORS + name, value.encode()) for name, value in ours.items())
    return Message(topic, record.key, record.value or b"", headers)


def replay(ledger: Ledger, publisher: Publisher, find: Finder, *, now: Callable[[], float]) -> Replay:
    """Send every dead letter that waits to where it came from; those still not understood come back as new ones.

    One that was sent, and not yet marked so when this was cut off, is sent twice: that is harmless.

    Raises:
        Unreachable: what was sent so far is marked.
    """
    done = Replay([], [])
    for letter in ledger.letters.list():
        topic, partition, offset = letter.position.rsplit(":", 2)
        record = find(topic, int(partition), int(offset))
        if record is None:
            done.vanished.append(letter.id)
            continue
        publisher.send([_original(letter, record)])
        ledger.letters.replayed(letter.id, at=now())
        done.sent.append(letter.id)
    return done


def _original(letter: DeadLetter, kept: Record) -> Message:
    """The record as it first came, marked as sent again."""
    headers = tuple(header for header in kept.headers if not header[0].startswith(ERRORS) and header[0] != REPLAYED)
    null = any(name == ERRORS + "null" for name, _ in kept.headers)
    topic = letter.id.rsplit(":", 2)[0]
    return Message(topic, kept.key, None if null else kept.value, (*headers, (REPLAYED, letter.id.encode())))
