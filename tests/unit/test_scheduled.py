"""What a schedule starts, and when: pure. What the jobs do is in tests/integration/test_protocol.py."""

import pytest

from infra.ledger.sources import KnownSource
from workers.scheduled import REINDEX_S, Job, jobs

DAY = 86_400


def source(id_, cadence):
    return KnownSource(
        uri=f"s3://b{id_}/",
        cadence=cadence,
        id=id_,
        root_identity=None,
        verified_at=None,
        attempted_at=None,
        error=None,
    )


def test_each_source_is_listed_at_its_own_cadence_and_audited_at_the_common_one():
    found = jobs([source(1, 60), source(2, DAY)], audit_cadence=3600)
    assert found == [
        Job("penstock.reindex", None, REINDEX_S),
        Job("penstock.reconcile", 1, 60),
        Job("penstock.audit", 1, 3600),
        Job("penstock.reconcile", 2, DAY),
        Job("penstock.audit", 2, 3600),
    ]


def test_slots_go_by_task_and_argument():
    assert [job.name for job in jobs([source(7, 60)], audit_cadence=1)] == [
        "penstock.reindex",
        "penstock.reconcile:7",
        "penstock.audit:7",
    ]


@pytest.mark.parametrize(("now", "slot"), [(0, 0), (59.9, 0), (60, 60), (119.9, 60), (1_700_000_000, 1_699_999_980)])
def test_a_slot_is_named_by_its_beginning(now, slot):
    assert Job("x", None, 60).slot(now) == slot


@pytest.mark.parametrize(("before", "after"), [(60, DAY), (DAY, 60), (60, 61)])
def test_a_changed_cadence_takes_effect_within_one_of_its_slots(before, after):
    """Slots were numbered from 1970 on: with a longer cadence, the next number came in some thousand years."""
    now = 1_700_000_000.0
    taken = Job("x", None, before).slot(now)
    later = Job("x", None, after)
    assert any(later.slot(now + wait) > taken for wait in range(0, after + 1, 60))
