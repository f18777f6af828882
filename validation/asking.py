"""Asking a rule: its check is called, and what it raises is a finding that holds the document. No crash, no pass."""

import hashlib
import json
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from schemas.errors import Reason, printable
from schemas.verdicts import Finding, Gate, Severity
from validation.faults import Fault
from validation.table import Action

#: A check: the subject and the rule's parameters to what is wrong, None where nothing is.
Check = Callable[[Any, Any], Fault | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """One rule as it is in force. given: what its check is given. says: what a user says it is for."""

    name: str
    gate: Gate
    action: Action
    reason: Reason
    given: Any
    says: str = ""

    def finding(self, fault: Fault) -> Finding:
        """The finding of a fault."""
        severity = Severity.QUARANTINE if self.action is Action.QUARANTINE else Severity.WARN
        detail = ": ".join(part for part in (self.says, fault.detail) if part)
        detail += "; replaced" if self.action is Action.REDACT else ""
        return Finding(self.name, self.gate, severity, self.reason, printable(detail), fault.excerpts)

    def failed(self, error: Exception) -> Finding:
        """The finding of a check that raised."""
        return self.failed_with(failure(error))

    def failed_with(self, why: str) -> Finding:
        """The same, of a check elsewhere."""
        detail = f"the rule `{self.name}` failed: {why}"
        return Finding(self.name, self.gate, Severity.QUARANTINE, Reason.RULE_ERROR, printable(detail))

    def effective(self) -> list[Any] | None:
        """What of it decides about documents, JSON-ready; None: nothing does."""
        if self.action is Action.ALLOW:
            return None
        given = self.given.model_dump(mode="json") if isinstance(self.given, BaseModel) else self.given
        return [self.name, self.action.value, given, self.says]


def ask(asked: Iterable[tuple[Setting, Check]], subject: object) -> tuple[Finding, ...]:
    """What rules say of a subject, in their order."""
    found = []
    for rule, check in asked:
        if rule.action is Action.ALLOW:
            continue
        try:
            fault = check(subject, rule.given)
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, its document is held
            found.append(rule.failed(error))
        else:
            found += [rule.finding(fault)] if fault else []
    return tuple(found)


def failure(error: Exception) -> str:
    """What failed, and where; not the error's message, which may quote the document."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def digest(value: object) -> str:
    """A short name of a JSON-ready value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
