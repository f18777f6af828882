"""The index over HTTP when the server or the network fails: nothing counts as done that was not, and again is harmless.

Scenarios 36 and 37 of failure-scenarios.md at the level of the index. The stand-in does on command what a server does
by accident, so these never run against PENSTOCK_TEST_QDRANT_URL.
"""

import itertools
import time
from threading import Thread
from urllib.parse import urlsplit

import pytest

from infra.index_qdrant import QdrantIndex
from infra.ports import Restamp
from schemas.errors import Unreachable
from tests.contracts.test_index import DIMENSION, NAME, ids, name_of, point
from tests.support.proxy import Proxy
from tests.support.qdrant import QdrantServer

pytestmark = pytest.mark.server

UPSERT = ("PUT", "/points$")
DELETE = ("POST", "/points/delete$")
BATCH = ("POST", "/points/batch$")
TEN = [point(number) for number in range(10)]


@pytest.fixture(scope="module")
def server():
    with QdrantServer() as started:
        yield started


@pytest.fixture
def index(server):
    server.clear()
    opened = QdrantIndex(server.url, timeout_s=1)
    opened.drop(NAME)
    opened.create(NAME, DIMENSION)
    yield opened
    opened.close()


def writes(index):
    """Each kind of write by name: (route, the write, what shows that it was done)."""
    return {
        "upsert": (UPSERT, lambda: index.upsert(NAME, [point(0, content="new")]), lambda p: p["content"] == "new"),
        "restamp": (
            BATCH,
            lambda: index.restamp(NAME, [Restamp([name_of(0)], {"generation": 9}, {})]),
            lambda p: p["generation"] == 9,
        ),
    }


# 36: late, and not confirmed


@pytest.mark.parametrize("kind", ["upsert", "restamp"])
def test_a_write_that_outlasts_the_timeout_is_not_done_and_again_changes_nothing_more(server, index, kind):
    index.upsert(NAME, TEN)
    route, write, shows = writes(index)[kind]
    with server.failing("delay", *route, seconds=2.0, times=1):
        with pytest.raises(Unreachable, match="timed out"):
            write()
        assert not shows(index.retrieve(NAME, [name_of(0)])[0].payload), "otherwise it was not late"
        time.sleep(2)  # the server did it after all, when nobody waited any more
    assert shows(index.retrieve(NAME, [name_of(0)])[0].payload)
    write()
    assert ids(index.scroll(NAME, "t")) == [each.id for each in TEN]
    assert shows(index.retrieve(NAME, [name_of(0)])[0].payload)


@pytest.mark.parametrize("answer", ["acknowledged", "wait_timeout"])
@pytest.mark.parametrize("done", [True, False], ids=["done", "lost"])
def test_a_write_that_is_not_confirmed_is_not_done_and_can_be_repeated(server, index, answer, done):
    for route, write in [
        (UPSERT, lambda: index.upsert(NAME, TEN)),
        (BATCH, lambda: index.restamp(NAME, [Restamp([name_of(0)], {"generation": 9}, {})])),
        (DELETE, lambda: index.delete(NAME, [name_of(1)])),
    ]:
        unconfirmed = server.failing("acknowledged", *route, update_status=answer, done=done)
        with unconfirmed, pytest.raises(Unreachable, match="did not confirm"):
            write()
        write()
    assert ids(index.scroll(NAME, "t")) == [each.id for each in TEN if each.id != name_of(1)]
    assert index.retrieve(NAME, [name_of(0)])[0].payload["generation"] == 9


def test_a_payload_index_that_is_not_confirmed_stops_create_and_create_again_makes_it(server, index):
    index.drop(NAME)
    unconfirmed = server.failing("acknowledged", "PUT", "/index$", done=False)
    with unconfirmed, pytest.raises(Unreachable, match="did not confirm"):
        index.create(NAME, DIMENSION)
    index.create(NAME, DIMENSION)
    made = server.stats()["PUT /collections/{name}/index"]
    index.create(NAME, DIMENSION)
    assert server.stats()["PUT /collections/{name}/index"] == made, "all of them are there"


# 37 and its like: errors


@pytest.mark.parametrize("kind", ["status", "after"])
def test_a_delete_that_is_answered_500_raises_and_is_repeated(server, index, kind):
    index.upsert(NAME, TEN)
    with server.failing(kind, *DELETE):
        for _ in range(2):
            with pytest.raises(Unreachable, match="it answered 500"):
                index.delete(NAME, [name_of(3)])
    assert index.count(NAME, "t") == (10 if kind == "status" else 9)
    index.delete(NAME, [name_of(3)])
    assert ids(index.scroll(NAME, "t")) == [each.id for each in TEN if each.id != name_of(3)]


def test_a_batch_that_fails_leaves_the_batches_before_it_and_all_go_in_again(server, index):
    many = [point(number) for number in range(600)]
    server.fault("delay", *UPSERT, seconds=0, times=1)  # the first batch passes
    server.fault("status", *UPSERT, times=1)
    with pytest.raises(Unreachable, match="it answered 500"):
        index.upsert(NAME, many)
    assert index.count(NAME, "t") == 256
    index.upsert(NAME, many)
    assert ids(index.scroll(NAME, "t")) == [each.id for each in many]


