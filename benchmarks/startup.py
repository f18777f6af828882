"""Starting up: `penstock index` of one new document, against a bare process that loads the model and embeds it.

    python -m benchmarks.startup [--rounds 5]

Whole processes, from the shell's point of view, taken in turn; each `index` gets a new home. `status` and `search` are
measured on a home that is there.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._handbook import document
from benchmarks._verdict import ratio, rows, verdict
from infra.model_files import DEFAULT_MODEL, find_model

BARE = """
import sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu", local_files_only=True)
assert model.encode([open(sys.argv[2]).read()], show_progress_bar=False).shape == (1, 384)
"""


def seconds(*command):
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    penstock = str(Path(sys.executable).with_name("penstock"))
    model = str(find_model(DEFAULT_MODEL).folder)
    pairs, status, search = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        page, home = Path(folder, "page.md"), Path(folder, "home")
        page.write_text(document(1, 700))
        seconds(sys.executable, "-c", BARE, model, page)  # the disk's cache, for both
        for _ in range(asked.rounds):
            shutil.rmtree(home, ignore_errors=True)
            ours = seconds(penstock, "--home", home, "index", page)
            pairs.append((ours, seconds(sys.executable, "-c", BARE, model, page)))
            status.append(seconds(penstock, "--home", home, "status"))
            search.append(seconds(penstock, "--home", home, "search", "travel expenses"))
    ours, bare = zip(*pairs, strict=True)
    named = {"penstock index": ours, "bare process": bare, "penstock search": search, "penstock status": status}
    rows({f"{name}, fastest": f"{min(taken):.2f} s" for name, taken in named.items()})
    verdict("index of one new document / bare process", ratio(pairs), "<=", 1.5)
    verdict("penstock status, fastest", min(status), "<", 0.8, " s")


if __name__ == "__main__":
    main()
