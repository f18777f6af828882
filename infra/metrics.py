"""Metrics for Prometheus, named `penstock_*`. Safe under prefork: the processes of one command share a folder.

`serve_metrics` must be called before anything else here is used, and before a worker forks: where values are kept is
decided when the library is imported.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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
    """Choose where the processes of this command keep their values; a dead one's folder of the same pid is emptied."""
    mine = folder / str(os.getpid())
    shutil.rmtree(mine, ignore_errors=True)
    mine.mkdir(parents=True)
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
    """Answer /metrics on a thread of this process; returns the port (0 asks for a spare one)."""
    from prometheus_client import CollectorRegistry, multiprocess, start_http_server

    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    if readings is not None:
        registry.register(_Readings(readings))
    server, _ = start_http_server(port, addr=host, registry=registry)
    return int(server.server_port)


def child_died(pid: int) -> None:
    """Take a dead process's gauges out; its counters stay."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


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
