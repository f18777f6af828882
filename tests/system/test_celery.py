"""Celery workers in real processes: killed, cut off, poisoned, misled by their clock, told to stop.

The numbers are those of the failure scenarios. Messages are only hints, so each ends the same way: the ledger makes up
for what was lost or repeated, and the invariants hold, checked from outside.
"""

import json
import os
import pickle
import statistics
import time
from collections import defaultdict

import pytest

from infra.failpoints import PLACES
from infra.queue import QUEUES
from schemas.sources import Source
from tests.support.invariants import Watch, check, text
from tests.support.plant_scaled import LEASE, TENANTS, scaled
from workers.pipeline.look import CRASHES

pytestmark = pytest.mark.server

CONSTANTS = {
    "workers.wakeups.RESEND_S": 3.0,
    # Shorter than a `crawling` document takes.
    "infra.queue.VISIBILITY_S": 3,
    "infra.queue.TICK_S": 0.5,
}
#: Seconds that the parsing of such documents takes: longer than a lease; long enough for a redelivery; a moment.
FATES = {"poison": "kill", "slow": 5, "crawling": 16, "brief": 0.2, "pace": 0.1}
#: Documents whose pace is measured: half a minute's work of two processes.
MEASURED = 400
EVENTS = QUEUES[0]


@pytest.fixture(scope="module")
def running(services, tmp_path_factory):
    with scaled(
        services,
        tmp_path_factory.mktemp("celery"),
        PENSTOCK_CONCURRENCY="2",
        PENSTOCK_TEST_CONSTANTS=json.dumps(CONSTANTS),
        PENSTOCK_TEST_AT=json.dumps(FATES),
        PENSTOCK_FAIL=",".join(f"{place}:kill" for place in PLACES),
    ) as plant:
        yield plant


@pytest.fixture
def plant(running):
    running.ready()
    return running


def finish(plant):
    plant.quiesce()
    print(check(plant))


def in_hand(plant, key):
    row = plant.row(key)
    return row is not None and row.claimed is not None


def put_slow(plant, name):
    """Put a document that takes its time, and wait until a worker has it in hand."""
    key = f"north/slow-{name}.md"
    plant.put(key, text(key, 1))
    plant.until(lambda: in_hand(plant, key))
    return key


def test_a_process_that_dies_at_any_stage_costs_its_lease_and_nothing_else(plant):
    """Scenarios 12 and 35: at every place, over a version that is shorter and shares chunks with the one before."""
    worker = plant.living("worker")[0]
    keys = {place: f"north/{place}.md" for place in PLACES}
    for key in keys.values():
        plant.put(key, text(key, 1, paragraphs=4))
    plant.until(plant.all_settled)
    with Watch(plant):
        # Some at a time: a document taken up again may be in hand at the next place too, and is held after CRASHES.
        for some in (PLACES[start : start + CRASHES - 1] for start in range(0, len(PLACES), CRASHES - 1)):
            marks = [plant.arm(place) for place in some]
            for place in some:
                plant.put(keys[place], text(keys[place], 1, paragraphs=2) + b"\nAnd an end.\n")
            plant.until(lambda marks=marks: not any(mark.exists() for mark in marks))
            plant.until(plant.all_settled)
        finish(plant)
    assert worker.alive
    assert len(plant.tasks("began")) - len(plant.tasks("ended")) >= len(PLACES)


def test_what_a_killed_worker_had_in_hand_is_taken_up_by_another(plant):
    """Scenario 13: all of its processes at once."""
    key = put_slow(plant, "killed")
    first = plant.claims(key)
    plant.living("worker")[0].kill_all()  # before another one starts: that may take longer than the document
    other = plant.worker()
    plant.until(lambda: "running" in other.tail())
    killed_at = time.monotonic()
    plant.until(lambda: plant.claims(key) > first)
    taken = time.monotonic() - killed_at
    plant.until(lambda: plant.settled(key))
    print(f"taken up {taken:.1f} s after another one stood ready; lease {LEASE} s")
    assert taken < LEASE + 20  # the sweeper's second, and what a loaded machine takes
    finish(plant)


def test_the_death_of_a_worker_alone_leaves_no_process_behind(plant):
    """M17: the processes of its tasks, and their parsers, end too."""
    key = put_slow(plant, "orphaned")
    worker = plant.living("worker")[0]
    assert len(worker.family()) >= 2
    worker.kill()
    assert not worker.family()
    plant.worker()
    plant.until(lambda: plant.settled(key))
    finish(plant)


def test_a_worker_outlives_its_broker(plant, services):
    """Scenario 14 (M12): the broker restarts while a task that acknowledges late runs."""
    worker, key = plant.living("worker")[0], put_slow(plant, "restart")
    services.redis.kill()
    time.sleep(2)
    services.redis.start()
    plant.until(lambda: plant.settled(key))
    later = "south/after-restart.md"
    plant.put(later, text(later, 1))
    plant.until(lambda: plant.settled(later))
    assert worker.alive
    finish(plant)


