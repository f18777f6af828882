"""Chunks against points: what is written, kept, moved and deleted."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from infra.ledger.records import PlacedPoint
from schemas.documents import Chunk
from schemas.identity import document_id, point_id, text_hash
from workers.pipeline.changes import changes, place

DOCUMENT = document_id("t", "file:///a")


def cut(*texts):
    """Chunks of these texts, in order."""
    return [
        Chunk(ordinal, text, (), None, texts[:ordinal].count(text), 1, text_hash(text))
        for ordinal, text in enumerate(texts)
    ]


def proved(chunks):
    points = [
        PlacedPoint(point_id(DOCUMENT, one.hash, one.occurrence), f"key of {one.text}", *place(one)) for one in chunks
    ]
    return {one.id: one for one in points}


def compare(before, after, *, suspects=None):
    return changes(DOCUMENT, after, proved(before), suspects=suspects)


def ids(chunks):
    return tuple(point_id(DOCUMENT, one.hash, one.occurrence) for one in chunks)


def test_a_new_document_is_written_whole():
    found = compare([], cut("a", "b"))
    assert (found.ids, found.write, found.keep, found.moved, found.delete) == (ids(cut("a", "b")), (0, 1), (), (), ())


def test_an_unchanged_document_is_kept_where_it_is():
    found = compare(cut("a", "b"), cut("a", "b"))
    assert (found.write, found.keep, found.moved, found.delete) == ((), (0, 1), (), ())


def test_an_edit_writes_the_new_text_and_deletes_the_old():
    found = compare(cut("a", "b", "c"), cut("a", "B", "c"))
    assert (found.write, found.keep, found.moved) == ((1,), (0, 2), ())
    assert found.delete == ids(cut("b"))


def test_what_comes_after_an_insertion_has_moved_and_is_not_written():
    found = compare(cut("a", "b"), cut("new", "a", "b"))
    assert (found.write, found.keep, found.moved, found.delete) == ((0,), (1, 2), (1, 2), ())


def test_a_change_of_heading_or_page_alone_is_a_move():
    [before] = cut("a")
    for after in (replace(before, headings=("One",)), replace(before, page=2)):
        found = compare([before], [after])
        assert (found.write, found.moved) == ((), (0,))


def test_of_equal_texts_as_many_points_stay_as_there_are_chunks():
    found = compare(cut("a", "a", "a"), cut("a", "a"))
    assert (found.write, len(found.keep), len(found.delete)) == ((), 2, 1)
    assert len(set(found.ids)) == 2


def test_an_emptied_document_keeps_no_point():
    assert set(compare(cut("a", "b"), []).delete) == set(ids(cut("a", "b")))


def test_recovery_takes_nothing_for_granted():
    # The record says both points are there; the index was seen to hold one of them, and one of a dead worker.
    found = compare(cut("a", "b"), cut("a", "b"), suspects={ids(cut("a"))[0], "left-behind"})
    assert (found.write, found.keep, found.delete) == ((0, 1), (), ("left-behind",))


texts = st.lists(st.sampled_from("abcde"), max_size=8)


@given(before=texts, after=texts, left=st.none() | st.sets(st.sampled_from(["x", "y", "z"])))
def test_the_index_holds_exactly_the_new_version_afterwards(before, after, left):
    old, new = cut(*before), cut(*after)
    found = compare(old, new, suspects=left)
    there = set(proved(old)) | (left or set())
    written = {found.ids[i] for i in found.write}
    assert (there - set(found.delete)) | written == set(found.ids)
    assert sorted([*found.write, *found.keep]) == list(range(len(new)))
    assert set(found.moved) <= set(found.keep)
    # No hole: what both versions share is never deleted.
    assert not set(found.delete) & set(found.ids)
    assert len(set(found.ids)) == len(new)
    if left is not None:
        assert not found.keep
    elif before == after:
        assert not found.write
        assert not found.moved
