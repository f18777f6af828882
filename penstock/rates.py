"""How many versions pass each rule, over time: the ledger's counts as totals, and as small charts. Decisions only."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HOUR_S, DAY_S = 3600, 86_400
#: What is shown: the last day by the hour, the last month by the day, this hour and this day (UTC) included.
HOURS, DAYS = 24, 30

#: Of a chart's bars, in the units of its viewBox. What is rare must still be seen.
BAR, STEP, HEIGHT, LEAST = 4, 5, 24, 2


class Count(NamedTuple):
    """Versions a rule was asked about, those it warned of, and those it held."""

    checked: int = 0
    warned: int = 0
    held: int = 0

    def plus(self, other: "Count") -> "Count":
        """Both together."""
        return Count(self.checked + other.checked, self.warned + other.warned, self.held + other.held)

    @property
    def rate(self) -> float | None:
        """Which share passed without a word; None where nothing was asked."""
        return max(0, self.checked - self.warned - self.held) / self.checked if self.checked else None


@dataclass(frozen=True, slots=True)
class Rate:
    """One rule's counts: over the last `DAYS`, by hour of the last `HOURS`, and by day, the oldest first."""

    rule: str
    total: Count
    by_hour: tuple[Count, ...]
    by_day: tuple[Count, ...]


def first_moment(now: float) -> float:
    """Where the time that is shown begins, in seconds since the epoch."""
    return now // DAY_S * DAY_S - (DAYS - 1) * DAY_S


def rates(rows: Iterable[tuple[int, str, int, int, int]], *, now: float) -> list[Rate]:
    """Rates by rule, of (hour, rule, checked, warned, held) as the ledger counts them; what is older is left out."""
    first_day, first_hour = first_moment(now), now // HOUR_S * HOUR_S - (HOURS - 1) * HOUR_S
    by_day: defaultdict[str, list[Count]] = defaultdict(lambda: [Count()] * DAYS)
    by_hour: defaultdict[str, list[Count]] = defaultdict(lambda: [Count()] * HOURS)
    for at, rule, *counts in rows:
        day, hour = int((at - first_day) // DAY_S), int((at - first_hour) // HOUR_S)
        if 0 <= day < DAYS:
            by_day[rule][day] = by_day[rule][day].plus(Count(*counts))
            if 0 <= hour < HOURS:
                by_hour[rule][hour] = by_hour[rule][hour].plus(Count(*counts))
    return [Rate(rule, _sum(days), tuple(by_hour[rule]), tuple(days)) for rule, days in by_day.items()]


def bars(counts: Sequence[Count]) -> dict[str, str]:
    """A bar for each count, its height parted by what came of it: SVG path data by "passed", "warned" and "held".

    The bars hang in a box of `STEP` times their number by `HEIGHT`; nothing was asked where there is none.
    """
    paths: dict[str, list[str]] = {"passed": [], "warned": [], "held": []}
    for number, one in enumerate(counts):
        if not one.checked:
            continue
        warned, held = (max(LEAST, round(HEIGHT * n / one.checked)) if n else 0 for n in (one.warned, one.held))
        held = min(held, HEIGHT)
        warned = min(warned, HEIGHT - held)
        top = 0
        for name, height in (("held", held), ("warned", warned), ("passed", HEIGHT - held - warned)):
            if height:
                paths[name].append(f"M{number * STEP} {top}h{BAR}v{height}h-{BAR}z")
                top += height
    return {name: "".join(drawn) for name, drawn in paths.items() if drawn}


def _sum(counts: Iterable[Count]) -> Count:
    total = Count()
    for one in counts:
        total = total.plus(one)
    return total
