"""A bucket that keeps every version: only the current one counts, whatever was told, of which version (scenario 31).

The store is moto's server, which keeps versions and delete markers as S3 does; ledger, index, intake and worker are
real. Notifications are written here, in the form and with the version ids that S3 gives them, which moto leaves out.
"""

import itertools
import json
import random
from collections import Counter
from contextlib import contextmanager

import pytest

import workers.lease
import workers.worker
from infra.index_edge import EdgeIndex
from infra.ledger import open_ledger
from infra.log import configure_logging
from infra.ports import Message
from infra.source_s3 import S3Source
from infra.stub_embedder import StubEmbedder, StubTokenizer
from schemas.identity import document_id, s3_location, s3_uri
from schemas.sources import Source
from tests.support.memory_log import MemoryLog, MemoryPublisher, MemoryStream
from tests.support.oracle import RULES, Attributes, Recipe, differences, points, stored
from tests.support.protocol import BORN, MemoryQueue
from tests.support.s3 import moto
from tests.support.stage import _PASSING, ParserInProcess
from tests.unit.test_s3_records import aws
from workers.advance import advance, collection_name, current_fingerprint
from workers.intake import Intake
from workers.pipeline.parts import Limits, Pipeline
from workers.wakeups import Dispatcher
from workers.worker import Worker

TENANT, EVENTS, DEAD = "north", "events", "dead"
#: Of a permanent deletion, by a person and by a rule of the bucket's.
ERASED = ["ObjectRemoved:Delete", "LifecycleExpiration:Delete"]
#: Of a delete marker.
MARKED = ["ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:DeleteMarkerCreated"]


