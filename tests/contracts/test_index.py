"""One suite for every index: the embedded engine, qdrant-client's local mode on disk and in memory, and a server.

The server is the one PENSTOCK_TEST_QDRANT_URL names, which loses its collections by it, or the stand-in.
"""

import gc
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from infra.index_edge import EdgeIndex
from infra.index_qdrant import QdrantIndex
from infra.ports import Point, Restamp, SparseVector
from schemas.errors import Unreachable, UsageError
from tests.support.qdrant import any_qdrant, emptied

DIMENSION = 32
NAME = "model-a"
OPEN = {
    "edge": EdgeIndex,
    "local": lambda path: QdrantIndex(str(path)),
    "memory": lambda path: QdrantIndex(":memory:"),
}
SERVER = pytest.param("server", marks=pytest.mark.server)
DURABLE = ["edge", "local"]
ROOT = Path(__file__).parents[2]


def name_of(number):
    return str(uuid.UUID(int=number + 1))


def point(number, tenant="t", document="d", acl=(), content="text", words=None):
    rng = np.random.default_rng(number)
    dense = rng.normal(size=DIMENSION).astype(np.float32)
    words = sorted({int(word) for word in rng.integers(0, 60, 12)}) if words is None else words
    values = [float(value) for value in rng.uniform(0.5, 2, len(words))]
    payload = {
        "id": name_of(number),
        "content": content,
        "meta": {"title": None, "headings": ["One", "Two"], "page": None, "ordinal": number, "metadata": {}},
        "tenant": tenant,
        "document_id": document,
        "uri": "file:///x",
        "generation": 1_700_000_000_000,
        "source_modified_at": "2026-01-02T03:04:05Z",
        "acl": list(acl),
    }
    return Point(name_of(number), dense / np.linalg.norm(dense), SparseVector(words, values), payload)


def ids(found):
    return sorted(each.id for each in found)


@pytest.fixture(scope="module")
def server():
    with any_qdrant() as url:
        yield url


@pytest.fixture
def empty_server(server):
    with emptied(server) as url:
        yield url


@pytest.fixture
def open_index(request):
    """Opens an index of a kind at a path. A server is one for the whole test, and empty at its beginning."""

    def open_it(kind, path):
        return QdrantIndex(request.getfixturevalue("empty_server")) if kind == "server" else OPEN[kind](path)

    return open_it


@pytest.fixture(params=[*OPEN, SERVER])
def index(request, open_index, tmp_path):
    opened = open_index(request.param, tmp_path / "index")
    opened.create(NAME, DIMENSION)
    yield opened
    opened.close()


@pytest.fixture(params=DURABLE)
def kind(request):
    return request.param


# Collections


@pytest.mark.parametrize("kind", [*OPEN, SERVER])
def test_an_empty_index_has_no_collection_and_none_active(kind, open_index, tmp_path):
    index = open_index(kind, tmp_path)
    assert (index.collections(), index.active()) == ([], None)
    index.close()


def test_creating_twice_keeps_the_points(index):
    index.upsert(NAME, [point(0)])
    index.create(NAME, DIMENSION)
    assert index.collections() == [NAME]
    assert index.count(NAME, "t") == 1


def test_dropping_takes_the_points_and_dropping_again_is_nothing(index):
    index.create("model-b", DIMENSION)
    index.upsert(NAME, [point(0)])
    index.drop(NAME)
    index.drop(NAME)
    assert index.collections() == ["model-b"]
    index.create(NAME, DIMENSION)
    assert index.count(NAME, "t") == 0


def test_activating_switches_and_dropping_the_active_one_leaves_none(index):
    index.create("model-b", DIMENSION)
    assert index.active() is None
    index.activate(NAME)
    index.activate("model-b")
    index.activate("model-b")
    assert index.active() == "model-b"
    index.drop("model-b")
    assert index.active() is None


def test_a_missing_collection_is_unreachable_with_a_plain_line(index):
    calls = [
        lambda: index.activate("none"),
        lambda: index.upsert("none", [point(0)]),
        lambda: index.retrieve("none", [name_of(0)]),
        lambda: list(index.scroll("none", "t")),
        lambda: index.count("none", "t"),
        lambda: index.query("none", "t", dense=point(0).dense, sparse=None, limit=1),
    ]
    for call in calls:
        with pytest.raises(Unreachable, match="none"):
            call()


