"""The fingerprint: what besides the bytes shapes the result."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fingerprint import Fingerprint, PipelineFingerprint

WHOLE = PipelineFingerprint({"html": "h1", "text": "t1"}, "c", "m", "r", "y")
PARTS = [field.name for field in fields(Fingerprint)]
fingerprints = st.builds(Fingerprint, *[st.text(max_size=6)] * len(PARTS))


def test_digests_never_change():
    # They are written into payloads and into the ledger: another value here makes every document due.
    assert Fingerprint("p", "c", "m", "r", "y").digest == "7a19a5390238dfd7"
    assert WHOLE.digest == "8d1d6e283ef49a59"


@given(fingerprints)
def test_a_fingerprint_comes_back_from_its_json(fingerprint):
    assert Fingerprint.from_json(fingerprint.to_json()) == fingerprint


@given(fingerprints, fingerprints)
def test_digests_are_equal_only_if_fingerprints_are(one, other):
    assert (one.digest == other.digest) == (one == other)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_counts(part):
    one = Fingerprint("p", "c", "m", "r", "y")
    assert replace(one, **{part: "other"}).digest != one.digest


def test_each_kind_has_the_fingerprint_of_its_own_parser():
    assert WHOLE.of_kind("html") == Fingerprint("h1", "c", "m", "r", "y")
    newer = replace(WHOLE, parsers={"html": "h2", "text": "t1"})
    assert newer.of_kind("html") != WHOLE.of_kind("html")
    assert newer.of_kind("text") == WHOLE.of_kind("text")
    assert newer.digest != WHOLE.digest
    with pytest.raises(KeyError):
        WHOLE.of_kind("unknown")


def test_the_order_in_which_kinds_are_named_does_not_matter():
    turned = replace(WHOLE, parsers=dict(reversed(WHOLE.parsers.items())))
    assert (turned.to_json(), turned.digest) == (WHOLE.to_json(), WHOLE.digest)
    assert list(json.loads(WHOLE.to_json())["parsers"]) == ["html", "text"]


def test_what_an_older_parser_made_is_told_apart_by_its_parser_alone():
    assert WHOLE.with_parser("t0") == replace(WHOLE.of_kind("text"), parser="t0")
