"""Sparse BM25 vectors, bit for bit those of fastembed's `Qdrant/bm25` in English with its defaults.

Any reader's sparse query therefore matches what is stored. fastembed itself stays out of the running process: it
imports onnxruntime, which takes seconds. A contract test holds the two together. (`qdrant_edge.Bm25` is quicker but
cuts words at underscores and splits others differently, so its vectors are not the same.)

The collection's IDF modifier supplies the other half of BM25 at query time.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import mmh3
from py_rust_stemmers import SnowballStemmer  # type: ignore[import-untyped]

from infra.ports import SparseVector
from infra.stop_words import ENGLISH

_K = 1.2  # how soon repeating a word stops counting
_B = 0.75  # how much a long text is discounted
_AVERAGE_LENGTH = 256.0  # tokens; a constant of the contract, not measured on our texts
_LONGEST_TOKEN = 40  # characters; what is longer is a hash or a URL, not a word

_SEPARATOR = re.compile(r"[^\w\s]")
_WORD = re.compile(r"\w+")
_STEMMER = SnowballStemmer("english")


def document_vectors(texts: Sequence[str]) -> list[SparseVector]:
    """One vector for each text: token ids with BM25's term-frequency part. Empty where no word is left."""
    return [_document_vector(text) for text in texts]


def query_vector(text: str) -> SparseVector:
    """The vector to search with: every distinct token weighs 1."""
    indices = sorted(set(_token_ids(text)))
    return SparseVector(indices, [1.0] * len(indices))


def _document_vector(text: str) -> SparseVector:
    tokens = _token_ids(text)
    # Written in fastembed's order of operations: another order gives other last bits.
    saturation = _K * (1 - _B + _B * len(tokens) / _AVERAGE_LENGTH)
    counts = Counter(tokens)
    values = [count * (_K + 1) / (count + saturation) for count in counts.values()]
    return SparseVector(list(counts), values)


def _token_ids(text: str) -> list[int]:
    # Separators go before lower-casing, which looks at a letter's neighbours (a final sigma), and after it too,
    # since a letter may become a letter and a mark.
    words = _WORD.findall(_SEPARATOR.sub(" ", text).lower())
    return [token for word in words if (token := _token_id(word)) >= 0]


@lru_cache(maxsize=1 << 17)
def _token_id(word: str) -> int:
    """Id of a lower-case word's stem, or -1 if the word does not count."""
    if word in ENGLISH or word == "_" or len(word) > _LONGEST_TOKEN:
        return -1
    stem = _STEMMER.stem_word(word)
    return abs(mmh3.hash(stem)) if stem else -1
