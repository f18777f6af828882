"""A whole scaled composition: intakes, workers and beats as real processes on fresh servers, and a bucket to change.

    with scaled(services, tmp_path) as plant:
        worker = plant.worker()
        plant.intake()
        plant.put("north/a.md", b"# A")
        worker.kill()
        plant.worker()
        plant.quiesce()
        print(check(plant))           # tests.support.invariants

The bucket has two sources, `north/` and `south/`, each a tenant's own. Everything that was started is ended, and
whatever a killed process leaves behind is a failure.
"""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis
import sqlalchemy as sa
import yaml

from infra.index_qdrant import QdrantIndex
from infra.ledger import Ledger, open_ledger
from infra.ledger.claims import LATE_WRITES_S
from infra.ledger.tables import documents
from infra.queue import ALL_QUEUES, WakeupQueue, make_app
from infra.settings import Settings
from infra.stub_embedder import StubEmbedder
from schemas.identity import content_hash, document_id
from tests.support.processes import PYCACHE, eventually
from tests.support.services import Services
from tests.support.services.kafka import admin
from workers.advance import collection_name

ROOT = Path(__file__).parents[2]
TENANTS = ("north", "south")
GROUP, TOPICS = "penstock-intake", ("penstock.documents.v1", "penstock.s3.v1")
#: Seconds. A loaded machine takes many times longer than an idle one.
PATIENCE = 120.0
#: Seconds until a dead worker's documents are taken up by another.
LEASE = 3.0


class Running:
    """One process of the plant, with what it started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.process, self.log = name, process, log
        self._self = psutil.Process(process.pid)
        self._known: set[psutil.Process] = set()

    def __repr__(self) -> str:
        return f"{self.name} ({self.process.pid})"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """Everything below it that lives; what was ever seen there is remembered."""
        if self.alive:
            self._known |= set(self._self.children(recursive=True))
        return [one for one in self._known if _lives(one)]

    def children(self) -> list[psutil.Process]:
        """The processes that do a worker's tasks."""
        return [one for one in self._self.children() if one in self.family()]

    def kill(self) -> None:
        """SIGKILL it, and nothing else: what it started must end by itself."""
        self.family()
        self.process.kill()
        self._gone()

    def kill_all(self) -> None:
        """SIGKILL it and everything below it, as the end of a container does."""
        self.end()
        self._gone()

    def stop(self, within_s: float = 60.0) -> int:
        """SIGTERM; returns the exit status."""
        self.family()
        if self.alive:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"{self} does not end:\n{self.tail()}") from None
        self._gone()
        return self.process.returncode

    def pause(self) -> None:
        """SIGSTOP it and all below it, as a suspended machine would."""
        for one in (self._self, *self.family()):
            one.suspend()

    def resume(self) -> None:
        """SIGCONT."""
        for one in (self._self, *self.family()):
            if _lives(one):
                one.resume()

    def end(self) -> None:
        """SIGKILL it and all below it; for cleaning up."""
        for one in (self._self, *self.family()):
            if _lives(one):
                one.kill()
        self.process.wait()

    def tail(self, characters: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-characters:]

    def _gone(self) -> None:
        self.process.wait()
        left = psutil.wait_procs(list(self._known), timeout=30)[1]
        left = [one for one in left if _lives(one)]
        for one in left:
            one.kill()
        assert not left, f"{self} left processes behind: {[one.cmdline() for one in left]}"


