"""The process that has the parsers loaded, and forks a child for each document: requests come on standard input.

Runs as `python -P -c ... PARENT_PID`, started by sandbox.py. It holds no secrets, has one thread, never looks into a
document, and lives on whatever becomes of its children. It dies with its parent: the kernel sees to it on Linux, the
end of its input anywhere.

Request: a frame of JSON {"warm": kind}, or {"parse": name, "limits"} followed by a frame with the bytes.
Answers: {"ready"}, then for each parse what child.py says, without {"missing"}, or what became of it.
"""

import contextlib
import gc
import importlib
import json
import logging
import os
import signal
import sys
from typing import Any, BinaryIO

from schemas.errors import Reason
from workers.parsing import child, registry
from workers.parsing.limits import Limits, Outgrown, Watch, die_with
from workers.parsing.pipes import TooLong, read_frame, receive, write_frame

#: Small libraries that parsers load late: each child that needs one would load it again.
_SMALL = ("charset_normalizer", "yaml")
#: spaCy loads it only because it is installed: a second, 270 MB, and a thread that no fork survives.
_UNWANTED = "torch"
#: Bytes: what a child says besides the document itself is short.
_SAID = 1 << 20


def main() -> None:
    """Serve the parent whose process id is the first argument."""
    # Ctrl-C is the parent's to handle: it must not look like this document's crash.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = int(sys.argv[1])
    die_with(parent)
    requests, answers = _take_pipes()
    _forward_logs(answers)
    child.answer(answers, {"ready": True})
    sys.modules.setdefault(_UNWANTED, None)  # type: ignore[arg-type]  # documented: importing it then fails
    for module in _SMALL:
        importlib.import_module(module)
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
        _serve(body, order["parse"], Limits(*order["limits"]), requests, answers)


def _serve(body: bytes, name: str, limits: Limits, requests: BinaryIO, answers: BinaryIO) -> None:
    """Fork until no parser is missing, which is once but for the first document of a kind."""
    try:
        while module := _forked(body, name, limits, requests, answers):
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything, and a full machine cannot fork
        child.answer(answers, {"unreachable": f"cannot load or start a parser: {error}"})


def _forked(body: bytes, name: str, limits: Limits, requests: BinaryIO, answers: BinaryIO) -> str | None:
    """Have a child parse the document and pass on what it says; or the module it misses."""
    server = os.getpid()
    gc.freeze()  # what is loaded stays: the child need not copy it to mark it
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        # All the child can write to is its own pipe: half an answer never gets between the frames.
        os.dup2(into, answers.fileno())
        os.dup2(os.open(os.devnull, os.O_RDONLY), requests.fileno())
        child.run(body, name, limits, answers, parent=server)
    os.close(into)
    status: int | None = None
    try:
        return _relay(out, answers, Watch(pid, limits), limits)
    except TimeoutError:
        reason, detail = Reason.PARSER_TIMEOUT, f"not parsed within {limits.timeout_s:g} s"
    except Outgrown:
        reason, detail = Reason.PARSER_MEMORY, f"its parser took more than {limits.growth >> 20} MB of memory"
    except TooLong:
        reason, detail = Reason.TOO_LARGE, f"its text takes more than {limits.answer >> 20} MB"
    except (ValueError, TypeError):
        reason, detail = Reason.PARSER_CRASH, "its parser gave a garbled answer"
    except EOFError:
        status = _reaped(pid)
        reason, detail = _ending(status)
    finally:
        os.close(out)
        if status is None:
            _reaped(pid)
    child.answer(answers, {"refused": reason.value, "detail": detail})
    return None


def _relay(out: int, answers: BinaryIO, watch: Watch, limits: Limits) -> str | None:
    """Pass on whole frames until the last one."""
    while True:
        frame = receive(out, deadline=watch, at_most=_SAID)
        said: dict[str, Any] = dict(json.loads(frame))
        if "missing" in said:
            return str(said["missing"])
        document = receive(out, deadline=watch, at_most=limits.answer) if "document" in said else None
        write_frame(answers, frame)
        if document is not None:
            write_frame(answers, document)
        if "log" not in said:
            return None


def _reaped(pid: int) -> int:
    """How a child ended; it is killed if it has not."""
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _ending(status: int) -> tuple[Reason, str]:
    """What it means that a child ended without an answer."""
    if status == -signal.SIGKILL:
        return Reason.PARSER_MEMORY, "its parser was killed, as the kernel does when memory runs out"
    if status < 0:
        return Reason.PARSER_CRASH, f"its parser was killed by {signal.Signals(-status).name}"
    return Reason.PARSER_CRASH, f"its parser ended with status {status}"


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
            child.answer(answers, {"log": record.getMessage(), "fields": getattr(record, "fields", {})})

    logging.getLogger("penstock").addHandler(Forward())
