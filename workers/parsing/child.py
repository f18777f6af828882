"""The child process that parsers run in: requests on standard input, answers on standard output, until input ends.

Runs as `python -P -c ... PARENT_PID`, started by sandbox.py. It holds no secrets and keeps nothing between documents
but imported libraries. It dies with its parent: the kernel sees to it on Linux, the end of its input anywhere.

Request: a frame of JSON {"warm": kind}, or {"parse": name} followed by a frame with the bytes.
Answers: {"ready"}, then for each parse any number of {"log", "fields"}, {"loaded"}, and at last {"document"},
{"refused", "detail"}, or {"unreachable"} where the installation is at fault.
"""

import contextlib
import json
import logging
import os
import signal
import sys
from typing import Any, BinaryIO

from schemas.errors import Reason, Refusal
from workers.parsing import registry
from workers.parsing.pipes import read_frame, write_frame

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the parent whose process id is the first argument."""
    # Ctrl-C is the parent's to handle: it must not look like this document's crash.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(int(sys.argv[1]))
    requests, answers = _take_pipes()
    _forward_logs(answers)
    _answer(answers, {"ready": True})
    while (request := read_frame(requests)) is not None:
        order = json.loads(request)
        if "warm" in order:
            # What fails here fails again with the first document of the kind, which reports it.
            with contextlib.suppress(Exception):
                registry.load(order["warm"])
            continue
        body = read_frame(requests)
        if body is None:
            break
        _answer(answers, _parsed(body, order["parse"], answers))


def _parsed(body: bytes, name: str, answers: BinaryIO) -> dict[str, Any]:
    try:
        document = registry.parse(body, name, loaded=lambda: _answer(answers, {"loaded": True}))
    except Refusal as refusal:
        return {"refused": refusal.reason.value, "detail": refusal.detail}
    except ImportError as error:
        return {"unreachable": f"a library is missing or broken: {error}"}
    except MemoryError:
        return {"refused": Reason.PARSER_CRASH.value, "detail": "its parser ran out of memory"}
    return {"document": document.to_json()}


def _answer(answers: BinaryIO, answer: dict[str, Any]) -> None:
    write_frame(answers, json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes for ourselves: what a library prints or reads must not get between the frames."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return requests, answers


def _forward_logs(answers: BinaryIO) -> None:
    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _answer(answers, {"log": record.getMessage(), "fields": getattr(record, "fields", {})})

    logging.getLogger("penstock").addHandler(Forward())


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent goes, even if no Python code runs then."""
    if sys.platform == "linux":
        import ctypes  # not needed elsewhere

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        sys.exit(1)