def test_a_read_that_fails_is_unreachable_and_never_an_empty_answer(server, index):
    index.upsert(NAME, TEN)
    reads = [
        lambda: list(index.scroll(NAME, "t")),
        lambda: index.retrieve(NAME, [name_of(0)]),
        lambda: index.count(NAME, "t"),
        lambda: index.query(NAME, "t", dense=TEN[0].dense, sparse=TEN[0].sparse, limit=3),
        index.collections,
        index.active,
    ]
    for kind in ("status", "drop"):
        with server.failing(kind):
            for read in reads:
                with pytest.raises(Unreachable):
                    read()


# The network


@pytest.fixture
def proxy(server):
    with Proxy(urlsplit(server.url).port) as standing:
        yield standing


def test_a_connection_cut_in_the_middle_of_a_request_is_unreachable(server, index, proxy):
    through = QdrantIndex(f"http://127.0.0.1:{proxy.port}", timeout_s=20)
    server.fault("delay", *UPSERT, seconds=1.0, times=1)
    cutter = Thread(target=lambda: (_until(lambda: proxy.forwarded["to"] > 0), proxy.cut()))
    cutter.start()
    with pytest.raises(Unreachable, match="no usable answer"):
        through.upsert(NAME, TEN)
    cutter.join()
    through.upsert(NAME, TEN)
    assert index.count(NAME, "t") == 10
    through.close()


def test_a_silent_network_is_unreachable_after_the_timeout_and_a_refused_one_at_once(index, proxy):
    index.upsert(NAME, TEN)
    through = QdrantIndex(f"http://user:hunter2@127.0.0.1:{proxy.port}", timeout_s=1)
    assert through.count(NAME, "t") == 10
    proxy.stall()
    with pytest.raises(Unreachable, match="timed out"):
        through.count(NAME, "t")
    proxy.refuse()
    with pytest.raises(Unreachable, match="refused") as caught:
        through.count(NAME, "t")
    assert f"127.0.0.1:{proxy.port}" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    proxy.restore()
    assert through.count(NAME, "t") == 10
    assert proxy.connections == 3
    through.close()


# The server's end


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_server_killed_at_a_write_comes_back_with_what_it_confirmed(tmp_path, done):
    with QdrantServer(tmp_path / "storage") as server:
        index = QdrantIndex(server.url, timeout_s=20)
        index.create(NAME, DIMENSION)
        index.activate(NAME)
        index.upsert(NAME, TEN)
        server.fault("kill", *UPSERT, done=done)
        with pytest.raises(Unreachable):
            index.upsert(NAME, [point(10)])
        with pytest.raises(Unreachable):
            index.count(NAME, "t")
        server.restart()
        assert index.active() == NAME
        assert index.count(NAME, "t") == (11 if done else 10)
        index.create(NAME, DIMENSION)
        index.upsert(NAME, [point(10)])
        assert ids(index.scroll(NAME, "t")) == [name_of(number) for number in range(11)]
        index.close()


@pytest.mark.chaos
def test_kills_in_the_midst_of_writing_lose_nothing_that_was_confirmed(tmp_path):
    kills, confirmed = 3, []

    def write_until_it_fails(index):
        for start in itertools.count(50 * len(confirmed), 50):
            batch = [point(number) for number in range(start, start + 50)]
            index.upsert(NAME, batch)
            confirmed.append(batch)

    def kill_after(batches, server):
        _until(lambda: len(confirmed) >= batches)
        server.kill()

    with QdrantServer(tmp_path / "storage") as server:
        index = QdrantIndex(server.url, timeout_s=20)
        index.create(NAME, DIMENSION)
        for number in range(kills):
            killer = Thread(target=kill_after, args=(10 * number + 5, server))
            killer.start()
            with pytest.raises(Unreachable):
                write_until_it_fails(index)
            killer.join()
            server.start()
            stored = {each.id: each.payload for each in index.scroll(NAME, "t")}
            assert all(stored[each.id] == each.payload for batch in confirmed for each in batch)
        assert len(confirmed) >= 10 * (kills - 1) + 5
        index.close()


# Who it is


def test_the_servers_version_is_read_and_an_old_one_refused(server, index):
    assert index.check_server() == "1.19.0"
    with QdrantServer(version="1.18.2") as old:
        outdated = QdrantIndex(old.url)
        with pytest.raises(Unreachable, match=r"Qdrant 1\.18\.2, older than 1\.19 .*upgrade"):
            outdated.check_server()
        outdated.close()
    memory = QdrantIndex(":memory:")
    assert memory.check_server() is None
    memory.close()


def test_a_key_is_sent_and_never_said():
    with QdrantServer(api_key="s3cr3t-right") as server:
        right, wrong = QdrantIndex(server.url, api_key="s3cr3t-right"), QdrantIndex(server.url, api_key="s3cr3t-wrong")
        assert right.collections() == []
        with pytest.raises(Unreachable, match="it answered 401") as caught:
            wrong.collections()
        assert "s3cr3t" not in str(caught.value)
        right.close()
        wrong.close()


def test_two_that_create_at_once_both_succeed(server, index):
    index.drop(NAME)
    with server.failing("delay", "PUT", f"/collections/{NAME}$", seconds=0.3):
        failures, others = [], [QdrantIndex(server.url, timeout_s=20) for _ in range(2)]

        def create(one):
            try:
                one.create(NAME, DIMENSION)
            except Unreachable as error:
                failures.append(error)

        threads = [Thread(target=create, args=(one,)) for one in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in others:
            one.close()
    assert failures == []
    assert index.collections() == [NAME]


def _until(holds):
    deadline = time.monotonic() + 30
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.002)