def test_a_cut_connection_makes_no_second_write(plant):
    """Scenario 15 (M13): the same message comes again while the task may still run."""
    worker, key = plant.living("worker")[0], put_slow(plant, "cut")
    assert plant.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") >= 2
    with Watch(plant):
        plant.until(lambda: plant.settled(key))
        finish(plant)
    assert worker.alive
    assert [one["event"] for one in plant.history(key)].count("added") == 1


@pytest.mark.chaos
def test_a_message_that_comes_again_while_its_task_runs_finds_nothing_to_do(plant):
    """Scenario 16 (M7): a task longer than the visibility timeout."""
    key, before = "north/crawling.md", times_of(plant, "began")
    plant.put(key, text(key, 1))
    plant.until(lambda: plant.settled(key))
    finish(plant)
    copies = [id_ for id_, times in times_of(plant, "began").items() if len(times) > 1 and id_ not in before]
    assert copies, "nothing came again"
    assert plant.claims(key) == 1
    ended = times_of(plant, "ended")
    assert any(max(ended[id_]) - min(ended[id_]) > 1 for id_ in copies), "a copy did not end before the first"


def times_of(plant, what):
    found = defaultdict(list)
    for one in plant.tasks(what):
        found[one["id"]].append(one["at"])
    return found


def test_a_document_that_kills_its_worker_is_held_and_its_neighbours_are_not(plant):
    """Scenario 17: held after so many deaths, counted by document."""
    poison = "north/poison.md"
    neighbours = [f"{tenant}/neighbour/{number}.md" for tenant in TENANTS for number in range(5)]
    plant.held[poison] = "worker-crash"
    plant.put(poison, text(poison, 1))
    for key in neighbours:
        plant.put(key, text(key, 1))
    plant.until(lambda: all(plant.settled(key) for key in neighbours))
    assert not plant.row(poison).held_reason
    plant.until(lambda: plant.settled(poison))
    assert plant.claims(poison) == CRASHES + 1
    finish(plant)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_neighbours_keep_their_pace_beside_documents_that_kill_or_stall_their_worker(plant):
    """Scenario 17: at least 80 % of what they do by themselves."""
    ratios = []
    while len(ratios) < 2 and max(ratios, default=0) < 0.8:  # once more where others took the machine for a while
        run = len(ratios)
        poison, slow = f"north/poison-{run}.md", f"south/slow-{run}.md"
        plant.held[poison] = "worker-crash"
        alone, beside = pace(plant, f"alone-{run}"), pace(plant, f"beside-{run}", poison, slow)
        assert plant.claims(poison) == CRASHES + 1
        ratios.append(beside / alone)
        print(f"{alone:.1f} documents a second, {beside:.1f} beside bad ones: {ratios[-1]:.2f}")
    assert max(ratios) >= 0.8
    finish(plant)


def pace(plant, name, *others):
    """Documents a second of many that take a moment each, by their mean wait; others are put before them."""
    keys = [f"{TENANTS[number % 2]}/pace/{name}/{number}.md" for number in range(MEASURED)]
    for key in (*others, *keys):
        plant.put(key, text(key, 1))
    plant.until(plant.all_settled)
    rows = [row for row in plant.rows().values() if f"/pace/{name}/" in row.uri]
    began = min(row.first_heard_at for row in rows)
    return MEASURED / 2 / statistics.mean(row.settled_at - began for row in rows)


def test_what_a_broker_forgets_is_sent_again(plant):
    """Scenario 19: FLUSHALL with 200 documents' wake-ups queued."""
    plant.living("worker")[0].stop()
    keys = [f"{tenant}/flushed/{number}.md" for tenant in TENANTS for number in range(100)]
    for key in keys:
        plant.put(key, text(key, 1))
    plant.until(lambda: all(plant.row(key) for key in keys))
    plant.until(lambda: all(row.woken_at for row in plant.rows().values() if row.heard > row.settled))
    assert plant.queued() >= 7
    plant.redis.flushall()
    assert plant.queued() == 0
    plant.worker()
    plant.until(plant.all_settled)
    finish(plant)


def test_a_full_broker_holds_up_and_loses_nothing(plant):
    """Scenario 20: it refuses, it does not forget."""
    intake = plant.living("intake")[0]
    plant.redis.config_set("maxmemory", 1_000_000)
    keys = [f"north/full/{number}.md" for number in range(20)]
    try:
        for key in keys:
            plant.put(key, text(key, 1))
        plant.until(lambda: all(plant.row(key) for key in keys))
        plant.until(lambda: plant.lag() == 0 and "maxmemory" in intake.tail())
        assert not any(plant.settled(key) for key in keys)
    finally:
        plant.redis.config_set("maxmemory", 0)
    plant.until(plant.all_settled)
    finish(plant)


