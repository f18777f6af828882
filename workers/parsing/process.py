"""One parser server (server.py) as its parent sees it: started by the first request, asked, ended.

Whatever goes wrong with an answer ends the server, for half of one may be in the pipe. The next request starts another.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import Reason, Refusal, Unreachable
from workers.parsing.child import Order
from workers.parsing.limits import Limits
from workers.parsing.pipes import Deadline, receive, send

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


class ServerProcess:
    """A server, one request at a time.

    `module` names the module whose `main` it runs, `without` those that it must not load; `limits` are each
    document's. `log` takes what it logs.
    """

    def __init__(
        self,
        module: str,
        limits: Limits,
        *,
        start_timeout_s: float,
        log: Callable[[str, dict[str, Any]], None],
        without: Sequence[str] = (),
    ) -> None:
        self._arguments = (module, str(os.getpid()), json.dumps(limits), *without)
        self._timeout_s, self._log = start_timeout_s + limits.timeout_s, log
        self._server: subprocess.Popen[bytes] | None = None
        self._ready = False

    @property
    def pid(self) -> int | None:
        """Its process id, if one has been started."""
        return self._server.pid if self._server else None

    def warm(self, kind: str) -> None:
        """Start it and the imports of this kind's parser, without waiting for either."""
        # Nothing is owed here: the next document finds out and reports it.
        with contextlib.suppress(TimeoutError, BrokenPipeError):
            send(self._stdin(self._running()), _json({"warm": kind}), deadline=Deadline(0))

    def ask(self, body: bytes, order: Order) -> tuple[dict[str, Any], bytes | None]:
        """What the child says at last (child.py), and what it found. Blocks.

        Raises:
            Refusal: PARSER_TIMEOUT or PARSER_CRASH if the server itself hangs or ends.
            Unreachable: it does not start.
        """
        try:
            return self._asked(body, order)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, if there is one."""
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

    def _asked(self, body: bytes, order: Order) -> tuple[dict[str, Any], bytes | None]:
        server = self._running()
        # The server keeps the document's time. This bounds the server itself.
        deadline = Deadline(self._timeout_s)
        try:
            send(self._stdin(server), _json(order._asdict()), body, deadline=deadline)
            while True:
                said = dict(json.loads(receive(self._stdout(server), deadline=deadline)))
                if "ready" in said:
                    self._ready = True
                elif "log" in said:
                    self._log(said["log"], said["fields"])
                else:
                    found = receive(self._stdout(server), deadline=deadline) if said.get("found") else None
                    return said, found
        except TimeoutError:
            raise self._blame(Reason.PARSER_TIMEOUT, "the parser process does not answer") from None
        except (EOFError, BrokenPipeError):
            raise self._blame(Reason.PARSER_CRASH, f"the parser process {_ending(server)}") from None

    def _blame(self, reason: Reason, detail: str) -> Refusal | Unreachable:
        if self._ready:
            return Refusal(reason, detail)
        return Unreachable("the parser process", f"does not start: {detail}", "run `penstock doctor`")

    def _running(self) -> subprocess.Popen[bytes]:
        """The server, started if there is none or it has gone."""
        if self._server is not None and self._server.poll() is None:
            return self._server
        self.stop()
        environment = {key: os.environ[key] for key in _KEPT if key in os.environ} | _SET
        self._server = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-P", "-c", _BOOT, *self._arguments],
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

    @staticmethod
    def _stdin(server: subprocess.Popen[bytes]) -> int:
        assert server.stdin is not None
        return server.stdin.fileno()

    @staticmethod
    def _stdout(server: subprocess.Popen[bytes]) -> int:
        assert server.stdout is not None
        return server.stdout.fileno()


def _json(request: object) -> bytes:
    return json.dumps(request).encode()


def _ending(server: subprocess.Popen[bytes]) -> str:
    """How the server ended, in words."""
    status = server.wait()
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"
