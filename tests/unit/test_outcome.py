"""What the ledger is told of each outcome."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ledger.records import Claim, Held
from schemas.errors import Reason, Refusal
from workers.pipeline import outcome
from workers.pipeline.outcome import FIRST_RETRY_S, LONGEST_RETRY_S, UNCOUNTED
from workers.pipeline.parts import Blocked, Content, Gone, Missing, Unchanged, Unreached

NOW = 1000.0
CONTENT = Content("h2", "i2", 5.0, b"", None)
BLOCKED = Blocked(Refusal(Reason.CORRUPT, "cut short"), "i2", "h2")


def claim(**changes):
    values = {
        "document_id": "d",
        "tenant": "t",
        "uri": "file:///a",
        "source_id": 1,
        "heard_at": NOW - 5,
        "generation": 7,
        "recover": False,
        "intended": (),
        "identity": "i",
        "last_hash": "h",
        "parser": "p|txt",
        "kind": "text",
        "modified_at": 1.0,
        "acl": None,
        "metadata": None,
        "held": None,
        "gone": False,
        "attempts": 0,
        "indexed": None,
        "elsewhere": (),
    }
    return Claim(**{**values, **changes})


def failed(**changes):
    return outcome.failed(claim(**changes), Unreached("away"), now=NOW, carried=None, target="c")


def held(found=BLOCKED, **changes):
    return outcome.held(claim(**changes), found, fingerprint="f", code="c", now=NOW, carried=None, target="c")


@given(st.integers(0, 1000), st.text(max_size=5), st.integers(0, 99))
def test_the_wait_before_a_retry_is_bounded_whatever_the_attempt(attempts, document, generation):
    one = failed(attempts=attempts, document_id=document, generation=generation)
    wait = one.values["next_attempt_at"] - NOW
    longest = min(FIRST_RETRY_S * 2**attempts, LONGEST_RETRY_S)
    assert longest / 2 <= wait <= longest
    assert one.values["attempts"] == attempts + 1


def test_a_source_that_is_away_for_ever_is_still_tried_every_hour():
    assert failed(attempts=10**9).values["next_attempt_at"] <= NOW + LONGEST_RETRY_S


def test_documents_that_failed_together_do_not_come_back_together():
    times = {failed(attempts=20, document_id=str(number)).values["next_attempt_at"] for number in range(20)}
    assert len(times) == 20
    assert max(times) - min(times) > LONGEST_RETRY_S / 10


def test_a_retry_is_worked_out_alike_every_time():
    assert failed() == failed()


def test_a_document_that_was_not_reached_stays_due_and_says_why():
    one = failed()
    assert (one.done, one.values["last_error"], one.event) == (False, "away", "unreachable")


def test_a_refused_version_leaves_what_is_known_of_the_last_good_one():
    one = held()
    assert one.done
    assert (one.values["held_reason"], one.values["held_detail"]) == ("corrupt", "cut short")
    assert (one.values["held_at"], one.event) == (NOW, "held")
    assert (one.indexed, one.erased) == (None, False)
    assert not {"identity", "content_hash", "parser", "kind"} & set(one.values)


def test_a_version_that_was_refused_before_keeps_its_date_and_adds_no_line():
    one = held(Blocked(BLOCKED.refusal, "i2", "h2", news=False))
    assert "held_at" not in one.values
    assert one.event == ""


def test_a_removal_that_is_not_believed_changes_nothing_else():
    one = outcome.removal_held(claim(), now=NOW, carried=None, target="c")
    assert (one.values, one.erased, one.done) == ({"removal_held_at": NOW}, False, True)


def test_what_is_to_be_judged_later_stays_due():
    one = outcome.postponed(claim())
    assert (one.values, one.done) == ({}, False)


def test_a_removed_document_leaves_a_tombstone_and_no_trust_in_what_was():
    one = outcome.gone(claim(), now=NOW)
    assert one.erased
    assert (one.values["gone_at"], one.values["identity"], one.values["content_hash"]) == (NOW, "", None)
    assert one.event == "removed"


def test_what_was_never_searchable_or_is_long_gone_is_not_removed_again():
    """Each was counted as a removal of the hour, and a few dozen of them had real ones doubted."""
    never, again = outcome.gone(claim(last_hash=None), now=NOW), outcome.gone(claim(gone=True), now=NOW)
    assert (never.event, never.values["gone_at"], never.erased) == ("", UNCOUNTED, True)
    assert (again.event, "gone_at" in again.values, again.erased) == ("", False, True)
    suspected = outcome.gone(claim(last_hash=None, recover=True), now=NOW)
    assert (suspected.event, suspected.values["gone_at"]) == ("removed", NOW)


def test_a_return_to_the_last_good_version_releases_the_document():
    refused = Held("corrupt", "", "i2", "h2", "f")
    one = outcome.unchanged(claim(held=refused), Unchanged("i", 1.0), now=NOW)
    assert (one.event, one.values["held_reason"], one.values["verified_at"]) == ("released", None, NOW)
    assert outcome.unchanged(claim(), Unchanged("i", 1.0), now=NOW).event == ""


@pytest.mark.parametrize(
    ("found", "known", "new"),
    [
        (CONTENT, "updated", "added"),
        (Gone(), "removed", "unchanged"),
        (Unchanged("i", 1.0), "unchanged", "unchanged"),
        (BLOCKED, "held", "held"),
        (Missing(judged=True), "held", "held"),
        (Missing(judged=False), "held", "held"),
        (Unreached("away"), "failed", "failed"),
    ],
)
def test_every_outcome_counts_as_one_thing(found, known, new):
    assert outcome.verdict(claim(), found) == known
    assert outcome.verdict(claim(last_hash=None), found) == new
    assert outcome.verdict(claim(gone=True), found) == new