def test_two_beats_run_each_slot_once(plant):
    """Scenario 21."""
    cadence = 2
    sources = {source.id: source for source in plant.ledger.sources.all()}
    began = plant.ledger.clock()()
    seen = len(plant.tasks())
    for source in sources.values():
        plant.ledger.sources.register(Source(uri=source.uri, tenant=source.tenant, cadence=cadence))
    for _ in range(2):
        plant.beat()

    def counted(name):
        return sum(one["task"] == name for one in plant.tasks()[seen:])

    plant.until(lambda: counted("penstock.reconcile") >= 8)
    slots = int(plant.ledger.clock()() // cadence) - int(began // cadence) + 1
    for beat in plant.living("beat"):
        assert beat.stop() == 0
    print(counted("penstock.tick"), "ticks,", counted("penstock.reconcile"), "reconciles,", slots, "slots")
    assert counted("penstock.tick") > slots
    assert counted("penstock.reconcile") <= slots * len(sources)
    for source in sources.values():
        plant.ledger.sources.register(Source(uri=source.uri, tenant=source.tenant, cadence=3600))
    finish(plant)


@pytest.mark.chaos
def test_clocks_that_are_wrong_by_hours_break_no_lease(plant):
    """Scenario 22: one is two hours ahead, one steps from ahead to behind and back; the ledger's clock counts."""
    plant.living("worker")[0].stop()
    ahead, stepping = plant.worker(PENSTOCK_TEST_SKEW="7200"), plant.worker(PENSTOCK_TEST_SKEW="7200,-7200,7200,-7200")
    keys = [f"{tenant}/slow-skew.md" for tenant in TENANTS]
    with Watch(plant):
        for version in range(2):
            for key in keys:
                plant.put(key, text(key, version))
            plant.until(plant.all_settled)
        finish(plant)
    assert all(plant.claims(key) == 2 for key in keys)
    pids = {one["pid"] for one in plant.tasks()}
    assert all(pids & {child.pid for child in worker.children()} for worker in (ahead, stepping))


class Canary:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_what_is_not_ours_on_the_queue_is_refused_and_harms_nobody(plant, tmp_path):
    """Scenario 25: pickle, tasks and arguments that do not exist."""
    from kombu import Connection

    worker, canary = plant.living("worker")[0], tmp_path / "canary"
    headers = {"task": "penstock.work", "id": "hostile", "lang": "py"}
    pickled = pickle.dumps(((Canary(str(canary)),), {}, {}))
    with Connection(plant.given["PENSTOCK_CELERY_BROKER_URL"]) as connection:
        send = connection.Producer().publish
        where = {"routing_key": EVENTS, "headers": headers}
        send(pickled, content_type="application/x-python-serialize", content_encoding="binary", **where)
        send(b"[[", content_type="application/json", content_encoding="utf-8", **where)
        send({"no": "task"}, routing_key=EVENTS)
        send([[["x"]], {}, {}], routing_key=EVENTS, headers=headers | {"task": "os.system"})
        for argument in ({"not": "a list"}, [1], "text", None, ["no-such-document"], ["'; DROP TABLE documents; --"]):
            send([[argument], {}, {}], routing_key=EVENTS, headers=headers)
        send([[1, 2, 3], {}, {}], routing_key=EVENTS, headers=headers)
        send([[99999], {}, {}], routing_key=EVENTS, headers=headers | {"task": "penstock.reconcile"})
        send([["; x"], {}, {}], routing_key=EVENTS, headers=headers | {"task": "penstock.audit"})
    key = "south/beside-hostile.md"
    plant.put(key, text(key, 1))
    plant.until(lambda: plant.settled(key))
    plant.until(lambda: plant.queued() == 0)
    assert worker.alive
    assert not canary.exists()
    pickle.loads(pickled)
    assert canary.exists()  # it would have been left
    finish(plant)


def test_a_message_that_is_no_message_is_no_end(plant):
    """Scenario 25: bytes that kombu itself cannot read."""
    key = "south/beside-garbage.md"
    for garbage in (b"\xff\x00garbage", b"{}", b"[]", b'{"body": 1}'):
        plant.redis.lpush(EVENTS, garbage)
    plant.put(key, text(key, 1))
    plant.until(lambda: plant.settled(key))
    finish(plant)


def test_a_worker_told_to_stop_finishes_or_gives_back(plant):
    """Scenario 26: in the middle of its batches."""
    keys = [f"{tenant}/brief/{number}.md" for tenant in TENANTS for number in range(40)]
    worker = plant.living("worker")[0]
    for key in keys:
        plant.put(key, text(key, 1))
    plant.until(lambda: any(in_hand(plant, key) for key in keys))
    time.sleep(1)
    assert worker.stop() == 0
    rows = plant.rows()
    left = [key for key in keys if not plant.settled(key)]
    assert left, "it was all done before"
    assert not [key for key in left if rows[plant.uri(key)].claimed is not None], "in nobody's hand, and not given back"
    plant.worker()
    plant.until(plant.all_settled)
    finish(plant)
