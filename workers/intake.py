"""Intake: events raise `heard`. A hint is never the truth: the worker re-reads the source.

`hear` is the embedded composition's: a removal, or a change of a whole folder, makes the source be listed again, so
that what vanished is judged as a whole. `Intake` reads a log, and nothing it read is lost:

1. What is not understood is a dead letter, confirmed and recorded.
2. What is understood raises `heard`, in one transaction of the ledger.
3. Only then are the offsets committed, and workers woken; a wake-up may fail, the sweeper sends it again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from infra.failpoints import reach
from infra.ledger import Ledger
from infra.ledger.records import DeadLetter, Hearing
from infra.ledger.sources import KnownSource
from infra.ports import Message, Partition, Publisher, Record, Stream
from schemas.errors import Unreachable
from schemas.events import REMOVED, DocumentEvent
from validation.ruleset import RuleSet, load_rules
from workers.dead_letters import dead_letter
from workers.event_gate import EventGate
from workers.hearings import Owners, hearings_of, judge, owners_of
from workers.understand import Refused, Why, excerpt

_log = structlog.get_logger("penstock.intake")

#: Records of one round: one transaction each, and no more than a moment between two polls.
BATCH = 500
#: Seconds between two looks at what nobody was woken for, and at how much is due.
TEND_S = 1.0
#: Seconds without another event that a document is left alone for while it is saved again and again.
CALM_S = 0.5
#: Seconds: the wait after a first failure, doubled up to the second.
RETRY_S, RETRY_MOST_S = 0.5, 30.0


def hear(ledger: Ledger, events: Sequence[DocumentEvent], sources: Sequence[KnownSource], *, now: float) -> set[int]:
    """Take events into the ledger, in one transaction.

    Returns:
        Ids of sources to be listed again.
    """
    relist: set[int] = set()
    hearings: list[Hearing] = []
    owners = Owners(sources)
    for event in events:
        owning = owners_of(event, owners)
        if isinstance(owning, Refused):
            _log.warning("event.refused", uri=event.data.uri, reason=str(owning.reason), detail=owning.detail)
        elif event.type == REMOVED or event.data.uri.endswith("/"):
            relist |= {source.id for source in owning}
        else:
            hearings += hearings_of(event, owning)
    if hearings:
        ledger.documents.hear(hearings, at=now)
    return relist


@dataclass
class _Hand:
    """What was read and is not in the ledger yet. Each step that is done is not done again when a later one fails."""

    records: list[Record]
    letters: list[DeadLetter] | None = None


class Intake:
    """Takes a log's events into the ledger. One `step` after the other, on one thread.

    Args:
        wake: sends wake-ups for these documents; `Unreachable` is logged, and left to the sweeper.
        sweep: sends wake-ups for what is due and nobody was woken for; returns how many.
        now: seconds since the epoch. elapsed: a monotonic clock in seconds. sleep: waits so many.
        high_water, low_water: due documents at which reading pauses, and at which it goes on.
        rules: asked about each event.
    """

    def __init__(
        self,
        stream: Stream,
        publisher: Publisher,
        ledger: Ledger,
        *,
        dead_letters: str,
        wake: Callable[[Sequence[str]], None],
        sweep: Callable[[], int],
        now: Callable[[], float],
        high_water: int,
        low_water: int,
        rules: RuleSet | None = None,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stream, self._publisher, self._ledger, self._dead_letters = stream, publisher, ledger, dead_letters
        self._wake, self._sweep, self._now, self._elapsed = wake, sweep, now, elapsed
        self._sleep = sleep
        self._high_water, self._low_water = high_water, low_water
        # A ledger made anew beside an index: that may hold points of documents which are news to this ledger.
        self._recover = bool(ledger.get("recover_unknown"))
        self._gate = EventGate(rules or load_rules(None).of("", ""))
        self._hand: _Hand | None = None
        self._offsets: dict[Partition, int] = {}
        self._failures, self._retry_at, self._tend_at = 0, 0.0, 0.0
        self._full, self._paused = False, False

    def step(self, timeout_s: float = 0.5) -> int:
        """Do one round, and return how many records it took in.

        It polls whatever else fails: a part that does not answer stops the reading, not the membership in the group.
        Its longest wait is `timeout_s` and what one answer of each part may take.
        """
        read = self._poll(timeout_s)
        if read:
            self._hand = _Hand([*(self._hand.records if self._hand else ()), *read])
        taken, ids = self._take_in() if self._hand and self._elapsed() >= self._retry_at else (0, [])
        self._commit()
        reach("commit.after")
        if ids:
            self._call(lambda: self._wake(ids))
        self._tend()
        self._set_pause()
        return taken

    @property
    def in_hand(self) -> int:
        """Records read that are not in the ledger yet."""
        return len(self._hand.records) if self._hand else 0

    @property
    def paused(self) -> bool:
        """Whether nothing is read now: too much is due, or a part does not answer."""
        return self._paused

    def _poll(self, timeout_s: float) -> list[Record]:
        began = self._elapsed()
        try:
            read = self._stream.poll(timeout_s, BATCH)
        except Unreachable as error:
            _log.warning("intake.waits", error=str(error))
            read = []
            # What fails at once would otherwise be asked again at once.
            self._sleep(max(0.0, min(RETRY_S, timeout_s - (self._elapsed() - began))))
        lost = self._stream.lost()
        if lost:
            # They come again, to whoever has the partition now.
            self._drop(lost)
        return read

    def _drop(self, lost: set[Partition]) -> None:
        self._offsets = {place: offset for place, offset in self._offsets.items() if place not in lost}
        if self._hand is None:
            return
        kept = [record for record in self._hand.records if (record.topic, record.partition) not in lost]
        _log.info("intake.dropped", records=len(self._hand.records) - len(kept), partitions=len(lost))
        self._hand = _Hand(kept) if kept else None

    def _take_in(self) -> tuple[int, list[str]]:
        """Have the ledger know of what is in hand; returns how many records that were, and the documents heard."""
        assert self._hand is not None
        hand = self._hand
        try:
            ids = self._record(hand)
        except Unreachable as error:
            self._failures += 1
            wait = min(RETRY_MOST_S, RETRY_S * 2 ** min(self._failures - 1, 10))
            self._retry_at = self._elapsed() + wait
            _log.warning("intake.waits", error=str(error), records=len(hand.records), seconds=wait)
            return 0, []
        self._hand, self._failures = None, 0
        for record in hand.records:
            place = (record.topic, record.partition)
            self._offsets[place] = max(self._offsets.get(place, 0), record.offset + 1)
        return len(hand.records), ids

    def _record(self, hand: _Hand) -> list[str]:
        owners, now = Owners(self._ledger.sources.all()), self._now()
        hearings: list[Hearing] = []
        refused: list[tuple[Record, Refused]] = []
        for record in hand.records:
            heard, why = judge(record, owners)
            against = self._against(record, heard, now) if heard else None
            hearings += () if against else heard
            why = against or why
            if why is not None:
                refused.append((record, why))
        if hand.letters is None:
            hand.letters = self._bury(refused)
            reach("bury.after")
        if hand.letters:
            self._ledger.letters.record(hand.letters)
        ids: list[str] = []
        if hearings:
            ids = self._ledger.documents.hear(hearings, at=self._now(), recover=self._recover, calm_s=CALM_S)
        reach("hear.after")
        return ids

    def _against(self, record: Record, heard: Sequence[Hearing], now: float) -> Refused | None:
        """Why an event that was understood may not pass all the same."""
        latest = max((one.happened_at for one in heard if one.happened_at is not None), default=now)
        against = self._gate.refuses(size=len(record.value or b""), happened_at=latest, now=now)
        return None if against is None else Refused(Why.AGAINST_RULES, excerpt(f"{against.rule}: {against.detail}"))

    def _bury(self, refused: Sequence[tuple[Record, Refused]]) -> list[DeadLetter]:
        """Write dead letters, and wait until they are safe."""
        if not refused:
            return []
        at = self._now()
        messages: list[Message] = []
        for record, why in refused:
            _log.warning("event.refused", reason=str(why.reason), detail=why.detail, topic=record.topic)
            messages.append(dead_letter(record, self._dead_letters, why.reason, why.detail, at=at))
        positions = self._publisher.send(messages)
        return [
            DeadLetter(
                f"{record.topic}:{record.partition}:{record.offset}",
                why.reason,
                why.detail,
                at,
                f"{self._dead_letters}:{partition}:{offset}",
            )
            for (record, why), (partition, offset) in zip(refused, positions, strict=True)
        ]

    def _commit(self) -> None:
        """Commit what the ledger knows; refused, or without an answer, it is tried again with the next round."""
        if not self._offsets:
            return
        try:
            if self._stream.commit(self._offsets):
                self._offsets = {}
        except Unreachable as error:
            _log.warning("commit.failed", error=str(error))

    def _tend(self) -> None:
        if self._elapsed() < self._tend_at:
            return
        self._tend_at = self._elapsed() + TEND_S
        self._call(self._sweep)
        self._call(self._gauge)
        self._call(self._tell)

    def _tell(self) -> None:
        asked, said = self._gate.taken()
        if asked:
            for one in said:
                _log.warning("event.warned", rule=one.rule, detail=one.detail)
            self._ledger.quarantine.count(asked, said, at=self._now())

    def _gauge(self) -> None:
        due = self._ledger.documents.due(now=self._now(), limit=self._high_water, pressing=True)
        full = due > self._low_water if self._full else due >= self._high_water
        if full != self._full:
            _log.info("intake.full" if full else "intake.goes_on", due=due)
        self._full = full

    def _set_pause(self) -> None:
        wanted = self._full or self._hand is not None
        if wanted != self._paused:
            (self._stream.pause if wanted else self._stream.resume)()
            self._paused = wanted

    @staticmethod
    def _call(what: Callable[[], object]) -> None:
        try:
            what()
        except Unreachable as error:
            _log.warning("intake.part_failed", error=str(error))
