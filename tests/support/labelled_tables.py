"""Tables of chunks, vectors and events that are labelled with the rules they break, each damaged in one way."""

import random
from collections.abc import Iterator

import numpy as np

from schemas.identity import document_id, point_id, text_hash
from tests.support.labelled import prose
from validation.chunks import ChunkRow

LIMIT, DIMENSION = 80, 32
#: Documents of one batch that share a paragraph, where the rule allows four.
SHARED_BY = 5


def chunked(name: str, rng: random.Random) -> list[ChunkRow]:
    """The chunks of an ordinary document."""
    id_ = document_id("default", f"file:///{name}")
    texts = prose(rng, rng.choice(["en", "de", "ja"]), rng.randint(3, 6))
    texts = [f"{name}, {place}: {text}" for place, text in enumerate(texts)]
    return [
        ChunkRow(id_, point_id(id_, text_hash(text), 0), place, text, text_hash(text), rng.randint(1, LIMIT), LIMIT)
        for place, text in enumerate(texts)
    ]


def damaged(rule: str, rows: list[ChunkRow], rng: random.Random) -> list[ChunkRow]:
    """The same chunks, breaking a rule."""
    at = rng.randrange(len(rows))
    one = rows[at]
    match rule:
        case "complete":
            lacking = rng.choice(["id", "ordinal", "text", "hash", "tokens"])
            rows[at] = one._replace(**{lacking: None})
        case "ids-unique":
            rows[at] = one._replace(id=rows[at - 1].id)
        case "hash-fits":
            rows[at] = one._replace(hash=rng.choice([one.hash[:-1], one.hash.upper(), text_hash("other"), "x" * 64]))
        case "fits-the-model":
            rows[at] = one._replace(tokens=LIMIT + rng.randint(1, 900))
        case "numbered":
            rows[at] = one._replace(ordinal=rng.choice([-1, one.ordinal + 1, one.ordinal + 7]))
        case "of-a-document" | "has-chunks":
            pass  # a matter of which documents are named
        case "boilerplate":
            text = (
                "All rights reserved. No part of this document may be passed on without written consent of the board."
            )
            extra = ChunkRow(
                one.document, point_id(one.document, text_hash(text), 0), len(rows), text, text_hash(text), 9, LIMIT
            )
            rows.append(extra)
    return rows


def vector(rng: np.random.Generator) -> np.ndarray:
    made = rng.standard_normal(DIMENSION)
    return (made / np.linalg.norm(made)).astype(np.float32)


def bad_vectors(rule: str, count: int, seed: int = 1) -> Iterator[np.ndarray]:
    """Vectors that break a rule: one, or one of several of a document."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        one = vector(rng)
        match rule:
            case "dimension":
                one = one[: int(rng.integers(1, DIMENSION))]
            case "finite":
                one[int(rng.integers(DIMENSION))] = rng.choice([np.nan, np.inf, -np.inf])
            case "unit-norm":
                one = one * float(rng.choice([0.1, 0.5, 0.99, 1.01, 3.0]))
            case "not-constant":
                one = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)
        yield one if rule == "dimension" or rng.random() < 0.5 else np.stack([vector(rng), one, vector(rng)])
