"""Pieces: a document's blocks, split finer only where they have to be, at the most meaningful places first.

The texts of consecutive pieces of one block join to the block's text exactly: no text is lost, none doubled.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

from infra.ports import Tokenizer
from schemas.documents import Block, BlockKind

#: Most characters one token stands for: bounds chunks where a tokenizer reads a page of base64 as one unknown word.
CHARACTERS_PER_TOKEN = 32
#: A run of words ends at every sixteenth word on average, and after 64 words at the latest.
_RUN, _LONGEST_RUN = 16, 64
#: Characters; text without any white space is first cut at multiples of this.
_WINDOW = 2048
#: Texts tokenized at once; bounds the memory of a huge document.
_BATCH = 4096


class Grain(IntEnum):
    """What a piece is, coarsest first."""

    BLOCK = 0
    STANZA = 1
    SENTENCE = 2
    LINE = 3
    RUN = 4
    SLICE = 5


_ENDS = {
    Grain.STANZA: re.compile(r"\n(?:[ \t]*+\n)+"),
    # A small letter after the space goes on with the sentence ("e.g. this").
    Grain.SENTENCE: re.compile(r"[.!?…]['\"”’)\]*_`]*+\s++(?![a-z])|[。！？｡][」』”’）]*+\s*+"),  # noqa: RUF001 - Chinese
    Grain.LINE: re.compile(r"\n"),
}
# Words end at white space, and at the marks that separate things in data written without any.
_WORD_END = re.compile(r"[\s,;)\]}>，；、]++")  # noqa: RUF001 - Chinese

_PROSE = (Grain.SENTENCE, Grain.LINE, Grain.RUN, Grain.SLICE)
_GRAINS = {
    BlockKind.HEADING: _PROSE,
    BlockKind.PARAGRAPH: _PROSE,
    BlockKind.LIST_ITEM: _PROSE,
    BlockKind.CODE: (Grain.STANZA, Grain.LINE, Grain.RUN, Grain.SLICE),
    BlockKind.TABLE: (Grain.LINE, Grain.RUN, Grain.SLICE),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A slice of a block's text.

    block: the block's position in the document. grain: what the piece is. seam: the grain of the split it begins at,
    BLOCK where the block itself begins. size: length in tokens, as `Ruler` measures it.
    """

    text: str
    block: int
    grain: Grain
    seam: Grain
    size: int


class Ruler:
    """Measures texts in the model's tokens, but never less than one token for every CHARACTERS_PER_TOKEN characters."""

    def __init__(self, tokenizer: Tokenizer, limit: int) -> None:
        self._tokenizer, self._limit = tokenizer, limit

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """Size of each text; one that is over the limit by its characters alone is not tokenized."""
        sizes = [-(-len(text) // CHARACTERS_PER_TOKEN) for text in texts]
        readable = [at for at, size in enumerate(sizes) if size <= self._limit]
        for start in range(0, len(readable), _BATCH):
            batch = readable[start : start + _BATCH]
            for at, tokens in zip(batch, self.tokens([texts[at] for at in batch]), strict=True):
                sizes[at] = max(sizes[at], tokens)
        return sizes

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text."""
        return [len(ids) for ids in self._tokenizer.token_ids(texts)]

    def slices(self, text: str) -> list[int]:
        """Where to cut a short text that has no better places: between tokens, so that two parts are about a chunk."""
        starts = [start for start, _ in self._tokenizer.offsets(text) if 0 < start < len(text)]
        step = max(1, min(self._limit, len(starts) + 1) // 2)
        return starts[step - 1 :: step] or [len(text) // 2]


def whole(blocks: Sequence[Block], ruler: Ruler) -> list[Piece]:
    """One piece for every block that has text."""
    present = [(at, block.text) for at, block in enumerate(blocks) if block.text.strip()]
    sizes = ruler.sizes([text for _, text in present])
    return [Piece(text, at, Grain.BLOCK, Grain.BLOCK, size) for (at, text), size in zip(present, sizes, strict=True)]


def split(piece: Piece, kind: BlockKind, ruler: Ruler, *, finest: Grain) -> list[Piece]:
    """The piece in parts of the coarsest grain, down to `finest`, that gives more than one; else the piece itself."""
    for grain in _GRAINS[kind]:
        if piece.grain < grain <= finest or piece.grain == grain == Grain.SLICE:
            parts = list(_parts(piece.text, _ends(piece.text, grain, ruler)))
            if len(parts) > 1:
                seams = [piece.seam, *[grain] * (len(parts) - 1)]
                sizes = ruler.sizes(parts)
                return [
                    Piece(*row)
                    for row in zip(parts, [piece.block] * len(parts), [grain] * len(parts), seams, sizes, strict=True)
                ]
    return [piece]


def _parts(text: str, ends: Iterable[int]) -> Iterator[str]:
    start = 0
    for end in ends:
        if start < end < len(text):
            yield text[start:end]
            start = end
    yield text[start:]


def _ends(text: str, grain: Grain, ruler: Ruler) -> Iterable[int]:
    if grain is Grain.SLICE:
        return range(_WINDOW, len(text), _WINDOW) if len(text) > _WINDOW else ruler.slices(text)
    if grain is Grain.RUN:
        return _run_ends(text)
    return (match.end() for match in _ENDS[grain].finditer(text))


def _run_ends(text: str) -> Iterator[int]:
    """Ends of runs of words. The words themselves choose, so an edit moves the ends only up to the next chosen word."""
    words, start = 0, 0
    for match in _WORD_END.finditer(text):
        words += 1
        chosen = crc32(text[start : match.start()].encode("utf-8", "surrogatepass")) % _RUN == 0
        if chosen or words == _LONGEST_RUN:
            yield match.end()
            words = 0
        start = match.end()
