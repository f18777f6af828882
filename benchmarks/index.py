"""What the embedded indexes cost: writing, searching, reopening, memory and disk.

    python -m benchmarks.index --points 20000 [--only edge]

Each candidate runs in a process of its own on the same points: dense vectors of 384 numbers around 200 random centres,
sparse vectors of 40 words out of 20,000 (Zipf), 600 characters of text, two tenants (9 in 10 points are the one
that is searched). Times are wall clock of one run.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np

from infra.index_edge import EdgeIndex
from infra.index_qdrant import QdrantIndex
from infra.ports import Point, Restamp, SparseVector

CANDIDATES = ("edge", "local", "local, client's defaults")
DIMENSION, BATCH, LIMIT = 384, 256, 10
CENTRES = np.random.default_rng(7).normal(size=(200, DIMENSION))


def dense(rng):
    vector = (CENTRES[rng.integers(200)] + rng.normal(size=DIMENSION)).astype(np.float32)
    return vector / np.linalg.norm(vector)


def sparse(rng, words):
    indices = np.unique(np.minimum(rng.zipf(1.3, words), 20_000))
    return SparseVector(indices.tolist(), rng.uniform(0.5, 2, len(indices)).tolist())


def point(number):
    rng = np.random.default_rng(number)
    payload = {
        "id": str(uuid.UUID(int=number)),
        "content": "x" * 600,
        "meta": {"title": "A title", "headings": ["One", "Two"], "page": None, "ordinal": number},
        "tenant": "other" if number % 10 == 0 else "main",
        "document_id": str(uuid.UUID(int=number // 20)),
        "uri": f"file:///handbook/{number // 20}.md",
        "chunk_hash": f"{number:064x}",
        "generation": 1_700_000_000_000,
        "source_modified_at": "2026-01-02T03:04:05Z",
        "acl": [],
    }
    return Point(payload["id"], dense(rng), sparse(rng, 40), payload)


def open_index(candidate, path):
    if candidate == "edge":
        return EdgeIndex(path)
    if candidate == "local, client's defaults":
        QdrantIndex._tune_local = lambda _: None
    return QdrantIndex(str(path))


def milliseconds(work, rounds):
    times = []
    for number in range(rounds):
        rng = np.random.default_rng(10_000_000 + number)
        query = {"dense": dense(rng), "sparse": sparse(rng, 6)}
        start = time.perf_counter()
        work(query)
        times.append((time.perf_counter() - start) * 1000)
    return f"{np.percentile(times, 50):.1f} / {np.percentile(times, 95):.1f}"


def searches(index, rounds):
    def search(query, **without):
        return index.query("c", "main", **query | without, limit=LIMIT)

    return {
        "dense, ms": milliseconds(lambda query: search(query, sparse=None), rounds),
        "hybrid, ms": milliseconds(search, rounds),
    }


def top(index, rounds):
    """Ids of the dense top 10 for some queries."""
    queries = [dense(np.random.default_rng(20_000_000 + number)) for number in range(rounds)]
    return [{hit.id for hit in index.query("c", "main", dense=q, sparse=None, limit=LIMIT)} for q in queries]


def memory():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def measure(candidate, points, path):
    rounds = 100 if candidate == "edge" else 20
    index = open_index(candidate, path)
    index.create("c", DIMENSION)
    spent = 0.0
    for start in range(0, points, BATCH):
        batch = [point(number) for number in range(start, min(start + BATCH, points))]
        begun = time.perf_counter()
        index.upsert("c", batch)
        spent += time.perf_counter() - begun
    result = {"upsert, points/s": round(points / spent)}
    singles = []
    for number in range(50):
        begun = time.perf_counter()
        index.upsert("c", [point(number)])
        singles.append((time.perf_counter() - begun) * 1000)
    result["upsert of one point, ms"] = f"{np.percentile(singles, 50):.1f} / {np.percentile(singles, 95):.1f}"
    restamps = [Restamp([str(uuid.UUID(int=n))], {"generation": 2}, {"ordinal": 1}) for n in range(1000)]
    begun = time.perf_counter()
    index.restamp("c", restamps)
    result["1,000 restamps of one id, s"] = f"{time.perf_counter() - begun:.2f}"
    result |= searches(index, rounds)
    begun = time.perf_counter()
    index.count("c", "main", document_id=str(uuid.UUID(int=3)))
    result["count of a document, ms"] = f"{(time.perf_counter() - begun) * 1000:.1f}"
    begun = time.perf_counter()
    found = sum(1 for _ in index.scroll("c", "main"))
    result["scroll of all, s"] = f"{time.perf_counter() - begun:.2f} ({found})"
    exact = top(index, rounds)
    index.close()
    reopen(candidate, path, result, "")
    if candidate == "edge":
        index = open_index(candidate, path)
        begun = time.perf_counter()
        index.optimize("c")
        result["optimize, s"] = f"{time.perf_counter() - begun:.1f}"
        result |= {f"optimized: {name}": value for name, value in searches(index, rounds).items()}
        graph = top(index, rounds)
        hit = sum(len(a & b) for a, b in zip(exact, graph, strict=True))
        result["optimized: recall@10"] = f"{hit / (LIMIT * rounds):.3f}"
        index.close()
        reopen(candidate, path, result, "optimized: ")
    return result


def reopen(candidate, path, result, prefix):
    """Opening and the first search, in a fresh process; what it needs in memory; what lies on the disk."""
    command = [sys.executable, "-m", "benchmarks.index", "--reopen", candidate, "--path", str(path)]
    result |= {prefix + name: value for name, value in json.loads(subprocess.check_output(command)).items()}
    blocks = sum(file.stat().st_blocks for file in Path(path).rglob("*"))
    result[prefix + "disk, MB"] = blocks * 512 >> 20


def opened(candidate, path):
    import_only = QdrantIndex(":memory:") if candidate != "edge" else None  # the client's import is not the opening
    before = memory()
    begun = time.perf_counter()
    index = open_index(candidate, path)
    index.query("c", "main", dense=dense(np.random.default_rng(1)), sparse=None, limit=LIMIT)
    spent = time.perf_counter() - begun
    index.close()
    del import_only
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"reopen + first search, s": f"{spent:.2f}", "memory it adds / peak, MB": f"{memory() - before} / {peak}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--only", choices=CANDIDATES)
    parser.add_argument("--reopen", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.reopen:
        print(json.dumps(opened(asked.reopen, asked.path)))
    elif asked.measure:
        print(json.dumps(measure(asked.measure, asked.points, asked.path)))
    else:
        table([asked.only] if asked.only else CANDIDATES, asked.points)


def table(candidates, points):
    print(f"{points} points, {os.cpu_count()} cores; searches: p50 / p95\n")
    for candidate in candidates:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.index", "--measure", candidate, "--path", folder + "/index"]
            result = json.loads(subprocess.check_output([*command, "--points", str(points)]))
        print(f"### {candidate}\n")
        for name, value in result.items():
            print(f"{name:36} {value}")
        print(flush=True)


if __name__ == "__main__":
    main()
