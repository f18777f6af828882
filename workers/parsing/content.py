"""What a parser hands back; the registry makes a `ParsedDocument` of it."""

from typing import NamedTuple

from schemas.documents import Block


class Content(NamedTuple):
    """Blocks in reading order, and what the format itself says about the document."""

    blocks: list[Block]
    title: str | None = None
    language: str | None = None


def table_row(cells: list[str]) -> str:
    """One row on one line: cells joined by " | ", line breaks within a cell made spaces, empty cells at the end cut."""
    return " | ".join(" ".join(cell.split()) for cell in cells).rstrip(" |")
