"""The state machine of the event path: ledger, intake, wake-ups, workers and schedules, all real, in a world in memory.

Sources, log, queue, index and time are the test's. A worker is a thread that runs only when it is told to: it can be
stopped at any named place of the pipeline and at each half of each write to the index, be killed there, have its write
answered by a timeout and applied later, or sleep past its lease and go on as if nothing had happened.
"""

import contextlib
import itertools
import json
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, ClassVar, NamedTuple

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import workers.intake
import workers.lease
import workers.pipeline.look
import workers.worker
from infra.failpoints import INTAKE_PLACES, PLACES
from infra.ledger import open_ledger
from infra.ledger.records import Claim, Priority
from infra.ledger.tables import documents
from infra.ledger.views import View
from infra.log import configure_logging
from infra.ports import Message
from infra.settings import Settings
from infra.stub_embedder import StubEmbedder, StubTokenizer
from penstock.scaled import declare
from penstock.search import Query, search
from schemas.documents import Fetched, SourceEntry
from schemas.errors import OtherFingerprint, Unreachable
from schemas.identity import content_hash, document_id
from tests.support import oracle
from tests.support.convergence import BAD, BLOCKS, QUERY, room
from tests.support.memory_index import MemoryIndex
from tests.support.memory_log import MemoryLog, MemoryPublisher, MemoryStream
from tests.support.oracle import RULES, Attributes, Recipe, Wanted, differences, passes
from tests.support.stage import _PASSING, Crash, ParserInProcess
from workers.advance import advance, collection_name, current_fingerprint
from workers.intake import Intake
from workers.pipeline.parts import Limits, Pipeline
from workers.wakeups import Dispatcher
from workers.worker import Worker

BORN = 1_700_000_000.0
LEASE_S = 60.0
#: Seconds after which no request that timed out can arrive any more.
IN_FLIGHT_S = 80.0
EVENTS, DEAD = "penstock.documents.v1", "penstock.dead-letters.v1"
TENANTS = ("north", "south")
NAMES = ("a.md", "b.md", "c.txt")
BODIES = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=7).map(lambda blocks: "\n\n".join(blocks).encode())
#: A seed for each step: of what Hypothesis chooses itself, it leaves out much and repeats the rest.
SEEDS = st.integers(0, 1 << 20)
FATES = ["sent"] * 4 + ["twice", "delayed", "dropped"]
#: Places inside the writes to the index: before each half of one.
WRITES = tuple(f"{name}.{half}" for name in ("upsert", "restamp", "delete") for half in ("before", "half"))
CHANGES = ["put"] * 6 + ["spoil", "delete", "delete", "away", "declare", "deploy"]
EVENTFUL = ["wait", "wait", "arrive", "arrive", "late", "again", "reconcile", "tick", "lose", "repeat", "flush"]

Key = tuple[str, str]
#: A place, and what happens there.
Plan = tuple[str, str]


