"""What a parser hands back; the registry makes a `ParsedDocument` of it."""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.documents import Block, Member

#: Characters of a cell that may stand more than once.
_REPEATED = 200


class Content(NamedTuple):
    """Blocks in reading order, what the format itself says about the document, and what lies inside it.

    metadata: of `author`, `created`, `modified` (ISO 8601) those the format has. members: see `schemas.documents`.
    """

    blocks: list[Block]
    title: str | None = None
    language: str | None = None
    metadata: Mapping[str, str] = {}
    members: tuple[Member, ...] = ()


def table_row(cells: list[str]) -> str:
    """One row on one line: cells joined by " | ", line breaks within a cell made spaces, empty cells at the end cut."""
    return " | ".join(" ".join(cell.split()) for cell in cells).rstrip(" |")


def repeated(cell: str) -> str:
    """What a cell merged over several rows says in those below its first, so that each row is found by it."""
    return cell if len(cell) <= _REPEATED else ""
