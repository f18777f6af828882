"""The home's socket: the process that holds the lock answers questions of others. One JSON line asked, one answered.

Only the owner of the home can reach it: it lies in the home's folder, which is private.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from schemas.errors import PenstockError, Unreachable, UsageError

_log = structlog.get_logger("penstock.socket")

Answer = Callable[[dict[str, Any]], dict[str, Any]]

#: A question is one line; more than this is not one of ours.
MAX_QUESTION_BYTES = 1_000_000
#: An audit of a large home takes long; a search waits for the batch being embedded.
ANSWER_TIMEOUT_S = 3600.0


@contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A path that fits a socket address (108 bytes), however deep the home lies."""
    if len(os.fsencode(path)) < 100 or not Path("/proc/self/fd").exists():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@contextmanager
def serving(path: Path, answer: Answer) -> Iterator[None]:
    """Answer questions while the body runs, each in a thread of its own."""
    path.unlink(missing_ok=True)  # of a holder that was killed; we hold the lock
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short_path(path) as address:
        listener.bind(address)
    path.chmod(0o600)
    listener.listen(16)
    threading.Thread(target=_accept, args=(listener, answer), name="penstock-socket", daemon=True).start()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, answer: Answer) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # closed: the holder is finishing
        threading.Thread(target=_converse, args=(connection, answer), daemon=True).start()


def _converse(connection: socket.socket, answer: Answer) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(10)
        with connection.makefile("rwb") as stream:
            question = stream.readline(MAX_QUESTION_BYTES)
            connection.settimeout(None)
            stream.write(json.dumps(_answer(question, answer)).encode() + b"\n")


def _answer(question: bytes, answer: Answer) -> dict[str, Any]:
    try:
        return {"answer": answer(json.loads(question))}
    except PenstockError as error:
        kind = "unreachable" if isinstance(error, Unreachable) else "usage"
        return {"error": str(error), "kind": kind}
    except Exception as error:  # noqa: BLE001 - the holder's work must go on whatever a question does
        _log.exception("question.failed")
        return {"error": f"{type(error).__name__}: {error}", "kind": "unreachable"}


def ask(path: Path, question: dict[str, Any]) -> dict[str, Any] | None:
    """Ask the holder; None when nobody answers there.

    Raises:
        UsageError, Unreachable: the holder's own refusal.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            with _short_path(path) as address:
                connection.connect(address)
        except OSError:
            return None
        connection.settimeout(ANSWER_TIMEOUT_S)
        try:
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps(question).encode() + b"\n")
                stream.flush()
                line = stream.readline()
        except OSError:
            return None
    if not line:
        return None
    reply = json.loads(line)
    if "error" not in reply:
        found: dict[str, Any] = reply["answer"]
        return found
    if reply["kind"] == "usage":
        raise UsageError(reply["error"])
    raise Unreachable("the process that holds the home", reply["error"], "see its log, or stop it and try again")
