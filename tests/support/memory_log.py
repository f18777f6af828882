"""A log in memory: topics with partitions, groups with offsets, members that come and go. For tests without Kafka.

What a member has read and not committed comes again to the next one, as with Kafka.
"""

import itertools
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from infra.ports import Message, Partition, Record
from schemas.errors import Unreachable


class MemoryLog:
    """The broker. `down` makes everything raise Unreachable."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        self.records: dict[Partition, list[Record]] = {(t, p): [] for t, n in topics.items() for p in range(n)}
        self.committed: dict[Partition, int] = defaultdict(int)
        self.down = False
        self._members: list[MemoryStream] = []
        self._clock = itertools.count(1)

    def append(self, message: Message) -> tuple[int, int]:
        """Write one message."""
        partitions = [partition for topic, partition in self.records if topic == message.topic]
        if not partitions:
            raise Unreachable(message.topic, "does not exist", "create it")
        partition = partitions[zlib.crc32(message.key or b"") % len(partitions)]
        lane = self.records[message.topic, partition]
        at = float(next(self._clock))
        lane.append(Record(message.topic, partition, len(lane), message.key, message.value, message.headers, at))
        return partition, len(lane) - 1

    def find(self, topic: str, partition: int, offset: int) -> Record | None:
        """The record at one place."""
        lane = self.records.get((topic, partition), [])
        return lane[offset] if offset < len(lane) else None

    def all(self, topic: str) -> list[Record]:
        """Every record of a topic."""
        return [record for (name, _), lane in self.records.items() if name == topic for record in lane]

    def check(self) -> None:
        """Raise Unreachable while down."""
        if self.down:
            raise Unreachable("memory", "is down", "wait")

    def join(self, stream: "MemoryStream") -> None:
        """A member comes."""
        self._members.append(stream)
        self._deal()

    def leave(self, stream: "MemoryStream") -> None:
        """A member goes, or is taken for dead."""
        if stream in self._members:
            self._members.remove(stream)
            stream.assign({})
            self._deal()

    def _deal(self) -> None:
        for number, member in enumerate(self._members):
            places = [place for place in sorted(self.records) if place[0] in member.topics]
            member.assign({place: self.committed[place] for place in places[number :: len(self._members)]})


class MemoryPublisher:
    """Writes to a MemoryLog."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.down = False

    def send(self, messages: Sequence[Message]) -> list[tuple[int, int]]:
        self._log.check()
        if self.down:
            raise Unreachable("memory", "does not confirm", "wait")
        return [self._log.append(message) for message in messages]

    def close(self) -> None:
        pass


class MemoryStream:
    """Reads a MemoryLog as a member of its one group."""

    def __init__(self, log: MemoryLog, topics: Sequence[str]) -> None:
        self._log, self.topics = log, tuple(topics)
        self.positions: dict[Partition, int] = {}
        self._lost: set[Partition] = set()
        self._paused = False
        self.polls = 0
        log.join(self)

    def assign(self, places: Mapping[Partition, int]) -> None:
        """Partitions kept keep their position; those that come start where the group is."""
        self._lost |= self.positions.keys() - places.keys()
        self.positions = {place: self.positions.get(place, offset) for place, offset in places.items()}

    def poll(self, timeout_s: float, limit: int) -> list[Record]:
        self.polls += 1
        self._log.check()
        found: list[Record] = []
        for place, position in self.positions.items() if not self._paused else ():
            new = self._log.records[place][position : position + limit - len(found)]
            self.positions[place] = position + len(new)
            found += new
        return found

    def lost(self) -> set[Partition]:
        lost, self._lost = self._lost, set()
        return lost

    def commit(self, offsets: Mapping[Partition, int]) -> bool:
        self._log.check()
        if not offsets.keys() <= self.positions.keys():
            return False
        self._log.committed.update(offsets)
        return True

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def lag(self) -> int:
        self._log.check()
        return sum(len(self._log.records[place]) - position for place, position in self.positions.items())

    def close(self) -> None:
        self._log.leave(self)
