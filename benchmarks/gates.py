"""What the gates cost, alone: rules on documents, expectations on their chunks, rules on vectors.

    python -m benchmarks.gates [--documents 2000] [--characters 4000] [--load-seconds SECONDS]

Processor time, in batches of the pipeline's size. They may cost 5 % of a first load of as many documents: hand in its
seconds for the verdict. benchmarks.first_load measures that share in place, on fewer documents.
"""

import argparse
import time
from collections import Counter

import numpy as np

from benchmarks._handbook import document
from benchmarks._verdict import rows, verdict
from infra.model_files import DEFAULT_MODEL, find_model
from infra.tokenizer import ModelTokenizer
from schemas.identity import document_id
from validation import suite
from validation.chunks import check_chunks, chunk_rows
from validation.ruleset import load_rules
from validation.vectors import check_vectors
from workers.chunking import chunk
from workers.parsing.registry import parse

DIMENSION, LIMIT, BATCH = 384, 80, 256


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--characters", type=int, default=4000)
    parser.add_argument("--load-seconds", type=float)
    asked = parser.parse_args()
    tokenizer, rules = ModelTokenizer(find_model(DEFAULT_MODEL)), load_rules(None)
    took, counts, rng = Counter(), Counter(), np.random.default_rng(1)

    def timed(name, function, *args, **kwargs):
        began = time.process_time()
        made = function(*args, **kwargs)
        took[name] += time.process_time() - began
        return made

    timed("loading Great Expectations, once", suite._context)
    for start in range(0, asked.documents, BATCH):
        table, sets = [], {}
        for number in range(start, min(start + BATCH, asked.documents)):
            uri = f"file:///handbook/{number}.md"
            body = document(number, asked.characters).encode()
            parsed = parse(body, f"{number}.md")
            mine = rules.of("default", uri)
            counts["findings"] += len(timed("rules on documents", mine.document, parsed, size=len(body)))
            parsed = timed("rules on documents", mine.redacted, parsed)
            id_ = document_id("default", uri)
            cut = chunk(parsed, tokenizer, max_tokens=LIMIT)
            table += timed("expectations on chunks", chunk_rows, id_, cut, limit=LIMIT)
            sets[id_] = mine
        counts["findings"] += len(timed("expectations on chunks", check_chunks, table, sets))
        counts["chunks"] += len(table)
        vectors = rng.standard_normal((len(table), DIMENSION), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        keyed = dict(zip(range(len(table)), vectors, strict=True))
        counts["findings"] += len(timed("rules on vectors", check_vectors, keyed, dimension=DIMENSION))
    rows(
        {
            "documents, chunks, findings": f"{asked.documents}, {counts['chunks']}, {counts['findings']}",
            **{
                name: f"{seconds:.2f} s, {1000 * seconds / asked.documents:.2f} ms a document"
                for name, seconds in took.items()
            },
        }
    )
    if asked.load_seconds:
        share = 100 * sum(took.values()) / asked.load_seconds
        verdict(f"gates, of a first load of {asked.load_seconds:g} s", share, "<=", 5, " %")


if __name__ == "__main__":
    main()
