"""The scaled composition as a person runs it, and buckets as its sources: what they hold, the index must hold."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
import yaml

from infra.index_qdrant import QdrantIndex
from schemas.identity import s3_uri
from tests.support.oracle import Attributes, Recipe, differences, passes, points, stored
from tests.support.plant import Plant
from tests.support.processes import COMMAND, Penstock, eventually
from tests.support.services.server import spare_port

#: Seconds. Longer than a lease, and than the sweeper waits before it wakes somebody again.
PATIENCE = 90.0


class Process:
    """One of `intake`, `worker`, `beat`, `watch`, ... with its log."""

    def __init__(self, works: "Works", arguments: Sequence[object], environment: dict[str, str]) -> None:
        self.name = str(arguments[0])
        self.log = works.folder / f"{self.name}-{len(works.processes)}.log"
        self.metrics_port = spare_port()
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [*COMMAND, "-v", *map(str, arguments)],
                env={**works.environment, "PENSTOCK_METRICS_PORT": str(self.metrics_port), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.log.read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        """Its processes, the first one apart."""
        return psutil.Process(self._process.pid).children(recursive=True)

    def stop(self) -> int:
        """SIGTERM, and wait for the end."""
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """SIGKILL it and all it started."""
        if self._process.poll() is None:
            family = self.children()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            psutil.wait_procs(family, timeout=PATIENCE)
        self._process.wait(PATIENCE)
