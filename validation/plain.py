"""The expectations of the built-in rules in plain Python: for tables that are not worth loading Great Expectations for.

It takes 4 to 5 s of processor time to load and some 20 ms for each expectation: more than a saved document's whole way.
What it says and what this says is the same; a contract test holds both to it (docs/adr/0009).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Rows from which Great Expectations judges: a first load, a new parser; not the documents somebody saves.
WORTH = 2000

Columns = Mapping[str, Sequence[Any]]
Given = Mapping[str, Any]


def understands(expectations: Sequence[tuple[str, Given]]) -> bool:
    """Whether all of these can be judged here."""
    return all(type_ in _JUDGES for type_, _ in expectations)


def judge(columns: Columns, expectations: Sequence[tuple[str, Given]]) -> list[frozenset[int]]:
    """As `suite.judge`: for each expectation, the values of column `row` of the rows that fail it."""
    return [
        frozenset(row for row, fails in zip(columns["row"], _JUDGES[type_](columns, given), strict=True) if fails)
        for type_, given in expectations
    ]


def _in_set(columns: Columns, given: Given) -> list[bool]:
    allowed = set(given["value_set"])
    return [value is not None and value not in allowed for value in columns[given["column"]]]


def _unique(columns: Columns, given: Given) -> list[bool]:
    together = list(zip(*(columns[name] for name in given["column_list"]), strict=True))
    counts = Counter(together)
    # Rows without any of the values are nobody's twins.
    return [counts[one] > 1 and any(value is not None for value in one) for one in together]


def _pair(wrong: Callable[[Any, Any, Given], bool]) -> Callable[[Columns, Given], list[bool]]:
    def judged(columns: Columns, given: Given) -> list[bool]:
        pairs = zip(columns[given["column_A"]], columns[given["column_B"]], strict=True)
        return [a is not None and b is not None and wrong(a, b, given) for a, b in pairs]

    return judged


_JUDGES: Mapping[str, Callable[[Columns, Given], list[bool]]] = {
    "expect_column_values_to_be_in_set": _in_set,
    "expect_compound_columns_to_be_unique": _unique,
    "expect_column_pair_values_to_be_equal": _pair(lambda a, b, _: a != b),
    "expect_column_pair_values_a_to_be_greater_than_b": _pair(
        lambda a, b, given: a < b or (a == b and not given.get("or_equal"))
    ),
}