def test_a_name_no_store_takes_is_refused(index):
    with pytest.raises(UsageError):
        index.create("../up", DIMENSION)


def test_a_vector_of_the_wrong_dimension_is_unreachable_and_harms_nothing(index):
    index.upsert(NAME, [point(0)])
    wrong = Point(name_of(1), np.ones(3, dtype=np.float32), SparseVector([1], [1.0]), {"tenant": "t"})
    with pytest.raises(Unreachable):
        index.upsert(NAME, [wrong])
    index.upsert(NAME, [point(2)])
    assert ids(index.scroll(NAME, "t")) == [name_of(0), name_of(2)]


# Points


def test_payload_and_vector_come_back_as_written(index):
    wide = point(0, content="naïve 🍕 日本語 \x00 \n end", acl=["ann", "Ünit"])
    bare = point(1, words=[])
    index.upsert(NAME, [wide, bare])
    found = {each.id: each for each in index.retrieve(NAME, [wide.id, bare.id, name_of(99)], with_vectors=True)}
    assert set(found) == {wide.id, bare.id}
    for written in (wide, bare):
        assert found[written.id].payload == written.payload
        assert found[written.id].dense.dtype == np.float32
        assert float(found[written.id].dense @ written.dense) >= 0.99999
    assert index.retrieve(NAME, [wide.id])[0].dense is None
    (scrolled,) = (each for each in index.scroll(NAME, "t", with_vectors=True) if each.id == wide.id)
    assert scrolled.payload == wide.payload
    assert float(scrolled.dense @ wide.dense) >= 0.99999


def test_upserting_again_replaces(index):
    index.upsert(NAME, [point(0, content="old")])
    index.upsert(NAME, [point(0, content="older"), point(0, content="new")])
    assert [each.payload["content"] for each in index.scroll(NAME, "t")] == ["new"]


def test_deleting_takes_what_exists_and_ignores_the_rest(index):
    index.upsert(NAME, [point(0), point(1)])
    for _ in range(2):
        index.delete(NAME, [name_of(0), name_of(50)])
    assert ids(index.scroll(NAME, "t")) == [name_of(1)]


def test_nothing_to_write_or_read_is_no_error(index):
    index.upsert(NAME, [])
    index.restamp(NAME, [])
    index.delete(NAME, [])
    assert index.retrieve(NAME, []) == []


def test_restamping_merges_at_both_levels_ignores_missing_ids_and_can_be_repeated(index):
    index.upsert(NAME, [point(0), point(1)])
    changes = [
        Restamp([name_of(0), name_of(77)], {"generation": 2, "acl": ["ann"]}, {"page": 4}),
        Restamp([name_of(0)], {}, {"title": "T", "ordinal": None}),
    ]
    for _ in range(2):
        index.restamp(NAME, changes)
        expected = point(0).payload | {"generation": 2, "acl": ["ann"]}
        expected["meta"] = expected["meta"] | {"page": 4, "title": "T", "ordinal": None}
        by_id = {each.id: each for each in index.scroll(NAME, "t", with_vectors=True)}
        assert set(by_id) == {name_of(0), name_of(1)}
        assert by_id[name_of(0)].payload == expected
        assert float(by_id[name_of(0)].dense @ point(0).dense) >= 0.99999
        assert by_id[name_of(1)].payload == point(1).payload
    assert len(index.query(NAME, "t", dense=point(0).dense, sparse=None, limit=9, acl=["ann"])) == 1


def test_five_thousand_points_go_in_at_once_and_all_come_back(index):
    index.upsert(NAME, [point(number, document=f"d{number % 7}") for number in range(5000)])
    assert index.count(NAME, "t") == 5000
    assert ids(index.scroll(NAME, "t")) == [name_of(number) for number in range(5000)]
    assert index.count(NAME, "t", document_id="d3") == 714
    assert len(index.retrieve(NAME, [name_of(number) for number in range(0, 5000, 2)])) == 2500


# Searching


