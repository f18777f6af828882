"""Where metrics are kept and served: a folder for each process of each host, a port for each process."""

import os
import socket
import subprocess
import sys

import pytest

from infra import metrics
from schemas.errors import UsageError


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_dead_processes_of_this_host_left_is_cleared(tmp_path, dead):
    host, mine = socket.gethostname(), os.getpid()
    for name in (f"{host}-{dead}", f"{host}-{mine}", f"{host}-{os.getppid()}", f"other-{dead}", f"x-{host}-{dead}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counter.db").touch()
    metrics.prepare_metrics(tmp_path)
    left = {folder.name: len(list(folder.iterdir())) for folder in tmp_path.iterdir()}
    assert left == {f"{host}-{mine}": 0, f"{host}-{os.getppid()}": 1, f"other-{dead}": 1, f"x-{host}-{dead}": 1}
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(tmp_path / f"{host}-{mine}")


def test_hosts_that_share_a_folder_and_a_pid_keep_their_values_apart(tmp_path, monkeypatch):
    for host in ("one", "two"):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        metrics.prepare_metrics(tmp_path)
        (tmp_path / f"{host}-{os.getpid()}" / "counter.db").touch()
    assert len(list(tmp_path.glob("*/counter.db"))) == 2


def test_a_port_that_is_taken_is_named(tmp_path):
    metrics.prepare_metrics(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"PENSTOCK_METRICS_PORT: .*127.0.0.1:{port}.* a port of its own"):
            metrics.serve_metrics(port, "127.0.0.1")
