"""Status: percentiles, and what it says of a ledger, or of none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ledger import open_ledger
from infra.ledger.records import Hearing, Settlement
from penstock.status import history, percentile, status
from schemas.sources import Source

NOW = 1_700_000_000.0


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 6), (0.95, 10), (0.99, 10), (1.0, 10)])
def test_a_percentile_is_one_of_the_values(share, value):
    assert percentile(range(1, 11), share) == value


def test_of_nothing_there_is_no_percentile():
    assert percentile([], 0.5) is None


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50).map(sorted), st.floats(0, 1), st.floats(0, 1))
def test_percentiles_rise_with_the_share_and_stay_within_the_values(values, one, other):
    low, high = sorted((one, other))
    assert values[0] <= percentile(values, low) <= percentile(values, high) <= values[-1]
    assert sum(value <= percentile(values, high) for value in values) >= high * len(values)


def test_a_home_that_was_never_used_has_a_status_of_the_same_shape(tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/l.sqlite", now=NOW)
    none, empty = status(None, home="h", now=NOW), status(ledger, home="h", now=NOW)
    assert none == empty
    assert set(none["documents"].values()) == {0}
    assert history(None, "file:///a", tenant="t", now=NOW) is history(ledger, "file:///a", tenant="t", now=NOW) is None
    ledger.close()


def test_what_is_due_and_since_when_is_told(tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path}/l.sqlite", now=NOW)
    ledger.sources.register(Source(uri="file:///docs/", tenant="t", freshness="1m"))
    [source] = ledger.sources.all()
    ledger.sources.verified(source.id, root_identity="r", at=NOW)
    ledger.documents.hear([Hearing("t", f"file:///docs/{name}", source.id) for name in "ab"], at=NOW)
    [done] = ledger.documents.claim(
        owner="me", now=NOW, lease_s=9, limit=1, round_="1", collection="c", scope=[("t", "file:///docs/a")]
    )
    ledger.documents.settle([Settlement(done, {"lag": 2.5, "verified_at": NOW}, event="added")], at=NOW + 2.5)
    found = status(ledger, home="h", now=NOW + 10)
    assert (found["documents"]["due"], found["documents"]["fresh"]) == (1, 1)
    assert (found["oldest_due"]["uri"], found["oldest_due"]["seconds"]) == ("file:///docs/b", 10)
    assert found["lag_seconds"] == {"p50": 2.5, "p95": 2.5, "p99": 2.5}
    later = status(ledger, home="h", now=NOW + 61)
    assert (later["documents"]["due"], later["documents"]["unverified"]) == (1, 1)
    assert [one["fresh"] for one in found["sources"] + later["sources"]] == [True, False]
    assert history(ledger, "file:///docs/a", tenant="t", now=NOW)["history"][0]["event"] == "added"
    assert history(ledger, "file:///docs/a", tenant="other", now=NOW) is None
    ledger.close()
