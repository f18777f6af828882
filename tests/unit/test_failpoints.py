"""Failpoints act at the passing they name, at no other place, and not at all without the variable."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASS = """
from infra.failpoints import reach
for place in {places!r}:
    try:
        reach(place)
        print(place, flush=True)
    except OSError as error:
        print(error, flush=True)
"""


def passing(*places, plan=None, armed=None):
    """Pass places in a process of its own; returns its exit status and what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PENSTOCK_FAIL"}
    if plan is not None:
        environment["PENSTOCK_FAIL"] = plan
    if armed is not None:
        environment["PENSTOCK_FAIL_ARMED"] = str(armed)
    command = [sys.executable, "-c", PASS.format(places=places)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.split("\n")[:-1]


@pytest.mark.parametrize("plan", [None, "", "other:kill"])
def test_without_a_plan_for_it_a_place_does_nothing(plan):
    assert passing("a", "a", plan=plan) == (0, ["a", "a"])


def test_a_kill_ends_the_process_at_the_place():
    assert passing("b", "a", "c", plan="a:kill") == (-signal.SIGKILL, ["b"])


def test_a_kill_waits_for_the_passing_it_names():
    assert passing("a", "b", "a", "a", "a", plan="a:kill@3") == (-signal.SIGKILL, ["a", "b", "a"])


def test_a_failure_happens_once_and_several_places_are_separate():
    printed = ["a", "failpoint b", "failpoint a", "b", "a"]
    assert passing("a", "b", "a", "b", "a", plan="a:fail@2,b:fail") == (0, printed)


def test_a_stopped_process_goes_on_when_it_is_told_to():
    child = subprocess.Popen(
        [sys.executable, "-c", PASS.format(places=("a", "b"))],
        cwd=ROOT,
        env={**os.environ, "PENSTOCK_FAIL": "a:stop"},
        stdout=subprocess.PIPE,
        text=True,
    )
    _, how = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(how)
    child.send_signal(signal.SIGCONT)
    assert child.communicate(timeout=30)[0] == "a\nb\n"


def test_where_places_are_armed_by_files_one_process_acts_and_no_other(tmp_path):
    plan = "a:kill,b:kill"
    assert passing("a", "b", plan=plan, armed=tmp_path) == (0, ["a", "b"])
    (tmp_path / "b").touch()
    assert passing("a", "b", plan=plan, armed=tmp_path) == (-signal.SIGKILL, ["a"])
    assert not list(tmp_path.iterdir())
    assert passing("a", "b", plan=plan, armed=tmp_path) == (0, ["a", "b"])