class MemorySource:
    """A source. `away`: nothing answers. `listing`: "whole", "cut" off half-way by an error, or "empty"."""

    def __init__(self, tenant: str) -> None:
        self.uri, self.away, self.listing = f"s3://{tenant}/", False, "whole"
        self.objects: dict[str, tuple[bytes, int]] = {}

    def root_identity(self) -> str:
        self._check()
        return self.uri

    def list(self) -> Iterator[SourceEntry]:
        self._check()
        names = sorted(self.objects) if self.listing != "empty" else []
        if self.listing == "cut":
            yield from (self._entry(uri) for uri in names[: len(names) // 2])
            raise Unreachable(self.uri, "the listing broke off", "wait")
        yield from (self._entry(uri) for uri in names)

    def stat(self, uri: str) -> SourceEntry | None:
        self._check()
        return self._entry(uri) if uri in self.objects else None

    def fetch(self, uri: str, *, max_bytes: int) -> Fetched | None:
        self._check()
        if uri not in self.objects:
            return None
        body, version = self.objects[uri]
        return Fetched(uri, body, str(version), float(version))

    def _entry(self, uri: str) -> SourceEntry:
        body, version = self.objects[uri]
        return SourceEntry(uri, str(version), len(body), float(version))

    def _check(self) -> None:
        if self.away:
            raise Unreachable(self.uri, "is away", "wait")


class MemoryQueue:
    """Where wake-ups go (workers.wakeups.Queue). `crash`: whoever sends dies "before" or "after" it."""

    def __init__(self) -> None:
        self.messages: list[list[str]] = []
        self.crash = ""

    def send(self, ids: Sequence[str], priority: Priority) -> None:
        crash, self.crash = self.crash, ""
        if crash == "before":
            raise Crash("wake.before")
        self.messages.append(list(ids))
        if crash == "after":
            raise Crash("wake.after")

    def depth(self, priority: Priority) -> int:
        return len(self.messages)


class Task:
    """A worker's work on one message, in a thread that runs only between `resume` and the place the plan names."""

    running: ClassVar[threading.local] = threading.local()

    def __init__(self, work: Callable[[], None], *, until: float) -> None:
        self.worker: Worker | None = None
        self.until, self.at, self.finished = until, "", False
        self.error: BaseException | None = None
        self._work, self._plan = work, ("", "")
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def resume(self, plan: Plan) -> None:
        """Run on, until the plan's place or the end."""
        self._plan, self.at = plan, ""
        self._go.release()
        self._stopped.acquire()
        if self.finished:
            self._thread.join()
        if self.error is not None:
            raise self.error

    def reach(self, place: str) -> bool:
        """Pass a place; True when the write to come is to time out."""
        stop_at, then = self._plan
        if then != "end" and place != stop_at:
            return False
        self._plan, self.at = ("", ""), place
        if then == "timeout":
            return True
        if then == "pause":
            self._stopped.release()
            self._go.acquire()
            # Told to go on to the same place, it passes it now; told to end, it ends here.
            return self._plan[1] == "end" and self.reach(place)
        raise Crash(place)

    def _run(self) -> None:
        self._go.acquire()
        Task.running.task = self
        try:
            self._work()
        except (Crash, Unreachable, OtherFingerprint):
            pass
        except BaseException as error:  # noqa: BLE001  it is raised again by `resume`
            self.error = error
        finally:
            self.finished = True
            self._stopped.release()


class Late(NamedTuple):
    """A write that was not answered in time, and arrives yet."""

    sent_at: float
    write: Callable[[], None]


class Protocol(RuleBasedStateMachine):
    """`bodies`: every version a document ever had. `told`: its last change is in the log. By (tenant, URI)."""

    tally: ClassVar[Counter[str]] = Counter()
    changes: ClassVar[list[str]] = CHANGES
    eventful: ClassVar[list[str]] = EVENTFUL
    hows: ClassVar[list[str]] = ["take", "take", "go on", "take over"]

    def __init__(self) -> None:
        super().__init__()
        configure_logging(verbose=False, as_json=True)
        self.folder, self.time = room(), BORN
        self.patch = pytest.MonkeyPatch()
        self.versions, self.numbers = itertools.count(1), itertools.count(1)
        self.sources = {tenant: MemorySource(tenant) for tenant in TENANTS}
        self.attributes = dict.fromkeys(TENANTS, Attributes())
        self.chunk_tokens = 32
        self.queue, self.tasks, self.late = MemoryQueue(), list[Task](), list[Late]()
        self.log = MemoryLog({EVENTS: 2, DEAD: 1})
        self.delayed: list[Message] = []
        self.bodies: defaultdict[Key, list[bytes]] = defaultdict(list)
        self.told: set[Key] = set()
        self.absent: set[Key] = set()
        self.tainted: set[str] = set()
        self.generations: dict[str, int] = {}
        self.gone: set[Key] = set()
        self.index = MemoryIndex(self._write)
        self.ledger = open_ledger(f"sqlite:///{self.folder}/ledger.sqlite", now=BORN)
        self.embedder = StubEmbedder(64)
        for module in (workers.lease, workers.worker):
            self.patch.setattr(module, "running_time", lambda: self.time)
        for module in _PASSING:
            self.patch.setattr(module, "reach", self._reach)
        # Here workers die often, and never of a document: none is to be held for it.
        self.patch.setattr(workers.pipeline.look, "CRASHES", 1000)
        self.patch.setattr(workers.intake, "reach", self._reach_in_intake)
        self.patch.setattr(Worker, "_give_back", _telling_crashes(Worker._give_back, self))
        self.intake_crash = ""
        self._declare()
        self._deploy()
        self._start_intake()

    # --- what happens outside ---

    @initialize(bodies=st.lists(BODIES, min_size=4, max_size=4), indexed=st.booleans())
    def begin(self, bodies: list[bytes], indexed: bool) -> None:
        for body, (tenant, name) in zip(bodies, itertools.product(TENANTS, NAMES[:2]), strict=True):
            self.put(tenant, name, body, "sent")
        if indexed:
            self.take_in()
            self._drain()

    @rule(seed=SEEDS, body=BODIES)
    def step(self, seed: int, body: bytes) -> None:
        chance = Random(f"{seed}.{next(self.numbers)}")
        what = chance.choice([self.change] * 3 + [self.happen] * 3 + [self.take] * 2 + [self.work] * 5)
        note(f"-- {what.__name__} at {self.time - BORN}")
        what(chance, body)

    def change(self, chance: Random, body: bytes) -> None:
        """The world changes: documents do, a source goes away or comes back, settings are others from now on."""
        tenant, what, name, fate = (chance.choice(some) for some in (TENANTS, self.changes, NAMES, FATES))
        note(f"   {what} {tenant} {name} {fate}")
        if what == "put":
            self.put(tenant, name, body, fate)
        elif what == "spoil":
            self.put(tenant, name, chance.choice(BAD[:2]), fate)
        elif what == "delete":
            self.delete(tenant, name, fate)
        else:
            self.configure(tenant, what)

    def put(self, tenant: str, name: str, body: bytes, fate: str) -> None:
        uri = f"s3://{tenant}/{name}"
        self.sources[tenant].objects[uri] = (body, next(self.versions))
        self.bodies[tenant, uri].append(body)
        self._tell(tenant, uri, "changed", fate)

    def delete(self, tenant: str, name: str, fate: str) -> None:
        uri = f"s3://{tenant}/{name}"
        if self.sources[tenant].objects.pop(uri, None) is not None:
            self.absent.add((tenant, uri))
            self._tell(tenant, uri, "removed", fate)

    def configure(self, tenant: str, what: str) -> None:
        """Workers that are at work go on with the pipeline and the declarations from before."""
        self.tally[what] += 1
        if what == "away":
            self.sources[tenant].away = not self.sources[tenant].away
        elif what == "declare":
            self.attributes[tenant] = Attributes(() if self.attributes[tenant].acl else ("staff",))
            self._declare()
        elif what == "deploy":
            self.chunk_tokens = 48 - self.chunk_tokens
            self._deploy()

    # --- what happens on the way ---

    def happen(self, chance: Random, _body: bytes) -> None:
        """Time passes, events come late or again, wake-ups are lost, a schedule fires, a listing fails."""
        what = chance.choice(self.eventful)
        note(f"   {what}")
        if what == "wait":
            self.wait(chance.choice([1.0, 10.0, 35.0, 65.0, 130.0]))
        elif what == "late" and self.delayed:
            self.log.append(self.delayed.pop(chance.randrange(len(self.delayed))))
        elif what == "again":
            record = chance.choice(self.log.all(EVENTS))
            self.log.append(Message(EVENTS, record.key, record.value))
        elif what == "reconcile":
            self.reconcile(chance.choice(TENANTS), chance.choice(["whole", "cut", "empty"]))
        elif what == "tick":
            self.tick()
        elif what == "arrive" and self.late:
            self.late.pop(chance.randrange(len(self.late))).write()
            self.tally["late writes"] += 1
        elif what in ("lose", "repeat", "flush") and self.queue.messages:
            self.disturb_queue(chance.choice(self.queue.messages), what)

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self._arrive(before=self.time - IN_FLIGHT_S)

    def disturb_queue(self, message: list[str], fate: str) -> None:
        if fate == "repeat":
            self.queue.messages.append(message)
        elif fate == "lose":
            self.queue.messages.remove(message)
        else:
            self.queue.messages.clear()
        self.tally[f"queue {fate}"] += 1

    def reconcile(self, tenant: str, listing: str) -> None:
        source = self.sources[tenant]
        source.listing = listing
        self._reconcile(tenant)
        source.listing = "whole"
        self.tally[f"listing {listing}"] += 1

    def tick(self) -> None:
        called: list[tuple[str, object]] = []
        worker = self._worker()
        worker.call = lambda task, argument, _cadence: called.append((task, argument))
        worker.tick()
        for task, argument in called:
            with contextlib.suppress(Unreachable):  # a source that is away
                getattr(worker, task.removeprefix("penstock."))(argument)

    def take(self, chance: Random, _body: bytes) -> None:
        """A round of intake; killed at a place of its own, or as it wakes a worker."""
        self.take_in(crash=chance.choice(["", "", *INTAKE_PLACES]), wake=chance.choice(["", "before", "after"]))

    def take_in(self, *, crash: str = "", wake: str = "") -> None:
        self.intake_crash, self.queue.crash = crash, wake
        self.time += 1.0
        try:
            self.taker.step(0.0)
        except Crash as place:
            self.tally[f"crash intake {place}"] += 1
            self._start_intake()
        self.intake_crash, self.queue.crash = "", ""

    # --- workers ---

    def work(self, chance: Random, _body: bytes) -> None:
        """A worker takes a wake-up, a stopped one goes on (perhaps too late), or time passes and another takes over."""
        how, plan = chance.choice(self.hows), _plan(chance)
        if how == "go on" and self.tasks:
            self._resume(chance.choice(self.tasks), plan)
            return
        if how == "take over":
            self.wait(65.0)
        if not self.queue.messages or how == "take over":
            self.take_in()
        if self.queue.messages:
            self._work(self.queue.messages.pop(chance.randrange(len(self.queue.messages))), plan)

    # --- what is true at all times ---

    @invariant()
    def searches_are_right(self) -> None:
        """INV-2: no hit of a generation below the settled one, or of what is gone. INV-4: no other tenant's."""
        views, rows = self._views(), self._rows()
        active = self.index.active()
        assert active is not None
        for tenant in [TENANTS[next(self.numbers) % 2]]:  # one at a time: there will be many times
            allowed = set()
            for point in self.index.scroll(active, tenant):
                view = views.get((tenant, point.payload["uri"]))
                if not view or not view.indexed or view.standing.gone:
                    continue
                if point.payload["generation"] >= view.indexed.generation:
                    allowed.add((point.payload["uri"], point.payload["content"], point.payload["content_hash"]))
            hits = search(
                Query(QUERY, 100, tenant), ledger=self.ledger, index=self.index, embedder=self.embedder, now=self.time
            )["hits"]
            self.tally["hits"] += len(hits)
            for hit in hits:
                assert hit["tenant"] == tenant
                assert hit["uri"].startswith(self.sources[tenant].uri)
                assert (hit["uri"], hit["text"], hit["content_hash"]) in allowed, f"a replaced version: {hit}"
        for view in views.values():
            generation = view.indexed.generation if view.indexed else 0
            if not view.standing.gone and view.indexed:
                assert generation >= self.generations.get(view.document_id, 0), (
                    f"{view.uri} was settled by a late worker"
                )
                self.generations[view.document_id] = generation
        self._check_whole(views, rows)
        self._check_gone(views)

    def _check_whole(self, views: dict[Key, View], rows: dict[str, sa.Row[Any]]) -> None:
        """P5: of each document a reader has the whole of one version, whoever is cut off where."""
        for key, view in views.items():
            row = rows[view.document_id]
            if row.recheck_at is None and row.heard == row.settled and not self.late and not self.tasks:
                self.tainted.discard(view.document_id)
            if view.standing.gone or view.indexed is None or view.document_id in self.tainted or key in self.absent:
                continue
            active = self.index.active() or ""
            there = {p.id for p in self.index.scroll(active, key[0], document_id=view.document_id)}
            if {point.id for point in view.indexed.points} <= there:
                continue
            whole = [
                self._points(key, body, size).keys()
                for body in self.bodies[key]
                for size in (16, 32)
                if passes(body, key[1])
            ]
            assert any(ids <= there for ids in whole), f"{key} has a hole"

    def _check_gone(self, views: dict[Key, View]) -> None:
        """P7: what became a tombstone was away at some time since it was last seen alive."""
        for key, view in views.items():
            present = key[1] in self.sources[key[0]].objects
            if view.standing.gone:
                assert key in self.gone or key in self.absent, f"{key} was removed, and was there all the time"
                self.gone.add(key)
            else:
                self.gone.discard(key)
                if present and not self.tasks and not self.late:
                    self.absent.discard(key)

    # --- the end ---

    def teardown(self) -> None:
        try:
            self._end()
        finally:
            for task in self.tasks:
                if not task.finished:
                    task.resume(("", "end"))
            self.patch.undo()
            self.ledger.close()
            shutil.rmtree(self.folder)

    def _end(self) -> None:
        for source in self.sources.values():
            source.away, source.listing = False, "whole"
        for message in self.delayed:
            self.log.append(message)
        self.time += 1
        # What intake has accepted is enough for what it told: no listing helps here.
        self._quiesce()
        self._check_end(only=self.told)
        while self.tasks:
            self._resume(self.tasks[0], ("", ""))
        self._quiesce()
        for _ in range(2):
            for tenant in TENANTS:
                self._reconcile(tenant)
            self._quiesce()
        self._check_end(only=None)
        self.tally["ends"] += 1

    def _quiesce(self) -> None:
        """Let everything that runs by itself run: intake, sweeper, workers, re-checks, time."""
        for _ in range(200):
            self._arrive(before=self.time - IN_FLIGHT_S)
            self.ledger.documents.hear_rechecks(at=self.time)
            self.take_in()
            self._drain()
            left = [row for row in self._rows().values() if row.heard > row.settled or row.recheck_at is not None]
            if (
                not left
                and not self.late
                and not self.queue.messages
                and not self.taker.in_hand
                and not self.taker._stream.lag()
            ):
                return
            self.time += 31.0
        uris = [(row.uri, row.heard, row.settled, row.claimed, row.recheck_at, row.last_error) for row in left]
        raise AssertionError(f"work never ends, or never begins: {uris}")

    def _check_end(self, only: set[Key] | None) -> None:
        """INV-1 and INV-3: ledger and index are what the sources make of them, every document in its place."""
        views = self._views()
        wanted: dict[str, dict[str, Wanted]] = {tenant: {} for tenant in TENANTS}
        doubted: set[str] = set()
        for key, versions in self.bodies.items():
            tenant, uri = key
            if only is not None and key not in only:
                continue
            now = self.sources[tenant].objects.get(uri)
            view = views.get(key)
            if now is None:
                assert view is None or view.standing.gone or view.standing.removal_held or view.last_hash is None, view
                body = None if view is None or view.standing.gone else _of_hash(versions, view.last_hash)
                if view is not None and view.standing.removal_held:
                    self.tally["removal-held"] += 1
                    # Never proved and doubted: what a dead worker wrote stays, for a lost ledger may have proved it.
                    doubted |= {view.document_id} if view.last_hash is None else set()
            elif passes(now[0], uri):
                assert view is not None, f"nobody heard of {uri}"
                assert not view.standing.gone, f"{uri} is there, and gone in the ledger"
                assert not view.standing.held, f"{uri} is held: {view.refusals}"
                assert view.last_hash == content_hash(now[0]), f"{uri} is indexed in an old version"
                body = now[0]
            else:
                assert view is not None, f"nobody heard of {uri}"
                assert view.standing.held, f"{uri} cannot be indexed, and is not held"
                body = _of_hash(versions, view.last_hash)
                self.tally["held"] += 1
            if body is not None:
                wanted[tenant] |= self._points(key, body, self.chunk_tokens)
        active = self.index.active() or ""
        for tenant in TENANTS:
            found = oracle.stored(self.index, active, tenant)
            found = {id_: point for id_, point in found.items() if point.seen["document_id"] not in doubted}
            if only is not None:
                found = {id_: point for id_, point in found.items() if (tenant, point.seen["uri"]) in only}
            faults = differences(found, wanted[tenant])
            assert not faults, "\n".join([*faults, *map(str, self._rows().values())])

    # --- the machinery ---

    def _views(self) -> dict[Key, View]:
        return {(view.tenant, view.uri): view for view in self.ledger.views.documents(self.index.active()).values()}

    def _rows(self) -> dict[str, sa.Row[Any]]:
        with self.ledger._database.connect() as connection:
            return {row.document_id: row for row in connection.execute(sa.select(documents))}

    def _points(self, key: Key, body: bytes, chunk_tokens: int) -> dict[str, Wanted]:
        recipe = Recipe(chunk_tokens=chunk_tokens)
        return dict(oracle.points(key[0], key[1], body, recipe, self.attributes[key[0]]))

    def _declare(self) -> None:
        entries = [
            {"uri": source.uri, "tenant": tenant, "acl": list(self.attributes[tenant].acl)}
            for tenant, source in self.sources.items()
        ]
        (self.folder / "sources.yaml").write_text(yaml.safe_dump({"sources": entries}))
        declare(Settings(home=self.folder, sources=self.folder / "sources.yaml"), self.ledger)

    def _deploy(self) -> None:
        self.workers = itertools.cycle([self._made(number) for number in range(3)])
        pipeline = self._worker().pipeline
        advance(self.ledger, self.index, pipeline.fingerprint, self.embedder.info, now=self.time)

    def _made(self, number: int) -> Worker:
        tokenizer = StubTokenizer()
        fingerprint = current_fingerprint(tokenizer, self.embedder.info, rules=RULES, chunk_tokens=self.chunk_tokens)
        pipeline = Pipeline(
            ledger=self.ledger,
            index=self.index,
            tokenizer=tokenizer,
            embedder=self.embedder,
            parser=ParserInProcess(),
            fingerprint=fingerprint,
            rules=RULES,
            collection=collection_name(self.embedder.info),
            limits=Limits(1 << 20, 400, 4, self.chunk_tokens),
            owner=f"worker-{number}-{next(self.numbers)}",
            now=lambda: self.time,
            lease_s=LEASE_S,
            open_reader=lambda source: self.sources[source.tenant],
        )
        return Worker(pipeline, Dispatcher(self.ledger.documents, self.queue), 3600.0, lambda *_: None)

    def _worker(self) -> Worker:
        return next(self.workers)

    def _start_intake(self) -> None:
        """A new process: what the one before had in hand and had not committed comes again."""
        if hasattr(self, "taker"):
            self.log.leave(self.taker._stream)
        dispatcher = Dispatcher(self.ledger.documents, self.queue)
        self.taker = Intake(
            MemoryStream(self.log, [EVENTS]),
            MemoryPublisher(self.log),
            self.ledger,
            dead_letters=DEAD,
            wake=lambda _ids: dispatcher.wake(now=self.time),
            sweep=lambda: dispatcher.sweep(now=self.time),
            now=lambda: self.time,
            elapsed=lambda: self.time,
            high_water=1000,
            low_water=500,
        )

    def _tell(self, tenant: str, uri: str, what: str, fate: str) -> None:
        event = {"specversion": "1.0", "id": str(next(self.numbers)), "source": "test", "subject": uri}
        event |= {"type": f"penstock.document.{what}.v1", "time": "2026-01-02T03:04:05Z", "data": {"uri": uri}}
        message = Message(EVENTS, document_id(tenant, uri).encode(), json.dumps(event).encode())
        self.told.add((tenant, uri))
        if fate == "delayed":
            self.delayed.append(message)
        elif fate == "dropped":
            self.told.discard((tenant, uri))
        for _ in range({"sent": 1, "twice": 2}.get(fate, 0)):
            self.log.append(message)
        self.tally[f"event {fate}"] += 1

    def _taken(self) -> Iterator[list[str]]:
        while self.queue.messages:
            yield self.queue.messages.pop(0)

    def _drain(self) -> None:
        for message in self._taken():
            self._work(message, ("", ""))

    def _work(self, ids: list[str], plan: Plan) -> None:
        note(f"   works on {ids}, {plan}")
        worker = self._worker()
        worker.pipeline.may_write = lambda: None
        busy = [task for task in self.tasks if task.worker is worker]
        if busy:  # a process has one task at a time: this one stays where it is, another process takes the message
            worker = self._made(next(self.numbers))
        task = Task(lambda: worker.work(ids), until=self.time + LEASE_S)
        task.worker = worker
        self.tasks.append(task)
        self._resume(task, plan)
        self.tally["tasks"] += 1

    def _resume(self, task: Task, plan: Plan) -> None:
        if task.at and self.time > task.until:
            plan = ("", "")  # killed as it writes late, it could tell nobody: that is for the audit to find
            self.tally["zombies"] += 1
            self.tally[f"zombie {task.at}"] += 1
            if task.at.partition(".")[0] in ("upsert", "restamp", "delete"):
                self.tainted |= {view.document_id for view in self._views().values()}
        note(f"   goes on from {task.at or 'its beginning'}, {plan}, {self.time - task.until:+} s over")
        task.resume(plan)
        if task.finished:
            self.tasks.remove(task)
            if task.at:
                self.tally["crashes"] += 1
                self.tally[f"crash {task.at}"] += 1
        else:
            self.tally["pauses"] += 1

    def _reconcile(self, tenant: str) -> None:
        worker = self._worker()
        [source] = [source for source in self.ledger.sources.all() if source.tenant == tenant]
        worker.reconcile(source.id)

    def _reach(self, place: str) -> None:
        task = getattr(Task.running, "task", None)
        if task is not None:
            task.reach(place)

    def _reach_in_intake(self, place: str) -> None:
        if place == self.intake_crash:
            raise Crash(place)

    def _write(self, place: str, write: Callable[[], None]) -> None:
        task = getattr(Task.running, "task", None)
        if task is None or not task.reach(place):
            write()
            return
        self.late.append(Late(self.time, write))
        self.tainted |= {view.document_id for view in self._views().values()}
        self.tally["timeouts"] += 1
        task.at = ""
        raise Unreachable("index", "did not answer in time", "wait")

    def _arrive(self, before: float) -> None:
        for late in [one for one in self.late if one.sent_at < before]:
            self.late.remove(late)
            late.write()
            self.tally["late writes"] += 1


def _plan(chance: Random) -> Plan:
    """What becomes of a worker, and where: it is stopped or killed, or a write of it times out; "": nothing."""
    then = chance.choice(["pause", "pause", "crash", "timeout", ""])
    return chance.choice(WRITES if then == "timeout" else PLACES + WRITES), then


def _of_hash(versions: Sequence[bytes], hash_: str | None) -> bytes | None:
    return next((body for body in versions if content_hash(body) == hash_), None)


def _telling_crashes(give_back: Any, machine: Protocol) -> Any:
    """A fault of the code itself must fail the test, not be given back and tried again."""

    def told(worker: Worker, claims: Sequence[Claim], error: Exception, *, crashed: bool) -> None:
        late = machine.time > Task.running.task.until
        if (crashed and not late) or "the ledger failed" in str(error):
            raise AssertionError(str(error)) from error
        give_back(worker, claims, error, crashed=crashed)

    return told
