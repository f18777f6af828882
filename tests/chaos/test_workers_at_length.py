"""Failure scenarios of Celery workers that take minutes, or the real model. `make chaos` runs them."""

import json
import time
from itertools import pairwise

import psutil
import pytest

from infra.failpoints import PLACES
from tests.support.invariants import Watch, check, text
from tests.support.plant_scaled import LEASE, TENANTS, scaled

pytestmark = [pytest.mark.server, pytest.mark.chaos, pytest.mark.timeout(1800)]

#: Deaths after which a document is held, where five would take too long.
CRASHES = 2
#: Bytes that a worker's processes may have grown by after they have warmed up.
GROWTH = 200 << 20


def test_a_worker_killed_whole_at_any_stage_is_replaced(services, tmp_path):
    """Scenario 13 at every place: stopped there, and all its processes killed."""
    # What the dead had taken from the broker comes again, and is found to be done, before the test's patience ends.
    environment = {
        "PENSTOCK_FAIL": ",".join(f"{place}:stop" for place in PLACES),
        "PENSTOCK_TEST_CONSTANTS": json.dumps({"infra.queue.VISIBILITY_S": 30}),
    }
    with scaled(services, tmp_path, intakes=1, **environment) as plant, Watch(plant):
        worker, took = plant.worker(), {}
        keys = {place: f"south/{place}.md" for place in PLACES}
        for key in keys.values():
            plant.put(key, text(key, 1, paragraphs=5))
        plant.until(plant.all_settled)
        for place, key in keys.items():
            mark = plant.arm(place)
            # What is kept is restamped, what is new is embedded and written: no one version passes every place.
            new = place in ("embed.after", "upsert.after", "delete.after")
            plant.put(key, text(key, 2) if new else text(key, 1, paragraphs=2))
            plant.until(lambda mark=mark: not mark.exists())
            plant.until(lambda worker=worker: any(one.status() == "stopped" for one in worker.children()))
            # Killed before another is there: its start is part of the time.
            claims, killed_at = plant.claims(key), time.monotonic()
            worker.kill_all()
            worker = plant.worker()
            # One that had settled when it was stopped has nothing to be taken up.
            plant.until(lambda key=key, claims=claims: plant.claims(key) > claims or plant.settled(key))
            took[place] = round(time.monotonic() - killed_at, 1)
            plant.until(plant.all_settled)
        plant.quiesce()
        print("taken up, in seconds after the kill:", took, check(plant))
        assert max(took.values()) < LEASE + 20


def test_a_document_that_hangs_its_worker_is_held_and_leaves_nothing_behind(services, tmp_path):
    """Scenario 18: no signal wakes it; the hard time limit kills it each time."""
    constants = {
        "infra.queue.SOFT_LIMIT_S": 20,
        "infra.queue.HARD_LIMIT_S": 24,
        "workers.pipeline.look.CRASHES": CRASHES,
    }
    environment = {
        "PENSTOCK_TEST_CONSTANTS": json.dumps(constants),
        "PENSTOCK_TEST_AT": json.dumps({"hanging": "hang"}),
    }
    with scaled(services, tmp_path, intakes=1, workers=1, **environment) as plant:
        hanging, beside = "north/hanging.md", [f"north/{number}.md" for number in range(10)]
        plant.held[hanging] = "worker-crash"
        for key in (hanging, *beside):
            plant.put(key, text(key, 1))
        plant.until(plant.all_settled, within_s=300)
        assert plant.claims(hanging) == CRASHES + 1
        log = plant.living("worker")[0].log.read_text()
        assert log.count("Hard time limit") == CRASHES
        plant.quiesce()
        print(check(plant))
        worker = plant.living("worker")[0]
        # What was killed took its parser along: each process of a task has one at the most, and that a child in wait.
        assert len(worker.family()) <= 3 * len(worker.children())


