"""The embedding model's own tokenizer: a chunk is measured in the tokens the model will read. Needs no torch."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from infra.model_files import ModelFiles

_WORD = re.compile(r"[^ \t\r\n]+")
#: Characters in the words whose tokens are remembered: some 200,000 words, 50 MB.
_MEMO_CHARACTERS = 1_600_000


class ModelTokenizer:
    """A `tokenizer.json` behind the `Tokenizer` port; loads in about 0.1 s.

    Most tokenizers of sentence models never look across white space. Their tokens of a text are those of its words,
    and the words of a language recur: remembering them is about ten times faster than the library, to the same ids.
    """

    def __init__(self, files: ModelFiles) -> None:
        import tokenizers  # 40 ms that `status` need not pay

        definition = files.tokenizer.read_bytes()
        self._tokenizer = tokenizers.Tokenizer.from_buffer(definition)
        # The file switches both on (128 tokens for the default model): counts would be wrong without a word.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._by_word = _reads_words_alone(json.loads(definition))
        self._memo: dict[str, list[int]] = {}
        self._memo_characters = 0
        self.limit: int = files.max_sequence() - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self.identity: str = f"{hashlib.sha256(definition).hexdigest()[:16]}/{self.limit}"

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        if not self._by_word:
            return self._encode(texts)
        memo = self._memo
        split = [_WORD.findall(text) for text in texts]
        new = list({word for words in split for word in words if word not in memo})
        memo.update(zip(new, self._encode(new), strict=True))
        self._memo_characters += sum(map(len, new))
        if self._memo_characters > _MEMO_CHARACTERS:
            self._memo, self._memo_characters = {}, 0  # this call, and other threads, go on with the old one
        return [[id_ for word in words for id_ in memo[word]] for words in split]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of each token, in order."""
        return self._tokenizer.encode(readable(text), add_special_tokens=False).offsets

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast([readable(text) for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in encodings]


def vector_key(token_ids: Sequence[int]) -> str:
    """SHA-256 of the token ids, hexadecimal: texts with the same tokens have the same vector (the cache's key)."""
    return hashlib.sha256(np.asarray(token_ids, "<u4").tobytes()).hexdigest()


def _reads_words_alone(definition: Any) -> bool:
    """Whether the tokens of a text are those of its words: it splits at white space before anything that joins."""
    normalizer = (definition["normalizer"] or {}).get("type", "BertNormalizer")
    splitter = (definition["pre_tokenizer"] or {}).get("type")
    spaced = any(_WORD.fullmatch(token["content"]) is None for token in definition["added_tokens"])
    return normalizer == "BertNormalizer" and splitter == "BertPreTokenizer" and not spaced


def readable(text: str) -> str:
    """The text with lone surrogates replaced, one for one: they have no UTF-8 form, and the library refuses them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
