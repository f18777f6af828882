"""What a gate says of a version: findings, each of one rule. They are kept in the ledger and shown to people."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.errors import Reason, Refusal


class Gate(StrEnum):
    """Where on its way a version is looked at."""

    EVENT = "event"
    DOCUMENT = "document"
    CHUNK = "chunk"
    VECTOR = "vector"


class Severity(StrEnum):
    """What comes of a finding: the version is held, or it passes and somebody is told."""

    QUARANTINE = "quarantine"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a version breaks.

    detail: what is wrong, in plain words. excerpts: where it shows, a line each; personal data and secrets are masked.
    """

    rule: str
    gate: Gate
    severity: Severity
    reason: Reason
    detail: str
    excerpts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "rule": self.rule,
            "gate": self.gate.value,
            "severity": self.severity.value,
            "reason": self.reason.value,
            "detail": self.detail,
            "excerpts": list(self.excerpts),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Finding":
        """The finding `to_json` was made from."""
        return Finding(
            data["rule"],
            Gate(data["gate"]),
            Severity(data["severity"]),
            Reason(data["reason"]),
            data["detail"],
            tuple(data["excerpts"]),
        )


def first_refusal(findings: Iterable[Finding]) -> Refusal | None:
    """The refusal a version is held for: its first finding that quarantines, in the rules' order. None: it passes."""
    held = (finding for finding in findings if finding.severity is Severity.QUARANTINE)
    first = next(held, None)
    return Refusal(first.reason, first.detail) if first else None
