"""Plain text: paragraphs are what blank lines part. Nothing is changed but line ends."""

import re

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content
from workers.parsing.decoding import decode

# Possessive: megabytes of blank lines would be remembered for a way back that nobody takes.
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*+\n)++")


def parse(body: bytes) -> Content:
    """The paragraphs of a text file."""
    return Content(paragraphs(decode(body)))


def paragraphs(text: str, *, page: int | None = None) -> list[Block]:
    """A block for each run of lines that are not blank."""
    pieces = (piece.strip("\n") for piece in _BLANK_LINES.split(text))
    return [Block(BlockKind.PARAGRAPH, piece, page=page) for piece in pieces if piece.strip()]
