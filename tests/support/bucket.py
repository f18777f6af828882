"""The scaled composition as a person runs it, with buckets as its sources: what they hold, the index must hold."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Self

import psutil
import yaml
from prometheus_client.parser import text_string_to_metric_families

from infra.index_qdrant import QdrantIndex
from infra.ledger import open_ledger
from infra.ledger.views import View
from schemas.identity import s3_location, s3_uri
from tests.support.oracle import Attributes, Recipe, differences, passes, points, stored
from tests.support.plant import Plant
from tests.support.processes import PYCACHE, eventually
from tests.support.services import Services
from tests.support.services.server import spare_port

CHILD = (sys.executable, "-P", "-m", "tests.support.scaled_child")
ROOT = Path(__file__).parents[2]
#: Seconds. Longer than any lease, wait and retry here, on a machine that is busy with other things.
PATIENCE = 90.0
#: Seconds after which a wake-up that had no effect is sent again; a person waits ten times as long.
RESEND_S = 3


class Process:
    """One long-running command in a process of its own, with its log and its metrics."""

    def __init__(self, log: Path, *arguments: object, **environment: str) -> None:
        self._log, self._metrics = log, spare_port()
        ports = {"PENSTOCK_METRICS_PORT": str(self._metrics)}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*CHILD, "-v", *map(str, arguments)],
                env={**environment, **ports},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self._log.read_text(errors="replace")

    @property
    def children(self) -> list[psutil.Process]:
        """The processes below it."""
        return psutil.Process(self._process.pid).children(recursive=True)

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process.poll() is None

    def metrics(self, name: str) -> dict[str, float]:
        """The samples of one metric by their labels' values, joined by spaces."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {" ".join(sample.labels.values()): sample.value for sample in samples}

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """SIGKILL it and all that is below it, stopped or not."""
        if self.running:
            family = self.children
            os.killpg(self._process.pid, signal.SIGKILL)
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(family, timeout=PATIENCE)
        self._process.wait(PATIENCE)


class Composition:
    """Fresh parts of running servers, and penstock's processes over them. A context manager: it ends what it started.

    `plant` runs a command in this process, on the same parts.
    """

    def __init__(self, services: Services, folder: Path, **environment: str) -> None:
        self.services, self._folder = services, folder
        self.sources = folder / "sources.yaml"
        self._declared: list[dict[str, object]] = []
        self._declare()
        self.parts = services.environment()
        self.settings = {
            **self.parts,
            "PENSTOCK_SOURCES": str(self.sources),
            "PENSTOCK_CHUNK_TOKENS": "32",
            "PENSTOCK_LEASE": "4",
            **environment,
        }
        self.plant = Plant(folder / "home", **self.settings)
        self.ledger = open_ledger(self.parts["PENSTOCK_DATABASE_URL"], now=time.time())
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        self.ledger.close()

    def start(self, *arguments: object, **environment: str) -> Process:
        """Start a command; `environment` goes over the settings."""
        log = self._folder / f"{len(self._processes)}-{arguments[0]}.log"
        clean = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": str(PYCACHE),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PENSTOCK_TEST_CONSTANTS": json.dumps({"workers.wakeups.RESEND_S": RESEND_S}),
        }
        self._processes.append(
            Process(log, *arguments, **{**clean, **self.plant.environment, **self.settings, **environment})
        )
        return self._processes[-1]

    def bucket(self, **declared: object) -> "Bucket":
        """A new bucket as the source of a tenant of its own."""
        name = self.services.store.new_bucket()
        source = {"uri": f"s3://{name}/", "tenant": f"tenant-{uuid.uuid4().hex[:8]}", "cadence": "1d", **declared}
        self._declared.append(source)
        self._declare()
        self.plant.json("doctor", "--fix", status=None)
        return Bucket(self, name, str(source["tenant"]))

    @property
    def index(self) -> QdrantIndex:
        """A client of the index, for looking."""
        return QdrantIndex(self.parts["PENSTOCK_QDRANT_URL"])

    def _declare(self) -> None:
        self.sources.write_text(yaml.safe_dump({"sources": self._declared}))


class Bucket:
    """A bucket that is a source of a composition."""

    def __init__(self, composition: Composition, name: str, tenant: str) -> None:
        self._composition, self.name, self.tenant = composition, name, tenant
        self.store = composition.services.store.shared_client
        self.uri = f"s3://{name}/"

    def put(self, key: str, body: str | bytes) -> None:
        """Write an object."""
        data = body.encode() if isinstance(body, str) else body
        self.store.put_object(Bucket=self.name, Key=key, Body=data)

    def delete(self, *keys: str) -> None:
        """Delete objects, one after the other."""
        for key in keys:
            self.store.delete_object(Bucket=self.name, Key=key)

    def documents(self) -> dict[str, View]:
        """What the ledger says of each of its documents, tombstones included, by key."""
        ledger = self._composition.ledger
        collection = (ledger.get("model") or {}).get("collection")
        views = ledger.views.documents(collection, scope=[(self.tenant, self.uri)])
        return {s3_location(one.uri)[1]: one for one in views.values()}

    def contents(self) -> dict[str, bytes]:
        """Every object's bytes by key."""
        pages = self.store.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        return {key: self.store.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def faults(self, **recipe: Any) -> list[str]:
        """What keeps the index from being what the bucket says (INV-1), in words; nothing when it is."""
        wanted = {}
        for key, body in self.contents().items():
            uri = s3_uri(self.name, key)
            if passes(body, uri):
                wanted |= points(self.tenant, uri, body, Recipe(**recipe), Attributes())
        index = self._composition.index
        try:
            active = index.active()
            return differences(stored(index, active, self.tenant) if active else {}, wanted)
        finally:
            index.close()

    def converges(self, *, within_s: float = PATIENCE) -> None:
        """Wait until the index is what the bucket says, nothing is due, and it stays so; then audit it."""

        def settled() -> bool:
            return not any(one.standing.due for one in self.documents().values()) and not self.faults()

        try:
            eventually(settled, within_s=within_s)
        except AssertionError:
            due = {uri: one.refusals for uri, one in self.documents().items() if one.standing.due}
            raise AssertionError((self.faults(), due)) from None
        audit = self._composition.plant.json("audit", self.uri, "--tenant", self.tenant)
        assert audit["consistent"], audit
