"""The real command line in processes of its own: what a person starts, kills and reads.

A process gets a clean environment: only what is named here, so that no setting of the machine decides a test.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-P", "-m", "penstock.cli")
#: Seconds. Far more than anything here takes, so that a loaded machine fails nothing.
TIMEOUT_S = 120.0
#: Bytecode shared by all processes of the tests: without it each would compile a thousand modules again.
PYCACHE = Path(tempfile.gettempdir()) / f"penstock-tests-{os.getuid()}-{sys.implementation.cache_tag}"
#: Root may read everything; a process started under this gives that up, and is refused like any other user.
AS_ORDINARY_USER = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all") if os.geteuid() == 0 else ()
)


@dataclass(frozen=True)
class Done:
    """A finished process: its exit status (negative: the signal that ended it) and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; anything else there is an error."""
        return json.loads(self.out)


class Penstock:
    """Starts `penstock` on one home. Embeds with the stub unless another model is set."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.environment = environment

    def start(
        self, *arguments: object, prefix: Sequence[str] = (), cwd: Path | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a command; `prefix` goes before it (setpriv, unshare)."""
        folder = self.home.parent
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": tempfile.gettempdir(),
            "LANG": "C.UTF-8",
            "PYTHONPYCACHEPREFIX": str(PYCACHE),
            "PENSTOCK_HOME": str(self.home),
            "PENSTOCK_MODEL": "stub-64",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return subprocess.Popen(
            [*prefix, *COMMAND, *map(_argument, arguments)],
            env={**settings, **self.environment, **environment},
            cwd=cwd or folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object, prefix: Sequence[str] = (), cwd: Path | None = None, **environment: str) -> Done:
        """Run a command to its end."""
        return finish(self.start(*arguments, prefix=prefix, cwd=cwd, **environment))

    def json(self, *arguments: object, status: int | None = 0, **options: Any) -> dict[str, Any]:
        """Run a command with --json; its exit status must be as expected (None: whatever)."""
        done = self.run(*arguments, "--json", **options)
        assert status is None or done.status == status, done
        return done.json

    def killed(self, *arguments: object, **environment: str) -> None:
        """Run a command that must die of SIGKILL."""
        done = self.run(*arguments, **environment)
        assert done.status == -signal.SIGKILL, done

    @contextmanager
    def watching(self, *arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A `watch` that has indexed once and follows; it is killed afterwards if the test has not ended it."""
        process = self.start("watch", *arguments, **environment)
        try:
            assert process.stdout is not None
            printed = []
            for line in process.stdout:
                printed.append(line)
                if "Watching" in line:
                    break
            else:
                raise AssertionError((printed, finish(process)))
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            finish(process)


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for the end of a process; kill it and its children when it takes far too long."""
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"still running after {TIMEOUT_S} s:\n{out}\n{err}") from None
    return Done(process.returncode, out, err)


def eventually(condition: Callable[[], Any], *, within_s: float = 90.0) -> Any:
    """The first true value of a condition, asked again and again until a deadline."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.1)


def _argument(argument: object) -> str:
    return os.fsdecode(argument) if isinstance(argument, bytes | Path) else str(argument)
