"""Where chunks begin: at the most meaningful boundary, and among equals where the text itself says.

A span that is too long is cut at its highest boundary, and so are the two halves. A boundary's height is its place in
the structure, then a hash of the words that follow it: nothing that depends on its distance from the start. So an
edit moves only boundaries next to it, as in a treap, where a node's place follows from its key and priority alone.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from schemas.documents import Block, BlockKind
from workers.chunking.pieces import Grain, Piece, Ruler, split

#: Characters after a boundary that decide its height: enough to tell neighbours apart, few enough for edits to miss.
_LOOK = 120
_HASH_BITS = 48
#: Heights by structure, above those of a finer grain. A heading outranks every other block, a high heading a low one.
_BLOCK, _HEADING = 16, 64


class Cutter:
    """Cuts the pieces of one document into spans of at most `limit` tokens, each at least `least` where possible."""

    def __init__(self, blocks: Sequence[Block], ruler: Ruler, *, least: int) -> None:
        self._blocks, self._ruler, self._least = blocks, ruler, least

    def spans(self, pieces: Sequence[Piece], limit: int) -> Iterator[Sequence[Piece]]:
        """The pieces in order, in spans. Only a single character can be over the limit."""
        heights = np.array([self._height(pieces, at) for at in range(len(pieces))], np.uint64)
        ends = np.cumsum([0, *(piece.size for piece in pieces)])
        waiting = [(0, len(pieces))] if pieces else []
        while waiting:
            first, last = waiting.pop()
            if ends[last] - ends[first] <= limit:
                yield pieces[first:last]
            elif cut := self._best(heights, ends, first, last):
                waiting += [(cut, last), (first, cut)]
            elif (finer := self._finer(pieces[first:last], limit)) is not None:
                yield from self.spans(finer, limit)
            elif last - first > 1:
                cut = first + 1 + int(heights[first + 1 : last].argmax())
                waiting += [(cut, last), (first, cut)]
            else:
                yield pieces[first:last]

    def _best(self, heights: NDArray[np.uint64], ends: NDArray[np.int64], first: int, last: int) -> int:
        """The highest boundary that leaves enough on both sides and parts no heading from its text; 0 for none."""
        start = int(np.searchsorted(ends, ends[first] + self._least))
        stop = int(np.searchsorted(ends, ends[last] - self._least, "right"))
        start, stop = max(start, first + 1), min(stop, last)
        if start >= stop or not (top := heights[start:stop].max()):
            return 0
        equals = np.flatnonzero(heights[start:stop] == top)
        return start + int(equals[len(equals) // 2])

    def _finer(self, span: Sequence[Piece], limit: int) -> list[Piece] | None:
        """The span with its longest piece split, or None if none can be."""
        for at in sorted(range(len(span)), key=lambda at: -span[at].size):
            kind = self._blocks[span[at].block].kind
            parts = split(span[at], kind, self._ruler, finest=self._finest(span, at, limit))
            if len(parts) > 1:
                return [*span[:at], *parts, *span[at + 1 :]]
        return None

    def _finest(self, span: Sequence[Piece], at: int, limit: int) -> Grain:
        """How fine to split a piece: one that fits only at its sentences, or its words to give a heading some text."""
        if span[at].size > limit:
            return Grain.SLICE
        if self._blocks[span[at].block].kind is BlockKind.HEADING:
            return Grain.BLOCK
        return Grain.RUN if self._blocks[span[0].block].kind is BlockKind.HEADING else Grain.LINE

    def _height(self, pieces: Sequence[Piece], at: int) -> int:
        """Height of the boundary before a piece; 0 where there should be none."""
        piece = pieces[at]
        if piece.seam is not Grain.BLOCK:
            rank = _BLOCK - 1 - piece.seam
        else:
            rank = self._rank(self._blocks[pieces[at - 1].block] if at else None, self._blocks[piece.block])
        if not rank:
            return 0
        words = piece.text[:_LOOK]
        if self._blocks[piece.block].kind is BlockKind.HEADING and at + 1 < len(pieces):
            words += "\n" + pieces[at + 1].text[:_LOOK]  # many sections are called the same
        digest = blake2b(" ".join(words.split()).encode("utf-8", "surrogatepass"), digest_size=_HASH_BITS // 8).digest()
        return rank << _HASH_BITS | int.from_bytes(digest)

    @staticmethod
    def _rank(before: Block | None, after: Block) -> int:
        if after.kind is BlockKind.HEADING:
            if before and before.kind is BlockKind.HEADING and before.level < after.level:
                return 0
            return _HEADING - min(after.level, _BLOCK)
        if before and before.kind is BlockKind.HEADING:
            return 0
        if before and before.text.rstrip().endswith(":"):
            return 1  # "For example:" and the example belong together
        return _BLOCK