class ScaledPlant:
    """See the module."""

    def __init__(self, services: Services, room: Path, *, lease: float = LEASE, **environment: str) -> None:
        self.services, self.room = services, room
        self.bucket = services.store.new_bucket()
        self.given = services.environment()
        self.armed, self.tasks_file = room / "armed", room / "tasks"
        self.armed.mkdir(parents=True)
        self.tasks_file.touch()
        self.sources = room / "sources.yaml"
        self.declare()
        self.environment = {
            **os.environ,
            **self.given,
            "PYTHONPYCACHEPREFIX": str(PYCACHE),
            "PENSTOCK_HOME": str(room / "home"),
            "PENSTOCK_SOURCES": str(self.sources),
            "PENSTOCK_MODEL": "stub-64",
            "PENSTOCK_RULE_SHRINK": "off",  # documents shrink and grow at random here
            "PENSTOCK_LEASE": str(lease),
            "PENSTOCK_FAIL_ARMED": str(self.armed),
            "PENSTOCK_TEST_TASKS": str(self.tasks_file),
            **environment,
        }
        self.running: list[Running] = []
        #: Per key what it held, None where it was deleted, in order.
        self.versions: dict[str, list[bytes | None]] = defaultdict(list)
        #: Keys whose last version must be held, with the reason.
        self.held: dict[str, str] = {}
        self._records = self.records()

    # --- the source

    def declare(self, **options: Any) -> None:
        """Write the sources file."""
        entries = [
            {"uri": f"s3://{self.bucket}/{tenant}/", "tenant": tenant, "cadence": 3600, **options} for tenant in TENANTS
        ]
        self.sources.write_text(yaml.safe_dump({"sources": entries}))

    @functools.cached_property
    def client(self) -> Any:
        return self.services.store.client()

    def put(self, key: str, body: bytes) -> None:
        """Put an object; the store tells Kafka."""
        self.versions[key].append(body)
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.versions[key].append(None)
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def contents(self, tenant: str) -> dict[str, bytes]:
        """What the bucket holds now of a tenant, by URI: asked of the store itself."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{tenant}/"):
            for one in page.get("Contents", ()):
                body = self.client.get_object(Bucket=self.bucket, Key=one["Key"])["Body"].read()
                found[self.uri(one["Key"])] = body
        return found

    # --- processes

    def living(self, command: str) -> list[Running]:
        return [one for one in self.running if one.alive and one.name.startswith(command)]

    def ready(self) -> None:
        """One intake, one worker and nothing else, as a scenario begins."""
        for command in ("intake", "worker", "beat"):
            living = self.living(command)
            for one in living[command != "beat" :]:
                one.stop()
            if not living and command != "beat":
                getattr(self, command)()

    def member(self) -> set[str]:
        """The one member of the group, once the dead are expelled and it has a partition."""
        key = f"north/member-{len(self.versions)}.md"
        self.put(key, b"# Is anybody there?\n")
        self.until(lambda: self.row(key))
        members: set[str] = self.until(lambda: found if len(found := self.members()) == 1 else None)
        return members

    def intake(self, **environment: str) -> Running:
        return self._start("intake", environment)

    def worker(self, **environment: str) -> Running:
        return self._start("worker", environment)

    def beat(self, **environment: str) -> Running:
        # A beat of its own: its schedule file is no shared one.
        home = self.room / f"beat-{len(self.running)}"
        return self._start("beat", {"PENSTOCK_HOME": str(home), **environment})

    def watch(self, *arguments: object, **environment: str) -> Running:
        return self._start("watch", environment, *arguments)

    def _start(self, command: str, environment: Mapping[str, str], *arguments: object) -> Running:
        name = f"{command}-{len(self.running)}"
        log = self.room / f"{name}.log"
        # The kernel ends it with this process, however that ends.
        tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*tied, sys.executable, "-P", "-m", "tests.support.scaled_child", "-v", command, *map(str, arguments)],
                env={**self.environment, "PYTHONPATH": str(ROOT), **environment},
                cwd=self.room,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.running.append(Running(name, process, log))
        return self.running[-1]

    def arm(self, place: str) -> Path:
        """Have the next process that passes a failpoint named in its PENSTOCK_FAIL act there; gone once one did."""
        mark = self.armed / place
        mark.touch()
        return mark

    def stop(self) -> None:
        """SIGTERM everything at once, and wait: nothing may be left."""
        for one in self.running:
            one.family()
            if one.alive:
                one.resume()
                one.process.terminate()
        for one in self.running:
            one.stop()

    def end(self) -> None:
        """Whatever still runs is killed."""
        for one in self.running:
            one.end()

    # --- what can be read of it

    @functools.cached_property
    def ledger(self) -> Ledger:
        return open_ledger(self.given["PENSTOCK_DATABASE_URL"], now=time.time())

    @functools.cached_property
    def index(self) -> QdrantIndex:
        return QdrantIndex(self.given["PENSTOCK_QDRANT_URL"])

    @functools.cached_property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.given["PENSTOCK_CELERY_BROKER_URL"], socket_timeout=10)

    @functools.cached_property
    def queue(self) -> WakeupQueue:
        return WakeupQueue(make_app(self.given["PENSTOCK_CELERY_BROKER_URL"]))

    @property
    def collection(self) -> str:
        return collection_name(StubEmbedder(64).info)

    @property
    def chunk_tokens(self) -> int:
        """The most tokens of a chunk, by which its processes cut."""
        return int(self.environment.get("PENSTOCK_CHUNK_TOKENS", Settings.model_fields["chunk_tokens"].default))

    def rows(self) -> dict[str, sa.Row[Any]]:
        """The ledger's documents by URI."""
        with self.ledger._database.connect() as connection:
            return {row.uri: row for row in connection.execute(sa.select(documents))}

    def row(self, key: str) -> sa.Row[Any] | None:
        return self.rows().get(self.uri(key))

    def settled(self, key: str) -> bool:
        """Whether the last version of a key is proved."""
        return self._proved(self.row(key), key)

    def _proved(self, row: sa.Row[Any] | None, key: str) -> bool:
        last = self.versions[key][-1]
        if row is None or row.heard > row.settled:
            return False
        if key in self.held:
            return bool(row.held_reason)
        return row.gone_at is not None if last is None else row.content_hash == content_hash(last)

    def all_settled(self) -> bool:
        """Whether the last version of every key is proved, or held as it must be."""
        rows = self.rows()
        return all(self._proved(rows.get(self.uri(key)), key) for key in self.versions)

    def claims(self, key: str) -> int:
        """How often a document was claimed."""
        row = self.row(key)
        return row.generation - self.ledger.birth_ms if row else 0

    def history(self, key: str) -> list[dict[str, Any]]:
        """The lines of a document's history, newest first."""
        return self.ledger.views.history(document_id(key.split("/", maxsplit=1)[0], self.uri(key)))

    def tasks(self, what: str = "began") -> list[dict[str, Any]]:
        """What tasks began or ended, in order."""
        lines = map(json.loads, self.tasks_file.read_text().splitlines())
        return [one for one in lines if one["what"] == what]

    def records(self) -> int:
        """Records in the topics that intake reads."""
        return sum(end for end, _ in self._offsets().values())

    def lag(self) -> int:
        """Records that the group has not committed."""
        return sum(end - committed for end, committed in self._offsets().values())

    def members(self) -> set[str]:
        """Who is in the group."""
        with admin(self.given["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"]) as client:
            return {one["member_id"] for one in client.describe_groups([GROUP])[GROUP]["members"]}

    def _offsets(self) -> dict[Any, tuple[int, int]]:
        with admin(self.given["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"]) as client:
            ends = self._consumer.end_offsets(
                [self._partition(topic, n) for topic in TOPICS for n in self._consumer.partitions_for_topic(topic)]
            )
            known = client.list_group_offsets([GROUP]).get(GROUP, {}) if self._has_group(client) else {}
        return {place: (end, max(0, known[place].offset) if place in known else 0) for place, end in ends.items()}

    @staticmethod
    def _has_group(client: Any) -> bool:
        return GROUP in {one["group_id"] for one in client.list_groups()}

    @staticmethod
    def _partition(topic: str, number: int) -> Any:
        from kafka import TopicPartition

        return TopicPartition(topic, number)

    @functools.cached_property
    def _consumer(self) -> Any:
        from kafka import KafkaConsumer

        return KafkaConsumer(bootstrap_servers=self.given["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"])

    def queued(self) -> int:
        """Messages in the broker: waiting, and taken but not acknowledged."""
        return sum(self.redis.llen(name) for name in ALL_QUEUES) + self.redis.hlen("unacked")

    # --- waiting

    def until(self, condition: Callable[[], Any], *, within_s: float = PATIENCE) -> Any:
        """The first true value of a condition; INV-6: not in time, the logs are shown."""
        try:
            return eventually(condition, within_s=within_s)
        except AssertionError as late:
            logs = "\n".join(f"--- {one!r} {'lives' if one.alive else 'ended'}\n{one.tail()}" for one in self.running)
            raise AssertionError(f"{late}; {self.state()}\n{logs}") from None

    def state(self) -> dict[str, object]:
        due = [uri for uri, row in self.rows().items() if row.heard > row.settled]
        return {"due": due[:5], "number due": len(due), "queued": self.queued(), "lag": self.lag()}

    def calm(self, *, events: bool = True) -> bool:
        """Whether nothing is under way: every record is committed, no document due or in hand, the broker empty."""
        if any(row.heard > row.settled or row.claimed is not None for row in self.rows().values()) or self.queued():
            return False
        offsets = self._offsets().values()
        happened = sum(map(len, self.versions.values())) if events else 0
        return sum(end for end, _ in offsets) >= self._records + happened and all(end == at for end, at in offsets)

    def quiesce(self, *, events: bool = True, within_s: float = PATIENCE) -> None:
        """Wait until nothing is under way, and see that two reconciles and the re-checks find nothing to do.

        `events`: everything that was put must have become a record; False where the store could not tell Kafka.
        """
        self.until(lambda: self.calm(events=events), within_s=within_s)
        # What a tick would do when the longest client timeout has passed.
        now = self.ledger.clock()()
        if self.ledger.documents.hear_rechecks(at=now + LATE_WRITES_S + 1):
            self.until(lambda: self.calm(events=events), within_s=within_s)
        for again in range(2):
            before = {uri: row.heard for uri, row in self.rows().items()}
            self.reconcile()
            self.until(lambda: self.calm(events=events), within_s=within_s)
            after = {uri: row.heard for uri, row in self.rows().items()}
            if events or again:
                assert after == before, "a reconcile found something to do"

    def reconcile(self) -> None:
        """Have every source reconciled by a worker, and wait for it."""
        began = {one.id: one.verified_at for one in self.ledger.sources.all()}
        for source in began:
            self.queue.job("penstock.reconcile", source, 60.0)
        self.until(lambda: all(one.verified_at != began[one.id] for one in self.ledger.sources.all()))

    def close(self) -> None:
        for name in ("ledger", "index", "redis", "client", "_consumer"):
            if name in vars(self):
                getattr(self, name).close()


@contextmanager
def scaled(
    services: Services, room: Path, *, intakes: int = 0, workers: int = 0, lease: float = LEASE, **environment: str
) -> Iterator[ScaledPlant]:
    """A plant on a fresh composition, with so many processes to begin with. Ended by SIGTERM, and nothing is left."""
    plant = ScaledPlant(services, room, lease=lease, **environment)
    try:
        for _ in range(intakes):
            plant.intake()
        for _ in range(workers):
            plant.worker()
        yield plant
        plant.stop()
    finally:
        plant.end()
        plant.close()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
