"""Named places where a test may kill, stop or fail this process. `PENSTOCK_FAIL=intent.after:kill` reads as it acts.

Several are separated by commas; `name:kill@3` acts on the third passing. Without the variable a place costs nothing.
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
INTAKE_PLACES = ("bury.after", "hear.after", "commit.after")


def reach(name: str) -> None:
    """Pass a named place."""
    if name not in _PLAN:
        return
    action, nth = _PLAN[name]
    _passed[name] += 1
    if _passed[name] != nth:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        raise OSError(f"failpoint {name}")
