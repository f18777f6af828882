"""Event to searchable on the real stack, one small document at a time, beside the bare work on the same documents.

    python -m benchmarks.event [--documents 100] [--models stub-64,all-MiniLM-L6-v2]

From before the object is put until its points are counted in the index: object store -> Kafka -> intake -> PostgreSQL
-> Redis -> worker -> Qdrant (the stand-in, unless one is given). Bare is parse, cut, embed and upsert in this process,
of the same document into another collection of the same index, in turn. Models are warm: a first document is not
counted.
"""

import argparse
import tempfile
import time
from pathlib import Path

from qdrant_client import QdrantClient, models

from benchmarks._handbook import document
from benchmarks._verdict import rows, verdict
from infra.index_qdrant import QdrantIndex
from infra.log import configure_logging
from infra.ports import Point
from infra.settings import Settings
from infra.sparse import document_vectors
from penstock.compose import open_model
from schemas.identity import document_id, point_id
from tests.support.plant_scaled import scaled
from tests.support.services import temporary_services
from workers.advance import collection_name
from workers.chunking import chunk
from workers.parsing.registry import parse

CHARACTERS, POLL_S, BARE, TENANT = 700, 0.005, "bare", "north"
#: Seconds. The first document waits for the model to be loaded.
PATIENCE_S = 300


class Bare:
    """Parse, cut, embed, upsert; nothing else."""

    def __init__(self, url, settings):
        self.tokenizer, self.embedder = open_model(settings)
        self.chunk_tokens = settings.chunk_tokens
        self.index = QdrantIndex(url)
        self.index.create(BARE, self.embedder.info.dimension)
        self.embedder.warm()

    def seconds(self, uri, body):
        began = time.perf_counter()
        name = uri.rpartition("/")[2]
        chunks = chunk(parse(body, name), self.tokenizer, max_tokens=self.chunk_tokens)
        texts = [one.text for one in chunks]
        vectors, document = self.embedder.encode(texts), document_id(TENANT, uri)
        self.index.upsert(
            BARE,
            [
                Point(id_, dense, sparse, {"id": id_, "content": one.text, "tenant": TENANT, "document_id": document})
                for one, dense, sparse in zip(chunks, vectors, document_vectors(texts), strict=True)
                for id_ in [point_id(document, one.hash, one.occurrence)]
            ],
        )
        return time.perf_counter() - began


def searchable(plant, client, collection, key, body):
    """Seconds from before a put until the index holds the document."""
    field = models.FieldCondition(key="uri", match=models.MatchValue(value=plant.uri(key)))
    began = time.perf_counter()
    plant.put(key, body)
    while True:
        if client.collection_exists(collection):
            break
        time.sleep(POLL_S)
    while not client.count(collection, models.Filter(must=[field])).count:
        assert time.perf_counter() - began < PATIENCE_S, f"{key} is not searchable after {PATIENCE_S} s"
        time.sleep(POLL_S)
    return time.perf_counter() - began


def measure(services, room, model, number):
    """(event to searchable, bare) in seconds, a pair for each document."""
    with scaled(services, room, intakes=1, workers=1, lease=30, PENSTOCK_MODEL=model) as plant:
        bare = Bare(plant.given["PENSTOCK_QDRANT_URL"], Settings(model=model))
        collection = collection_name(bare.embedder.info)
        client = QdrantClient(url=plant.given["PENSTOCK_QDRANT_URL"], check_compatibility=False)
        pairs = []
        for one in range(-3, number):
            body, key = document(10_000 + one, CHARACTERS).encode(), f"{TENANT}/page-{one + 3}.md"
            pair = (searchable(plant, client, collection, key, body), bare.seconds(plant.uri(key), body))
            pairs += [pair] if one >= 0 else []
        client.close()
        bare.index.close()
        return pairs


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--models", default="stub-64,all-MiniLM-L6-v2")
    asked = parser.parse_args()
    configure_logging(verbose=False, as_json=True)
    found = {}
    with temporary_services() as services, tempfile.TemporaryDirectory() as room:
        for model in asked.models.split(","):
            found[model] = measure(services, Path(room, model), model, asked.documents)
    for model, pairs in found.items():
        ours, bare = zip(*pairs, strict=True)
        for name, values in (("event to searchable", ours), ("bare work", bare)):
            middle, high = percentile(values, 0.5), percentile(values, 0.95)
            rows({f"{model}: {name}, p50 / p95": f"{1000 * middle:.0f} / {1000 * high:.0f} ms"})
    for model, pairs in found.items():
        ours, bare = zip(*pairs, strict=True)
        verdict(f"{model}: p95 - bare p95", percentile(ours, 0.95) - percentile(bare, 0.95), "<=", 1, " s")


if __name__ == "__main__":
    main()
