"""Metrics for Prometheus, named `penstock_*`. Safe under prefork: the processes of one command share a folder.

`serve_metrics` must be called before anything else here is used, and before a worker forks: where values are kept is
decided when the library is imported.
"""

import os
import shutil
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas.errors import UsageError

#: Seconds, for histograms of lag: from a moment to a day.
_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class Reading:
    """A value read from the ledger when somebody asks: a gauge with labels."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Metrics:
    """What processes count as they work."""

    events: Any
    documents: Any
    lag: Any
    stages: Any
    counts: Any


@cache
def metrics() -> Metrics:
    """The metrics of this process."""
    from prometheus_client import Counter, Histogram

    return Metrics(
        events=Counter("penstock_records", "Records read from Kafka, by what became of them", ["result"]),
        documents=Counter("penstock_documents", "Documents worked on, by outcome", ["outcome"]),
        lag=Histogram("penstock_lag_seconds", "From one moment to the next, by stage", ["stage"], buckets=_BUCKETS),
        stages=Counter("penstock_stage_seconds", "Seconds spent in each stage of the work", ["stage"]),
        counts=Counter("penstock_work", "Chunks and characters worked on", ["what"]),
    )


def prepare_metrics(folder: Path) -> None:
    """Choose where the processes of this command keep their values, and clear away what this host's dead ones left.

    The folder may be shared by hosts, each container being one, in which every command has the same pid.
    """
    host, pid = socket.gethostname(), os.getpid()
    mine = folder / f"{host}-{pid}"
    mine.mkdir(parents=True, exist_ok=True)
    for other in folder.iterdir():
        whose, _, number = other.name.rpartition("-")
        if whose == host and number.isdecimal() and (other == mine or not _is_alive(int(number))):
            shutil.rmtree(other, ignore_errors=True)
    mine.mkdir(exist_ok=True)
    os.environ[_FOLDER] = str(mine)


def exposition(readings: Callable[[], Iterable[Reading]] | None = None) -> bytes:
    """Everything in Prometheus's text format: this command's processes together, and the ledger's readings."""
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    registry = CollectorRegistry()
    if os.environ.get(_FOLDER):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    if readings is not None:
        registry.register(_Readings(readings))
    return generate_latest(registry)


def serve_metrics(port: int, host: str, readings: Callable[[], Iterable[Reading]] | None = None) -> int:
    """Answer /metrics on a thread of this process; returns the port (0 asks for a spare one).

    Raises:
        UsageError: this address is taken, or not this machine's.
    """
    from prometheus_client import CollectorRegistry, multiprocess, start_http_server

    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    if readings is not None:
        registry.register(_Readings(readings))
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        todo = "give each process on a machine a port of its own, or unset it"
        raise UsageError(f"PENSTOCK_METRICS_PORT: cannot listen on {host}:{port}: {error.strerror}", todo) from None
    return int(server.server_port)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class _Readings:
    def __init__(self, readings: Callable[[], Iterable[Reading]]) -> None:
        self._readings = readings

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import GaugeMetricFamily

        families: dict[str, Any] = {}
        for one in self._readings():
            names = [name for name, _ in one.labels]
            family = families.setdefault(one.name, GaugeMetricFamily(one.name, one.help, labels=names))
            family.add_metric([value for _, value in one.labels], one.value)
        return families.values()
