"""The rules on an event that was understood. What is not understood is workers/understand.py's, and a dead letter."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from validation.faults import Fault


class Happening(NamedTuple):
    """An event as the rules see it: its size in bytes, when it says it happened, and now (seconds since the epoch)."""

    size: int
    happened_at: float
    now: float


def _size(event: Happening, given: Any) -> Fault | None:
    if event.size <= given.max_bytes:
        return None
    return Fault(f"it has {event.size:,} bytes; allowed are {given.max_bytes:,}")


def _clock_skew(event: Happening, given: Any) -> Fault | None:
    ahead = event.happened_at - event.now
    return Fault(f"its time is {ahead:.0f} s ahead of this clock") if ahead > given.max_seconds else None


CHECKS: Mapping[str, Callable[[Happening, Any], Fault | None]] = {"event-size": _size, "clock-skew": _clock_skew}
