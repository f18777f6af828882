"""A first load of Markdown: the whole pipeline against the model alone, on the very same chunks, in one process.

    python -m benchmarks.first_load [--rounds 3] [--documents 60] [--characters 4000]

Each round makes new documents, indexes them into a new home, and then has `SentenceTransformer.encode` embed the same
chunks with the same loaded model. Loading it is in neither (benchmarks.startup has it).
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks._handbook import write
from benchmarks._verdict import ratio, rows, verdict
from infra.log import configure_logging
from infra.settings import Settings
from penstock.compose import open_model
from penstock.indexing import index
from penstock.workshop import workshop


class Recorder:
    """An embedder that passes everything on, and keeps the texts."""

    def __init__(self, embedder):
        self.info, self._embedder, self.texts = embedder.info, embedder, []

    def warm(self):
        self._embedder.warm()

    def encode(self, texts):
        self.texts += texts
        return self._embedder.encode(texts)


def load(folder, source, embedder, seconds):
    """Index a folder into a new home; the texts that were embedded, and what it took."""
    with workshop(Settings(home=folder)) as shop:
        shop.pipeline.parser.warm()  # a child process that starts while others do: part of starting up
        time.sleep(1)
        shop.pipeline.embedder = recorder = Recorder(embedder)
        began = time.perf_counter()
        index(shop, [str(source)], tenant="default")
        took = time.perf_counter() - began
        seconds.update(shop.pipeline.tally.seconds)
        seconds["everything else"] += took - sum(shop.pipeline.tally.seconds.values())
    return recorder.texts, took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--characters", type=int, default=4000)
    asked = parser.parse_args()
    configure_logging(verbose=False, as_json=True)
    _, embedder = open_model(Settings())
    model = embedder._load().result()
    model.encode(["warm"] * 64)
    seconds, rounds, raw_speeds = Counter(), [], []
    for number in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            numbers = range(number * asked.documents, (number + 1) * asked.documents)
            characters = sum(map(len, write(Path(folder, "docs"), numbers, asked.characters)))
            texts, took = load(Path(folder, "home"), Path(folder, "docs"), embedder, seconds)
        began = time.perf_counter()
        model.encode(texts, show_progress_bar=False)
        raw = time.perf_counter() - began
        rounds.append((raw, took))
        raw_speeds.append(characters / raw)
        print(
            f"round {number + 1}: {characters} characters, {len(texts)} chunks, pipeline {took:.2f} s, raw {raw:.2f} s"
        )
    total = sum(seconds.values())
    shares = {f"share of {name}": f"{spent / total:7.1%}" for name, spent in seconds.most_common()}
    rows(shares | {"characters per second, raw": f"{max(raw_speeds):,.0f}"})
    verdict("whole pipeline / raw encode, characters per second", ratio(rounds), ">=", 0.85)
    verdict("the gates' share of a first load", 100 * seconds["rules"] / total, "<=", 5, " %")
    verdict("the index's share of a first load", 100 * seconds["index"] / total, "<=", 10, " %")


if __name__ == "__main__":
    main()
