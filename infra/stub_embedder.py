"""A stand-in for a model: deterministic, no weights, microseconds a text. For tests, and for dry runs without a model.

Texts with the same words get near vectors, so that search over it behaves; synonyms mean nothing to it.
"""

import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from infra.ports import ModelInfo, Vectors

_NAME = re.compile(r"stub-([1-9]\d{0,3})")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SIGN = 1 << 31


def stub_dimension(name: str) -> int | None:
    """64 for the model name `stub-64`; None for a name that is no stub's."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


class StubTokenizer:
    """Words and punctuation marks are tokens; a token's id is a checksum of it in small letters."""

    identity = "stub/254"
    limit = 254

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [
            [crc32(token.encode("utf-8", "surrogatepass")) for token in _TOKEN.findall(text.lower())] for text in texts
        ]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token, in order."""
        return [match.span() for match in _TOKEN.finditer(text)]


class StubEmbedder:
    """A hashed bag of words: each token adds one, with a sign, at a place that its id decides."""

    def __init__(self, dimension: int) -> None:
        self.info = ModelInfo(f"stub-{dimension}", dimension, StubTokenizer.limit)
        self._tokenizer = StubTokenizer()

    def warm(self) -> None:
        """Nothing to load."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit-norm float32 vectors, shape (len(texts), dimension)."""
        dimension = self.info.dimension
        vectors = np.zeros((len(texts), dimension), np.float32)
        for vector, ids in zip(vectors, self._tokenizer.token_ids(texts), strict=True):
            tokens = np.asarray(ids, np.int64)
            signs = np.where(tokens & _SIGN, -1.0, 1.0)
            vector[:] = np.bincount(tokens % dimension, signs, minlength=dimension)
            if not vector.any():  # no words, or words that cancel out: still a unit vector
                vector[0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors
