"""Killed at any instant, the next run converges: also when the source changed again in between (promise P1).

Each case kills the real process at one named place, three times over: during a first load, during an update, and
during a change of model. Each time the source changes again before the next run, in the ways that hurt most: another
edit, a version that is refused, a removal.
"""

import hashlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from infra import failpoints
from infra.failpoints import PLACES
from tests.support.plant import Plant
from tests.support.processes import Penstock, finish
from tests.system.contents import assert_same, contents, fresh_contents

#: Kills at random instants; `make test` does the fewest that mean something, COUNT=500 makes an evening of it.
COUNT = int(os.environ.get("COUNT") or "5")
SEED = int(os.environ.get("SEED") or "7")

#: (place, passing in the update). The second claim of a run is the one of what vanished.
#: `make test` tries the one with half of it written, `make chaos` the others; tests/system/test_celery.py kills workers
#: at each of them.
TRIED = ("upsert.after",)


def tried(place: str, *passing: int) -> Any:
    marks = [] if place in TRIED and passing != (2,) else [pytest.mark.chaos]
    return pytest.param(place, *passing, marks=marks)


CASES = [
    *(tried(place, 1) for place in PLACES),
    ("claim.after", 2),
    tried("settle.after", 2),
    tried("chunk.after", 2),
]


def section(name: str, words: str) -> str:
    """A section of several chunks."""
    paragraphs = (f"{name} paragraph {n} says {words} and goes on for a while about {words} {n}." for n in range(8))
    return f"## {name}\n\n" + "\n\n".join(paragraphs) + "\n"


def handbook(*sections: str) -> str:
    return "# Handbook\n\n" + "\n".join(sections)


HOTELS, TRAINS, PLANES = section("Hotels", "120 euros"), section("Trains", "second class"), section("Planes", "economy")
CHEAPER = HOTELS.replace("120 euros", "95 euros")


class Case:
    """One folder, one home, and what the index must equal after every run."""

    def __init__(self, room: Path) -> None:
        self.folder, self.room = room / "docs", room
        self.folder.mkdir()
        # What is killed is a process of its own; what heals is the same command line, in this one to save start-ups.
        self.process, self.plant = Penstock(room / "home"), Plant(room / "home")
        self.good: dict[str, list[str]] = {}

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if text:
            self.good.setdefault(name, []).append(text)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()
        self.good.pop(name, None)

    def heals(self, *, model: str = "stub-64") -> None:
        """The next run converges: to what a fresh home holds, of each document's last version that passed."""
        refused = [name for name in self.good if not (self.folder / name).read_text()]
        report = self.plant.index(self.folder, status=1 if refused else 0, PENSTOCK_MODEL=model)
        assert {one["reason"] for one in report["refused"]} == ({"empty"} if refused else set()), report
        found = contents(self.process.home)
        assert report["chunks"]["total"] == len(found)
        for name in refused:
            self._restore(name, {one["content_hash"] for one, _ in found.values() if one["uri"].endswith(f"/{name}")})
        wanted = fresh_contents(self.room / "fresh", self.folder, PENSTOCK_MODEL=model)
        for name in refused:
            (self.folder / name).write_text("")
        assert_same(found, wanted)
        audit = self.plant.audit(PENSTOCK_MODEL=model)
        assert audit["consistent"]
        assert len(audit["held"]) == len(refused)

    def _restore(self, name: str, hashes: set[str]) -> None:
        """Put back, for the fresh home, the version that the index holds: one of the good ones, and only one."""
        if not hashes:  # killed before its first version was proved: nothing may be left of it
            (self.folder / name).unlink()
            return
        versions = {hashlib.sha256(text.encode()).hexdigest(): text for text in self.good[name]}
        [hash_] = hashes
        (self.folder / name).write_text(versions[hash_])


