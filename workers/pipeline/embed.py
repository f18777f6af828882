"""A vector for every text that has none yet: computed once per tenant and model, whatever it is the text of."""

from collections.abc import Mapping, Sequence

from infra.failpoints import reach
from infra.ports import Vectors
from infra.tokenizer import vector_key
from schemas.verdicts import Finding
from workers.pipeline.gates import of_vectors
from workers.pipeline.parts import Pipeline

#: Texts embedded between two writes to the cache: what a kill may cost, and what lies in memory at once.
SLICE = 2048


def vector_keys(pipeline: Pipeline, texts: Sequence[str]) -> list[str]:
    """The cache key of each text: the hash of the tokens the model would read."""
    with pipeline.tally.stage("chunk"):
        return [vector_key(ids) for ids in pipeline.tokenizer.token_ids(texts)] if texts else []


def embed(
    pipeline: Pipeline, tenant: str, wanted: Mapping[str, str]
) -> tuple[dict[str, Vectors], dict[str, tuple[Finding, ...]]]:
    """Vectors by cache key, from the cache or the model, and what is wrong with others. `wanted`: cache key -> text.

    A vector that breaks a rule is left out and never cached; its document is the caller's to hold.
    """
    faults: dict[str, tuple[Finding, ...]] = {}
    model = pipeline.embedder.info.name
    with pipeline.tally.stage("cache"):
        found = pipeline.ledger.vectors.get(tenant, model, wanted)
    missing = [key for key in wanted if key not in found]
    pipeline.tally.counts["embedded"] += len(missing)
    pipeline.tally.counts["characters_embedded"] += sum(len(wanted[key]) for key in missing)
    for start in range(0, len(missing), SLICE):
        part = missing[start : start + SLICE]
        with pipeline.tally.stage("embed"):
            vectors = pipeline.embedder.encode([wanted[key] for key in part])
        computed = dict(zip(part, vectors, strict=True))
        faults |= of_vectors(pipeline, computed)
        sound = {key: vector for key, vector in computed.items() if key not in faults}
        with pipeline.tally.stage("cache"):
            pipeline.ledger.vectors.put(tenant, model, sound)
        found |= sound
    if missing:
        reach("embed.after")
    return found, faults
