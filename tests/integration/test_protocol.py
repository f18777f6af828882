"""Whatever is lost, repeated, reordered, killed or asleep on the event's path, the index ends as the sources are.

`PROTOCOL_EXAMPLES=1000` lets the state machine run for longer, each time with other examples, and looks for rarer
faults, too. The faults planted below
are those such paths have; the machine fails under each of them.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from infra.ledger import claims
from infra.ledger.documents import Documents
from infra.ledger.records import Claim
from infra.ledger.tables import documents
from schemas.errors import Unreachable
from tests.support.protocol import Protocol
from workers import scheduled, vouching
from workers.intake import Intake
from workers.pipeline import batch, write
from workers.pipeline.parts import Gone
from workers.reconcile import Reconciled, reconcile
from workers.removals import Guard
from workers.worker import Worker

_EXAMPLES = os.environ.get("PROTOCOL_EXAMPLES")
SETTINGS = settings(
    max_examples=int(_EXAMPLES or 20),
    stateful_step_count=40,
    derandomize=not _EXAMPLES,
    database=None,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

#: A mutant ends with the first example that finds it.
SEARCH = settings(SETTINGS, max_examples=150)


class Quiet(Protocol):
    """Nothing but documents that change: whatever looks at all of them again mends what is to be found."""

    changes: ClassVar[list[str]] = ["put"] * 4 + ["delete"]
    eventful: ClassVar[list[str]] = ["wait", "arrive", "late", "again"]


class Deploying(Protocol):
    """Documents change, and pipelines."""

    changes: ClassVar[list[str]] = ["put"] * 3 + ["deploy"]
    eventful: ClassVar[list[str]] = ["late"]
    hows: ClassVar[list[str]] = ["take", "take", "go on", "go on"]


Plant = Callable[[pytest.MonkeyPatch], None]


def test_the_index_converges_whatever_happens_on_the_way() -> None:
    Protocol.tally.clear()
    run_state_machine_as_test(Protocol, settings=SETTINGS)
    tally = Protocol.tally
    print("exercised:", dict(sorted(tally.items())))
    # Far below what is usual: Hypothesis draws otherwise with every constant in our code that changes.
    assert tally["ends"] >= 20
    assert tally["tasks"] >= 150
    assert tally["crashes"] >= 8
    assert tally["zombies"] >= 3
    assert sum(1 for name in tally if name.startswith("crash intake ")) >= 3
    assert min(tally[name] for name in ("timeouts", "late writes", "held", "deploy", "declare")) >= 2
    assert tally["listing cut"] + tally["listing empty"] >= 1
    assert tally["hits"] >= 1000


def offsets_are_committed_before_the_ledger_knows(patch: pytest.MonkeyPatch) -> None:
    take_in = Intake._take_in

    def hasty(intake: Intake) -> tuple[int, list[str]]:
        assert intake._hand
        for record in intake._hand.records:
            intake._offsets[record.topic, record.partition] = record.offset + 1
        intake._commit()
        return take_in(intake)

    patch.setattr(Intake, "_take_in", hasty)


def generations_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "standing", lambda _, generations: set(generations))


def deletes_come_before_upserts(patch: pytest.MonkeyPatch) -> None:
    def delete_first(pipeline: Any, drafts: Any, vectors: Any) -> Any:
        pipeline.index.delete(pipeline.collection, [one for draft in drafts for one in draft.changes.delete])
        return write.write(pipeline, drafts, vectors)

    patch.setattr(batch, "write", delete_first)


def nobody_sweeps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Intake, "_tend", lambda _: None)


def a_listing_that_fails_is_empty_and_believed(patch: pytest.MonkeyPatch) -> None:
    look = batch.look

    def hopeful(ledger: Any, source: Any, reader: Any, **rest: Any) -> Reconciled:
        try:
            return reconcile(ledger, source, reader, **rest)
        except Unreachable:
            known = ledger.documents.known(source.tenant, source.uri)
            return Reconciled(source, rest["now"], "", root_changed=False, live=len(known), vanished=known)

    patch.setattr(vouching, "reconcile", hopeful)
    patch.setattr(Guard, "too_many", lambda *_: False)
    patch.setattr(scheduled, "_judge", _believing(scheduled._judge))
    patch.setattr(batch, "look", lambda *of: Gone() if of[1].removal_allowed else look(*of))


def _believing(judge: Any) -> Any:
    def insist(pipeline: Any, listing: Reconciled) -> Guard | None:
        listing.seen += 1
        guard: Guard | None = judge(pipeline, listing)
        return guard

    return insist


def a_write_that_timed_out_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    give_back = Documents.give_back

    def forgetful(ledger: Documents, given: Sequence[Claim], **rest: Any) -> None:
        give_back(ledger, given, **rest)
        mine = documents.c.document_id.in_([claim.document_id for claim in given])
        with ledger._database.begin() as connection:
            connection.execute(sa.update(documents).where(mine).values(recheck_at=None))

    patch.setattr(Documents, "give_back", forgetful)


def a_worker_that_was_overtaken_tells_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Documents, "overtaken", lambda *_, **__: 0)


def declarations_are_read_once(patch: pytest.MonkeyPatch) -> None:
    read = Worker._read_sources
    patch.setattr(Worker, "_read_sources", lambda worker: None if worker.pipeline.sources else read(worker))


def what_others_have_in_hand_is_not_done_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Documents, "hear_in_hand", lambda *_, **__: 0)


#: What is too rare to be met within seconds; tests/unit/test_worker.py and tests/contracts have each of them alone.
RARE = [
    (a_write_that_timed_out_is_forgotten, Quiet),
    (a_worker_that_was_overtaken_tells_nobody, Quiet),
    (what_others_have_in_hand_is_not_done_again, Deploying),
]


@pytest.mark.parametrize(
    ("plant", "machine"),
    [
        # Found after half a minute and more; tests/integration/test_intake.py shows the same in a moment.
        pytest.param(offsets_are_committed_before_the_ledger_knows, Quiet, marks=pytest.mark.chaos),
        (generations_are_not_checked, Quiet),
        (deletes_come_before_upserts, Protocol),
        (nobody_sweeps, Protocol),
        # tests/integration/test_convergence_mutants.py plants its like.
        pytest.param(a_listing_that_fails_is_empty_and_believed, Protocol, marks=pytest.mark.chaos),
        (declarations_are_read_once, Protocol),
        *(RARE if _EXAMPLES else []),
    ],
    ids=lambda one: one.__name__,
)
def test_the_state_machine_finds(plant: Plant, machine: type[Protocol], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, Unreachable)) as caught:
        run_state_machine_as_test(machine, settings=SEARCH)
    print("found:", str(caught.value).splitlines()[:1])
