"""Promise P7: deletion means deletion, and refuses to be fooled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ledger.records import KnownDocument
from workers.removals import DOUBTED_COUNT, DOUBTED_SHARE, Guard, Removals


def documents(count, *, first=0, parked=False):
    return [
        KnownDocument(str(number), f"file:///{number}", "i", None, parked, False, "h", 1)
        for number in range(first, first + count)
    ]


def judged(guard, vanished, *, moved=(), listed=1):
    return [one.document_id for one in guard.judge(vanished, moved=set(moved), listed=listed)]


def names(count):
    return [str(number) for number in range(count)]


@pytest.mark.parametrize(
    ("vanished", "live", "believed"),
    [(1, 2, True), (10, 10, True), (10, 11, True), (11, 22, True), (11, 21, False), (50, 100, True), (51, 100, False)],
)
def test_removals_are_doubted_beyond_half_of_the_documents_and_beyond_ten(vanished, live, believed):
    guard = Guard(live)
    assert judged(guard, documents(vanished), listed=max(1, live - vanished)) == ([] if believed else names(vanished))
    assert [guard.believes(name) for name in names(vanished)] == [believed] * vanished


@pytest.mark.parametrize(("live", "believed"), [(1, True), (2, False), (3, False)])
def test_an_empty_listing_is_doubted_where_two_or_more_documents_were_known(live, believed):
    assert judged(Guard(live), documents(live), listed=0) == ([] if believed else names(live))


def test_a_source_whose_documents_all_moved_is_no_emptied_source():
    assert judged(Guard(3), documents(3), moved=names(3), listed=0) == []


def test_another_root_in_the_old_ones_place_removes_nothing_not_even_a_move():
    guard = Guard(100, root_trusted=False)
    assert judged(guard, documents(1), moved=["0"], listed=99) == ["0"]
    assert not guard.believes("0")
    assert not guard.believes("99")


def test_a_move_that_is_parked_takes_nothing_from_the_count():
    # It was subtracted: one removal more would have been believed afterwards.
    guard = Guard(100, root_trusted=False)
    judged(guard, documents(3), moved=["0"], listed=97)
    assert guard.removed == 0


def test_moves_do_not_count():
    guard = Guard(20)
    assert judged(guard, documents(15), moved=names(5), listed=5) == []
    assert guard.removed == 10
    # One move fewer, and the others are doubted; the moves are believed all the same.
    guard = Guard(20)
    assert judged(guard, documents(15), moved=names(4), listed=5) == names(15)[4:]
    assert guard.believed == set(names(4))


def test_what_was_parked_before_stays_parked_when_others_come_back():
    guard = Guard(100)
    vanished = [*documents(3, parked=True), *documents(2, first=3)]
    assert judged(guard, vanished, listed=95) == ["0", "1", "2"]
    assert guard.believed == {"3", "4"}


def test_a_parked_document_that_turns_up_elsewhere_is_a_move():
    assert judged(Guard(100), documents(1, parked=True), moved=["0"], listed=99) == []


@pytest.mark.parametrize("root_trusted", [True, False])
def test_a_person_who_insists_is_believed(root_trusted):
    guard = Guard(100, root_trusted=root_trusted, insist=True)
    assert judged(guard, documents(100, parked=True), listed=0) == []
    assert all(guard.believes(name) for name in names(100))


def test_removals_of_earlier_in_the_hour_count():
    assert judged(Guard(21, removed=10), documents(1), listed=10) == ["0"]
    assert judged(Guard(22, removed=10), documents(1), listed=11) == []


def test_removals_that_workers_find_one_by_one_reach_the_same_limit():
    guard = Guard(20)
    assert [guard.believes(name) for name in names(12)] == [True] * 10 + [False] * 2
    # Asked again, each answer stays what it was.
    assert [guard.believes(name) for name in names(12)] == [True] * 10 + [False] * 2


def test_what_a_listing_did_not_show_waits_until_it_is_judged_together():
    class Of:
        removal_allowed = removal_held = False

        def __init__(self, document_id, source_id=1):
            self.document_id, self.source_id = document_id, source_id

    guard = Guard(5, awaiting={"0"})
    removals = Removals(lambda source_id: Guard(0, root_trusted=source_id == 2), {1: guard})
    assert [removals.awaits(Of(name)) for name in "01"] == [True, False]
    judged(guard, documents(1), listed=4)
    assert not removals.awaits(Of("0"))
    assert removals.believes(Of("0"))
    # A source within the listed one trusts the listing's judgement, if its root is the one last seen.
    assert removals.believes(Of("0", source_id=2))
    assert not removals.believes(Of("0", source_id=3))
    assert not removals.believes(Of("1", source_id=3))


@given(
    live=st.integers(0, 60),
    gone=st.integers(0, 60),
    parked=st.integers(0, 5),
    moves=st.integers(0, 60),
    removed=st.integers(0, 30),
    root_trusted=st.booleans(),
    insist=st.booleans(),
)
def test_every_vanished_document_is_either_believed_or_parked_and_the_limits_hold(
    live, gone, parked, moves, removed, root_trusted, insist
):
    vanished = [*documents(gone), *documents(parked, first=gone, parked=True)]
    moved = set(names(min(moves, gone)))
    guard = Guard(live, removed, root_trusted, insist)
    left = set(judged(guard, vanished, moved=moved, listed=live))
    everything = {one.document_id for one in vanished}
    assert left | guard.believed == everything
    assert not left & guard.believed
    assert guard.removed == removed + len(everything - left - moved)
    if insist:
        assert not left
    elif not root_trusted:
        assert left == everything
    else:
        assert not left & moved
        assert {str(number) for number in range(gone, gone + parked)} <= left
        believed = guard.removed > removed
        assert not believed or guard.removed <= max(DOUBTED_COUNT, live * DOUBTED_SHARE)
