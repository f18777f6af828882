"""The rules on the labelled set: of every rule, false alarms at most 0.5 % and misses at most 1 %."""

import random

import numpy as np
import pytest

from tests.support.judging import judged, tally
from tests.support.labelled import bad, good
from tests.support.labelled_tables import DIMENSION, SHARED_BY, bad_vectors, chunked, damaged, vector
from validation.chunks import check_chunks
from validation.documents import CHECKS
from validation.ruleset import Rules, load_rules
from validation.rulesfile import Section
from validation.vectors import check_vectors

FALSE_ALARMS, MISSES = 0.005, 0.01
ON_CHUNKS = ("complete", "ids-unique", "hash-fits", "fits-the-model", "numbered", "of-a-document", "boilerplate")


def test_documents():
    scores = tally(judged([*good(550, seed=7), *bad(35, seed=7)]))
    assert set(scores) == set(CHECKS)
    assert sum(score.bad for score in scores.values()) >= 500
    assert all(score.bad == 35 and score.good >= 550 for score in scores.values())
    assert {r: s for r, s in scores.items() if s.alarm_rate > FALSE_ALARMS or s.miss_rate > MISSES} == {}


def test_chunks():
    rng = random.Random(7)
    rules = Rules([Section(rules={"boilerplate": {"most_documents": SHARED_BY - 1}})]).of("default", "file:///any")
    fine = [chunked(f"good-{n}", rng) for n in range(100)]
    expected = {rows[0].document: set() for rows in fine}
    table = [row for rows in fine for row in rows]
    for rule in ON_CHUNKS:
        for number in range(40 if rule != "boilerplate" else SHARED_BY):
            rows = damaged(rule, chunked(f"{rule}-{number}", rng), rng)
            expected[rows[0].document] = {rule}
            table += rows
    named = {document: rules for document, broken in expected.items() if broken != {"of-a-document"}}
    empty = {f"empty-{number}": rules for number in range(40)}
    found = check_chunks(table, named | empty)
    assert {document: {f.rule for f in found.get(document, ())} for document in expected} == expected
    assert {f.rule for document in empty for f in found[document]} == {"has-chunks"}
    assert set(found) <= set(expected) | set(empty)


@pytest.mark.parametrize("rule", ["dimension", "finite", "unit-norm", "not-constant"])
def test_vectors(rule):
    wrong = {f"bad-{number}": some for number, some in enumerate(bad_vectors(rule, 40, seed=7))}
    rng = np.random.default_rng(7)
    sound = {f"good-{number}": np.stack([vector(rng)] * 3).astype(np.float16) for number in range(200)}
    found = check_vectors(wrong | sound, dimension=DIMENSION)
    assert set(found) == set(wrong)
    assert {f.rule for findings in found.values() for f in findings} == {rule}


def test_events():
    rules = load_rules(None).of("default", "file:///any")
    rng = random.Random(7)
    for _ in range(200):
        ahead, size = rng.uniform(-1e6, 900), rng.randint(1, 2_000_000)
        found = {f.rule for f in rules.event(size=size, happened_at=1e9 + ahead, now=1e9)}
        assert found == {name for name, is_so in (("event-size", size > 2**20), ("clock-skew", ahead > 300)) if is_so}
