"""Replay a history of documents change by change, and compare what is left with a fresh index.

    python -m benchmarks.replay [HISTORY.jsonl.gz] [--commits N] [--vectors stub | real]

HISTORY is gzip-compressed JSON lines: a base of files, then commits with their changes; without it a small one is made
up. Every commit is one `index` run. Characters embedded are counted by the run; they depend on the model's tokenizer,
which is the real one, and not on its vectors, which are the stub's unless asked otherwise.
"""

import argparse
import gzip
import json
import os
import random
import tempfile
import time
from pathlib import Path

from benchmarks._handbook import document, sentence
from benchmarks._verdict import rows, verdict
from infra.log import configure_logging
from infra.ports import ModelInfo
from infra.settings import Settings
from infra.stub_embedder import StubEmbedder
from penstock.answers import _audit
from penstock.indexing import index
from penstock.workshop import workshop


class RealTokens(StubEmbedder):
    """The stub's vectors under the real model's name: all that depends on the model but the vectors is the model's.

    They are of the model's own tokens, as its vectors are: two signs it does not know are one to it.
    """

    def __init__(self, info, tokenizer):
        super().__init__(info.dimension)
        self.info, self._tokenizer = ModelInfo(info.name, info.dimension, info.max_tokens), tokenizer

    def encode(self, texts):
        return super().encode([" ".join(map(str, ids)) for ids in self._tokenizer.token_ids(texts)])


def read(path):
    """(files of the base, commits) of a history."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        base = json.loads(next(lines))
        return base["files"], [json.loads(line)["changes"] for line in lines]


def made_up():
    """A small history: thirty documents, eighty edits of one line, some new, some gone, some moved."""
    rng = random.Random(7)
    files = {f"{n}.md": document(n, 3000) for n in range(30)}
    now, commits = dict(files), []
    for number in range(80):
        path = rng.choice(sorted(now))
        if number % 20 == 19:
            changes = [{"op": "R", "old": path, "path": f"moved/{number}.md", "text": now.pop(path), "added_chars": 0}]
        elif number % 20 == 9:
            now.pop(path)
            changes = [{"op": "D", "path": path}]
        else:
            lines, line = now[path].split("\n"), sentence(rng)
            lines[rng.randrange(len(lines))] = line
            changes = [{"op": "M", "path": path, "text": "\n".join(lines), "added_chars": len(line)}]
        now |= {change["path"]: change["text"] for change in changes if "text" in change}
        commits.append(changes)
    return files, commits


def apply(folder, changes):
    """Make the changes on disk; characters in changed lines."""
    for change in changes:
        for name in filter(None, (change.get("old"), change["path"] if change["op"] == "D" else None)):
            (folder / name).unlink()
        if "text" in change:
            path = folder / change["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(change["text"])
    return sum(change.get("added_chars", 0) for change in changes)


def contents(shop):
    """Every point but what time and generation stamp on it."""
    collection = shop.index.active()
    found = {}
    for point in shop.index.scroll(collection, "default", with_vectors=True):
        meta = {key: value for key, value in point.payload["meta"].items() if not key.endswith("_at")}
        stamped = ("meta", "generation", "source_modified_at")
        plain = {key: value for key, value in point.payload.items() if key not in stamped}
        found[point.id] = (plain, meta, point.dense)
    return found


def same(one, other):
    """Whether two indexes hold the same, vectors by cosine."""
    if one.keys() != other.keys():
        return False
    return all(one[key][:2] == other[key][:2] and float(one[key][2] @ other[key][2]) > 0.999 for key in one)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", nargs="?")
    parser.add_argument("--commits", type=int)
    parser.add_argument("--vectors", choices=("stub", "real"), default="stub")
    asked = parser.parse_args()
    os.environ["PENSTOCK_RULE_SHRINK"] = "off"
    configure_logging(verbose=False, as_json=True)
    files, commits = read(asked.history) if asked.history else made_up()
    commits = commits[: asked.commits]
    embedded = changed = 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        docs = Path(place, "docs")
        apply(docs, [{"op": "A", "path": path, "text": text} for path, text in files.items()])

        def opened(home):
            return workshop(Settings(home=Path(place, home), rule_shrink="off"))

        def embedding(shop):
            if asked.vectors == "stub":
                shop.pipeline.embedder = RealTokens(shop.pipeline.embedder.info, shop.pipeline.tokenizer)

        with opened("home") as shop:
            embedding(shop)
            first = index(shop, [str(docs)], tenant="default").characters_embedded
            for changes in commits:
                changed += apply(docs, changes)
                shop.pipeline.tally.counts.clear()
                embedded += index(shop, [str(docs)], tenant="default", insist=True).characters_embedded
            findings = _audit(shop.settings, shop.ledger, shop.index, arguments=[], tenant="default")
            after = contents(shop)
        with opened("fresh") as shop:
            embedding(shop)
            index(shop, [str(docs)], tenant="default")
            fresh = contents(shop)
    rows(
        {
            "commits": len(commits),
            "characters embedded by the first load": first,
            "characters in changed lines": changed,
            "characters embedded by the changes": embedded,
            "points at the end": len(after),
            "audit": "consistent" if findings.consistent else f"NOT CONSISTENT: {findings.to_json()}",
            "seconds": f"{time.perf_counter() - began:.0f}",
        }
    )
    verdict("equal to a fresh index (1: yes)", float(same(after, fresh)), ">=", 1)
    verdict("characters embedded / characters in changed lines", embedded / max(changed, 1), "<=", 2.0)


if __name__ == "__main__":
    main()