@pytest.mark.parametrize(("place", "passing"), CASES)
def test_killed_at_a_place_and_changed_again_the_next_run_converges(room: Path, place: str, passing: int) -> None:
    case = Case(room)
    # A first load.
    case.put("policy.md", handbook(HOTELS, TRAINS))
    for name in ("emptied.md", "gone.md", "steady.md", "moving.md", "edited.md"):
        case.put(name, handbook(section(name, f"what {name} says")))
    case.process.killed("index", case.folder, PENSTOCK_FAIL=f"{place}:kill")
    case.put("policy.md", handbook(CHEAPER, TRAINS))
    case.put("emptied.md", "")
    case.delete("gone.md")
    case.put("new.md", handbook(section("New", "something new")))
    case.heals()
    # An update: chunks are added, moved and deleted; documents are removed, moved and released.
    case.put("policy.md", handbook(TRAINS, PLANES, CHEAPER))
    case.put("emptied.md", handbook(section("Emptied", "it is back")))
    case.put("edited.md", handbook(PLANES, section("edited.md", "what edited.md says")))
    case.put("deep/moved.md", (case.folder / "moving.md").read_text())
    case.delete("moving.md")
    case.delete("new.md")
    case.process.killed("index", case.folder, PENSTOCK_FAIL=f"{place}:kill@{passing}")
    case.put("policy.md", handbook(PLANES, HOTELS))
    case.put("emptied.md", "")
    case.put("edited.md", "")
    case.delete("deep/moved.md")
    case.heals()
    # A change of model, with an edit and a removal in the same run.
    case.put("policy.md", handbook(TRAINS))
    case.put("edited.md", handbook(TRAINS, HOTELS))
    case.put("doomed.md", handbook(section("Doomed", "not for long")))
    case.plant.index(case.folder, status=1)
    case.put("policy.md", handbook(TRAINS, CHEAPER))
    case.put("edited.md", handbook(HOTELS, TRAINS))
    case.delete("doomed.md")
    case.process.killed("index", case.folder, PENSTOCK_FAIL=f"{place}:kill", PENSTOCK_MODEL="stub-32")
    case.put("policy.md", handbook(CHEAPER))
    case.put("edited.md", "")
    case.delete("steady.md")
    if place in ("intent.after", "settle.after"):  # the person may think better of it first
        case.heals(model="stub-64")
    case.heals(model="stub-32")


@pytest.mark.parametrize("place", [tried(place) for place in PLACES])
def test_an_exception_at_a_place_leaves_a_home_that_the_next_run_heals(
    room: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process: what unwinding does to open claims and open files, which a kill leaves to the kernel."""
    case = Case(room)
    case.put("a.md", handbook(HOTELS, TRAINS))
    case.put("b.md", handbook(PLANES))
    plant = Plant(case.process.home)
    plant.index(case.folder)
    case.put("a.md", handbook(TRAINS, CHEAPER))
    case.put("c.md", handbook(HOTELS))
    case.delete("b.md")
    monkeypatch.setattr(failpoints, "_PLAN", {place: ("raise", 1)})
    monkeypatch.setattr(failpoints, "_passed", failpoints.Counter())
    failed = plant.run("index", case.folder)
    assert failed.status == 2
    assert f"failpoint {place}" in failed.err
    monkeypatch.undo()
    case.put("a.md", handbook(PLANES))
    plant.index(case.folder)
    assert_same(contents(plant.home), fresh_contents(room / "fresh", case.folder))
    plant.audit()


def test_killed_at_many_random_instants_it_converges(room: Path) -> None:
    chance = random.Random(SEED)
    folder, process, plant = room / "docs", Penstock(room / "home"), Plant(room / "home")
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.md").write_text(_body(chance))
    killed, spread = 0, 0.5
    while killed < COUNT:
        running = process.start("index", folder)
        _await_work(running, process.home)
        time.sleep(chance.uniform(0, spread))
        running.send_signal(signal.SIGKILL)
        if finish(running).status == -signal.SIGKILL:
            killed += 1
        else:  # it was through before: this machine is faster than thought
            spread *= 0.7
        _change(folder, chance)
        if killed % 7 == 6 or killed == COUNT:
            plant.index(folder, "--allow-mass-delete")
            assert_same(contents(plant.home), fresh_contents(room / "fresh", folder))
    assert process.json("audit")["consistent"]


def _await_work(running: subprocess.Popen[str], home: Path) -> None:
    """Wait until a run has taken the lock: a kill while Python starts proves nothing."""
    holder = home / "holder.json"
    while running.poll() is None:
        if holder.exists() and f'"pid": {running.pid},' in holder.read_text():
            return
        time.sleep(0.005)


def _body(chance: random.Random) -> str:
    words = ("hotel", "train", "plane", "boat", "bicycle", "taxi", "ferry", "tram")
    return handbook(*(section(chance.choice(words), chance.choice(words)) for _ in range(chance.randint(1, 4))))


def _change(folder: Path, chance: random.Random) -> None:
    """Edit, add, move and delete some documents."""
    there = sorted(folder.iterdir())
    for path in chance.sample(there, min(len(there), 12)):
        match chance.randrange(4):
            case 0:
                path.unlink()
            case 1:
                path.rename(path.with_name(f"moved-{chance.randrange(10**6)}.md"))
            case 2:
                path.write_text(_body(chance))
            case _:
                path.write_text(path.read_text() + "\n" + section("Appendix", "more"))
    for _ in range(4):
        (folder / f"{chance.randrange(10**6)}.md").write_text(_body(chance))
