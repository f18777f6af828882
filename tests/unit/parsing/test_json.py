"""JSON and JSON Lines: every name and value in its order, digits kept, one block to a record."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from workers.parsing import registry


def parse(source, name="a.json"):
    return registry.parse(source.encode(), name)


def texts(source, name="a.json"):
    document = parse(source, name)
    assert {block.kind for block in document.blocks} == {BlockKind.PARAGRAPH}
    return [block.text for block in document.blocks]


def test_lines_carry_their_path_and_records_are_blocks():
    source = """{"title": "Travel policy", "valid": true, "tags": ["rail", "hotel"], "none": null, "empty": {},
      "rates": {"currency": "EUR", "cities": [{"name": "Oslo", "night": 180, "at": {"lat": 59.910}}, {"name": "Rome"}]},
      "end": "x\\ny"}"""
    assert parse(source).title == "Travel policy"
    assert texts(source) == [
        "title: Travel policy\nvalid: true\ntags: rail, hotel\nnone: null",
        "rates.currency: EUR",
        "rates.cities.name: Oslo\nrates.cities.night: 180\nrates.cities.at.lat: 59.910",
        "rates.cities.name: Rome",
        "end: x\ny",
    ]


def test_digits_signs_and_repeated_names_are_kept():
    number = "123456789012345678901234567890" * 200
    source = (
        f'{{"id": {number}, "rate": 0.10000000000000000001, "e": 1E-7, "id": -0, "x": NaN, '
        f'"city": "K\\u00f6ln 東京 😀"}}'
    )
    assert texts(source) == [f"id: {number}\nrate: 0.10000000000000000001\ne: 1E-7\nid: -0\nx: NaN\ncity: Köln 東京 😀"]


def test_a_list_or_a_plain_value_may_be_all_there_is():
    assert texts('["a", 1, false]') == ["a, 1, false"]
    assert texts('[["a", "b"], ["c"]]') == ["a, b", "c"]
    assert texts('"only words"') == ["only words"]


def test_comments_and_last_commas_of_configuration_files_are_let_pass():
    assert texts('{ // why\n "a": "// no, \\" /* comment ,]", /* b */ "c": [1, 2,], }') == [
        'a: // no, " /* comment ,]\nc: 1, 2'
    ]


def test_each_line_of_json_lines_is_a_record():
    document = parse('{"a": {"b": 1}, "c": 2}\n\n[3, 4]\r\n"five"\n', "a.jsonl")
    assert (document.kind, document.content_type) == ("jsonl", "application/jsonl")
    assert [block.text for block in document.blocks] == ["a.b: 1\nc: 2", "3, 4", "five"]


@pytest.mark.parametrize(
    ("source", "name", "says"),
    [
        ('{"a": 1', "a.json", "JSONDecodeError"),
        ('{"a": 1}{"b": 2}', "a.json", "Extra data"),
        ("[" * 200_000, "a.json", "nested too deep"),
        ('{"a": "' + '\\"' * 200_000, "a.json", "JSONDecodeError"),
        ("{" + "/*" * 200_000, "a.json", "JSONDecodeError"),
        ('{"a": 1}\n{"b": ', "a.jsonl", "line 2"),
    ],
)
def test_what_is_cut_short_is_refused_as_corrupt(source, name, says):
    with pytest.raises(Refusal, match=says) as refused:
        parse(source, name)
    assert refused.value.reason is Reason.CORRUPT


def test_json_is_told_by_content_only_if_all_of_it_is():
    assert parse('{"a": "b"}', "a").kind == "json"
    for source in ('{"a": "b"} and words', '{"a": 1}\n{"a": 2}', "[draft] words", '"words"'):
        assert parse(source, "a.txt").kind == "text"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from("abc ß1"), max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=4),
)


@settings(max_examples=200)
@given(VALUES)
def test_every_value_comes_out_in_its_order(value):
    def leaves(value):
        if isinstance(value, dict | list):
            return [leaf for inner in (value.values() if isinstance(value, dict) else value) for leaf in leaves(inner)]
        return [value if isinstance(value, str) else json.dumps(value)]

    lines = [line for text in texts(json.dumps({"a": "start", "v": value})) for line in text.split("\n")]
    found = re.findall(r"[^\s,]+", " ".join(line.partition(":")[2] for line in lines))
    assert found == ["start", *" ".join(leaves(value)).split()]


def test_a_block_for_each_record_of_a_long_list():
    rows = [{"id": i, "name": f"n{i}"} for i in range(1000)]
    assert parse(json.dumps({"rows": rows})).blocks[7] == Block(BlockKind.PARAGRAPH, "rows.id: 7\nrows.name: n7")
