"""RTF, by our own reader: headings, lists and tables are told by the words of paragraphs.

The libraries give plain text without tables and headings, and mojibake where a font changes the code page.
"""

from collections.abc import Iterator, Mapping

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content, table_row
from workers.parsing.dates import about
from workers.parsing.rtfwords import Mark, Piece, Reader


def parse(body: bytes) -> Content:
    """The blocks of an RTF document, and the title, the author and the dates in its properties."""
    reader = Reader(body)
    blocks = list(_blocks(reader.pieces()))
    times = {name: _moment(parts) for name, parts in reader.times.items()}
    metadata = about(author=_whole([reader.author]), created=times["created"], modified=times["modified"])
    return Content(blocks, _whole([reader.title]).strip() or None, metadata=metadata)


def _moment(parts: Mapping[str, int]) -> str:
    """A time in its parts, which RTF tells without a zone."""
    year, month, day, hour, minute = (parts.get(name, 0) for name in ("yr", "mo", "dy", "hr", "min"))
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00"


def _blocks(pieces: Iterator[Piece]) -> Iterator[Block]:
    text: list[str] = []
    cells: list[str] = []
    rows: list[str] = []
    hidden: list[str] = []
    for piece in pieces:
        if piece.mark is Mark.TEXT:
            text.append(piece.text)
        elif piece.mark is Mark.HIDDEN:
            hidden.append(piece.text)
        elif piece.mark is Mark.CELL:
            cells.append(_whole(text))
            text = []
        elif piece.mark is Mark.ROW:
            rows.append(table_row(cells))
            cells = []
        elif piece.in_table:
            text.append("\n")
        else:
            yield from _table([*rows, table_row(cells)])
            yield from _paragraph(_whole(text).strip(), piece)
            if unseen := _whole(hidden).strip():
                yield Block(BlockKind.PARAGRAPH, unseen, hidden=True)
            text, cells, rows, hidden = [], [], [], []


def _table(rows: list[str]) -> Iterator[Block]:
    if any(rows):
        yield Block(BlockKind.TABLE, "\n".join(filter(None, rows)))


def _paragraph(text: str, end: Piece) -> Iterator[Block]:
    if text and end.level:
        yield Block(BlockKind.HEADING, text, end.level, None, " ".join(text.split()))
    elif text:
        yield Block(BlockKind.LIST_ITEM if end.item else BlockKind.PARAGRAPH, text)


def _whole(runs: list[str]) -> str:
    """Runs of text in one; a character beyond U+FFFF comes in two halves."""
    return "".join(runs).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
