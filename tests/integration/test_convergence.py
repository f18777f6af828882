"""Whatever happens to the sources, the settings and the process, the index ends as a fresh one would be (promise P1).

`CONVERGENCE_EXAMPLES=1000` lets the state machine run for longer, each time with other examples.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from infra.ledger.records import Hearing
from infra.ports import Vectors
from infra.stub_embedder import StubEmbedder
from penstock.answers import answer_audit
from tests.support.convergence import Convergence
from tests.support.oracle import Attributes, Recipe, Wanted, differences
from tests.support.stage import Crash, Folder, Stage, crashing
from workers.pipeline import write
from workers.pipeline.parts import Pipeline
from workers.pipeline.write import Draft
from workers.removals import Guard, Removals
from workers.run import drain

_EXAMPLES = os.environ.get("CONVERGENCE_EXAMPLES")
SETTINGS = settings(
    max_examples=int(_EXAMPLES or 6),
    stateful_step_count=40,
    derandomize=not _EXAMPLES,
    database=None,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_index_converges_whatever_happens() -> None:
    Convergence.tally.clear()
    run_state_machine_as_test(Convergence, settings=SETTINGS)
    tally = Convergence.tally
    print(dict(sorted(tally.items())))
    # What is drawn depends on the code: enough to show that something was tried.
    assert tally["runs"] >= 30
    assert tally["crashes"] >= 3
    assert sum(1 for name in tally if name.startswith("crash ")) >= 3
    assert min(tally["fresh hits"], tally["stale hits"]) >= 20


# --- what the machine found, or is too rare for it to find in a minute ------------------------------------------------


def exact(stage: Stage, folder: Folder) -> None:
    """The index of this tenant is what the files there now make of it."""
    wanted: dict[str, Wanted] = {}
    for name in folder.names():
        uri = folder.uri_of(name)
        wanted |= stage.wanted(folder, uri, folder.read(uri) or b"", stage.recipe.edition)
    with stage.reading() as reader:
        faults = differences(reader.stored().points[folder.tenant], wanted)
        assert not faults, "\n".join(faults)
        assert reader.audit(folder).consistent


def count(stage: Stage, folder: Folder) -> int:
    """How many points the index holds of this tenant."""
    with stage.reading() as reader:
        return len(reader.stored().points[folder.tenant])


def test_a_change_of_model_taken_back_leaves_nothing_of_the_old_version(stage: Stage) -> None:
    """Work done while the new collection was built went there only.

    Back at the old model, the old collection still had the old version, the old attributes and the points of a write
    that had been cut off, and the ledger took all of it for current.
    """
    folder, other = stage.folders
    for one in stage.folders:
        for name in ("a.md", "b.md", "d.txt", "notes"):
            one.put(name, b"# Harbour\n\nBoats lie at the pier.\n\nThe ferry leaves at noon.")
        stage.index(one)
    folder.put("b.md", b"# Harbour\n\nA version that is cut off while it is written.")
    assert stage.index(folder, crash=("upsert.after", 1)) is None
    stage.recipe = Recipe("stub-32")
    folder.put("a.md", b"# Harbour\n\nHerons stand in the water.")
    folder.put("b.md", b"# Harbour\n\nAnother version.")
    folder.attributes = Attributes(("staff",))
    # Killed when this folder's documents are in the new collection and the other's are not.
    assert stage.index(folder, crash=("settle.after", 2)) is None
    stage.recipe = Recipe("stub-64")
    stage.index(folder)
    exact(stage, folder)
    exact(stage, other)


def test_killed_half_way_through_a_switch_search_goes_on_with_the_right_model(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index had switched, the ledger still named the old model, and no later run ever told it."""
    from infra.ledger import Ledger

    folder = stage.folders[0]
    folder.put("a.md", b"Boats lie at the pier.")
    stage.index(folder)
    stage.recipe = Recipe("stub-32")
    put = Ledger.put

    def killed(ledger: Ledger, key: str, value: object) -> None:
        if key == "model":
            raise Crash
        put(ledger, key, value)

    monkeypatch.setattr(Ledger, "put", killed)
    assert stage.index(folder) is None
    monkeypatch.undo()
    with stage.reading() as reader:
        assert reader.stored().active == stage.collection
    assert stage.search("boats", folder)[0]["fresh"]
    stage.index(folder)
    assert stage.search("boats", folder)[0]["fresh"]
    exact(stage, folder)


