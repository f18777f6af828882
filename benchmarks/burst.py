"""A burst of saves of one document on the real stack: how many pieces of work it makes.

    python -m benchmarks.burst [--saves 100] [--rounds 3]

A piece of work is a claim: every one reads the source, and writes what differs. Claims are counted from the document's
generation in the ledger. The saves go to the store as fast as it takes them, and each is an event in Kafka.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks._handbook import document
from benchmarks._verdict import rows, verdict
from infra.log import configure_logging
from tests.support.plant_scaled import scaled
from tests.support.services import temporary_services


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saves", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    configure_logging(verbose=False, as_json=True)
    pieces = []
    with temporary_services() as services, tempfile.TemporaryDirectory() as room:  # noqa: SIM117
        with scaled(services, Path(room, "plant"), intakes=1, workers=1) as plant:
            plant.put("north/warm.md", b"# Warm")
            plant.until(lambda: plant.settled("north/warm.md"))
            for number in range(asked.rounds):
                key = f"north/burst-{number}.md"
                plant.put(key, document(number, 500).encode())
                plant.until(lambda key=key: plant.settled(key))
                before = plant.row(key)
                began = time.perf_counter()
                for save in range(asked.saves):
                    plant.put(key, f"{document(number, 500)}\n\nSave {save}.\n".encode())
                took = time.perf_counter() - began
                plant.until(plant.calm)
                after = plant.row(key)
                assert plant.settled(key)
                heard, claims = after.heard - before.heard, after.generation - before.generation
                pieces.append(claims)
                print(f"round {number + 1}: {asked.saves} saves in {took:.2f} s, in {heard} batches, {claims} claims")
    rows({"rounds": asked.rounds, "saves a round": asked.saves})
    verdict(f"pieces of work of {asked.saves} saves, most", max(pieces), "<=", 2)


if __name__ == "__main__":
    main()
