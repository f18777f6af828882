"""A held version's life from the command line: seen, shown, released, discarded, mended by other rules."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from infra.ledger import open_ledger
from penstock.readings import readings
from schemas.errors import TODO, Reason
from schemas.identity import file_uri
from tests.support.plant import Plant
from tests.system.contents import contents

NO_MAIL = "rules: {pii-email: quarantine}\n"
REDACTING = "rules: {pii-email: redact}\n"
MAIL = "jo.smith@example.org"
TICKS = itertools.count()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    path = tmp_path / "docs"
    path.mkdir()
    write(path / "ferry.md", "The ferry leaves at noon.")
    write(path / "tram.md", "The tram runs all night.")
    return path


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    made = Plant(tmp_path / "home", PENSTOCK_RULES=str(tmp_path / "rules.yaml"))
    rule(made, NO_MAIL)
    return made


def write(path: Path, text: str) -> None:
    """A document of some length, with a time that no writing gave it, so that its bytes are looked at once."""
    path.write_text(f"# {path.stem.title()}\n\n{text}\n\n" + "It is a fine day at the harbour. " * 12)
    os.utime(path, ns=(0, 10**18 + next(TICKS)))


def rule(plant: Plant, text: str) -> None:
    Path(plant.environment["PENSTOCK_RULES"]).write_text(text)


def uri(path: Path) -> str:
    return file_uri(os.fsencode(path))


def held(plant: Plant) -> dict[str, dict[str, Any]]:
    return {one["uri"].rpartition("/")[2]: one for one in plant.json("quarantine", "list", status=None)["held"]}


def events(plant: Plant, path: Path) -> list[str]:
    return [line["event"] for line in plant.json("status", path)["history"]]


def hit(plant: Plant, path: Path) -> dict[str, Any]:
    return next(one for one in plant.search("harbour ferry tram") if one["uri"] == uri(path))


def spoil(plant: Plant, docs: Path, text: str = f"Write to {MAIL}.") -> Path:
    """A good version, and over it one that the rules hold."""
    plant.index(docs)
    write(docs / "ferry.md", text)
    report = plant.index(docs, status=1)
    assert [(one["uri"], one["reason"]) for one in report["refused"]] == [(uri(docs / "ferry.md"), "pii")]
    return docs / "ferry.md"


# --- seen ------------------------------------------------------------------------------------------------------------


def test_nothing_is_held_in_an_empty_home(plant: Plant, docs: Path) -> None:
    assert plant.json("quarantine", "list") == {"held": []}
    assert "Nothing is held." in plant.run("quarantine", "list").out
    result = plant.run("quarantine", "show", docs / "ferry.md")
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert "is not held" in result.err
    result = plant.run("quarantine", "release")
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert "needs a URI" in result.err
    assert not plant.home.exists()


def test_a_held_version_is_listed_and_shown_with_its_reasons_and_what_is_served_instead(
    plant: Plant, docs: Path
) -> None:
    bad = spoil(plant, docs)
    [one] = plant.json("quarantine", "list", status=1)["held"]
    assert one["uri"] == uri(bad)
    assert one["reason"] == "pii"
    assert one["todo"] == TODO[Reason.PII]
    assert one["rules"] == ["pii-email"]
    shown = plant.json("quarantine", "show", bad)
    [finding] = shown["findings"]
    assert (finding["rule"], finding["gate"], finding["severity"]) == ("pii-email", "document", "quarantine")
    assert finding["excerpts"] == ["jo…rg"]
    assert shown["releasable"]
    assert shown["refused_by"].startswith("penstock ")
    assert shown["served"] == hit(plant, bad)["content_hash"] != shown["content_hash"]
    assert not hit(plant, bad)["fresh"]
    for output in (plant.run("quarantine", "list").out, plant.run("quarantine", "show", bad).out):
        assert "pii" in output
        assert MAIL not in output
    assert "release URI" in plant.run("quarantine", "show", bad).out


def test_how_many_are_held_and_since_when_is_in_status_and_metrics(plant: Plant, docs: Path) -> None:
    assert plant.json("status")["held"] == {"count": 0, "oldest": None}
    spoil(plant, docs)
    since = held(plant)["ferry.md"]["since"]
    assert plant.json("status")["held"] == {"count": 1, "oldest": since}
    assert "Held versions: 1" in plant.run("status").out
    (docs / "empty.md").touch()
    plant.index(docs, status=1)
    assert plant.json("status")["held"] == {"count": 2, "oldest": since}
    ledger = open_ledger(f"sqlite:///{plant.home}/ledger.sqlite", now=0.0)
    try:
        _, oldest = ledger.quarantine.pressing()
        gauges = {one.name: one.value for one in readings(ledger, now=(oldest or 0.0) + 60)}
    finally:
        ledger.close()
    assert gauges["penstock_held_documents"] == 2
    assert gauges["penstock_held_oldest_seconds"] == pytest.approx(60)


# --- released --------------------------------------------------------------------------------------------------------


def test_a_released_version_is_indexed_and_it_is_recorded_who_let_it_pass_and_why(plant: Plant, docs: Path) -> None:
    bad = spoil(plant, docs)
    answer = plant.json("quarantine", "release", bad, "--who", "ana", "--why", "the address is public")
    report = plant.index(docs)
    assert (report["documents"]["updated"], report["documents"]["held"], report["refused"]) == (1, 0, [])
    found = hit(plant, bad)
    assert found["fresh"]
    assert found["content_hash"] == answer["content_hash"]
    assert any(MAIL in text for text in plant.texts("write to"))
    [line] = [one for one in plant.json("status", bad)["history"] if one["event"] == "let-pass"]
    assert line["detail"] == "by ana: the address is public"
    plant.audit()


def test_a_released_version_stays_whatever_is_made_again_and_another_bad_one_is_held(plant: Plant, docs: Path) -> None:
    bad = spoil(plant, docs)
    plant.json("quarantine", "release", bad)
    plant.index(docs)
    passed = hit(plant, bad)["content_hash"]
    plant.json("reindex", docs, "--force")
    assert (hit(plant, bad)["content_hash"], hit(plant, bad)["fresh"]) == (passed, True)
    rule(plant, NO_MAIL + "forbid: [{name: no-dusk, pattern: dusk}, {name: no-jo, pattern: jo.smith}]\n")
    plant.index(docs)
    assert (hit(plant, bad)["content_hash"], hit(plant, bad)["fresh"]) == (passed, True)
    plant.audit()
    write(bad, f"It is {MAIL} again.")
    assert [one["reason"] for one in plant.index(docs, status=1)["refused"]] == ["pii"]
    assert (hit(plant, bad)["content_hash"], hit(plant, bad)["fresh"]) == (passed, False)


def test_what_cannot_be_indexed_cannot_be_released(plant: Plant, docs: Path) -> None:
    (docs / "cut.pdf").write_bytes(b"%PDF-1.7 nothing")
    (docs / "empty.md").touch()
    plant.index(docs, status=1)
    for name, reason in (("cut.pdf", "corrupt"), ("empty.md", "empty")):
        result = plant.run("quarantine", "release", docs / name)
        assert (result.status, len(result.err.splitlines())) == (2, 1)
        assert f"was refused as {reason}" in result.err
        assert TODO[Reason(reason)] in result.err
        shown = plant.run("quarantine", "show", docs / name).out
        assert TODO[Reason(reason)] in shown
        assert "release" not in shown
    assert held(plant).keys() == {"cut.pdf", "empty.md"}


# --- discarded -------------------------------------------------------------------------------------------------------


def test_a_discarded_version_is_reported_no_more_until_the_bytes_change(plant: Plant, docs: Path) -> None:
    bad = spoil(plant, docs)
    plant.json("quarantine", "discard", bad, "--who", "ana")
    assert plant.index(docs)["refused"] == []
    assert plant.json("status")["held"]["count"] == 0
    assert plant.json("quarantine", "list")["held"][0]["discarded"], "it is listed still, and nobody's business"
    assert not hit(plant, bad)["fresh"], "what is served is as old as before"
    plant.json("reindex", docs, "--force")
    rule(plant, NO_MAIL + "forbid: [{name: no-dusk, pattern: dusk}]\n")
    assert plant.index(docs)["refused"] == [], "refused by other rules, it is the same version"
    assert "discarded" in events(plant, bad)
    write(bad, f"Another word to {MAIL}.")
    assert len(plant.index(docs, status=1)["refused"]) == 1
    assert not held(plant)["ferry.md"]["discarded"]


def test_a_discarded_version_can_still_be_released(plant: Plant, docs: Path) -> None:
    bad = spoil(plant, docs)
    plant.json("quarantine", "discard", bad)
    plant.json("quarantine", "release", bad)
    assert plant.index(docs)["documents"]["updated"] == 1
    assert hit(plant, bad)["fresh"]


# --- other rules -----------------------------------------------------------------------------------------------------


def test_mended_rules_release_by_themselves_what_they_had_wrongly_held(plant: Plant, docs: Path) -> None:
    bad = spoil(plant, docs)
    rule(plant, "rules: {pii-email: warn}\n")
    report = plant.index(docs)
    assert (report["documents"]["held"], report["refused"]) == (0, [])
    assert hit(plant, bad)["fresh"]
    assert held(plant) == {}
    plant.audit()


def test_stricter_rules_hold_what_is_indexed_and_it_stays_served_and_stale(plant: Plant, docs: Path) -> None:
    rule(plant, "")
    write(docs / "ferry.md", f"Write to {MAIL}.")
    plant.index(docs)
    before = hit(plant, docs / "ferry.md")
    assert before["fresh"]
    rule(plant, NO_MAIL)
    report = plant.index(docs, status=1)
    assert [one["reason"] for one in report["refused"]] == ["pii"]
    after = hit(plant, docs / "ferry.md")
    assert (after["content_hash"], after["text"], after["fresh"]) == (before["content_hash"], before["text"], False)
    assert hit(plant, docs / "tram.md")["fresh"]
    plant.audit()
    rule(plant, "")
    plant.index(docs)
    assert hit(plant, docs / "ferry.md")["fresh"]
    assert held(plant) == {}
    plant.audit()


def test_what_is_redacted_is_nowhere_in_the_index_nor_in_answers(plant: Plant, docs: Path) -> None:
    rule(plant, REDACTING)
    (docs / "note.md").write_text(
        f"# Ask {MAIL}\n\nThe harbour master is {MAIL}.\n\n## Mail {MAIL}\n\nWrite at dusk.\n"
    )
    plant.index(docs)
    points = contents(plant.home)
    assert any("harbour master" in str(point) for point in points.values())
    assert MAIL not in str(points)
    assert "jo.smith" not in str(points)
    assert MAIL not in plant.run("search", "harbour master mail", "--json").out
    assert MAIL not in plant.run("search", "harbour master mail", "--context").out
    plant.audit()
    rule(plant, "")
    plant.index(docs)
    assert MAIL in str(contents(plant.home)), "rules that let it be bring it back from the stored parse"
    rule(plant, REDACTING)
    plant.index(docs)
    assert MAIL not in str(contents(plant.home))
    plant.audit()


# --- the dry run -----------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_index_then_holds_and_changes_nothing(plant: Plant, docs: Path, tmp_path: Path) -> None:
    rule(
        plant,
        NO_MAIL + "expectations:\n"
        "  - name: no-crumbs\n"
        "    type: expect_column_value_lengths_to_be_between\n"
        "    kwargs: {column: text, min_value: 30}\n"
        "    says: a chunk is but a crumb\n",
    )
    write(docs / "mail.md", f"Write to {MAIL}.")
    (docs / "crumb.md").write_text("Ahoy.\n")
    (docs / "cut.pdf").write_bytes(b"%PDF-1.7 nothing")
    (docs / "card.md").write_text("Paid with 4111 1111 1111 1111 at the pier, in the evening, by somebody.\n")
    found = plant.json("rules", "check", docs, status=1)
    assert not plant.home.exists()
    assert found.keys() == {"documents", "held", "warned", "rules"}
    assert found["documents"] == 6
    reasons = {one["uri"]: one["reason"] for one in found["held"]}
    assert {name.rpartition("/")[2]: reason for name, reason in reasons.items()} == {
        "crumb.md": "expectation",
        "cut.pdf": "corrupt",
        "mail.md": "pii",
    }
    assert [one["uri"] for one in found["warned"]] == [uri(docs / "card.md")]
    [crumb] = [one for one in found["held"] if one["uri"] == uri(docs / "crumb.md")]
    assert crumb["findings"][0]["rule"] == "no-crumbs"
    assert crumb["findings"][0]["excerpts"] == ["Ahoy."]
    out = plant.run("rules", "check", docs).out
    assert "6 documents: 3 would be held, 1 warned of" in out
    assert "a chunk is but a crumb" in out
    report = plant.index(docs, status=1)
    assert {one["uri"]: one["reason"] for one in report["refused"]} == reasons


def test_a_dry_run_knows_the_last_good_version_and_what_a_person_let_pass(plant: Plant, docs: Path) -> None:
    plant.index(docs)
    (docs / "ferry.md").write_text("Ferry.\n")
    before = hit(plant, docs / "ferry.md")
    [one] = plant.json("rules", "check", docs, status=1)["held"]
    assert (one["uri"], one["reason"]) == (uri(docs / "ferry.md"), "shrunk")
    assert hit(plant, docs / "ferry.md") | {"verified_at": 0} == before | {"verified_at": 0}
    assert plant.json("status")["held"]["count"] == 0
    assert plant.json("plan", docs, status=1)["documents"]["held"] == 1
    plant.index(docs, status=1)
    plant.json("quarantine", "release", docs / "ferry.md")
    assert plant.json("plan", docs)["documents"]["updated"] == 1
    found = plant.json("rules", "check", docs)
    assert [one["uri"] for one in found["warned"]] == [uri(docs / "ferry.md")]


def test_rules_in_force_are_listed_for_a_place(plant: Plant, docs: Path) -> None:
    rule(plant, f"rules: {{shrink: off}}\nsources: [{{uri: '{uri(docs)}/', rules: {{shrink: warn}}}}]\n")
    actions = [
        {one["rule"]: one["action"] for one in plant.json("rules", "list", *where)["rules"]} for where in ((), (docs,))
    ]
    assert [one["shrink"] for one in actions] == ["allow", "warn"]
    assert "shrink" in plant.run("rules", "list").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["check"], "needs a SOURCE"), (["check", "nowhere/"], "does not exist"), (["check", "no.md"], "no such file")],
)
def test_a_dry_run_of_nothing_is_an_error(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = plant.run("rules", *arguments)
    assert (result.status, len(result.err.splitlines())) == (2, 1)
    assert words in result.err


# --- bad rules files -------------------------------------------------------------------------------------------------

BAD_FILES = {
    "rules:\n  shrik: off\n": "line 2: there is no rule 'shrik'; did you mean 'shrink'?",
    "rules:\n  shrink: maybe\n": "line 2: `shrink`",
    "rules: 7\n": "line 1: rules",
    "rules:\n  readable: {max_share: lots}\n": "line 2: max_share",
    "rules:\n  readable: {max_share: 1.5}\n": "line 2: max_share",
    "rules:\n  has-text: off\n": "line 2: `has-text` cannot be set",
    "rules:\n  duplicate: quarantine\n": "line 2: `duplicate` looks at other documents",
    "shrink: off\n": "line 1: there is no 'shrink' here",
    "rules:\n  shrink: off\n\n  shrink: warn\n": "line 4: 'shrink' stands here and on line 2",
    'forbid:\n  - name: bomb\n    pattern: "(a+)+\\\\1"\n': "line 3: the pattern of 'bomb' is refused",
    "forbid:\n  - name: bomb\n    pattern: (x{1000}){1000}\n": "line 3: the pattern of 'bomb' is refused",
    "expectations:\n  - {name: a, type: expect_joy, kwargs: {}}\n": "line 2: 'expect_joy' cannot be used here",
    "expectations:\n  - name: a\n    type: expect_column_values_to_be_between\n"
    "    kwargs: {column: tokens, min_value: 9, max_value: 1}\n": "no value is between 9 and 1",
    "rules: [\n": "line 2: not YAML",
    b"rules:\n  pii-email: \xff\n": "not UTF-8",
    None: "No such file",
}


@pytest.mark.parametrize(("text", "words"), BAD_FILES.items(), ids=BAD_FILES.values())
@pytest.mark.parametrize("command", [("index",), ("rules", "check")], ids=" ".join)
def test_a_wrong_rules_file_gives_one_clear_line(
    plant: Plant, docs: Path, command: tuple[str, ...], text: str | bytes | None, words: str
) -> None:
    path = Path(plant.environment["PENSTOCK_RULES"])
    path.unlink()
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = plant.run(*command, docs)
    assert (result.status, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1, result.err
    assert "rules.yaml" in result.err
    assert words in result.err


def test_an_empty_rules_file_is_the_default_rules(plant: Plant, docs: Path) -> None:
    rule(plant, "")
    write(docs / "mail.md", f"Write to {MAIL}.")
    assert plant.index(docs)["documents"]["added"] == 3


def test_a_rule_that_fails_at_run_time_holds_its_document_and_its_neighbours_are_indexed(
    plant: Plant, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from validation import documents

    real = documents.forbidden

    def failing(version: Any, expression: str) -> Any:
        assert "noon" not in version.text
        return real(version, expression)

    rule(plant, "forbid: [{name: mine, pattern: dusk}]\n")
    with monkeypatch.context() as patch:
        patch.setattr(documents, "forbidden", failing)
        report = plant.index(docs, status=1)
    assert [(one["uri"], one["reason"]) for one in report["refused"]] == [(uri(docs / "ferry.md"), "rule-error")]
    assert report["documents"]["added"] == 1
    assert "the rule `mine` failed: AssertionError" in report["refused"][0]["detail"]
    assert "noon" not in report["refused"][0]["detail"]
    rule(plant, "")
    assert plant.index(docs)["documents"]["added"] == 1, "without the rule it passes"
