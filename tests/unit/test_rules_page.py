"""docs/rules.md says what the table says."""

from schemas.verdicts import Gate
from validation.describe import PAGE, described
from validation.table import TABLE


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == described(), "write it anew with `python -m validation.describe`"


def test_names_are_unique_and_the_gates_follow_each_other():
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    gates = [row.gate for row in TABLE]
    assert gates == sorted(gates, key=list(Gate).index)
