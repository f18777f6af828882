"""Fusing, restamping and naming: what every index does alike."""

import pytest

from infra.index_rules import candidates, collection_name, fuse, restamped
from infra.ports import Restamp
from schemas.errors import UsageError


def test_a_hit_of_rank_r_adds_one_over_sixty_plus_r():
    assert fuse([[("a", 0.9), ("b", 0.8)], [("b", 12.0)]], 10) == [("b", 1 / 62 + 1 / 61), ("a", 1 / 61)]


def test_equal_scores_are_ordered_by_id_however_the_store_ordered_them():
    tied = [("c", 0.5), ("a", 0.5000001), ("b", 0.5)]
    assert [name for name, _ in fuse([tied], 3)] == ["a", "b", "c"]
    assert [name for name, _ in fuse([[("z", 1.0)], [("y", 9.0)]], 2)] == ["y", "z"]


def test_only_the_best_are_returned():
    assert fuse([[("a", 3.0), ("b", 2.0), ("c", 1.0)]], 2) == [("a", 1 / 61), ("b", 1 / 62)]
    assert fuse([], 5) == []


def test_more_candidates_are_asked_for_than_hits():
    assert candidates(10) == 100
    assert candidates(80) == 160


def test_a_restamp_merges_both_levels_and_keeps_the_rest():
    payloads = {"p": {"content": "x", "generation": 1, "meta": {"page": 2, "title": "old"}}}
    changes = [
        Restamp(["p", "gone"], {"generation": 2}, {"title": None}),
        Restamp(["p"], {"acl": ["a"]}, {"ordinal": 7}),
    ]
    assert restamped(payloads, changes) == {
        "p": {"content": "x", "generation": 2, "acl": ["a"], "meta": {"page": 2, "title": None, "ordinal": 7}}
    }
    assert payloads["p"]["generation"] == 1


def test_a_restamp_that_changes_nothing_writes_nothing():
    assert (
        restamped({"p": {"generation": 1, "meta": {"page": 2}}}, [Restamp(["p"], {"generation": 1}, {"page": 2})]) == {}
    )


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "a b", "ä", "x" * 129, "a\n"])
def test_a_name_that_some_store_refuses_is_refused(name):
    with pytest.raises(UsageError, match="cannot name a collection"):
        collection_name(name)


def test_a_models_usual_name_passes():
    assert collection_name("all-MiniLM-L6-v2_384.1") == "all-MiniLM-L6-v2_384.1"