def test_attributes_that_changed_are_applied_even_if_the_run_that_heard_of_it_was_killed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The declaration was recorded first; killed before its documents were made due, nobody ever made them due."""
    from infra.ledger.documents import Documents

    folder = stage.folders[0]
    folder.put("a.md", b"Boats lie at the pier.")
    stage.index(folder)
    folder.attributes = Attributes(("staff",))

    def killed(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Documents, "hear_again", killed)
        stage.index(folder)
    stage.index(folder)
    exact(stage, folder)


def test_a_file_called_md_is_no_markdown_and_neither_is_its_copy(stage: Stage) -> None:
    """A name without a dot was taken for an ending, and the copy got the parse of a Markdown file."""
    folder = stage.folders[0]
    folder.put("md", b"# Harbour\n\nBoats.")
    stage.index(folder)
    folder.put("notes", b"# Harbour\n\nBoats.")
    stage.index(folder)
    exact(stage, folder)


def test_parked_documents_keep_up_with_the_settings_and_hold_up_no_change_of_model(stage: Stage) -> None:
    """Missing and not believed to be gone: nothing was made of them in the new collection, so it never was complete."""
    folder = stage.folders[0]
    bodies = {name: f"# Harbour\n\nBoats lie at pier {name}.".encode() for name in ("a.md", "b.md")}
    for name, body in bodies.items():
        folder.put(name, body)
    stage.index(folder)
    for name in bodies:
        folder.delete(name)
    report = stage.index(folder)
    assert report
    assert {one["reason"] for one in report.refused} == {"removal-held"}
    stage.recipe = Recipe("stub-32", chunk_tokens=16)
    report = stage.index(folder)
    assert report
    assert report.switched
    for name, body in bodies.items():
        folder.put(name, body)
    exact(stage, folder)


def test_parked_documents_stay_parked_whatever_else_makes_them_due(stage: Stage) -> None:
    """A worker that found one of them gone by itself used to believe it: they went ten at a time, without a person."""
    folder, other = stage.folders
    folder.put("a.md", b"Boats lie at the pier.")
    folder.put("b.md", b"Herons stand in the water.")
    other.put("a.md", b"Something else.")
    stage.index(folder)
    stage.index(other)
    folder.delete("a.md")
    folder.delete("b.md")
    stage.index(folder)
    stage.recipe = Recipe("stub-32")
    stage.index(other)  # a change of model works on every document, of this source without a listing
    assert count(stage, folder) == 2
    stage.recipe = Recipe("stub-32", chunk_tokens=16)
    stage.index(folder)
    assert count(stage, folder) == 2
    stage.index(folder, insist=True)
    assert count(stage, folder) == 0


def test_a_document_that_comes_back_unreadable_is_reported(stage: Stage) -> None:
    """A refused first version of a document that had been removed stayed a tombstone: no run ever named it."""
    folder = stage.folders[0]
    folder.put("a.md", b"Boats lie at the pier.")
    folder.put("b.md", b"Herons stand in the water.")
    stage.index(folder)
    folder.delete("a.md")
    stage.index(folder)
    folder.put("a.md", b"")
    report = stage.index(folder)
    assert report
    assert report.exit_status == 1
    assert report.documents["held"] == 1


def test_a_change_of_model_waits_for_no_retry(stage: Stage) -> None:
    """Documents of a source that was away waited for their next attempt, and the switch waited for them."""
    folder, other = stage.folders
    folder.put("a.md", b"Boats lie at the pier.")
    other.put("a.md", b"Something else.")
    stage.index(folder)
    stage.index(other)
    stage.recipe = Recipe("stub-64", chunk_tokens=16)
    other.unplug()
    stage.index(other)
    stage.recipe = Recipe("stub-32", chunk_tokens=16)
    report = stage.index(folder)
    assert report
    assert report.switched


def test_an_audit_in_the_middle_of_a_change_of_model_judges_what_searches_use(stage: Stage) -> None:
    """Vectors of one model were compared with those of the other, which ended in a traceback."""
    folder = stage.folders[0]
    for name in ("a.md", "b.md", "c.md", "d.md", "e.md"):
        folder.put(name, f"# {name}\n\nBoats lie at the pier.".encode())
    stage.index(folder)
    stage.recipe = Recipe("stub-32")
    assert stage.index(folder, crash=("settle.after", 1)) is None
    found = answer_audit(stage.settings, [folder.uri], folder.tenant)
    assert found["consistent"]
    assert found["documents"] == 5


def test_unusable_vectors_after_a_crash_leave_the_last_good_version_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held for its vectors, the document kept what the dead worker had written of a version in between."""
    folder, encode = stage.folders[0], StubEmbedder.encode
    good = b"# Harbour\n\nBoats lie at the pier."
    folder.put("a.md", good)
    stage.index(folder)
    folder.put("a.md", b"# Harbour\n\nA version that is cut off.")
    assert stage.index(folder, crash=("upsert.after", 1)) is None
    folder.put("a.md", b"# Harbour\n\nA version without direction.")

    def halved(embedder: StubEmbedder, texts: Sequence[str]) -> Vectors:
        return encode(embedder, texts) * np.float32(0.5 if any("direction" in text for text in texts) else 1)

    monkeypatch.setattr(StubEmbedder, "encode", halved)
    report = stage.index(folder)
    assert report
    assert [one["reason"] for one in report.refused] == ["bad-vectors"]
    uri = folder.uri_of("a.md")
    with stage.reading() as reader:
        faults = differences(reader.stored().points[folder.tenant], stage.wanted(folder, uri, good, 0))
    assert not faults, "\n".join(faults)


