"""The process that has the parsers loaded, and forks a child for each document: requests come on standard input.

Runs as `python -P -c ... PARENT_PID LIMITS [MODULE...]`, started by process.py, and does without the MODULEs. It holds
no secrets, has one thread, never looks into a document, and lives on whatever becomes of its children. It dies with its
parent: the kernel sees to it on Linux, the end of its input anywhere.

Request: a frame of JSON {"warm": kind}, or an order as in child.py with its document.
Answers: {"ready"}, then for each order what child.py says, without {"missing"}, or what became of it.
"""

import contextlib
import importlib
import json
import logging
import os
import signal
import sys
from typing import Any, BinaryIO, NoReturn

from schemas.errors import Reason
from workers.parsing import child, ocr, registry
from workers.parsing.limits import Limits, Outgrown, Watch, die_with
from workers.parsing.pipes import TooLong, read_frame, receive, send, write_frame
from workers.parsing.spare import Child, Spare

#: Small libraries that parsers load late: each child that needs one would load it again.
_SMALL = ("charset_normalizer", "yaml")
#: Likewise, where the library is loaded: 10 ms in each child.
_LATE = {"pypdf": "pypdf.filters"}
#: spaCy loads it only because it is installed: a second, 270 MB, and a thread that no fork survives.
_UNWANTED = "torch"
#: Bytes: what a child says besides the document itself is short.
_SAID = 1 << 20


def main() -> None:
    """Serve the parent whose process id is the first argument, under these limits, without the modules named last."""
    # Ctrl-C is the parent's to handle: it must not look like this document's crash.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent, limits, *without = sys.argv[1:]
    die_with(int(parent))
    requests, answers = _take_pipes()
    _forward_logs(answers)
    child.answer(answers, {"ready": True})
    for module in (_UNWANTED, *without):
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]  # documented: importing it then fails
    for module in _SMALL:
        importlib.import_module(module)
    bounds = Limits(*json.loads(limits))
    if not bounds.ocr:
        ocr.switch_off()
    _serve(bounds, requests, answers)


def _serve(limits: Limits, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    server = os.getpid()

    def run(orders: BinaryIO, into: int) -> NoReturn:
        # All the child can write to is its own pipe: half an answer never gets between the frames.
        os.dup2(into, answers.fileno())
        os.dup2(os.open(os.devnull, os.O_RDONLY), requests.fileno())
        child.run(limits, orders, answers, parent=server)

    spare = Spare(run)
    while (request := _next(spare, requests)) is not None:
        asked = json.loads(request)
        if "warm" in asked:
            spare.outdate()
            # What fails here fails again with the first document of the kind, which reports it.
            with contextlib.suppress(Exception):
                _load(registry.FORMATS[asked["warm"]].module)
        else:
            _carry_out(request, read_frame(requests) or b"", limits, spare, answers)


def _next(spare: Spare, requests: BinaryIO) -> bytes | None:
    """The next request. Nothing of the last document is left by now that a child could inherit."""
    spare.prepare()
    return read_frame(requests)


def _carry_out(order: bytes, body: bytes, limits: Limits, spare: Spare, answers: BinaryIO) -> None:
    """Give it to one child after another until no parser is missing: the first, but for new kinds of documents."""
    try:
        while module := _given((order, body), spare.take(), limits, answers):
            _load(module)
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything, and a full machine cannot fork
        child.answer(answers, {"unreachable": f"cannot load or start a parser: {error}"})


def _load(module: str) -> None:
    importlib.import_module(module)
    for late in (late for library, late in _LATE.items() if library in sys.modules):
        importlib.import_module(late)


def _given(order: tuple[bytes, bytes], taken: Child, limits: Limits, answers: BinaryIO) -> str | None:
    """Have the child do it and pass on what it says; or the module it misses."""
    status: int | None = None
    try:
        watch = Watch(taken.pid, limits)
        send(taken.orders, *order, deadline=watch)
        return _relay(taken.answers, answers, watch, limits)
    except TimeoutError:
        reason, detail = Reason.PARSER_TIMEOUT, f"not parsed within {limits.timeout_s:g} s"
    except Outgrown:
        reason, detail = Reason.PARSER_MEMORY, f"its parser took more than {limits.growth >> 20} MB of memory"
    except TooLong:
        reason, detail = Reason.TOO_LARGE, f"it comes to more than {limits.answer >> 20} MB"
    except (ValueError, TypeError):
        reason, detail = Reason.PARSER_CRASH, "its parser gave a garbled answer"
    except (EOFError, BrokenPipeError):
        status = taken.ended()
        reason, detail = _ending(status)
    finally:
        if status is None:
            taken.ended()
    child.answer(answers, {"refused": reason.value, "detail": detail})
    return None


def _relay(out: int, answers: BinaryIO, watch: Watch, limits: Limits) -> str | None:
    """Pass on whole frames until the last one."""
    while True:
        frame = receive(out, deadline=watch, at_most=_SAID)
        said: dict[str, Any] = dict(json.loads(frame))
        if "missing" in said:
            return _missing(str(said["missing"]))
        found = receive(out, deadline=watch, at_most=limits.answer) if said.get("found") else None
        write_frame(answers, frame)
        if found is not None:
            write_frame(answers, found)
        if "log" not in said:
            return None


def _missing(module: str) -> str:
    """A module we may load: a child that has gone bad does not choose what runs in its server."""
    if module in sys.modules or not module.startswith(child.PARSERS):
        raise ValueError(module)
    return module


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