def test_dense_sparse_and_both_find_the_point_they_came_from(index):
    index.upsert(NAME, [point(number) for number in range(50)])
    for dense, sparse in [(True, False), (False, True), (True, True)]:
        target = point(17)
        hits = index.query(
            NAME, "t", dense=target.dense if dense else None, sparse=target.sparse if sparse else None, limit=5
        )
        assert len(hits) == 5
        assert hits[0].id == target.id
        assert hits[0].payload == target.payload
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert hits[0].score == pytest.approx((dense + sparse) / 61)


def test_a_sparse_query_without_words_finds_nothing_and_leaves_the_dense_ranking(index):
    index.upsert(NAME, [point(number) for number in range(20)])
    nothing = SparseVector([], [])
    assert index.query(NAME, "t", dense=None, sparse=nothing, limit=5) == []
    alone = index.query(NAME, "t", dense=point(3).dense, sparse=None, limit=5)
    assert index.query(NAME, "t", dense=point(3).dense, sparse=nothing, limit=5) == alone


@pytest.mark.parametrize("kind", ["local", "memory", SERVER])
def test_rankings_and_scores_are_those_of_the_embedded_engine(kind, open_index, tmp_path):
    indexes = [open_index("edge", tmp_path / "edge"), open_index(kind, tmp_path / kind)]
    points = [point(number, tenant=f"t{number % 3}") for number in range(600)]
    # Copies of one text tie in both rankings: the case in which stores disagree on the order.
    points += [Point(name_of(1000 + n), points[5].dense, points[5].sparse, points[5].payload) for n in range(6)]
    for index in indexes:
        index.create(NAME, DIMENSION)
        index.upsert(NAME, points)
    for number in (5, *range(2000, 2012)):
        question = point(number)
        for dense, sparse in [(question.dense, None), (None, question.sparse), (question.dense, question.sparse)]:
            answers = [index.query(NAME, "t2", dense=dense, sparse=sparse, limit=10) for index in indexes]
            assert len(answers[0]) == 10
            assert answers[0] == answers[1]
    for index in indexes:
        index.close()


def test_acl_lets_through_only_points_that_share_a_principal(index):
    index.upsert(NAME, [point(0, acl=["ann"]), point(1, acl=["bob", "ann"]), point(2, acl=["bob"]), point(3)])
    question = point(9, words=list(range(60)))

    def found(acl):
        return ids(index.query(NAME, "t", dense=question.dense, sparse=question.sparse, limit=9, acl=acl))

    assert found(["ann"]) == [name_of(0), name_of(1)]
    assert found(["ann", "bob"]) == [name_of(0), name_of(1), name_of(2)]
    assert found([]) == []
    assert found(None) == [name_of(number) for number in range(4)]


def test_tenants_never_see_each_other(index):
    index.upsert(NAME, [point(0, tenant="a", acl=["x"]), point(1, tenant="b", acl=["x"]), point(2, tenant="a")])
    question = point(1)
    assert ids(index.scroll(NAME, "a")) == [name_of(0), name_of(2)]
    assert ids(index.scroll(NAME, "a", document_id="d")) == [name_of(0), name_of(2)]
    assert index.count(NAME, "a") == index.count(NAME, "a", document_id="d") == 2
    for dense, sparse in [(question.dense, None), (None, question.sparse), (question.dense, question.sparse)]:
        assert name_of(1) not in ids(index.query(NAME, "a", dense=dense, sparse=sparse, limit=10))
        assert ids(index.query(NAME, "a", dense=dense, sparse=sparse, limit=10, acl=["x"])) in ([], [name_of(0)])
    for nobody in ("", "A", "a ", "*"):
        assert index.count(NAME, nobody) == 0
        assert index.query(NAME, nobody, dense=question.dense, sparse=question.sparse, limit=10) == []


def test_optimizing_changes_no_answer(index):
    index.upsert(NAME, [point(number) for number in range(300)])
    before = index.query(NAME, "t", dense=point(7).dense, sparse=point(7).sparse, limit=10)
    index.optimize(NAME)
    assert index.query(NAME, "t", dense=point(7).dense, sparse=point(7).sparse, limit=10) == before


