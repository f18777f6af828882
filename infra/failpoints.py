"""Named places where a test may kill, stop or fail this process. `PENSTOCK_FAIL=intent.after:kill` reads as it acts.

Several are separated by commas; `name:kill@3` acts on the third passing. Without the variable a place costs nothing.
Where `PENSTOCK_FAIL_ARMED` names a folder, a place acts only while a file of its name is there, and takes it away: once
among all processes, whenever the test puts it there.
"""

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def _plan() -> dict[str, tuple[str, int]]:
    plan = {}
    for item in filter(None, os.environ.get("PENSTOCK_FAIL", "").split(",")):
        name, _, action = item.partition(":")
        action, _, nth = action.partition("@")
        plan[name] = (action, int(nth or 1))
    return plan


_PLAN = _plan()
_ARMED = os.environ.get("PENSTOCK_FAIL_ARMED")

#: Every place there is, in the order work passes them. A test holds the code to this list.
PLACES = (
    "claim.after",
    "fetch.after",
    "parse.after",
    "chunk.after",
    "embed.after",
    "intent.after",
    "upsert.after",
    "restamp.after",
    "delete.after",
    "prove.after",
    "settle.after",
)

#: The places of intake, in the order a batch of events passes them.
INTAKE_PLACES = ("bury.after", "hear.after", "commit.after", "wake.after")


def reach(name: str) -> None:
    """Pass a named place."""
    if name not in _PLAN:
        return
    action, nth = _PLAN[name]
    _passed[name] += 1
    if not (_passed[name] == nth if _ARMED is None else _disarm(_ARMED, name)):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        raise OSError(f"failpoint {name}")


def _disarm(folder: str, name: str) -> bool:
    try:
        os.unlink(os.path.join(folder, name))  # noqa: PTH108, PTH118  on the path of every document
    except FileNotFoundError:
        return False
    return True
