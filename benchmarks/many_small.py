"""Many small documents: memory, and whether the ten-thousandth costs what the first did.

    python -m benchmarks.many_small [--documents 10000] [--model stub-64] [--memory-documents 1000]

Time a document at 10,000 against 1,000 is taken with the stub, for the model's share grows with nothing. Peak memory is
taken with the real model, in a process of its own that also counts its parser's child; `--memory-documents 10000` loads
as many as the promise names, which takes as long as the model takes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks._handbook import write
from benchmarks._verdict import rows, verdict


def peak_of(process):
    """Peak resident bytes of a process and its children together, sampled twenty times a second."""
    peak, done = [0], threading.Event()

    def resident(pid):
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (OSError, IndexError):
            return 0
        return pages * 4096 + sum(resident(child) for child in children)

    def sample():
        while not done.wait(0.05):
            peak[0] = max(peak[0], resident(process.pid))

    threading.Thread(target=sample, daemon=True).start()
    out, _ = process.communicate()
    done.set()
    return peak[0], out


def load(folder, documents, model):
    """Index new documents in a new process: (peak bytes, the report)."""
    docs = Path(folder, f"docs-{documents}-{model}")
    for _ in write(docs, range(documents), 200):
        pass
    command = [sys.executable, "-m", "penstock.cli", "--home", f"{docs}-home", "--json", "index", str(docs)]
    environment = {"PENSTOCK_MODEL": model, "PATH": "/usr/bin:/bin"}
    began = time.perf_counter()
    peak, out = peak_of(subprocess.Popen(command, stdout=subprocess.PIPE, env=environment))
    report = json.loads(out)
    assert report["documents"]["added"] == documents, report
    return peak, report, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--model", default="stub-64")
    parser.add_argument("--memory-documents", type=int, default=1_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        few = asked.documents // 10
        _, small, _ = load(folder, few, asked.model)
        large_peak, large, _ = load(folder, asked.documents, asked.model)
        peak, report, took = load(folder, asked.memory_documents, "all-MiniLM-L6-v2")
    each = [1000 * found["seconds"] / n for found, n in ((small, few), (large, asked.documents))]
    rows(
        {
            f"ms a document at {few} ({asked.model})": f"{each[0]:.2f}",
            f"ms a document at {asked.documents} ({asked.model})": f"{each[1]:.2f}",
            f"peak memory at {asked.documents} ({asked.model})": f"{large_peak / 1e6:.0f} MB",
            f"real model, {asked.memory_documents} documents": f"{report['chunks']['total']} chunks in {took:.0f} s",
        }
    )
    verdict(f"time a document, {asked.documents} / {few}", each[1] / each[0], "<=", 1.3)
    verdict(f"peak memory with the real model, {asked.memory_documents} documents", peak / 1e9, "<", 1.5, " GB")


if __name__ == "__main__":
    main()
