"""A worker's task on a real ledger: what it claims, gives back, finds out about itself, and tells."""

import itertools

import pytest

import workers.lease
import workers.worker
from infra.ledger import open_ledger
from infra.ledger.claims import LATE_WRITES_S
from infra.ledger.records import Hearing
from infra.log import configure_logging
from infra.stub_embedder import StubEmbedder, StubTokenizer
from schemas.errors import OtherFingerprint, Unreachable
from schemas.identity import document_id
from schemas.sources import Source
from tests.contracts.test_ledger_workers import rows
from tests.support.memory_index import MemoryIndex
from tests.support.oracle import RULES
from tests.support.protocol import BORN, MemoryQueue, MemorySource
from tests.support.stage import ParserInProcess
from workers.advance import advance, collection_name, current_fingerprint
from workers.pipeline.parts import Limits, Pipeline
from workers.wakeups import Dispatcher
from workers.worker import Worker


class Shop:
    """One worker, its parts in memory, one source of the tenant `north`. `writing` is called before each write."""

    def __init__(self, ledger):
        self.ledger, self.time, self.writing = ledger, BORN, lambda: None
        self.numbers = itertools.count()
        self.source, self.queue, self.calls, self.seen = MemorySource("north"), MemoryQueue(), [], []
        self.known = ledger.sources.register(Source(uri=self.source.uri, tenant="north"))
        self.index, self.stop = MemoryIndex(self._write), False
        self.worker = self.make()
        pipeline = self.worker.pipeline
        advance(ledger, self.index, pipeline.fingerprint, pipeline.embedder.info, now=BORN)

    def make(self, chunk_tokens=32):
        tokenizer, embedder = StubTokenizer(), StubEmbedder(64)
        pipeline = Pipeline(
            ledger=self.ledger,
            index=self.index,
            tokenizer=tokenizer,
            embedder=embedder,
            parser=ParserInProcess(),
            fingerprint=current_fingerprint(tokenizer, embedder.info, rules=RULES, chunk_tokens=chunk_tokens),
            rules=RULES,
            collection=collection_name(embedder.info),
            limits=Limits(1 << 20, 1, 4, chunk_tokens),
            owner=f"worker-{next(self.numbers)}",
            now=lambda: self.time,
            lease_s=60.0,
            open_reader=lambda _: self.source,
        )
        return Worker(
            pipeline,
            Dispatcher(self.ledger.documents, self.queue),
            3600.0,
            lambda task, argument, _cadence: self.calls.append((task, argument)),
            stopping=lambda: self.stop,
            observe=lambda outcomes, _: self.seen.append([one.verdict for one in outcomes]),
        )

    def put(self, *names, body=b"Boats lie at the pier."):
        for name in names:
            self.source.objects[self.source.uri + name] = (body, next(self.numbers))
        return self.hear(*names)

    def hear(self, *names):
        hearings = [Hearing("north", self.source.uri + name, self.known.id) for name in names]
        return self.ledger.documents.hear(hearings, at=self.time)

    def points(self, name):
        id_ = document_id("north", self.source.uri + name)
        return list(self.index.scroll(self.index.active(), "north", document_id=id_))

    def _write(self, _place, write):
        self.writing()
        write()


@pytest.fixture
def shop(tmp_path, monkeypatch):
    configure_logging(verbose=False, as_json=True)
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite", now=BORN)
    made = Shop(ledger)
    for module in (workers.worker, workers.lease):
        monkeypatch.setattr(module, "running_time", lambda: made.time)
    yield made
    ledger.close()


def test_what_a_wake_up_names_is_worked_on_once_and_a_second_one_finds_nothing(shop):
    ids = shop.put("a", "b")
    for _ in range(2):
        shop.worker.work([*ids, "unknown"])
    assert shop.seen == [["added", "added"]]
    assert len(shop.points("a")) == len(shop.points("b")) == 1


def test_what_is_heard_during_the_work_is_taken_up_at_once(shop):
    ids = shop.put("a")

    def save():
        shop.writing = lambda: None
        shop.put("a", body=b"Herons stand in the water.")

    shop.writing = save
    shop.worker.work(ids)
    assert shop.seen == [["added"], ["updated"]]
    assert [point.payload["content"] for point in shop.points("a")] == ["Herons stand in the water."]
    assert shop.ledger.documents.due(now=shop.time) == 0


def test_an_index_that_does_not_answer_gives_everything_back_for_later(shop):
    ids = shop.put("a", "b")

    def fail():
        raise Unreachable("index", "is away", "wait")

    shop.writing = fail
    shop.worker.work(ids)
    found = rows(shop.ledger)
    assert all(row.claimed is None and row.attempts == 1 and row.crashes == 0 for row in found.values())
    assert all(BORN + 2.5 <= row.next_attempt_at <= BORN + 5 for row in found.values())
    shop.writing = lambda: None
    shop.worker.work(ids)
    assert shop.seen == [[]]
    shop.time += 6
    shop.worker.work(ids)
    assert shop.seen[-1] == ["added", "added"]


