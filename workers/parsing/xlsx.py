"""XLSX by openpyxl: a heading for each sheet, a table for each run of rows, every value as it is stored.

Not through unstructured: it renders sheets with pandas, which rounds 0.0000001 to 0.0, drops cells that say "NA" and
turns 2 into 2.0 beside an empty cell.
"""

import datetime as dt
import io
import itertools
from collections.abc import Iterable, Iterator

from openpyxl import load_workbook  # type: ignore[import-untyped]

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content, table_row


def parse(body: bytes) -> Content:
    """The sheets in order; `page` is the sheet's number."""
    book = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
    blocks: list[Block] = []
    for page, sheet in enumerate(book.worksheets, start=1):
        # Some programs store a wrong extent, and rows beyond it would be lost.
        sheet.reset_dimensions()
        tables = list(_tables(sheet.iter_rows(values_only=True), page))
        if tables:
            blocks += [Block(BlockKind.HEADING, sheet.title, 1, page, sheet.title), *tables]
    return Content(blocks, book.properties.title)


def _tables(rows: Iterable[tuple[object, ...]], page: int) -> Iterator[Block]:
    """A block for each run of rows between empty ones: a table, or a paragraph if no row has two cells."""
    lines = (table_row([_shown(value) for value in row]) for row in rows)
    for filled, run in itertools.groupby(lines, key=bool):
        if filled:
            text = "\n".join(run)
            yield Block(BlockKind.TABLE if " | " in text else BlockKind.PARAGRAPH, text, page=page)


def _shown(value: object) -> str:
    """A cell's value as a person would write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return str(value)
