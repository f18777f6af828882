"""Throughput of one worker and of two, with an embedder that answers like a remote one: 50 ms for each batch.

    python -m benchmarks.workers [--documents 600] [--rounds 3]

Objects are put before anything runs, heard by an intake, and worked on by one worker or two; what is timed is from the
first document settled to the last. Documents are of one small chunk each, the Qdrant stand-in keeps them in memory, and
each round has a bucket and a composition of its own. The machine must have processors for both workers, the stand-in
and the servers, or it is they that are measured.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks._verdict import ratio, rows, verdict
from infra.log import configure_logging
from tests.support.plant_scaled import scaled
from tests.support.qdrant import QdrantServer
from tests.support.services import temporary_services

MODEL = "stub-64-slow50"


def throughput(services, room, workers, documents):
    """Documents settled a second."""
    with QdrantServer() as qdrant, scaled(services, room, lease=30, PENSTOCK_MODEL=MODEL) as plant:
        plant.environment["PENSTOCK_QDRANT_URL"] = plant.given["PENSTOCK_QDRANT_URL"] = qdrant.url
        plant.intake()
        for number in range(documents):
            plant.put(
                f"north/page-{number}.md", f"# Page {number}\n\nWhat page {number} says of {number * 7}.".encode()
            )
        heard = "SELECT count(*) FROM documents"
        plant.until(lambda: count(plant, heard) == documents)
        for _ in range(workers):
            plant.worker()
        settled = "SELECT count(*) FROM documents WHERE settled > 0"
        first = 0
        while not first:
            time.sleep(0.02)
            first = count(plant, settled)
        began = time.perf_counter()
        plant.until(lambda: count(plant, settled) == documents, within_s=600)
        return (documents - first) / (time.perf_counter() - began)


def count(plant, query):
    with plant.ledger._database.connect() as connection:
        return connection.exec_driver_sql(query).scalar()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    configure_logging(verbose=False, as_json=True)
    pairs = []
    with temporary_services() as services, tempfile.TemporaryDirectory() as room:
        for number in range(asked.rounds):
            both = tuple(
                throughput(services, Path(room, f"{number}-{workers}"), workers, asked.documents) for workers in (2, 1)
            )
            pairs.append(both)
            print(f"round {number + 1}: two workers {both[0]:.0f}, one {both[1]:.0f} documents a second")
    rows({"processors": os.cpu_count(), "documents": asked.documents})
    verdict("two workers / one, documents a second", ratio(pairs), ">=", 1.7)


if __name__ == "__main__":
    main()
