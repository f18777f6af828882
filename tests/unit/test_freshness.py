"""Fresh: not due, not held, and verified within the source's target."""

from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.freshness import Standing, State, latest

FRESH = {"gone": False, "removal_held": False, "held": False, "due": False, "verified_at": 100.0, "target_s": 60}


def test_a_document_is_fresh_until_its_target_has_passed_since_it_was_verified():
    standing = Standing(**FRESH)
    assert [standing.state(now) for now in (100, 160, 160.1)] == [State.FRESH, State.FRESH, State.UNVERIFIED]
    assert [standing.fresh(now) for now in (160, 161)] == [True, False]


def test_a_document_that_was_never_verified_is_not_fresh():
    assert Standing(**{**FRESH, "verified_at": None}).state(100) is State.UNVERIFIED


def test_the_most_pressing_state_is_the_one_that_is_told():
    worst_last = ["due", "held", "removal_held", "gone"]
    standings = [Standing(**{**FRESH, **dict.fromkeys(worst_last[:count], True)}) for count in range(1, 5)]
    states = [standing.state(100) for standing in standings]
    assert states == [State.DUE, State.HELD, State.REMOVAL_HELD, State.GONE]
    assert [state.value for state in State][:4] == [state.value for state in reversed(states)]


@given(
    st.builds(
        Standing,
        gone=st.booleans(),
        removal_held=st.booleans(),
        held=st.booleans(),
        due=st.booleans(),
        verified_at=st.none() | st.floats(0, 1000),
        target_s=st.integers(1, 100),
    ),
    st.floats(0, 1000),
    st.floats(0, 1000),
)
def test_time_alone_never_makes_a_document_fresh(standing, now, later):
    now, later = sorted((now, later))
    assume(standing.verified_at is None or standing.verified_at <= now)  # the future has a test of its own
    assert standing.fresh(now) or not standing.fresh(later)
    if standing.fresh(now):
        assert not any((standing.gone, standing.removal_held, standing.held, standing.due))
        assert now - standing.verified_at <= standing.target_s


def test_the_latest_of_some_times_is_none_only_where_there_is_none():
    assert latest(None, 3, 5, None) == 5
    assert latest(0.0, None) == 0.0
    assert latest(None, None) is None


def test_a_document_verified_in_the_future_is_not_fresh():
    """A clock that was once a year ahead vouched for everything for a year."""
    standing = Standing(gone=False, removal_held=False, held=False, due=False, verified_at=1_000_000.0, target_s=3600)
    assert standing.state(1_000_000.0 - 30) is State.FRESH
    assert standing.state(1_000_000.0 - 3600) is State.UNVERIFIED
