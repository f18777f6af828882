"""Small tables are judged without Great Expectations: with the same result, row by row."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validation import plain, suite
from validation.chunks import _BUILT_IN, ChunkRow, _columns
from validation.ruleset import load_rules

WORDS = st.sampled_from(["Boats lie at the pier.", "Herons wait.", "x" * 90])
NONE = st.none()
ROWS = st.lists(
    st.builds(
        ChunkRow,
        document=st.sampled_from(["d1", "d2", "d3"]),
        id=NONE | st.sampled_from(string.ascii_lowercase[:4]),
        ordinal=NONE | st.integers(0, 3),
        text=NONE | WORDS,
        hash=NONE | st.just("h"),
        tokens=NONE | st.integers(1, 5),
        limit=st.just(3),
    ),
    min_size=1,
    max_size=12,
)


@given(ROWS)
@settings(max_examples=15, deadline=None)
def test_both_judge_alike(rows):
    rules = {name: load_rules(None).of("t", name) for name in ("d1", "d2")}
    columns = _columns(rows, rules)
    expected = [(one.type, one.kwargs) for one in _BUILT_IN]
    expected.append(("expect_column_values_to_be_in_set", {"column": "document", "value_set": sorted(rules)}))
    assert plain.understands(expected)
    assert plain.judge(columns, expected) == suite.judge(columns, expected)


def test_what_a_user_expects_is_great_expectations_alone():
    assert not plain.understands([("expect_column_value_lengths_to_be_between", {"column": "text", "min_value": 3})])


@pytest.mark.parametrize("or_equal", [True, False])
def test_equal_is_greater_where_it_is_said_so(or_equal):
    columns = {"row": [0, 1, 2], "a": [1, 2, 3], "b": [2, 2, 2]}
    given = {"column_A": "a", "column_B": "b", "or_equal": or_equal}
    [failing] = plain.judge(columns, [("expect_column_pair_values_a_to_be_greater_than_b", given)])
    assert failing == ({0} if or_equal else {0, 1})
