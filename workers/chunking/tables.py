"""Tables: a chunk that begins inside one begins with its header, so that each row is found by its columns' names."""

import re
from collections.abc import Sequence

from schemas.documents import Block, BlockKind
from workers.chunking.pieces import Grain, Piece, Ruler

#: The line under a Markdown table's header, which makes it one.
_RULE = re.compile(r"[|\s:+=-]*-[|\s:+=-]*")


def header(text: str) -> str:
    """The first line of a table; with the rule under it, where there is one."""
    lines = text.lstrip("\n").split("\n", 2)
    return "\n".join(lines[: 2 if len(lines) > 1 and _RULE.fullmatch(lines[1]) else 1])


class Headers:
    """The headers of one document's tables.

    One that takes more than half of a chunk is not repeated: there would be no room left for rows.
    """

    def __init__(self, blocks: Sequence[Block], ruler: Ruler, limit: int) -> None:
        self._blocks, self._ruler, self._limit = blocks, ruler, limit
        self._known: dict[int, str] = {}

    def above(self, piece: Piece) -> str:
        """What is repeated above a chunk that begins with this piece; "" for nothing."""
        if piece.seam is Grain.BLOCK or self._blocks[piece.block].kind is not BlockKind.TABLE:
            return ""
        if piece.block not in self._known:
            text = header(self._blocks[piece.block].text)
            [size] = self._ruler.sizes([text])
            self._known[piece.block] = f"{text}\n" if text.strip() and 2 * size <= self._limit else ""
        return self._known[piece.block]
