"""What an index must hold, computed without it: f(the bytes of each document's last version that passed, settings).

Parse, cut, embed and place anew, from the functions alone; no ledger, no index, no cache has a say here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from infra.ports import Index, Vectors
from infra.stub_embedder import StubEmbedder, StubTokenizer, stub_dimension
from schemas.documents import ParsedDocument
from schemas.errors import Refusal
from schemas.identity import content_hash, document_id, point_id
from validation.ruleset import load_rules
from workers.chunking import chunk
from workers.parsing.registry import parse
from workers.pipeline.gates import accepted
from workers.pipeline.shape import document_name

#: The rules wherever documents shrink and grow at random; what they say then has tests of its own.
RULES = load_rules(None, shrink=False)
#: Cosine from which two vectors count as the same.
SAME = 0.999


@dataclass(frozen=True)
class Recipe:
    """The settings that shape points. `edition` is the version of the parser of plain text."""

    model: str = "stub-64"
    chunk_tokens: int = 32
    edition: int = 0


class Attributes(NamedTuple):
    """What a source declares of its documents; hashable, unlike the product's own."""

    acl: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


class Wanted(NamedTuple):
    """One point: everything a reader sees of it but time stamps and generations."""

    seen: dict[str, Any]
    vector: Vectors


def passes(body: bytes, uri: str) -> bool:
    """Whether this version may be indexed."""
    return _parsed(body, document_name(uri)) is not None


@lru_cache(maxsize=4096)
def points(tenant: str, uri: str, body: bytes, recipe: Recipe, attributes: Attributes) -> Mapping[str, Wanted]:
    """The points of one version by id. The parser in this process must be the one of `recipe.edition`."""
    parsed = _parsed(body, document_name(uri))
    assert parsed is not None
    document = document_id(tenant, uri)
    chunks = chunk(parsed, StubTokenizer(), max_tokens=recipe.chunk_tokens)
    vectors = StubEmbedder(stub_dimension(recipe.model) or 0).encode([one.text for one in chunks])
    wanted = {}
    for one, vector in zip(chunks, vectors, strict=True):
        seen = {
            "content": one.text,
            "tenant": tenant,
            "document_id": document,
            "uri": uri,
            "chunk_hash": one.hash,
            "content_hash": content_hash(body),
            "acl": sorted(attributes.acl),
            "title": parsed.title,
            "content_type": parsed.content_type,
            "headings": list(one.headings),
            "page": one.page,
            "ordinal": one.ordinal,
            "embedding_model": recipe.model,
            "metadata": {**parsed.metadata, **dict(attributes.metadata)},
        }
        wanted[point_id(document, one.hash, one.occurrence)] = Wanted(seen, vector)
    return wanted


def stored(index: Index, collection: str, tenant: str) -> dict[str, Wanted]:
    """A tenant's points as the index holds them, in the same form."""
    found: dict[str, Wanted] = {}
    for point in index.scroll(collection, tenant, with_vectors=True):
        assert point.id not in found
        assert point.dense is not None
        flat = ("content", "tenant", "document_id", "uri", "chunk_hash", "content_hash")
        meta = ("title", "content_type", "headings", "page", "ordinal", "embedding_model", "metadata")
        seen = {name: point.payload[name] for name in flat} | {"acl": sorted(point.payload["acl"])}
        found[point.id] = Wanted(seen | {name: point.payload["meta"][name] for name in meta}, point.dense)
    return found


def differences(found: Mapping[str, Wanted], wanted: Mapping[str, Wanted]) -> list[str]:
    """What differs, in words; nothing when they agree."""
    faults = [f"missing: {wanted[one].seen}" for one in wanted.keys() - found.keys()]
    faults += [f"should not be there: {found[one].seen}" for one in found.keys() - wanted.keys()]
    for one in found.keys() & wanted.keys():
        if found[one].seen != wanted[one].seen:
            faults.append(f"is {found[one].seen}, should be {wanted[one].seen}")
        elif float(np.dot(found[one].vector, wanted[one].vector)) < SAME:
            faults.append(f"wrong vector: {wanted[one].seen}")
    return faults


def _parsed(body: bytes, name: str) -> ParsedDocument | None:
    try:
        return accepted(RULES.of("", ""), parse(body, name), size=len(body), hidden_text="skip")
    except Refusal:
        return None
