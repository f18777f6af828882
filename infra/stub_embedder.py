"""A stand-in for a model: deterministic, no weights, microseconds a text. For tests, and for dry runs without a model.

Texts with the same words get near vectors, so that search over it behaves; synonyms mean nothing to it.
"""

import re
import time
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from infra.ports import ModelInfo, Vectors

_NAME = re.compile(r"stub-([1-9]\d{0,3})(?:-slow([1-9]\d{0,4}))?")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SIGN = 1 << 31
#: Texts that a slow stub answers at once.
BATCH = 32


def stub_dimension(name: str) -> int | None:
    """64 for the model names `stub-64` and `stub-64-slow50`; None for a name that is no stub's."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def stub_embedder(name: str) -> "StubEmbedder":
    """The stub of a name that has a dimension; `-slow50` answers each batch after 50 ms, as a remote model would."""
    match = _NAME.fullmatch(name)
    assert match is not None
    return StubEmbedder(int(match[1]), name=name, answer_s=int(match[2] or 0) / 1000)


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

    def __init__(self, dimension: int, *, name: str | None = None, answer_s: float = 0.0) -> None:
        self.info = ModelInfo(name or f"stub-{dimension}", dimension, StubTokenizer.limit)
        self._tokenizer, self._answer_s = StubTokenizer(), answer_s

    def warm(self) -> None:
        """Nothing to load."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit-norm float32 vectors, shape (len(texts), dimension)."""
        if self._answer_s and texts:
            time.sleep(self._answer_s * -(-len(texts) // BATCH))
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