class Bucket:
    """A bucket with versioning on. What is done to it returns the notification of it."""

    def __init__(self, store):
        self.client, self.name = store.client(), store.new_bucket()
        self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self._sequencers = itertools.count(1)

    def put(self, key, text):
        done = self.client.put_object(Bucket=self.name, Key=key, Body=text.encode())
        return self._record("ObjectCreated:Put", key, done["VersionId"])

    def mark(self, key, name=MARKED[0]):
        """Delete without a version: a marker hides what is there."""
        done = self.client.delete_object(Bucket=self.name, Key=key)
        assert done["DeleteMarker"]
        return self._record(name, key, done["VersionId"])

    def erase(self, record, name=ERASED[0]):
        """Delete for good the version, or the marker, that a notification is of."""
        key, version = record["s3"]["object"]["key"], record["s3"]["object"]["versionId"]
        self.client.delete_object(Bucket=self.name, Key=key, VersionId=version)
        return self._record(name, key, version)

    def restore(self, record):
        """Copy an old version over the current one."""
        key, version = record["s3"]["object"]["key"], record["s3"]["object"]["versionId"]
        source = {"Bucket": self.name, "Key": key, "VersionId": version}
        done = self.client.copy_object(Bucket=self.name, Key=key, CopySource=source, MetadataDirective="REPLACE")
        return self._record("ObjectCreated:Copy", key, done["VersionId"])

    def contents(self):
        """The current version of every object that has one, by URI."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        keys = [one["Key"] for one in listed]
        return {
            s3_uri(self.name, key): self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys
        }

    def _record(self, name, key, version):
        record = aws(key, name=name, versionId=version, sequencer=f"{next(self._sequencers):016X}")
        record["s3"]["bucket"]["name"] = self.name
        return record


class World:
    """One intake and one worker over such a bucket."""

    def __init__(self, bucket, room):
        self.bucket, self.time, self.seen = bucket, BORN, []
        self.ledger = open_ledger(f"sqlite:///{room}/ledger.sqlite", now=BORN)
        self.index = EdgeIndex(room / "index")
        self.source = self.ledger.sources.register(Source(uri=f"s3://{bucket.name}/", tenant=TENANT))
        self.reader = S3Source(self.source.uri, client=bucket.client)
        self.log, self.queue = MemoryLog({EVENTS: 3, DEAD: 1}), MemoryQueue()
        dispatcher = Dispatcher(self.ledger.documents, self.queue)
        self.pipeline = self._pipeline()
        self.worker = Worker(
            self.pipeline,
            dispatcher,
            3600.0,
            lambda *_: None,
            observe=lambda outcomes, _: self.seen.extend(one.verdict for one in outcomes),
        )
        self.intake = Intake(
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
        advance(self.ledger, self.index, self.pipeline.fingerprint, self.pipeline.embedder.info, now=BORN)

    def _pipeline(self):
        tokenizer, embedder = StubTokenizer(), StubEmbedder(64)
        return Pipeline(
            ledger=self.ledger,
            index=self.index,
            tokenizer=tokenizer,
            embedder=embedder,
            parser=ParserInProcess(),
            fingerprint=current_fingerprint(tokenizer, embedder.info, rules=RULES, chunk_tokens=32),
            rules=RULES,
            collection=collection_name(embedder.info),
            limits=Limits(1 << 20, 1 << 20, 8, 32),
            owner="worker",
            now=lambda: self.time,
            lease_s=60.0,
            open_reader=lambda _: self.reader,
        )

    def close(self):
        self.index.close()
        self.ledger.close()

    def tell(self, *records):
        """Have intake and worker hear of these, and let them finish: the index must be what the bucket is now."""
        for record in records:
            body = json.dumps({"Records": [record]}).encode()
            self.log.append(Message(EVENTS, record["s3"]["object"]["key"].encode(), body))
        self.finish()

    def finish(self):
        for _ in range(20):
            self.time += 60.0  # what was put off is tried again
            taken = self.intake.step(0.0)
            while self.queue.messages:
                self.worker.work(self.queue.messages.pop(0))
            if not taken and not self.ledger.documents.due(now=self.time):
                break
        else:
            raise AssertionError("it does not come to an end")
        wanted = {}
        for uri, body in self.bucket.contents().items():
            wanted |= points(TENANT, uri, body, Recipe(), Attributes())
        assert differences(stored(self.index, self.pipeline.collection, TENANT), wanted) == []
        assert self.log.all(DEAD) == []

    def reconcile(self):
        self.worker.reconcile(self.source.id)
        self.finish()

    def state(self):
        """What work leaves behind: points with their generations, histories, and what was read of the bucket."""
        found = {point.id: point.payload for point in self.index.scroll(self.pipeline.collection, TENANT)}
        views = self.ledger.views.documents(self.pipeline.collection)
        histories = {id_: self.ledger.views.history(id_) for id_ in views}
        return found, histories, self.pipeline.tally.counts["documents_read"]

    def gone(self, key):
        id_ = document_id(TENANT, s3_uri(self.bucket.name, key))
        return self.ledger.views.documents(self.pipeline.collection)[id_].standing.gone


@pytest.fixture(scope="module")
def store():
    with moto() as found:
        yield found


@pytest.fixture
def bucket(store):
    return Bucket(store)


@pytest.fixture
def world(bucket, tmp_path, monkeypatch):
    configure_logging(verbose=False, as_json=True)
    made = World(bucket, tmp_path)
    for module in (workers.worker, workers.lease):
        monkeypatch.setattr(module, "running_time", lambda: made.time)
    yield made
    made.close()


def policy(text, sections=2):
    """A document of several chunks."""
    return "\n\n".join(f"## Part {part}\n\nThe policy is {text}, {part}: " + "word " * 20 for part in range(sections))


def test_overwritten_before_it_is_read_an_object_is_read_as_it_is_now_and_once(world, bucket):
    first, second = bucket.put("a.md", policy("one")), bucket.put("a.md", policy("two"))
    world.tell(first)
    assert world.seen == ["added"]
    before = world.state()
    world.tell(second, first)
    assert world.seen == ["added", "unchanged"]
    assert world.state() == before


@contextmanager
def meanwhile(world, monkeypatch, place, act):
    """Do something to the bucket when the work first passes a place: between its HEAD and its GET, or a failpoint."""
    left = [act]

    def once(*_, **__):
        while left:
            left.pop()()

    events = world.bucket.client.meta.events
    with monkeypatch.context() as patch:
        if place == "get":
            events.register("before-call.s3.GetObject", once, unique_id="once")
        for module in _PASSING if place != "get" else ():
            patch.setattr(module, "reach", lambda name: once() if name == place else None)
        yield
        events.unregister("before-call.s3.GetObject", unique_id="once")
    assert not left, f"the work does not pass {place}"


CHANGES = {
    "overwritten": lambda bucket, _: bucket.put("a.md", policy("three", 3)),
    "marked": lambda bucket, _: bucket.mark("a.md"),
    "reverted": lambda bucket, current: bucket.erase(current),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", ["get", "fetch.after", "embed.after", "upsert.after"])
def test_what_becomes_current_during_the_work_is_what_stays(world, bucket, monkeypatch, place, change):
    bucket.put("a.md", policy("one", 4))
    current = bucket.put("a.md", policy("two", 2))
    told = []
    act = lambda: told.append(CHANGES[change](bucket, current))  # noqa: E731
    with meanwhile(world, monkeypatch, place, act):
        world.log.append(Message(EVENTS, b"a.md", json.dumps({"Records": [current]}).encode()))
        world.time += 60.0
        world.intake.step(0.0)
        [ids] = world.queue.messages
        world.worker.work(ids)
    if place == "get":
        world.finish()  # one GET is of one version: there is nothing to be told
        before = world.state()
        world.tell(*told)
        assert world.state() == before
    world.tell(*told)


@pytest.mark.parametrize("name", MARKED)
def test_a_delete_marker_is_a_removal_and_its_own_removal_brings_the_document_back(world, bucket, name):
    first = bucket.put("a.md", policy("one"))
    world.tell(first)
    tombstone = world.state()[0]
    marker = bucket.mark("a.md", name)
    world.tell(marker)
    assert world.gone("a.md")
    before = world.state()
    world.tell(first)  # late, and of a version that is still there: nothing rises again
    assert world.gone("a.md")
    assert world.state() == before
    world.tell(bucket.erase(marker))
    assert not world.gone("a.md")
    back = world.state()[0]
    assert back.keys() == tombstone.keys()
    assert all(back[one]["generation"] > tombstone[one]["generation"] for one in back)
    world.tell(marker)  # late: the marker is no more
    assert not world.gone("a.md")


def test_markers_and_their_removal_that_nobody_told_are_found_by_a_listing(world, bucket):
    world.tell(bucket.put("a.md", policy("one")), bucket.put("b.md", policy("other")))
    marker = bucket.mark("a.md")
    world.reconcile()
    assert world.gone("a.md")
    bucket.erase(marker)
    world.reconcile()
    assert not world.gone("a.md")


@pytest.mark.parametrize("name", ERASED)
def test_the_end_of_an_old_version_changes_nothing(world, bucket, name):
    first, second = bucket.put("a.md", policy("one")), bucket.put("a.md", policy("two"))
    world.tell(first, second)
    before = world.state()
    world.tell(bucket.erase(first, name))
    assert world.state() == before
    marker = bucket.mark("a.md")
    world.tell(marker)
    before = world.state()
    world.tell(bucket.erase(second, name))  # of one that a marker hides
    assert world.gone("a.md")
    assert world.state() == before


def test_the_end_of_the_current_version_makes_the_one_before_it_current(world, bucket):
    first, second = bucket.put("a.md", policy("one")), bucket.put("a.md", policy("two"))
    world.tell(first, second)
    world.tell(bucket.erase(second))
    assert world.seen[-1] == "updated"
    world.tell(bucket.erase(first))
    assert world.gone("a.md")


def test_objects_gone_before_they_were_read_count_as_no_removals(world, bucket):
    """Each counted for the hour's guard: beside a job's many temporary objects no removal was believed any more."""
    keep = [bucket.put(f"{number}.md", policy(number)) for number in range(6)]
    world.tell(*keep)
    brief = [
        event for number in range(12) for event in (bucket.put(f"tmp/{number}", "x"), bucket.mark(f"tmp/{number}"))
    ]
    world.tell(*brief)
    world.tell(*brief)
    world.tell(bucket.mark("0.md"))
    assert world.gone("0.md")
    bucket.mark("1.md")
    world.reconcile()
    assert world.gone("1.md")


@pytest.mark.parametrize("seed", range(3))
def test_any_history_of_versions_ends_as_the_bucket_is(world, bucket, seed):
    """Half of what happens is told, late, twice and in any order; listings find the rest."""
    rng, done = random.Random(seed), Counter()
    keys = [f"{number}.md" for number in range(6)]
    told = [bucket.put("stays.md", policy("that it stays"))]
    versions = {key: [bucket.put(key, policy(f"first of {key}"))] for key in keys}
    for number in range(90):
        key = rng.choice(keys)
        what = rng.choice(["put", "put", "mark", "mark", "erase", "erase", "restore"])
        old = rng.choice(versions[key]) if versions[key] else None
        made = next((one for one in versions[key] if one["eventName"].startswith("ObjectCreated")), None)
        if what == "put":
            record = bucket.put(key, policy(f"number {number}", rng.randrange(1, 4)))
        elif what == "mark" and old:  # moto makes no marker where nothing ever was
            record = bucket.mark(key, rng.choice(MARKED))
        elif what == "erase" and old:
            versions[key].remove(old)
            record = bucket.erase(old, rng.choice(ERASED))
        elif what == "restore" and made:
            record = bucket.restore(made)
        else:
            continue
        if what != "erase":
            versions[key].append(record)
        done[what] += 1
        told.append(record)
        if number % 15 == 14:
            for record in rng.sample(told, len(told) // 2) + rng.choices(told, k=5):
                world.log.append(Message(EVENTS, b"key", json.dumps({"Records": [record]}).encode()))
            world.time += 60.0
            world.intake.step(0.0)
            world.reconcile()
    uris = {s3_location(uri)[1] for uri in bucket.contents()}
    assert min(done[what] for what in ("put", "mark", "erase", "restore")) >= 5, done
    assert "stays.md" in uris
    assert {key for key in keys if not world.gone(key)} == uris - {"stays.md"}
