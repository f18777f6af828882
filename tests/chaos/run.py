"""The long chaos run: a scaled composition under fire, and whether it kept every promise. `make chaos SEED=n MINUTES=m`

    python -m tests.chaos.run --seed 1 --minutes 10

On real servers run 4 workers, 2 intakes and 2 beats. All the while

- documents of two tenants are put, overwritten, deleted, recreated and renamed, `RATE` a second; one in five through a
  gateway that tells Kafka nothing, so that only a reconcile (every 30 s) can find it;
- every few seconds old records are sent to Kafka again, in another order;
- a monkey kills (SIGKILL the process, or all of its family), stops (SIGSTOP, 1 to 20 s), adds and removes processes,
  kills Redis and Qdrant and starts them again, and has Qdrant answer 500 or late: one act every `ACT_S` seconds;
- somebody searches: no hit older than what was proved before (INV-2), no word of the other tenant's (INV-4).

Then the faults stop, everything has `CALM_S` seconds to come to rest, and INV-1, 3, 4 and 5 are checked against the
bucket. Exit status 1 on a violation, or where too little happened to prove anything. What is random comes from the
seed; what the machine makes of it does not. It ends every process it started.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from infra.ledger.tables import documents
from infra.ports import Message
from schemas.errors import PenstockError, Unreachable
from tests.support.invariants import Watch, check, text
from tests.support.plant_scaled import TENANTS, ScaledPlant
from tests.support.qdrant_server import Fault
from tests.support.services import temporary_services
from tests.support.services.s3 import S3

#: How many of each are meant to run.
CREW = {"worker": 4, "intake": 2, "beat": 2}
#: Changes a second, and the share of which Kafka is told nothing.
RATE, SILENT = 10.0, 0.2
#: Documents of a tenant at most; when more than this share of them is gone, they are recreated: removals of more than
#: half of a source would be parked (P7).
DOCUMENTS, GONE = 120, 0.3
#: Mean seconds between two acts of the monkey, between two lots of old records, and how many those are.
ACT_S, REPEAT_S, REPEATED = 4.0, 5.0, 40
#: Seconds a stopped process is stopped for.
STOP_S = (1.0, 20.0)
#: Documents whose parsing takes so many seconds: else a kill would hardly ever meet one in hand.
SLOW = {"/doc-1": 0.3}
#: Seconds after which what a dead worker held of the broker's messages is delivered again; 900 otherwise.
VISIBILITY_S = 30
#: Seconds for everything to come to rest at the end.
CALM_S = 420.0
#: What the monkey does, and how often against each other.
ACTS = {
    "kill worker": 8,
    "kill worker's family": 3,
    "kill intake": 4,
    "kill beat": 1,
    "stop worker": 6,
    "stop intake": 3,
    "stop beat": 1,
    "add worker": 2,
    "remove worker": 2,
    "restart redis": 1,
    "restart qdrant": 1,
    "qdrant fails": 2,
    "qdrant is late": 2,
}


class Eyes(Watch):
    """A watch that bears servers which do not answer."""

    unanswered = 0

    def _look(self, ledger, index, tenant):
        try:
            super()._look(ledger, index, tenant)
        except AssertionError as fault:
            self.faults.append(str(fault))
        except PenstockError:
            self.unanswered += 1


@dataclass
class Chaos:
    """One run over a plant."""

    plant: ScaledPlant
    quiet: S3
    seed: int
    counts: Counter = field(default_factory=Counter)
    violations: list = field(default_factory=list)
    recoveries: list = field(default_factory=list)

    def __post_init__(self):
        self.ended = threading.Event()
        self._began = time.monotonic()
        self._lock = threading.RLock()
        self._stopped: dict = {}
        self._stopping: dict = {}
        self._told: set = set()
        self._silent_client = self.quiet.store.client()

    def say(self, what):
        print(f"{time.monotonic() - self._began:7.1f}  {what}", flush=True)

    # --- what happens to documents

    def change(self, rng):
        """One change of one document."""
        tenant = rng.choice(TENANTS)
        keys = [f"{tenant}/doc-{n}.md" for n in range(DOCUMENTS)]
        live = [key for key in keys if (self.plant.versions.get(key) or [None])[-1] is not None]
        other = sorted(set(keys) - set(live))
        gone = [key for key in other if key in self.plant.versions]
        kinds = ["put"] * 3 + ["overwrite"] * 8 + ["delete"] * 3 + ["recreate"] * 2 + ["rename"]
        kind = rng.choice(kinds)
        if not live or (kind in ("delete", "rename") and len(gone) > GONE * len(live)):
            kind = "put"
        self.counts[kind] += 1
        match kind:
            case "delete":
                self._do(rng, "delete", rng.choice(live))
            case "rename" if other:
                old, new = rng.choice(live), rng.choice(other)
                self._do(rng, "put", new, self.plant.versions[old][-1])
                self._do(rng, "delete", old)
            case "put" | "recreate" if other:
                self._put(rng, rng.choice((gone if kind == "recreate" else other) or other))
            case _:
                self._put(rng, rng.choice(live))

    def _put(self, rng, key):
        version = len(self.plant.versions.get(key, ()))
        self._do(rng, "put", key, text(key, f"{version}-{rng.randrange(10**9)}", paragraphs=rng.choice((1, 1, 2, 4))))

    def _do(self, rng, kind, key, body=None):
        silent = rng.random() < SILENT
        if not silent:
            self._told.add(key)
        self.counts["changes"] += 1
        self.counts["changes that Kafka is not told of"] += silent
        loud = self.plant.client
        if silent:
            self.plant.client = self._silent_client
        try:
            self.plant.put(key, body) if kind == "put" else self.plant.delete(key)
        finally:
            self.plant.client = loud

    def repeat(self, rng, publisher):
        """Old records once more, in another order."""
        chosen = rng.sample(self._old, min(REPEATED, len(self._old))) if self._old else []
        if chosen:
            publisher.send([Message(topic, key, value) for topic, key, value in chosen])
            self.counts["records repeated"] += len(chosen)

    # --- what happens to processes

    def act(self, rng):
        """One act of the monkey."""
        act = rng.choices(list(ACTS), list(ACTS.values()))[0]
        kind = act.split()[-1].removesuffix("'s")
        kind = "worker" if "worker" in act else kind
        with self._lock:
            running = [one for one in self._crew(kind) if one not in self._stopped] if kind in CREW else []
            if kind in CREW and act != "add worker" and not running:
                return
            one = rng.choice(running) if running else None
            if kind == "worker" and act.startswith(("kill", "stop")):
                one = self._at_work(running) or one
            self.say(f"{act}{f' {one}' if one and not act.startswith('add') else ''}")
            self.counts[act] += 1
            match act.split()[0]:
                case "kill":
                    self._kill(one, family="family" in act)
                case "stop":
                    one.pause()
                    self._stopped[one] = time.monotonic() + rng.uniform(*STOP_S)
                case "add":
                    self.plant.worker()
                case "remove":
                    # It may finish what it has in hand; the monkey does not wait for it.
                    self._stopping[one] = threading.Thread(
                        target=self._guard, args=(f"{one} was told to end", one.stop)
                    )
                    self._stopping[one].start()
                case "restart":
                    server = getattr(self.plant.services, kind)
                    server.kill()
                    time.sleep(rng.uniform(0, 3))
                    server.start()
                case _:
                    fault = {"kind": "status"} if "fails" in act else {"kind": "delay", "seconds": rng.uniform(0.5, 8)}
                    self._fault(Fault(path="/points", times=rng.randrange(1, 12), **fault))

    def _kill(self, one, *, family):
        hand = self._in_hand(self._pids(one))
        self.counts["kills"] += 1
        self.counts["kills with documents in hand"] += bool(hand)
        self.recoveries.append({"at": time.monotonic(), "left": hand, "number": len(hand)})
        if not family:
            one.process.kill()
            one.resume()  # what is left below it, which must end by itself, may have been stopped
        self._guard(f"{one} was killed", one.kill_all if family else one.kill)

    def _at_work(self, running):
        """One that has documents in hand, stopped there; None where none had any within two seconds."""
        until = time.monotonic() + 2
        while time.monotonic() < until:
            busy = {pid for pid, _ in self._in_hand().values()}
            for one in running:
                if busy & self._pids(one):
                    one.pause()
                    if self._in_hand(self._pids(one)):
                        return one
                    one.resume()
        return None

    @staticmethod
    def _pids(one):
        return {one.pid, *(child.pid for child in one.family())}

    def _guard(self, what, call):
        try:
            call()
        except AssertionError as fault:
            self.violations.append(f"INV-5: {what}: {fault}")
            self.say(self.violations[-1])

    def _in_hand(self, pids=None):
        """Documents that these processes have claimed: id -> (whose pid, what the claim would prove)."""
        d = documents.c
        query = sa.select(d.document_id, d.lease_owner, d.claimed).where(d.claimed.is_not(None))
        with self.plant.ledger._database.connect() as connection:
            rows = [(id_, int(owner.split(":")[1]), at) for id_, owner, at in connection.execute(query)]
        return {id_: (pid, at) for id_, pid, at in rows if pids is None or pid in pids}

    def _fault(self, fault):
        import httpx

        with contextlib.suppress(httpx.HTTPError):
            url = self.plant.given["PENSTOCK_QDRANT_URL"]
            httpx.post(f"{url}/_faults", content=fault.model_dump_json(), timeout=5)

    def mend(self):
        """Resume what was stopped for long enough, and replace who is missing."""
        with self._lock:
            for one, until in list(self._stopped.items()):
                if time.monotonic() >= until:
                    del self._stopped[one]
                    one.resume()
            for kind, number in CREW.items():
                for _ in range(number - len(self._crew(kind))):
                    getattr(self.plant, kind)()
                    self.counts[f"{kind}s started"] += 1
        open_ = [one for one in self.recoveries if one["left"]]
        if open_:
            rows = {row.document_id: row for row in self.plant.rows().values()}
            for one in open_:
                one["left"] = {id_: had for id_, had in one["left"].items() if rows[id_].settled < had[1]}
                if not one["left"]:
                    one["took"] = time.monotonic() - one["at"]

    def _crew(self, kind):
        there = [one for one in self.plant.running if one not in self._stopping]
        return [one for one in there if one.name.startswith(kind) and one.alive]

    # --- the run

    def every(self, mean_s, what, name):
        """Run something again and again on a thread of its own, at random intervals of a mean."""
        rng = random.Random(f"{self.seed}-{name}")

        def run():
            due = time.monotonic()
            while not self.ended.is_set():
                due += rng.expovariate(1 / mean_s) if mean_s else 0.5
                if self.ended.wait(max(0.0, due - time.monotonic())):
                    return
                due = max(due, time.monotonic() - 5)
                try:
                    what(rng)
                except (Unreachable, OSError) as error:
                    self.say(f"{name}: {error}")
                except Exception as error:  # noqa: BLE001  # a thread that died unseen would prove nothing
                    self.violations.append(f"the run itself failed in {name}: {error!r}")
                    self.say(self.violations[-1])
                    return

        thread = threading.Thread(target=run, name=name)
        thread.start()
        return thread

    def remember(self):
        """Keep the records of the first topics as they come, to be repeated."""
        from kafka import KafkaConsumer

        self._old: list = []
        consumer = KafkaConsumer(
            "penstock.s3.v1",
            bootstrap_servers=self.plant.given["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"],
            auto_offset_reset="earliest",
            group_id=None,
        )

        def read(_rng):
            for batch in consumer.poll(timeout_ms=100).values():
                # Only first tellings: repeated ones would grow without end.
                self._old += [(r.topic, r.key, r.value) for r in batch if len(self._old) < 5000]

        return read, consumer.close

    def run(self, minutes):
        from infra.kafka import KafkaPublisher

        publisher = KafkaPublisher(self.plant.given["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"])
        self.mend()
        read, close = self.remember()
        with Eyes(self.plant, every_s=1.0) as eyes:
            threads = [
                self.every(1 / RATE, self.change, "changes"),
                self.every(0, read, "reader"),
                self.every(REPEAT_S, lambda rng: self.repeat(rng, publisher), "repeats"),
                self.every(ACT_S, self.act, "monkey"),
                self.every(0, lambda _: self.mend(), "mender"),
            ]
            self.ended.wait(60 * minutes)
            self.ended.set()
            for thread in threads:
                thread.join()
            self.say("the faults end")
            close()
            publisher.close()
            self.rest()
            self.violations += eyes.faults
            eyes.faults = []
        self.counts["searches"], self.counts["hits"] = eyes.searches, eyes.hits
        self.counts["searches unanswered"] = eyes.unanswered
        self.counts["records"] = self.plant.records()

    def rest(self):
        """Stop the faults, wait until nothing is under way, and check."""
        import httpx

        httpx.delete(f"{self.plant.given['PENSTOCK_QDRANT_URL']}/_faults", timeout=10)
        for one in list(self._stopped):
            one.resume()
        self._stopped.clear()
        for thread in self._stopping.values():
            thread.join()
        began = time.monotonic()
        try:
            while time.monotonic() - began < CALM_S and not self.plant.calm(events=False):
                self.mend()
                time.sleep(0.5)
            self.say("calm" if self.plant.calm(events=False) else f"NOT CALM: {self.plant.state()}")
            self.counts["seconds to rest"] = round(time.monotonic() - began)
            self.plant.quiesce(events=False, within_s=CALM_S)
            self.mend()
            # What came and went between two listings, and Kafka was never told of, nobody could hear of.
            known = {row.uri for row in self.plant.rows().values()}
            for key, versions in list(self.plant.versions.items()):
                if key not in self._told and versions[-1] is None and self.plant.uri(key) not in known:
                    del self.plant.versions[key]
                    self.counts["came and went unseen"] += 1
            self.counts.update(check(self.plant))
        except (AssertionError, PenstockError) as fault:
            self.violations.append(str(fault)[:4000])


def report(chaos, minutes):
    """Print the figures; whether it was a run that proves something, and all promises were kept."""
    counts = chaos.counts
    taken = sorted(one["took"] for one in chaos.recoveries if "took" in one)
    never = [one for one in chaos.recoveries if one["left"]]
    if never:
        chaos.violations.append(f"INV-3: {len(never)} kills whose documents were never settled")
    stops = sum(number for act, number in counts.items() if act.startswith("stop "))
    restarts = sum(number for act, number in counts.items() if act.startswith("restart "))
    counts["duplicates: claims beyond one a change"] = max(0, counts["claims"] - counts["changes"])
    print(f"\nseed {chaos.seed}, {minutes} minutes")
    for name, number in sorted(counts.items()):
        print(f"  {name:45} {number}")
    print(f"  {'stops':45} {stops}\n  {'restarts of servers':45} {restarts}")
    if taken:
        p50, p95 = (taken[min(len(taken) - 1, int(len(taken) * share))] for share in (0.5, 0.95))
        print(f"  recovery after {len(taken)} kills: p50 {p50:.1f} s, p95 {p95:.1f} s, max {taken[-1]:.1f} s")
    wanted = {"records": 500, "kills": 3, "kills with documents in hand": 0.1, "records repeated": 50, "hits": 10}
    thin = {name: counts[name] for name, least in wanted.items() if counts[name] < least * minutes}
    if thin:
        print(f"  TOO LITTLE HAPPENED: {thin}")
    print(f"  violations: {len(chaos.violations)}")
    for one in chaos.violations:
        print(f"    {one}")
    return not chaos.violations and not thin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--minutes", type=float, default=10)
    asked = parser.parse_args()
    print(f"seed {asked.seed}, {asked.minutes} minutes")
    with temporary_services() as services, tempfile.TemporaryDirectory(prefix="penstock-chaos-") as room:
        constants = json.dumps({"infra.queue.VISIBILITY_S": VISIBILITY_S})
        room_, slow = Path(room, "plant"), json.dumps(SLOW)
        plant = ScaledPlant(services, room_, PENSTOCK_TEST_CONSTANTS=constants, PENSTOCK_TEST_AT=slow)
        plant.declare(cadence=30)
        quiet = Path(room, "quiet")
        quiet.mkdir()
        for name in ("data", "sidecar"):
            (quiet / name).symlink_to(services.s3.folder / name)
        try:
            with S3(quiet) as silent:
                chaos = Chaos(plant, silent, asked.seed)
                chaos.run(asked.minutes)
                try:
                    plant.stop()
                except AssertionError as fault:
                    chaos.violations.append(f"INV-5: {fault}")
        finally:
            plant.end()
            plant.close()
    sys.exit(0 if report(chaos, asked.minutes) else 1)


if __name__ == "__main__":
    main()