def test_a_broker_that_forgets_two_hundred_tasks(services, tmp_path):
    """Scenario 19 to the letter: one document a task."""
    constants = {"workers.wakeups.RESEND_S": 5.0, "workers.wakeups.TASK_DOCUMENTS": 1}
    with scaled(services, tmp_path, intakes=1, PENSTOCK_TEST_CONSTANTS=json.dumps(constants)) as plant:
        keys = [f"{tenant}/{number}.md" for tenant in TENANTS for number in range(100)]
        for key in keys:
            plant.put(key, text(key, 1))
        plant.until(lambda: plant.queued() >= 200)
        plant.redis.flushall()
        plant.worker()
        plant.until(plant.all_settled)
        plant.quiesce()
        print(check(plant))


@pytest.mark.model
def test_the_model_is_never_carried_across_a_fork(services, tmp_path):
    """Scenario 23: 200 documents through two processes, each with a model of its own; a lock held at the fork hangs."""
    real = {"PENSTOCK_MODEL": "all-MiniLM-L6-v2", "PENSTOCK_CONCURRENCY": "2"}
    with scaled(services, tmp_path, intakes=1, workers=1, lease=30, **real) as plant:
        keys = [f"{tenant}/{number}.md" for tenant in TENANTS for number in range(100)]
        for key in keys[:2]:
            plant.put(key, text(key, 1))
        plant.until(plant.all_settled, within_s=600)  # torch takes its time on a loaded machine
        began = time.monotonic()
        for key in keys[2:]:
            plant.put(key, text(key, 1))
        plant.until(plant.all_settled, within_s=300)
        worker = plant.living("worker")[0]
        print(f"{len(keys)} documents in {time.monotonic() - began:.0f} s")
        plant.quiesce()
        pids = {one["pid"] for one in plant.tasks("ended")}
        assert len(pids & {child.pid for child in worker.children()}) == 2, "one of them did all of it"
        # The process that forks them has no torch in it.
        parent = psutil.Process(worker.pid)
        assert not [one.path for one in parent.memory_maps() if "libtorch" in one.path]
        assert [one.path for child in worker.children() for one in child.memory_maps() if "libtorch" in one.path]


@pytest.mark.parametrize(
    ("model", "number"), [("stub-64", 2000), pytest.param("all-MiniLM-L6-v2", 300, marks=pytest.mark.model)]
)
def test_a_worker_does_not_grow(services, tmp_path, model, number):
    """Scenario 24: many documents through one process; one that is replaced loses no message."""
    with scaled(services, tmp_path, intakes=1, workers=1, lease=30, PENSTOCK_MODEL=model) as plant:
        worker, sizes = plant.living("worker")[0], []
        for start in range(0, number, number // 5):
            for n in range(start, start + number // 5):
                plant.put(f"north/{n}.md", text(f"north/{n}.md", n, paragraphs=2))
            plant.until(plant.all_settled, within_s=600)
            sizes.append(sum(one.memory_info().rss for one in worker.children()))
        print("MB after each fifth:", [size >> 20 for size in sizes])
        assert sizes[-1] - sizes[0] < GROWTH
        assert not all(later > earlier + (20 << 20) for earlier, later in pairwise(sizes)), "it grows and grows"
        plant.quiesce()
        if model == "stub-64":
            print(check(plant))


def test_processes_that_are_replaced_lose_no_message(services, tmp_path):
    """Scenario 24: recycled after a few tasks each."""
    environment = {"PENSTOCK_TEST_CONSTANTS": json.dumps({"infra.queue.CHILD_TASKS": 2}), "PENSTOCK_CONCURRENCY": "2"}
    with scaled(services, tmp_path, intakes=1, workers=1, **environment) as plant:
        for start in range(0, 100, 10):
            for number in range(start, start + 10):
                plant.put(f"north/{number}.md", text(f"north/{number}.md", 1))
            plant.until(plant.all_settled)
        plant.quiesce()
        print(check(plant))
        assert len({one["pid"] for one in plant.tasks()}) >= 3
        began, ended = ({one["id"] for one in plant.tasks(what)} for what in ("began", "ended"))
        assert began == ended
