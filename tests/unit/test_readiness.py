"""`/readyz` tells nobody what is where, and however often it is asked, the parts are asked now and then."""

import json
import threading

import pytest

from infra.http_server import Request
from penstock.readiness import HOLDS_S, Readiness
from schemas.errors import Unreachable


class Part:
    """A part that counts how often it was asked."""

    def __init__(self):
        self.asked, self.down = 0, False

    def __call__(self):
        self.asked += 1
        if self.down:
            raise Unreachable("postgresql://10.0.0.7", "database penstock: role denied", "ask root")


class World:
    """A readiness of one part, and its clock."""

    def __init__(self):
        self.time, self.part = 0.0, Part()
        self.ready = self.readiness(self.part)

    def readiness(self, check):
        return Readiness({"ledger": check}, elapsed=lambda: self.time)

    def ask(self):
        answer = self.ready(Request("GET", "/readyz", "/readyz", {}, {}, b"", None))
        return answer.status, json.loads(answer.body)


@pytest.fixture
def world():
    return World()


def test_a_part_that_fails_is_named_and_no_more(world):
    world.part.down = True
    assert world.ask() == (503, {"ready": False, "parts": {"ledger": "does not answer"}})


def test_an_outcome_holds_for_a_while_and_no_longer(world):
    assert world.ask()[0] == 200
    world.part.down = True
    world.time = HOLDS_S - 0.1
    assert (world.ask()[0], world.part.asked) == (200, 1)
    world.time = HOLDS_S
    assert (world.ask()[0], world.part.asked) == (503, 2)


def test_a_part_that_hangs_holds_one_request_and_not_the_others(world):
    inside, go_on = threading.Event(), threading.Event()

    def hang():
        inside.set()
        assert go_on.wait(10)

    world.ready = world.readiness(hang)
    first = threading.Thread(target=world.ask)
    first.start()
    assert inside.wait(10)
    assert world.ask() == (503, {"ready": False, "parts": {"ledger": "not asked yet"}})
    go_on.set()
    first.join()
    assert world.ask()[0] == 200