def test_threads_may_read_and_write_at_once(index):
    failures = []

    def guarded(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails by it
            failures.append(error)

    def write(start):
        for number in range(start, start + 40, 10):
            index.upsert(NAME, [point(number + offset) for offset in range(10)])

    def read():
        for _ in range(20):
            index.query(NAME, "t", dense=point(1).dense, sparse=point(1).sparse, limit=5)
            list(index.scroll(NAME, "t"))

    works = [lambda: write(0), lambda: write(40), read, read]
    threads = [Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert index.count(NAME, "t") == 80


# Lasting


@pytest.mark.parametrize("kind", [*DURABLE, SERVER])
def test_closing_and_reopening_keeps_everything(kind, open_index, tmp_path):
    index = open_index(kind, tmp_path)
    for name in (NAME, "model-b"):
        index.create(name, DIMENSION)
    index.upsert(NAME, [point(number) for number in range(300)])
    index.delete(NAME, [name_of(0)])
    index.restamp(NAME, [Restamp([name_of(1)], {"generation": 5}, {"page": None})])
    index.activate(NAME)
    # Dense alone: the engine's IDF counts deleted points until it is reopened, as a server's does until it optimises.
    question = {"dense": point(7).dense, "sparse": None, "limit": 10}
    before = index.query(NAME, "t", **question)
    index.close()
    index = open_index(kind, tmp_path)
    assert index.collections() == [NAME, "model-b"]
    assert index.active() == NAME
    assert index.count(NAME, "t") == 299
    assert index.retrieve(NAME, [name_of(1)])[0].payload["generation"] == 5
    assert index.query(NAME, "t", **question) == before
    index.close()


WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from infra.ports import Restamp
from tests.contracts.test_index import DIMENSION, NAME, OPEN, name_of, point
index = OPEN[sys.argv[1]](Path(sys.argv[2]))
index.create(NAME, DIMENSION)
index.upsert(NAME, [point(number) for number in range(300)])
index.delete(NAME, [name_of(0)])
index.restamp(NAME, [Restamp([name_of(1)], {"generation": 5}, {})])
index.activate(NAME)
print("written", flush=True)
time.sleep(60)
"""


def child(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


# qdrant-client leaves its lock file to the garbage collector when it is refused the lock.
@pytest.mark.filterwarnings(r"ignore:Exception ignored in.*\.lock:pytest.PytestUnraisableExceptionWarning")
def test_a_kill_right_after_a_write_returned_loses_nothing_and_frees_the_lock(kind, tmp_path):
    with child(WRITE_AND_WAIT, kind, tmp_path) as process:
        assert process.stdout.readline() == "written\n"
        with pytest.raises(Unreachable, match="another process has it open"):
            OPEN[kind](tmp_path).count(NAME, "t")
        gc.collect()
        process.kill()
    index = OPEN[kind](tmp_path)
    assert index.active() == NAME
    assert ids(index.scroll(NAME, "t")) == [name_of(number) for number in range(1, 300)]
    assert index.retrieve(NAME, [name_of(1)])[0].payload["generation"] == 5
    index.close()


# The embedded engine's own risks


def test_a_power_cut_that_loses_every_unsynced_segment_loses_no_write(tmp_path):
    # What a write syncs is the log. So: the segments as they were long before, and the log of now.
    live, after = tmp_path / "live", tmp_path / "after"
    index = EdgeIndex(live)
    index.create(NAME, DIMENSION)
    shutil.copytree(live, after)
    index.upsert(NAME, [point(number) for number in range(600)])
    index.delete(NAME, [name_of(0)])
    index.restamp(NAME, [Restamp([name_of(1)], {"generation": 5}, {})])
    log = Path("collections", NAME, "wal")
    shutil.rmtree(after / log)
    shutil.copytree(live / log, after / log)
    index.close()
    index = EdgeIndex(after)
    assert ids(index.scroll(NAME, "t")) == [name_of(number) for number in range(1, 600)]
    assert index.retrieve(NAME, [name_of(1)])[0].payload["generation"] == 5
    index.close()


def test_the_log_is_shortened_while_writing_goes_on(tmp_path):
    index = EdgeIndex(tmp_path)
    index.create(NAME, DIMENSION)
    content = "x" * 60_000  # 256 of them are half a log file
    for start in range(0, 256 * 12, 256):
        index.upsert(NAME, [point(number, content=content) for number in range(start, start + 256)])
    log = tmp_path / "collections" / NAME / "wal"
    assert sum(file.name.startswith("closed-") for file in log.iterdir()) <= 2
    index.close()


def test_what_a_kill_left_half_created_or_half_dropped_is_no_collection_and_is_swept(tmp_path):
    index = EdgeIndex(tmp_path)
    index.create(NAME, DIMENSION)
    index.upsert(NAME, [point(0)])
    index.close()
    shutil.copytree(tmp_path / "collections" / NAME, tmp_path / "scratch" / "model-b")
    shutil.rmtree(tmp_path / "scratch" / "model-b" / "wal")
    (tmp_path / "active.new").write_text("mod")
    index = EdgeIndex(tmp_path)
    assert index.collections() == [NAME]
    assert index.active() is None
    index.create("model-b", DIMENSION)
    assert (index.count("model-b", "t"), index.count(NAME, "t")) == (0, 1)
    assert list((tmp_path / "scratch").iterdir()) == []
    index.close()


def test_a_disk_too_full_to_write_is_said_before_the_engine_meets_it(tmp_path):
    index = EdgeIndex(tmp_path)
    index.create(NAME, DIMENSION)
    index.close()
    index = EdgeIndex(tmp_path, free_bytes=1 << 60)
    for write in (lambda: index.upsert(NAME, [point(0)]), lambda: index.create("model-b", DIMENSION)):
        with pytest.raises(Unreachable, match="MB left"):
            write()
    index.delete(NAME, [])
    assert index.count(NAME, "t") == 0
    index.close()


def test_a_damaged_shard_is_unreachable_with_a_plain_line(tmp_path):
    index = EdgeIndex(tmp_path)
    index.create(NAME, DIMENSION)
    index.close()
    shutil.rmtree(tmp_path / "collections" / NAME / "segments")
    (tmp_path / "collections" / NAME / "edge_config.json").write_text("{")
    with pytest.raises(Unreachable, match="index"):
        EdgeIndex(tmp_path).count(NAME, "t")


def test_a_server_that_is_away_is_unreachable():
    index = QdrantIndex("http://127.0.0.1:9", timeout_s=2)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        index.collections()
    index.close()


# Purging: deletion means deletion, also on the disk


def traces(folder, words):
    return [path for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()]


def test_a_purge_leaves_no_trace_of_what_was_deleted_and_all_of_the_rest(kind, tmp_path):
    index = OPEN[kind](tmp_path / "index")
    index.create(NAME, DIMENSION)
    index.activate(NAME)
    index.upsert(NAME, [point(n, content="vermilion canary" if n == 3 else f"text {n}") for n in range(20)])
    assert traces(tmp_path, b"vermilion canary"), "otherwise this shows nothing"
    before = {each.id: (each.payload, each.dense.tolist()) for each in index.scroll(NAME, "t", with_vectors=True)}
    index.delete(NAME, [name_of(3)])
    index.purge(NAME)
    after = {each.id: (each.payload, each.dense.tolist()) for each in index.scroll(NAME, "t", with_vectors=True)}
    before.pop(name_of(3))
    assert after == before
    assert index.active() == NAME
    hits = index.query(NAME, "t", dense=None, sparse=point(5).sparse, limit=5)
    assert hits[0].id == name_of(5)
    index.close()
    assert traces(tmp_path, b"vermilion canary") == []


def test_purging_an_empty_collection_leaves_it_empty(index):
    index.purge(NAME)
    assert index.count(NAME, "t") == 0
    index.upsert(NAME, [point(0)])
    assert index.count(NAME, "t") == 1


def test_a_kill_while_a_purged_copy_takes_its_place_loses_nothing(tmp_path, monkeypatch):
    index = EdgeIndex(tmp_path)
    index.create(NAME, DIMENSION)
    index.upsert(NAME, [point(0), point(1)])
    index.delete(NAME, [name_of(1)])
    with monkeypatch.context() as killed:
        killed.setattr(EdgeIndex, "_finish_purge", lambda self: None)
        index.purge(NAME)
    shutil.rmtree(tmp_path / "collections" / NAME)  # the original is half deleted when it happens
    index.close()
    index = EdgeIndex(tmp_path)
    assert ids(index.scroll(NAME, "t")) == [name_of(0)]
    index.close()
