"""A quiet source: `index` of 10,000 files of which none has changed, against a bare walk that stats each of them.

    python -m benchmarks.unchanged [--documents 10000] [--rounds 15]

Both run in this process, one after the other, round by round; imports and opening the home are not counted. The stub
model embeds the first load: no model has a part in what is measured.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks._handbook import write
from benchmarks._verdict import ratio, rows, verdict
from infra.log import configure_logging
from infra.settings import Settings
from infra.source_folder import FolderSource
from penstock.indexing import index
from penstock.workshop import workshop


def walk(folder):
    """A bare recursive scandir with a stat of every file; how many there are."""
    files, pending = 0, [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    files += 1
    return files


def seconds(work, *arguments, **options):
    began = time.perf_counter()
    work(*arguments, **options)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    configure_logging(verbose=False, as_json=True)
    reads = 0
    fetch = FolderSource.fetch

    def counted(*arguments, **options):
        nonlocal reads
        reads += 1
        return fetch(*arguments, **options)

    FolderSource.fetch = counted
    with tempfile.TemporaryDirectory() as folder:
        for _ in write(Path(folder, "docs"), range(asked.documents), 200):
            pass
        time.sleep(2.5)  # a file younger than two seconds is not trusted unread, by design
        with workshop(Settings(home=Path(folder, "home"), model="stub-64")) as shop:
            docs = f"{folder}/docs"
            index(shop, [docs], tenant="default")
            assert reads == walk(docs) == asked.documents, reads
            reads, pairs = 0, []
            for _ in range(asked.rounds):
                ours = seconds(index, shop, [docs], tenant="default")
                pairs.append((ours, seconds(walk, docs)))
    fastest = [f"{1000 * min(side):.0f} ms" for side in zip(*pairs, strict=True)]
    rows({"documents": asked.documents, "index, fastest": fastest[0], "bare scandir and stat, fastest": fastest[1]})
    verdict("index of unchanged files / bare scandir and stat", ratio(pairs), "<=", 5)
    verdict("files read", reads, "<=", 0)


if __name__ == "__main__":
    main()
