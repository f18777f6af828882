"""Hand-off from Kafka to the ledger to Celery, in real processes that are killed, stopped and cut off.

The numbers are those of the failure scenarios. What intake alone must do is in test_intake.py; here the whole
composition runs, and ends with the invariants checked from outside.
"""

import json
import random
import time

import pytest

from infra.failpoints import INTAKE_PLACES
from tests.support.invariants import Watch, check, text
from tests.support.plant_scaled import GROUP, scaled
from tests.support.services.kafka import _delete_groups, admin

pytestmark = pytest.mark.server

CONSTANTS = {
    # A dead member is expelled sooner, and one that does not poll leaves before the slow document is done.
    "infra.kafka.SESSION_S": 6,
    "infra.kafka.POLL_S": 7,
    "workers.wakeups.RESEND_S": 3.0,
    # What a broken connection leaves unacknowledged must be gone before a test calls the broker empty.
    "infra.queue.VISIBILITY_S": 10,
}
#: Seconds that the parsing of a `slow` document takes: longer than POLL_S, and than a lease.
SLOW = 8


@pytest.fixture(scope="module")
def running(services, tmp_path_factory):
    with scaled(
        services,
        tmp_path_factory.mktemp("handoff"),
        PENSTOCK_CONCURRENCY="2",
        PENSTOCK_TEST_CONSTANTS=json.dumps(CONSTANTS),
        PENSTOCK_TEST_AT=json.dumps({"slow": SLOW}),
        PENSTOCK_FAIL=",".join(f"{place}:kill" for place in INTAKE_PLACES),
    ) as plant:
        yield plant


@pytest.fixture
def plant(running):
    running.ready()
    return running


def finish(plant):
    plant.quiesce()
    print(check(plant))


@pytest.mark.parametrize("place", ["hear.after", "wake.after"])
def test_an_intake_that_dies_on_the_way_to_the_workers_loses_nothing(plant, place):
    """Scenarios 1 and 2: between the ledger and the commit, and between the wake-up and the note of it."""
    [intake] = plant.living("intake")
    mark = plant.arm(place)
    keys = [f"north/{place}/{number}.md" for number in range(20)]
    for key in keys:
        plant.put(key, text(key, 1))
    plant.until(lambda: not mark.exists())
    plant.until(lambda: not intake.alive)
    assert plant.lag() > 0 or place == "wake.after"
    plant.intake()
    finish(plant)
    if place == "hear.after":
        assert sum(plant.row(key).heard for key in keys) > len(keys)
    # Read twice, and written once.
    assert all(one["event"] != "updated" for key in keys for one in plant.history(key))


def test_a_broker_that_is_away_delays_and_loses_nothing(plant, services):
    """Scenario 3: hearing goes on, the group keeps its member, and the sweeper catches up."""
    keys = [f"south/away/{number}.md" for number in range(20)]
    before = plant.member()
    services.redis.kill()
    try:
        for key in keys:
            plant.put(key, text(key, 1))
        plant.until(lambda: all(plant.row(key) for key in keys))
        plant.until(lambda: plant.lag() == 0)
        time.sleep(3)
        assert not any(plant.settled(key) for key in keys)
        assert plant.members() == before
    finally:
        services.redis.start()
    plant.until(plant.all_settled)
    assert plant.members() == before
    finish(plant)


def test_a_slow_document_holds_up_neither_the_group_nor_what_was_done_when_all_is_read_again(plant):
    """Scenarios 4, 8 and 11: a document slower than the group's patience; a kill, and the group's offsets gone."""
    before = plant.member()
    slow, quick = "north/slow.md", [f"north/quick/{number}.md" for number in range(10)]
    plant.put(slow, text(slow, 1))
    plant.until(lambda: plant.claims(slow))
    for key in quick:
        plant.put(key, text(key, 1))
    plant.until(lambda: all(plant.settled(key) for key in quick))
    assert not plant.settled(slow)
    plant.until(lambda: plant.lag() == 0)  # the commit says that the ledger has it, not that the work is done
    plant.until(lambda: plant.settled(slow))
    assert plant.members() == before
    assert "commit.refused" not in plant.living("intake")[0].tail(100_000)
    written = {key: plant.history(key) for key in [slow, *quick]}
    heard = {key: plant.row(key).heard for key in quick}

    plant.living("intake")[0].kill()
    with admin(plant.given["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"]) as client:
        _delete_groups(client)
        assert GROUP not in {one["group_id"] for one in client.list_groups()}
    plant.intake()
    plant.until(lambda: plant.lag() == 0)
    finish(plant)
    assert all(plant.row(key).heard > heard[key] for key in quick)
    assert {key: plant.history(key) for key in written} == written


@pytest.mark.chaos
def test_a_worker_that_was_stopped_too_long_writes_nothing_more(plant):
    """Scenario 6: stopped between its upserts and its deletes, taken over, and woken up again."""
    plant.living("worker")[0].stop()
    key = "south/zombie.md"
    zombie = plant.worker(PENSTOCK_FAIL="upsert.after:stop", PENSTOCK_CONCURRENCY="1")
    with Watch(plant):
        plant.put(key, text(key, 1, paragraphs=4))
        plant.until(lambda: plant.settled(key))
        mark = plant.arm("upsert.after")
        plant.put(key, text(key, 2, paragraphs=5))
        plant.until(lambda: not mark.exists())
        plant.until(lambda: [one for one in zombie.children() if one.status() == "stopped"])
        fenced = plant.row(key).generation
        plant.put(key, text(key, 3))
        plant.worker()
        plant.until(lambda: plant.settled(key))
        zombie.resume()
        plant.until(lambda: "lease.lost" in zombie.log.read_text())
        finish(plant)
    assert fenced not in {one["generation"] for one in plant.history(key)}


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [7])
def test_intakes_that_come_go_and_sleep_lose_nothing_and_never_go_backwards(plant, seed):
    """Scenario 5 in short; the long form is in tests/chaos."""
    dice = random.Random(seed)
    keys = [f"{tenant}/monkey/{number}.md" for tenant in ("north", "south") for number in range(10)]
    done = {"kill": 0, "pause": 0, "add": 0}
    asleep = []
    version, end = 0, time.monotonic() + 20
    with Watch(plant):
        while time.monotonic() < end or min(done.values()) < 2:
            for key in dice.sample(keys, 5):
                version += 1
                plant.put(key, text(key, version, paragraphs=dice.randrange(1, 4)))
            deed = dice.choice(list(done))
            awake = [one for one in plant.living("intake") if one not in asleep]
            if deed == "add" and len(awake) < 3:
                plant.intake()
            elif deed == "kill" and len(awake) > 1:
                dice.choice(awake).kill()
            elif deed == "pause" and len(awake) > 1 and len(asleep) < 2:
                asleep.append(dice.choice(awake))
                asleep[-1].pause()
            else:
                continue
            done[deed] += 1
            time.sleep(dice.uniform(0, 1))
        for one in asleep:
            one.resume()
        finish(plant)
    print(done, "events", version)
    assert version >= 100
