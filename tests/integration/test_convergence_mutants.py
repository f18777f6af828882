"""The state machine is worth its minute: each of these faults, planted in the pipeline, makes it fail.

They are the ones such pipelines have: an order of writes swapped, a crash forgotten, an error taken for an answer.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test

from infra.ledger import claims, documents
from schemas.errors import Unreachable
from tests.integration import test_convergence
from tests.support.convergence import Convergence
from tests.support.stage import Stage
from workers import vouching
from workers.pipeline import batch, changes, write
from workers.reconcile import Reconciled, reconcile

Plant = Callable[[pytest.MonkeyPatch], None]


def deletes_come_before_upserts(patch: pytest.MonkeyPatch) -> None:
    def delete_first(pipeline: Any, drafts: Any, vectors: Any) -> Any:
        pipeline.index.delete(pipeline.collection, [one for draft in drafts for one in draft.changes.delete])
        return write.write(pipeline, drafts, vectors)

    patch.setattr(batch, "write", delete_first)


def the_ledger_is_settled_before_the_index_is_written(patch: pytest.MonkeyPatch) -> None:
    later: list[Any] = []
    record = batch._record

    def postpone(pipeline: Any, drafts: Any, vectors: Any) -> Any:
        later.append((pipeline, drafts, vectors))
        return drafts

    def settle_first(*of: Any) -> Any:
        settled = record(*of)
        while later:
            write.write(*later.pop())
        return settled

    patch.setattr(batch, "write", postpone)
    patch.setattr(batch, "_record", settle_first)
    patch.setattr(documents.Documents, "intend", lambda _, intents: set(intents))


def recovery_believes_the_ledger(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        batch, "changes", lambda id_, chunks, proved, **_: changes.changes(id_, chunks, proved, suspects=None)
    )


def claims_of_the_dead_start_like_any_other(patch: pytest.MonkeyPatch) -> None:
    claim = claims._claim
    patch.setattr(claims, "_claim", lambda *of: replace(claim(*of), recover=False, intended=()))


def a_listing_that_fails_is_empty(patch: pytest.MonkeyPatch) -> None:
    def hopeful(ledger: Any, source: Any, reader: Any, **rest: Any) -> Reconciled:
        try:
            return reconcile(ledger, source, reader, **rest)
        except Unreachable:
            known = ledger.documents.known(source.tenant, source.uri)
            return Reconciled(source, rest["now"], "", root_changed=False, live=len(known), vanished=known)

    patch.setattr(vouching, "reconcile", hopeful)


def moved_chunks_keep_their_old_place(patch: pytest.MonkeyPatch) -> None:
    restamps = write._restamps
    patch.setattr(write, "_restamps", lambda *of: restamps(*of)[:1])


class Crashing(Convergence):
    """Only edits and crashes, which is where most faults show: quicker than the whole machine."""

    configure = declare = unplug_or_plug = empty_the_folder = run_both = None


def test_without_its_generation_a_late_worker_does_harm(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has one worker at a time; the test with two of them fails when the fence is down."""
    monkeypatch.setattr(claims, "standing", lambda _, generations: set(generations))
    with pytest.raises(AssertionError):
        test_convergence.test_a_worker_that_wakes_up_late_settles_nothing(stage, monkeypatch)


#: Found after twenty seconds and more.
SLOW = pytest.mark.chaos


@pytest.mark.parametrize(
    ("plant", "machine"),
    [
        pytest.param(deletes_come_before_upserts, Crashing, marks=SLOW),
        pytest.param(the_ledger_is_settled_before_the_index_is_written, Crashing, marks=SLOW),
        pytest.param(recovery_believes_the_ledger, Crashing, marks=SLOW),
        pytest.param(claims_of_the_dead_start_like_any_other, Crashing, marks=SLOW),
        (a_listing_that_fails_is_empty, Convergence),
        pytest.param(moved_chunks_keep_their_old_place, Crashing, marks=SLOW),
    ],
    ids=lambda one: one.__name__,
)
def test_the_state_machine_finds(plant: Plant, machine: type[Convergence], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, Unreachable)):
        run_state_machine_as_test(machine, settings=test_convergence.SETTINGS)
