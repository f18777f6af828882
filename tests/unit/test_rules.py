"""The rules a version must pass: each can be broken, and says what is wrong."""

import math

import pytest

from schemas.documents import Block, BlockKind, Chunk, ParsedDocument
from schemas.errors import TODO, Reason, Refusal
from validation.rules import CHUNK_RULES, DOCUMENT_RULES, SAMPLE_CHARACTERS, VECTOR_RULES, Cut, check


def document(*texts):
    return ParsedDocument("text", "text/plain", tuple(Block(BlockKind.PARAGRAPH, text) for text in texts))


def cut(*tokens, limit=10, ordinals=None):
    places = range(len(tokens)) if ordinals is None else ordinals
    return Cut([Chunk(place, "x", (), None, 0, size, "h") for place, size in zip(places, tokens, strict=True)], limit)


BREAKS = {
    "has-text": [document(), document("", " \n\t\u00a0")],
    "readable": [document("\x00\x01" * 5 + "a" * 80), document("\ufffd" * 2 + "a" * 8), document("\u0378" * 5)],
    "has-chunks": [cut()],
    "fits-the-model": [cut(10, 11), cut(1, limit=0)],
    "numbered": [cut(1, 1, ordinals=[0, 0]), cut(1, ordinals=[1]), cut(1, 1, ordinals=[1, 0])],
    "unit-norm": [0.0, 0.99, 1.01, 2.0, math.nan, math.inf],
}
PASSES = [
    (document("Hello."), DOCUMENT_RULES),
    (document("", "Grüße, 你好, \U0001f600\r\n\t\f"), DOCUMENT_RULES),
    (document("\ufffd" + "a" * 9), DOCUMENT_RULES),  # exactly a tenth
    (document("a" * SAMPLE_CHARACTERS, "\x00" * SAMPLE_CHARACTERS), DOCUMENT_RULES),  # only the beginning is looked at
    (cut(10, 1), CHUNK_RULES),
    (1.0, VECTOR_RULES),
    (1.0009, VECTOR_RULES),
]
RULES = {rule.name: (rule, rules) for rules in (DOCUMENT_RULES, CHUNK_RULES, VECTOR_RULES) for rule in rules}


def test_every_rule_has_a_subject_that_breaks_it():
    assert sorted(BREAKS) == sorted(RULES)


@pytest.mark.parametrize(("name", "subject"), [(name, one) for name, subjects in BREAKS.items() for one in subjects])
def test_what_breaks_a_rule_is_held_with_its_reason(name, subject):
    rule, rules = RULES[name]
    with pytest.raises(Refusal) as caught:
        check(subject, rules)
    assert caught.value.reason is rule.reason
    assert caught.value.detail == rule.fault(subject) != ""


@pytest.mark.parametrize(("subject", "rules"), PASSES)
def test_what_breaks_none_passes(subject, rules):
    check(subject, rules)


def test_the_first_broken_rule_gives_the_reason():
    with pytest.raises(Refusal, match="12 tokens"):
        check(cut(12, ordinals=[5]), CHUNK_RULES)


def test_there_is_something_to_do_about_every_reason():
    assert set(TODO) == set(Reason)
    assert all(TODO.values())
