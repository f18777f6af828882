"""The command line in a process of its own, with what only a test wants otherwise; all of it from the environment.

PENSTOCK_TEST_CONSTANTS   {"infra.queue.VISIBILITY_S": 5, ...}: other values of module constants
PENSTOCK_TEST_AT          {"text in a URI": "kill" | "hang" | seconds}: what befalls the process that parses such a one
PENSTOCK_TEST_SKEW        seconds by which `time.time` is wrong; "7200,-7200": from the middle of each minute the second
PENSTOCK_TEST_TASKS       a file to which every task that begins or ends adds a line {"what", "task", "id", "pid", "at"}
"""

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Run `penstock` with the arguments of this process."""
    skew(os.environ.get("PENSTOCK_TEST_SKEW", ""))
    for name, value in json.loads(os.environ.get("PENSTOCK_TEST_CONSTANTS", "{}")).items():
        module, _, constant = name.rpartition(".")
        loaded = importlib.import_module(module)
        assert hasattr(loaded, constant), name
        setattr(loaded, constant, value)
    if "PENSTOCK_TEST_AT" in os.environ:
        befall(json.loads(os.environ["PENSTOCK_TEST_AT"]))
    if "PENSTOCK_TEST_TASKS" in os.environ:
        note_tasks(os.environ["PENSTOCK_TEST_TASKS"])
    from penstock.cli import main as penstock

    penstock()


def skew(by: str) -> None:
    """Make this process's clock wrong, as a machine's is; the monotonic one is right."""
    if not by:
        return
    real, steps = time.time, [float(one) for one in by.split(",")]
    time.time = lambda: real() + steps[int(real() % 60 * len(steps) / 60)]


def befall(where: dict[str, str | float]) -> None:
    """Have the process that reached the parsing of some documents die, hang where no signal wakes it, or dawdle."""
    from workers.pipeline import batch

    shape = batch.shape

    def shape_or_fall(pipeline, claim, found):
        for part, fate in where.items():
            if part not in claim.uri:
                continue
            if fate == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if fate == "hang":
                signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL})
                time.sleep(3600)
            time.sleep(float(fate))
        return shape(pipeline, claim, found)

    batch.shape = shape_or_fall


def note_tasks(path: str) -> None:
    """Write down every task's beginning and end."""
    from celery import signals

    def noting(what: str):
        def note(task_id=None, task=None, **_):
            line = {"what": what, "task": task.name, "id": task_id, "pid": os.getpid(), "at": time.monotonic()}
            with Path(path).open("a") as file:
                file.write(json.dumps(line) + "\n")

        return note

    signals.task_prerun.connect(noting("began"), weak=False)
    signals.task_postrun.connect(noting("ended"), weak=False)


if __name__ == "__main__":
    sys.exit(main())
