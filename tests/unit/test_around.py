"""The section around a hit, and its anchor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ledger.records import PlacedPoint
from penstock.around import SECTION, anchor, section


def placed(*headings):
    return [PlacedPoint(str(n), "", n, None, path) for n, path in enumerate(headings)]


TRAVEL, HOTELS, TRAINS = ("Travel",), ("Travel", "Hotels"), ("Travel", "Trains")


def ordinals(points, at, **more):
    return [point.ordinal for point in section(points, at, **more)]


def test_a_section_is_what_stands_under_the_same_headings():
    points = placed(TRAVEL, HOTELS, HOTELS, HOTELS, TRAINS, TRAINS)
    assert ordinals(points, 2) == [1, 2, 3]
    assert ordinals(points, 4) == [4, 5]


def test_a_chunk_that_is_alone_is_shown_with_its_neighbours():
    assert ordinals(placed(TRAVEL, HOTELS, TRAINS), 1) == [0, 1, 2]
    assert ordinals(placed(TRAVEL, HOTELS), 0) == [0, 1]
    assert ordinals(placed(TRAVEL), 0) == [0]


def test_the_same_headings_elsewhere_are_another_section():
    assert ordinals(placed(HOTELS, HOTELS, TRAINS, HOTELS, HOTELS), 4) == [3, 4]


def test_what_is_no_longer_there_has_no_section():
    assert section(placed(HOTELS), 7) == []


@given(st.lists(st.sampled_from([TRAVEL, HOTELS, TRAINS]), min_size=1, max_size=40), st.data(), st.integers(3, 12))
def test_a_section_is_in_order_without_gaps_holds_the_hit_and_is_bounded(headings, data, most):
    at = data.draw(st.integers(0, len(headings) - 1))
    found = ordinals(placed(*headings), at, most=most)
    assert at in found
    assert found == list(range(found[0], found[-1] + 1))
    assert len(found) <= most
    same = {headings[one] for one in found} == {headings[at]}
    assert same or len(found) <= 3


def test_a_long_section_is_shown_on_both_sides_of_the_hit():
    assert ordinals(placed(*[HOTELS] * 100), 50) == list(range(50 - SECTION // 2, 50 + SECTION // 2 + 1))


@pytest.mark.parametrize(
    ("headings", "page", "wanted"),
    [
        (("Travel", "Hotels & trains: how?"), None, "hotels--trains-how"),
        (("Über uns",), None, "über-uns"),
        ((), None, ""),
        (("Travel",), 3, "page=3"),
    ],
)
def test_anchors(headings, page, wanted):
    assert anchor(headings, page) == wanted
