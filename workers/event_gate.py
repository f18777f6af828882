"""The rules on events, asked for each of thousands a second: what is plainly all right costs two comparisons."""

from collections import Counter

from schemas.verdicts import Finding, Severity
from validation.ruleset import RuleSet
from validation.table import Action


class EventGate:
    """Asks the rules about events, and keeps count until somebody takes it."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        size, skew = rules.settings["event-size"], rules.settings["clock-skew"]
        self._most_bytes = float("inf") if size.action is Action.ALLOW else size.given.max_bytes
        self._most_ahead = float("inf") if skew.action is Action.ALLOW else skew.given.max_seconds
        self._asked = [rule.name for rule in (size, skew) if rule.action is not Action.ALLOW]
        self._events = 0
        self._said: list[Finding] = []

    def refuses(self, *, size: int, happened_at: float, now: float) -> Finding | None:
        """Why an event is a dead letter; None: it is not. size: bytes. Times: seconds since the epoch."""
        self._events += 1
        if size <= self._most_bytes and happened_at - now <= self._most_ahead:
            return None
        found = self._rules.event(size=size, happened_at=happened_at, now=now)
        self._said += found
        return next((one for one in found if one.severity is Severity.QUARANTINE), None)

    def taken(self) -> tuple[Counter[str], list[Finding]]:
        """How often each rule was asked since the last time, and what they said."""
        asked, said = Counter(dict.fromkeys(self._asked, self._events) if self._events else {}), self._said
        self._events, self._said = 0, []
        return asked, said
