"""Pass rates: counts by the hour become totals, and charts in which what is rare is still seen."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.rates import BAR, DAY_S, DAYS, HEIGHT, HOUR_S, HOURS, LEAST, STEP, Count, bars, first_moment, rates

NOW = datetime(2026, 3, 31, 14, 20, tzinfo=UTC).timestamp()
HOUR = NOW // HOUR_S * HOUR_S


def test_the_last_day_goes_by_the_hour_and_the_days_before_by_the_day():
    rows = [(HOUR, "a", 4, 1, 2), (HOUR - HOUR_S, "a", 3, 0, 0), (HOUR - DAY_S, "a", 2, 0, 1), (HOUR, "b", 1, 0, 0)]
    a, b = rates([(int(at), *rest) for at, *rest in rows], now=NOW)
    assert (a.rule, a.total, a.total.rate) == ("a", Count(9, 1, 3), pytest.approx(5 / 9))
    assert (len(a.by_hour), len(a.by_day)) == (HOURS, DAYS)
    assert a.by_hour[-2:] == (Count(3, 0, 0), Count(4, 1, 2))
    assert a.by_day[-2:] == (Count(2, 0, 1), Count(7, 1, 2))
    assert b.total.rate == 1


def test_what_is_older_than_the_chart_or_from_the_future_is_left_out():
    first = int(first_moment(NOW))
    assert datetime.fromtimestamp(first, UTC) == datetime(2026, 3, 2, tzinfo=UTC)
    [rate] = rates([(first - HOUR_S, "a", 1, 1, 0), (first, "a", 2, 0, 0), (int(HOUR) + DAY_S, "a", 4, 0, 4)], now=NOW)
    assert rate.total == rate.by_day[0] == Count(2, 0, 0)


def test_of_nothing_asked_there_is_no_rate_and_no_bar():
    assert Count().rate is None
    assert bars([Count(), Count()]) == {}


def test_one_of_a_million_is_still_seen():
    drawn = bars([Count(), Count(1_000_000, 0, 1)])
    assert drawn == {
        "held": f"M{STEP} 0h{BAR}v{LEAST}h-{BAR}z",
        "passed": f"M{STEP} {LEAST}h{BAR}v{HEIGHT - LEAST}h-{BAR}z",
    }


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 3).map(lambda n: Count(*n)), max_size=5))
def test_the_parts_of_a_bar_make_up_its_height(counts):
    heights = [int(part.split("v")[1].split("h")[0]) for path in bars(counts).values() for part in path.split("M")[1:]]
    assert sum(heights) == HEIGHT * sum(one.checked > 0 for one in counts)
    assert all(height > 0 for height in heights)
