"""When a document is fresh: not due, not held, and verified within its source's freshness target."""

from dataclasses import dataclass
from enum import StrEnum

#: Seconds that clocks of one installation may differ by.
CLOCK_SLACK_S = 60


class State(StrEnum):
    """Where a document stands, the most pressing first."""

    GONE = "gone"
    REMOVAL_HELD = "removal-held"
    HELD = "held"
    DUE = "due"
    UNVERIFIED = "unverified"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides the freshness of one document. Times are seconds since the epoch.

    verified_at: when its source was last seen to agree; None: never. target_s: the source's freshness target.
    """

    gone: bool
    removal_held: bool
    held: bool
    due: bool
    verified_at: float | None
    target_s: float

    def state(self, now: float) -> State:
        """The state at a moment."""
        if self.gone:
            return State.GONE
        if self.removal_held:
            return State.REMOVAL_HELD
        if self.held:
            return State.HELD
        if self.due:
            return State.DUE
        # Verified in the future: the clock was wrong then or is now, and nothing can be said.
        age = None if self.verified_at is None else now - self.verified_at
        if age is None or age > self.target_s or age < -CLOCK_SLACK_S:
            return State.UNVERIFIED
        return State.FRESH

    def fresh(self, now: float) -> bool:
        """Whether what the index says of it is what its source says now, as far as can be known."""
        return self.state(now) is State.FRESH


def latest(*times: float | None) -> float | None:
    """The latest of some times, None where there is none."""
    return max((time for time in times if time is not None), default=None)
