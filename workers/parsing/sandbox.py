"""Parsers in a child process: a document that hangs or crashes its parser costs its own time and nothing else.

The child is started by the first document (or by `warm`) and kept for the next; after a hang or a crash it is killed,
and the next document starts another. One child per document, forked, and limits on memory come with a later issue;
callers see no difference (`registry.Parser`).
"""

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
from workers.parsing.pipes import Deadline, receive, send

#: Seconds a document may take, once its parser is loaded.
TIMEOUT_S = 30.0
#: Seconds for everything before that. Loading unstructured takes 3 s, on a cold disk and a busy machine 15: no
#: document is refused for that.
START_TIMEOUT_S = 180.0

#: All the child sees of our environment; secrets are not among it.
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
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
    """Parses documents in a child process. Safe to share between threads: one document at a time.

    On Linux the child dies with the *thread* that started it: use it from one that lives as long as the work.
    `module` names the module whose `main` the child runs.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        start_timeout_s: float = START_TIMEOUT_S,
        module: str = "workers.parsing.child",
    ) -> None:
        self._timeout_s, self._start_timeout_s, self._module = timeout_s, start_timeout_s, module
        self._child: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._logged: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child. The next document would start another."""
        with self._lock:
            self._stop()

    def warm(self, kind: str = "markdown") -> None:
        """Start the child and the imports of this kind's parser, without waiting for either."""
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
            Refusal: what the parser said; PARSER_TIMEOUT or PARSER_CRASH if it did not get to say anything.
            Unreachable: the child or this kind's parser does not start at all, which is no document's fault.
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
        return ParsedDocument.from_json(answer["document"])

    def _ask(self, body: bytes, name: str) -> dict[str, Any]:
        child = self._running()
        deadline = Deadline(self._start_timeout_s)
        try:
            send(self._stdin(child), _json({"parse": name}), body, deadline=deadline)
            while True:
                answer = json.loads(receive(self._stdout(child), deadline=deadline))
                if "ready" in answer:
                    self._ready = True
                elif "loaded" in answer:
                    deadline = Deadline(self._timeout_s)
                elif "log" in answer:
                    self._log(answer["log"], answer["fields"])
                else:
                    return dict(answer)
        except TimeoutError:
            raise self._blame(Reason.PARSER_TIMEOUT, f"not parsed within {self._timeout_s:g} s") from None
        except (EOFError, BrokenPipeError):
            raise self._blame(Reason.PARSER_CRASH, f"its parser {_ending(child)}") from None

    def _blame(self, reason: Reason, detail: str) -> Refusal | Unreachable:
        if self._ready:
            return Refusal(reason, detail)
        return Unreachable("the parser process", f"does not start: {detail}", "run `penstock doctor`")

    def _running(self) -> subprocess.Popen[bytes]:
        """The child, started if there is none or it has gone."""
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._stop()
        environment = {key: os.environ[key] for key in _KEPT if key in os.environ} | _SET
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-P", "-c", _BOOT, self._module, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        os.set_blocking(self._stdin(self._child), False)
        return self._child

    def _stop(self) -> None:
        child, self._child, self._ready = self._child, None, False
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def _log(self, event: str, fields: dict[str, Any]) -> None:
        """Log once what every new child would say again."""
        if event not in self._logged:
            self._logged.add(event)
            import structlog  # 100 ms, for a line that is rarely logged

            structlog.get_logger("penstock.parsing").warning(event, **fields)

    @staticmethod
    def _stdin(child: subprocess.Popen[bytes]) -> int:
        assert child.stdin is not None
        return child.stdin.fileno()

    @staticmethod
    def _stdout(child: subprocess.Popen[bytes]) -> int:
        assert child.stdout is not None
        return child.stdout.fileno()


def _json(order: dict[str, str]) -> bytes:
    return json.dumps(order).encode()


def _ending(child: subprocess.Popen[bytes]) -> str:
    """How the child ended, in words."""
    status = child.wait()
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"