def test_a_fault_in_the_code_is_counted_and_its_document_held_in_the_end(shop, monkeypatch):
    [id_] = shop.put("a")

    def fail(*_):
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr(StubEmbedder, "encode", fail)
    for _ in range(5):
        shop.worker.work([id_])
        assert "KeyError" in rows(shop.ledger)["a"].last_error
        shop.time += 3600
    shop.worker.work([id_])
    assert rows(shop.ledger)["a"].held_reason == "worker-crash"
    assert shop.ledger.documents.due(now=shop.time) == 0
    monkeypatch.undo()
    shop.put("a", body=b"Herons.")
    shop.worker.work([id_])
    assert rows(shop.ledger)["a"].held_reason is None


def test_a_worker_that_overslept_writes_nothing_more_and_leaves_the_rest_to_its_heir(shop):
    ids = shop.put("a", body=b"# One\n\nBoats lie at the pier.")
    heir, slept = shop.make(), []

    def sleep():
        if slept:
            return
        slept.append(True)
        shop.time += 61
        heir.work(ids)
        shop.put("a", body=b"# Two\n\nHerons stand.")
        heir.work(ids)

    shop.writing = sleep
    shop.worker.work(ids)
    assert shop.seen == [["added"], ["updated"], []]
    # Its write arrived after the heir's. It knows, and has its document looked at again.
    assert rows(shop.ledger)["a"].recheck_at == shop.time + LATE_WRITES_S
    shop.time += LATE_WRITES_S
    shop.worker.dispatcher.sweep(now=shop.time)
    heir.work(ids)
    assert [point.payload["content"] for point in shop.points("a")] == ["# Two\n\nHerons stand."]


def test_told_to_stop_it_finishes_a_group_and_gives_back_the_rest_unharmed(shop):
    ids = shop.put("a", "b", "c")  # groups of one document each

    def stop():
        shop.stop = True

    shop.writing = stop
    shop.worker.work(ids)
    assert shop.seen == [["added"]]
    left = [row for row in rows(shop.ledger).values() if row.heard > row.settled]
    assert len(left) == 2
    assert all((row.claimed, row.attempts, row.crashes, row.recheck_at) == (None, 0, 0, None) for row in left)
    shop.stop, shop.writing = False, lambda: None
    shop.worker.work(ids)
    assert shop.seen[-1] == ["added", "added"]


def test_another_pipeline_claims_nothing_starts_nothing_and_makes_nothing_due(shop):
    ids = shop.put("a")
    other = shop.make(chunk_tokens=16)
    for task in (
        lambda: other.work(ids),
        other.tick,
        other.reindex,
        lambda: other.reconcile(shop.known.id),
        lambda: other.audit(shop.known.id),
    ):
        with pytest.raises(OtherFingerprint):
            task()
    assert (shop.calls, shop.seen, rows(shop.ledger)["a"].claimed) == ([], [], None)


def test_a_declaration_that_changed_while_a_worker_lives_is_applied_by_it(shop):
    # It went on with what it had read at its start, and settled the old permissions for good.
    ids = shop.put("a")
    shop.worker.work(ids)
    declared = Source(uri=shop.source.uri, tenant="north", acl=("staff",))
    shop.ledger.documents.hear_again([("north", shop.source.uri)], at=shop.time)
    shop.ledger.sources.register(declared)
    shop.worker.work(ids)
    assert [point.payload["acl"] for point in shop.points("a")] == [["staff"]]


def test_a_tick_starts_each_slot_once_and_one_that_could_not_be_started_again(shop):
    def away(*_):
        raise Unreachable("broker", "is away", "wait")

    call, shop.worker.call = shop.worker.call, away
    with pytest.raises(Unreachable):
        shop.worker.tick()
    shop.worker.call = call
    for _ in range(3):
        shop.worker.tick()
    id_ = shop.known.id
    assert shop.calls == [("penstock.reindex", None), ("penstock.reconcile", id_), ("penstock.audit", id_)]
    shop.time += 60
    shop.worker.tick()
    assert shop.calls[3:] == [("penstock.reindex", None), ("penstock.reconcile", id_)]


def test_a_reconcile_makes_due_what_nobody_told_and_wakes_for_it(shop):
    shop.source.objects[shop.source.uri + "new"] = (b"Boats.", 1)
    shop.worker.reconcile(shop.known.id)
    [ids] = shop.queue.messages
    shop.worker.work(ids)
    assert shop.seen == [["added"]]
    del shop.source.objects[shop.source.uri + "new"]
    shop.time += 60
    shop.worker.reconcile(shop.known.id)
    shop.worker.work(shop.queue.messages[-1])
    assert shop.seen[-1] == ["removed"]
    assert shop.worker.reconcile(99) is None


def test_a_listing_that_breaks_off_concludes_nothing(shop):
    shop.worker.work(shop.put("a", "b"))
    shop.source.listing = "cut"
    shop.worker.reconcile(shop.known.id)
    assert shop.queue.messages == []
    [source] = shop.ledger.sources.all()
    assert (source.verified_at, source.error) == (None, "the listing broke off")


def test_an_audit_finds_what_went_missing_and_has_it_mended(shop):
    ids = shop.put("a")
    shop.worker.work(ids)
    shop.index.delete(shop.index.active(), [point.id for point in shop.points("a")])
    shop.worker.audit(shop.known.id)
    shop.worker.work(ids)
    assert len(shop.points("a")) == 1