def test_a_worker_that_wakes_up_late_settles_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sleeps after its proof; another one takes over and dies half-way: what that one wrote is still suspect."""
    folder, prove, slept = stage.folders[0], write._prove, []
    uri = folder.uri_of("a.md")
    folder.put("a.md", b"Boats lie at the pier.")

    def sleep(pipeline: Pipeline, drafts: Sequence[Draft], gone: Sequence[str]) -> None:
        prove(pipeline, drafts, gone)
        if slept:
            return
        slept.append(uri)
        folder.put("a.md", b"A version that is cut off.")
        later = replace(pipeline, owner="another", now=lambda: pipeline.now() + pipeline.lease_s + 1)
        [source] = pipeline.sources
        pipeline.ledger.documents.hear([Hearing(folder.tenant, uri, source)], at=later.now())
        with crashing(("upsert.after", 1)), pytest.raises(Crash):
            drain(later, Removals(lambda _: Guard(1)), scope=None)
        folder.put("a.md", b"Herons stand in the water.")

    monkeypatch.setattr(write, "_prove", sleep)
    report = stage.index(folder)
    assert slept
    assert report
    assert report.documents["added"] == 0
    stage.index(folder)
    exact(stage, folder)


def test_a_lost_ledger_leaves_no_orphans(stage: Stage) -> None:
    """Deleted while the ledger was lost: nobody knows of the document, and its points stay until `audit --repair`."""
    folder = stage.folders[0]
    for name in ("a.md", "b.md", "c.md"):
        folder.put(name, f"# {name}\n\nBoats lie at the pier.".encode())
    stage.index(folder)
    for path in (stage.room / "home").glob("ledger.sqlite*"):
        path.unlink()
    folder.delete("c.md")
    stage.index(folder)
    exact(stage, folder)


def test_a_lost_index_is_built_again_and_not_believed_to_be_there(stage: Stage) -> None:
    """The ledger once went on saying "unchanged" of points that were gone with the index's folder."""
    folder = stage.folders[0]
    for name in ("a.md", "b.md"):
        folder.put(name, f"# {name}\n\nBoats lie at the pier.".encode())
    stage.index(folder)
    shutil.rmtree(stage.room / "home" / "index")
    with stage.reading() as reader:
        assert len(reader.audit(folder).missing) == 2
    stage.index(folder)
    exact(stage, folder)
