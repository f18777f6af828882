"""A Qdrant server for tests: the one PENSTOCK_TEST_QDRANT_URL names, or the stand-in in a process of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import httpx
from filelock import FileLock

from tests.support.qdrant_server import VERSION, Fault

ROOT = Path(__file__).parents[2]


#: A server that is given is one for all test processes: whoever has emptied it has it alone.
ALONE = Path(tempfile.gettempdir()) / f"penstock-tests-qdrant-{os.getuid()}.lock"


@contextmanager
def any_qdrant() -> Iterator[str]:
    """The URL of the server that is given, or of a stand-in in memory."""
    given = os.environ.get("PENSTOCK_TEST_QDRANT_URL")
    if given is not None:
        yield given
        return
    with QdrantServer() as server:
        yield server.url


@contextmanager
def emptied(url: str) -> Iterator[str]:
    """The same server without a collection, and without one afterwards."""
    from qdrant_client import QdrantClient

    with FileLock(ALONE) if "PENSTOCK_TEST_QDRANT_URL" in os.environ else nullcontext():
        client = QdrantClient(url=url, check_compatibility=False)
        for final in (False, True):
            for found in client.get_collections().collections:
                client.delete_collection(found.name)
            if not final:
                yield url
        client.close()


class QdrantServer:
    """A server in a process of its own, for tests: `url`, faults, and a violent end.

    Use as a context manager. `restart` comes back at the same port, with what lies in `path`.
    """

    def __init__(self, path: Path | None = None, *, api_key: str | None = None, version: str = VERSION) -> None:
        self._path, self._api_key, self._version = path, api_key, version
        self._port = 0
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-P", "-m", "tests.support.qdrant_server", "--while-stdin"]
        command += ["--port", str(self._port), "--version", self._version, "--api-key-env", "QDRANT_STAND_IN_KEY"]
        command += ["--path", str(self._path)] if self._path else []
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "QDRANT_STAND_IN_KEY": self._api_key or ""}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), f"the stand-in does not start: {line!r}"
        self._port = int(line.split()[-1])

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def fault(self, kind: str, method: str = "*", path: str = "", **more: Any) -> None:
        """Ask for a `Fault`."""
        fault = Fault(kind=kind, method=method, path=path, **more)
        httpx.post(f"{self.url}/_faults", content=fault.model_dump_json(), timeout=10).raise_for_status()

    @contextmanager
    def failing(self, kind: str, method: str = "*", path: str = "", **more: Any) -> Iterator[None]:
        """A fault for the time of a block."""
        self.fault(kind, method, path, **more)
        try:
            yield
        finally:
            self.clear()

    def clear(self) -> None:
        """Take all faults back."""
        httpx.delete(f"{self.url}/_faults", timeout=10).raise_for_status()

    def stats(self) -> dict[str, int]:
        """Requests so far, by route; those that were made to fail count."""
        return httpx.get(f"{self.url}/_stats", timeout=10).json().get("result", {})
