"""Parsers in processes of their own: a document that hangs or crashes its parser costs its own time and nothing else.

A small server (server.py) is started by the first document (or by `warm`) and kept: it has the parsers loaded and
forks one child for each document, under limits of time, memory, output and more (limits.py).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from schemas.documents import ParsedDocument
from schemas.errors import Reason, Refusal, Unreachable
from workers.parsing.limits import Limits
from workers.parsing.pipes import Deadline, receive, send

_LIMITS = Limits()
#: Seconds a document may take, once its parser is loaded.
TIMEOUT_S = _LIMITS.timeout_s
#: Seconds for everything before that. Loading unstructured takes 3 s, on a cold disk and a busy machine 15: no
#: document is refused for that.
START_TIMEOUT_S = 180.0

#: All the server sees of our environment; secrets are not among it.
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "TESSDATA_PREFIX")
_SET = {
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    # The same bytes give the same blocks.
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    # Parsing must not compete with the model for the processor.
    "OMP_NUM_THREADS": "1",
}
#: Where our packages lie; last on the path, behind everything that is installed.
_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = f"import sys, importlib; sys.path.append({_ROOT!r}); importlib.import_module(sys.argv.pop(1)).main()"


class ParserProcess:
    """Parses documents, each in a child of its own. Safe to share between threads: one document at a time.

    On Linux the server dies with the *thread* that started it: use it from one that lives as long as the work.
    `growth` and `answer` are limits in bytes (`limits.Limits`); `module` names the module whose `main` the server runs.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        start_timeout_s: float = START_TIMEOUT_S,
        growth: int = _LIMITS.growth,
        answer: int = _LIMITS.answer,
        module: str = "workers.parsing.server",
    ) -> None:
        self._limits = Limits(timeout_s, growth, answer)
        self._start_timeout_s, self._module = start_timeout_s, module
        self._server: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._logged: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server. The next document would start another."""
        with self._lock:
            self._stop()

    def warm(self, kind: str = "markdown") -> None:
        """Start the server and the imports of this kind's parser, without waiting for either."""
        if self._lock.acquire(blocking=False):
            try:
                send(self._stdin(self._running()), _json({"warm": kind}), deadline=Deadline(0))
            except (TimeoutError, BrokenPipeError):
                pass  # nothing is owed here: the next document finds out and reports it
            finally:
                self._lock.release()

    def parse(self, body: bytes, name: str) -> ParsedDocument:
        """The document in `body`; `name` helps where the content cannot tell its kind. Blocks.

        Raises:
            Refusal: what the parser said; PARSER_TIMEOUT, PARSER_MEMORY, PARSER_CRASH or TOO_LARGE if it was stopped.
            Unreachable: the server or this kind's parser does not start at all, which is no document's fault.
        """
        with self._lock:
            try:
                answer = self._ask(body, name)
            except BaseException:
                # Whatever it was, half an answer may be in the pipe.
                self._stop()
                raise
        if "unreachable" in answer:
            raise Unreachable("the parser process", answer["unreachable"], "run `penstock doctor`")
        if "refused" in answer:
            raise Refusal(Reason(answer["refused"]), answer["detail"])
        return ParsedDocument.from_json(answer)

    def _ask(self, body: bytes, name: str) -> dict[str, Any]:
        """The document's JSON, or the answer that says why there is none."""
        server = self._running()
        # The server keeps the document's time. This bounds the server itself.
        deadline = Deadline(self._start_timeout_s + self._limits.timeout_s)
        try:
            send(self._stdin(server), _json({"parse": name, "limits": self._limits}), body, deadline=deadline)
            while True:
                answer = self._answer(server, deadline)
                if "ready" in answer:
                    self._ready = True
                elif "log" in answer:
                    self._log(answer["log"], answer["fields"])
                elif "document" in answer:
                    return self._answer(server, deadline)
                else:
                    return answer
        except TimeoutError:
            raise self._blame(Reason.PARSER_TIMEOUT, "the parser process does not answer") from None
        except (EOFError, BrokenPipeError):
            raise self._blame(Reason.PARSER_CRASH, f"the parser process {_ending(server)}") from None

    def _answer(self, server: subprocess.Popen[bytes], deadline: Deadline) -> dict[str, Any]:
        return dict(json.loads(receive(self._stdout(server), deadline=deadline)))

    def _blame(self, reason: Reason, detail: str) -> Refusal | Unreachable:
        if self._ready:
            return Refusal(reason, detail)
        return Unreachable("the parser process", f"does not start: {detail}", "run `penstock doctor`")

    def _running(self) -> subprocess.Popen[bytes]:
        """The server, started if there is none or it has gone."""
        if self._server is not None and self._server.poll() is None:
            return self._server
        self._stop()
        environment = {key: os.environ[key] for key in _KEPT if key in os.environ} | _SET
        self._server = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-P", "-c", _BOOT, self._module, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        os.set_blocking(self._stdin(self._server), False)
        return self._server

    def _stop(self) -> None:
        server, self._server, self._ready = self._server, None, False
        if server is None:
            return
        if server.returncode is None:  # not reaped, so the number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # with the child it may have at work
        server.wait()
        for pipe in (server.stdin, server.stdout):
            if pipe is not None:
                pipe.close()

    def _log(self, event: str, fields: dict[str, Any]) -> None:
        """Log once what every new server would say again."""
        if event not in self._logged:
            self._logged.add(event)
            import structlog  # 100 ms, for a line that is rarely logged

            structlog.get_logger("penstock.parsing").warning(event, **fields)

    @staticmethod
    def _stdin(server: subprocess.Popen[bytes]) -> int:
        assert server.stdin is not None
        return server.stdin.fileno()

    @staticmethod
    def _stdout(server: subprocess.Popen[bytes]) -> int:
        assert server.stdout is not None
        return server.stdout.fileno()


def _json(order: dict[str, Any]) -> bytes:
    return json.dumps(order).encode()


def _ending(server: subprocess.Popen[bytes]) -> str:
    """How the server ended, in words."""
    status = server.wait()
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"
