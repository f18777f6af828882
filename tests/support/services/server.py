"""A server in a process of its own over a folder of its own: started, killed, started again on the same port and data.

What a process was started as (port, secrets, pid, time of start) stands in the folder's `state.json`, mode 600, so
that a later process finds it; a pid is only ever signalled while the process behind it is the one that was started.
"""

import contextlib
import functools
import json
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Self

import psutil

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache"
#: Seconds. A loaded machine takes many times longer than an idle one.
START_TIMEOUT, STOP_TIMEOUT = 60.0, 30.0
#: Below the ports that systems lend to outgoing connections: a client that retries a dead server's port from that range
#: can meet itself there, and nobody else borrows the port while its server is down.
PORTS = range(15_000, 32_000)
#: One thread starts every process: the kernel ends a `--pdeathsig` child when the *thread* that started it ends.
_LAUNCHER = ThreadPoolExecutor(1, "servers")


class Unavailable(Exception):
    """A part that cannot be had here. Its text is the reason a test skips, and says what to do."""


class Server:
    """One server. Subclasses say how it is prepared, started and asked whether it answers.

    Args:
        folder: Its data, log and state; made if it is not there.
        outlives: It goes on after this process (`make services`); else the kernel ends it with us, however we end.
    """

    name: ClassVar[str]

    def __init__(self, folder: Path, *, outlives: bool = False) -> None:
        self.folder = folder.absolute()
        self.outlives = outlives
        self._child: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make what the server needs before each start. Raises Unavailable."""

    def command(self) -> Sequence[str]:
        """The command line: no secret in it."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What goes into its environment besides ours."""
        return {}

    def privileges(self) -> Sequence[str]:
        """What setpriv is to give up or set before the command."""
        return ()

    def answers(self) -> bool:
        """Whether it does its work by now. May raise anything while it does not."""
        raise NotImplementedError

    @functools.cached_property
    def port(self) -> int:
        """Where it listens, for good."""
        return self.remembered("port", spare_port)

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it printed, all its starts after each other."""
        return self.folder / "log"

    @property
    def process(self) -> psutil.Process | None:
        """The process that was started, while it lives."""
        state = self._state()
        try:
            process = psutil.Process(state["pid"])
            same = abs(process.create_time() - state["created"]) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (KeyError, psutil.NoSuchProcess):
            return None

    def start(self) -> Self:
        """Start it unless it runs, and wait until it answers.

        Raises:
            Unavailable: a program it needs is not here.
            RuntimeError: it ends, or does not answer in time; with the end of its log.
        """
        if self.process is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.prepare()
            self._launch()
        deadline = time.monotonic() + START_TIMEOUT
        while (refusal := self._refusal()) is not None:
            if self.process is None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-2000:]
                self.kill()
                raise RuntimeError(f"{self.name} does not start on {self.address}: {refusal!r}\n{said}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End it as its own shutdown does, with what it started; by force where it takes too long. Data stays."""
        self._end(psutil.Process.terminate)

    def kill(self) -> None:
        """SIGKILL it and what it started, and wait until they are gone."""
        self._end(psutil.Process.kill)

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._living().suspend()

    def resume(self) -> None:
        """SIGCONT."""
        self._living().resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def remembered(self, name: str, make: Any) -> Any:
        """A value of this server's state: made once, the same ever after."""
        state = self._state()
        if name not in state:
            self._remember(**{name: make()})
        return self._state()[name]

    def _launch(self) -> None:
        # With the parent's death comes SIGKILL: an interrupted test run leaves no server behind.
        tied = [] if self.outlives or not shutil.which("setpriv") else ["--pdeathsig", "KILL"]
        privileges = [*self.privileges(), *tied]
        command = [*(["setpriv", *privileges] if privileges else []), *self.command()]
        with self.log.open("ab") as output:
            start = functools.partial(
                subprocess.Popen,
                command,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
            self._child = _LAUNCHER.submit(start).result()
        self._remember(pid=self._child.pid, created=psutil.Process(self._child.pid).create_time())

    def _refusal(self) -> Exception | None:
        try:
            return None if self.answers() else RuntimeError("not ready")
        except (ImportError, Warning):
            raise  # never passes by waiting
        except Exception as error:  # noqa: BLE001  # every driver has its own words for "not yet"
            return error

    def _end(self, how: Any) -> None:
        process = self.process
        if process is not None:
            family = [*process.children(recursive=True), process]
            # Force meets them all; a request goes to the server alone, which ends its own.
            for one in family if how is psutil.Process.kill else [process]:
                _signal(one, how)
            if psutil.Process.kill is not how:
                _signal(process, psutil.Process.resume)
            for one in psutil.wait_procs(family, timeout=STOP_TIMEOUT)[1]:
                _signal(one, psutil.Process.kill)
        if self._child is not None:
            self._child.wait(timeout=STOP_TIMEOUT)
            self._child = None

    def _living(self) -> psutil.Process:
        process = self.process
        if process is None:
            raise RuntimeError(f"{self.name} does not run")
        return process

    def _state(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return {}

    def _remember(self, **values: object) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_private(self.folder / "state.json", json.dumps({**self._state(), **values}))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    beside.write_text(text)
    beside.replace(path)


def spare_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    for port in random.Random().sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unavailable("no spare port on 127.0.0.1")


def found(*programs: str, package: str) -> str:
    """The path of the first of these programs that is here.

    Raises:
        Unavailable: none is.
    """
    path = next(filter(None, map(shutil.which, programs)), None)
    if path is None:
        raise Unavailable(f"{programs[0]} is not here; on Debian: apt-get install {package}")
    return path


def _signal(process: psutil.Process, how: Any) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        how(process)
