"""Expectations on a table, so that one that raises is charged to the documents whose rows make it raise."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from validation import plain, suite


class Expectation(Protocol):
    """What is expected."""

    @property
    def type(self) -> str:
        """Its name in Great Expectations."""

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """What it is given."""


class Judged(NamedTuple):
    """What became of an expectation: the rows that fail it, and why it could not be judged, by document."""

    failing: frozenset[int]
    raised: Mapping[str, str]


class Table:
    """A table by its columns, among them `row` and `document`. keep: see suite.judge."""

    def __init__(self, columns: Mapping[str, Sequence[Any]], keep: Callable[[Any], None] | None) -> None:
        self._columns, self._keep = columns, keep

    def judged(self, numbers: Sequence[int], expected: Sequence[Expectation]) -> list[Judged]:
        """What becomes of each expectation on these rows."""
        part = {name: [values[number] for number in numbers] for name, values in self._columns.items()}
        asked = [(one.type, one.kwargs) for one in expected]
        outcomes: Sequence[suite.Outcome]
        try:
            if len(numbers) < plain.WORTH and self._keep is None and plain.understands(asked):
                outcomes = plain.judge(part, asked)
            else:
                outcomes = suite.judge(part, asked, keep=self._keep)
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, its document is held
            return self._halved(numbers, expected, type(error).__name__)
        return [
            self._halved(numbers, [one], outcome)[0] if isinstance(outcome, str) else Judged(outcome, {})
            for one, outcome in zip(expected, outcomes, strict=True)
        ]

    def _halved(self, numbers: Sequence[int], expected: Sequence[Expectation], why: str) -> list[Judged]:
        documents = list(dict.fromkeys(self._columns["document"][number] for number in numbers))
        if len(documents) == 1:
            return [Judged(frozenset(), {documents[0]: why}) for _ in expected]
        first = set(documents[: len(documents) // 2])
        halves = (
            self.judged([n for n in numbers if (self._columns["document"][n] in first) is half], expected)
            for half in (True, False)
        )
        return [Judged(a.failing | b.failing, {**a.raised, **b.raised}) for a, b in zip(*halves, strict=True)]
