"""The home's socket: it answers, refuses, survives a failing question, and works however deep the home lies."""

import socket
import threading

import pytest

from infra.home_socket import ask, serving
from schemas.errors import HomeBusy, Unreachable, UsageError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "penstock.sock"


def answer(question):
    match question.get("ask"):
        case "usage":
            raise UsageError("no such tenant", "check --tenant")
        case "busy":
            raise HomeBusy("/home", 1, "penstock watch")
        case "unreachable":
            raise Unreachable("the index", "it does not answer", "try again")
        case "bug":
            raise KeyError("bug")
    return {"echo": question}


def test_a_question_is_answered(path):
    with serving(path, answer):
        assert ask(path, {"text": "Größe \U0001f600\n"}) == {"echo": {"text": "Größe \U0001f600\n"}}


def test_nobody_answers_where_nobody_serves(path):
    assert ask(path, {}) is None
    with serving(path, answer):
        pass
    assert not path.exists()
    assert ask(path, {}) is None


def test_a_socket_left_by_a_killed_holder_is_nobody_and_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert ask(path, {}) is None
    with serving(path, answer):
        assert ask(path, {"a": 1}) == {"echo": {"a": 1}}


@pytest.mark.parametrize(("question", "kind"), [("usage", UsageError), ("busy", UsageError)])
def test_a_wrong_question_is_refused_as_it_would_be_here(path, question, kind):
    with serving(path, answer), pytest.raises(kind) as caught:
        ask(path, {"ask": question})
    assert str(caught.value) in ("no such tenant (check --tenant)", str(HomeBusy("/home", 1, "penstock watch")))


def test_what_the_holder_cannot_reach_is_unreachable_from_here_too(path):
    with serving(path, answer), pytest.raises(Unreachable, match="the index: it does not answer"):
        ask(path, {"ask": "unreachable"})


def test_a_question_that_fails_is_told_so_and_the_next_one_is_answered(path, capsys):
    with serving(path, answer):
        with pytest.raises(Unreachable, match="KeyError"):
            ask(path, {"ask": "bug"})
        assert ask(path, {"a": 1}) == {"echo": {"a": 1}}


@pytest.mark.parametrize("line", [b"not json\n", b"[1]\n", b"\xff\xff\n", b"\n", b"", b"{"])
def test_what_is_no_question_harms_nobody(path, line, capsys):
    with serving(path, answer):
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(path))
            rude.sendall(line)
            rude.shutdown(socket.SHUT_WR)
            while rude.recv(4096):
                pass  # until it is done with this one: what it logs belongs to this test
        assert ask(path, {"a": 1}) == {"echo": {"a": 1}}


def test_a_slow_question_does_not_keep_others_waiting(path):
    asked, release = threading.Event(), threading.Event()

    def slow(question):
        if question == {"ask": "slow"}:
            asked.set()
            release.wait(30)
        return {}

    with serving(path, slow):
        waiting = threading.Thread(target=ask, args=(path, {"ask": "slow"}))
        waiting.start()
        asked.wait(30)
        assert ask(path, {"ask": "quick"}) == {}
        release.set()
        waiting.join()


def test_a_home_may_lie_deeper_than_a_socket_address_is_long(tmp_path):
    folder = tmp_path
    while len(str(folder)) < 200:
        folder /= "a-folder-with-a-long-name"
    folder.mkdir(parents=True)
    path = folder / "penstock.sock"
    assert ask(path, {}) is None
    with serving(path, answer):
        assert path.is_socket()
        assert ask(path, {"a": 1}) == {"echo": {"a": 1}}
    assert not path.exists()


def test_only_the_owner_may_ask(path):
    with serving(path, answer):
        assert path.stat().st_mode & 0o777 == 0o600
