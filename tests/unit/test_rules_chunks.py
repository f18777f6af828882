"""The table of chunks: users' expectations by name, what raises is charged to whose rows do, nothing loads in vain."""

import subprocess
import sys

import numpy as np
import pytest

from schemas.documents import Chunk
from schemas.errors import Reason
from schemas.identity import document_id, point_id, text_hash
from schemas.verdicts import Gate, Severity
from tests.support.labelled_tables import DIMENSION, vector
from validation import expectations, halving, suite
from validation.chunks import ChunkRow, check_chunks, chunk_rows
from validation.ruleset import Rules, load_rules
from validation.rulesfile import Expectation, Section
from validation.table import TABLE
from validation.vectors import batch_drift, check_vectors

DEFAULTS = load_rules(None).of("t", "u")
LONG = {"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "text", "min_value": 3}}


def row(document, ordinal, text, **changed):
    made = ChunkRow(document, f"{document}/{ordinal}", ordinal, text, text_hash(text), 5, 80)
    return made._replace(**changed)


def ruleset(*own):
    return Rules([Section(expectations=[Expectation(**one) for one in own])]).of("t", "u")


def rules(*own):
    return {name: ruleset(*own) for name in ("a", "b")}


def test_rows_are_made_of_chunks():
    id_ = document_id("t", "file:///a")
    [made] = chunk_rows(id_, [Chunk(0, "Hi", ("A", "B"), 3, 1, 2, text_hash("Hi"))], limit=80)
    assert made == ChunkRow(id_, point_id(id_, text_hash("Hi"), 1), 0, "Hi", text_hash("Hi"), 2, 80, "A > B", 3)
    assert check_chunks([made], {id_: DEFAULTS}) == {}


def test_a_users_expectation_holds_only_the_documents_that_fail_it():
    found = check_chunks(
        [row("a", 0, "long enough"), row("a", 1, "no"), row("b", 0, "fine")],
        rules({"name": "no-crumbs", "says": "its chunks say something", **LONG}),
    )
    [finding] = found.pop("a")
    assert found == {}
    assert (finding.rule, finding.gate, finding.reason) == ("no-crumbs", Gate.CHUNK, Reason.EXPECTATION)
    assert finding.severity is Severity.QUARANTINE
    assert (
        finding.detail == f"its chunks say something: 1 of its chunks fail {LONG['type']} (column: text, min_value: 3)"
    )
    assert finding.excerpts == ("no",)


def test_documents_of_a_batch_may_have_different_expectations():
    held = ruleset({"name": "x", **LONG})
    warned = ruleset({"name": "x", "action": "warn", **LONG})
    ids = ["a", "b", "c"]
    found = check_chunks([row(id_, 0, "no") for id_ in ids], dict(zip(ids, [held, warned, DEFAULTS], strict=True)))
    assert {id_: [f.severity for f in findings] for id_, findings in found.items()} == {
        "a": [Severity.QUARANTINE],
        "b": [Severity.WARN],
    }


def test_missing_values_are_one_finding_and_none_of_the_others():
    broken = row("a", 0, "Hi")._replace(text=None, tokens=None)
    [finding] = check_chunks([broken, row("a", 1, "Ho")], rules())["a"]
    assert (finding.rule, finding.detail) == ("complete", "a chunk lacks its text, tokens")


def test_excerpts_hold_no_personal_data():
    [finding] = check_chunks([row("a", 0, "Write to jane@example.com", tokens=99)], {"a": DEFAULTS})["a"]
    assert finding.excerpts == ("Write to [email]",)
    assert finding.detail == "a chunk has 99 tokens, the model reads 80"


def test_an_expectation_that_raises_holds_only_those_whose_rows_make_it_raise():
    """The rows of one document are no numbers; alone, the other four would pass, and they do."""
    own = {"name": "x", "type": "expect_column_values_to_be_between", "kwargs": {"column": "tokens", "min_value": 1}}
    ids = ["a", "b", "c", "d", "e"]
    table = [row(id_, n, f"{id_} {n}") for id_ in ids for n in range(2)]
    table[5] = table[5]._replace(tokens="many")
    found = check_chunks(table, dict.fromkeys(ids, ruleset(own)))
    assert set(found) == {"c"}
    assert {(f.reason, f.severity) for f in found["c"]} == {(Reason.RULE_ERROR, Severity.QUARANTINE)}
    assert {f.detail for f in found["c"] if f.rule == "x"} == {"the rule `x` failed: ValueError"}


def test_an_expectation_great_expectations_cannot_judge_is_a_rule_error():
    own = {"name": "x", "type": "expect_column_values_to_not_be_null", "kwargs": {"column": "no such column"}}
    found = check_chunks([row("a", 0, "Hi"), row("b", 0, "Ho")], rules(own))
    assert {id_: [(f.rule, f.reason) for f in findings] for id_, findings in found.items()} == {
        "a": [("x", Reason.RULE_ERROR)],
        "b": [("x", Reason.RULE_ERROR)],
    }


def test_a_whole_suite_that_raises_holds_every_document(monkeypatch):
    def broken(*_, **__):
        raise MemoryError

    monkeypatch.setattr(suite, "judge", broken)
    monkeypatch.setattr(halving.plain, "WORTH", 0)
    found = check_chunks([row("a", 0, "Hi"), row("b", 0, "Ho")], rules())
    assert {f.reason for findings in found.values() for f in findings} == {Reason.RULE_ERROR}
    assert set(found) == {"a", "b"}


def test_what_can_be_named_is_there_and_takes_what_it_is_given():
    import great_expectations as gx

    for name, form in expectations.KNOWN.items():
        fields = gx.expectations.registry.get_expectation_impl(name).__fields__
        assert set(form.model_fields) <= set(fields), name


def test_the_result_is_kept_for_reports():
    kept = []
    check_chunks([row("a", 0, "no")], rules({"name": "x", **LONG}), keep=kept.append)
    [result] = kept
    assert result.success is False
    assert LONG["type"] in {one.expectation_config.type for one in result.results}


def test_a_batch_without_rows_loads_nothing_and_still_asks_for_chunks():
    code = (
        "import sys; from validation.chunks import check_chunks; from validation.ruleset import load_rules\n"
        "found = check_chunks([], {'a': load_rules(None).of('t', 'u')})\n"
        "assert [f.rule for f in found['a']] == ['has-chunks'], found\n"
        "assert not {'great_expectations', 'pandas', 'langdetect'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_vectors_of_a_document_are_told_by_its_key():
    rng = np.random.default_rng(1)
    [finding] = check_vectors({"a": np.zeros(DIMENSION) + 2, "b": vector(rng)}, dimension=DIMENSION)["a"][:1]
    assert finding.rule == "unit-norm"
    assert finding.detail == "a vector has norm 11.31 instead of 1"
    assert check_vectors({"a": np.ones(1)}, dimension=1) == {}


@pytest.mark.parametrize(("cosine", "warns"), [(0.9, False), (0.21, False), (0.19, True), (-1.0, True)])
def test_a_batch_about_something_else_is_told_and_only_told(cosine, warns):
    centroid, other = np.eye(2, DIMENSION)
    batch = np.tile(cosine * centroid + np.sqrt(1 - cosine**2) * other, (50, 1))
    finding = batch_drift(batch, centroid, DEFAULTS)
    assert bool(finding) is warns
    assert finding is None or finding.severity is Severity.WARN
    assert batch_drift(batch[:49], centroid, DEFAULTS) is None
    assert batch_drift(batch, None, DEFAULTS) is None
    assert batch_drift(batch, np.zeros(DIMENSION), DEFAULTS) is None


def test_rules_on_other_documents_only_warn():
    assert {row.action.value for row in TABLE if row.others} == {"warn"}
    assert not [row.name for row in TABLE if row.others and "quarantine" in row.choices]
