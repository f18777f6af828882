"""XLSX by openpyxl: a heading for each sheet, a table for each run of rows, every value as it is stored.

What lies over the cells (xlsxdrawings.py) follows them.

Not through unstructured: it renders sheets with pandas, which rounds 0.0000001 to 0.0, drops cells that say "NA" and
turns 2 into 2.0 beside an empty cell.
"""

import io
import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace

from openpyxl import load_workbook  # type: ignore[import-untyped]
from openpyxl.utils import range_boundaries  # type: ignore[import-untyped]
from openpyxl.worksheet._read_only import ReadOnlyWorksheet  # type: ignore[import-untyped]

from schemas.documents import Block, BlockKind
from workers.parsing import ooxml, xlsxdrawings
from workers.parsing.content import Content, repeated, table_row
from workers.parsing.xlsxrows import Row, SheetReader

#: How the names of the parts begin that are read here.
_READ = tuple(
    f"xl/{part}"
    for part in ("worksheets/", "sharedStrings", "comments", "threadedComments/", "drawings/", "charts/", "diagrams/")
)
#: Rows under merged cells: these lie over each other only in a file that means harm.
_MOST_SPANNED = 1_000_000


def parse(body: bytes) -> Content:
    """The sheets in order; `page` is the sheet's number. What is hidden follows what is shown of its sheet."""
    about = ooxml.about(body, *_READ)
    book = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
    blocks: list[Block] = []
    for page, sheet in enumerate(book.worksheets, start=1):
        with sheet._get_source() as source:  # noqa: SLF001
            reader = SheetReader.of(sheet, source)
            found = [*_blocks(reader), *_over(reader, sheet)]
        if found:
            unseen = sheet.sheet_state != "visible"
            heading = Block(BlockKind.HEADING, sheet.title, 1, heading=sheet.title)
            blocks += [replace(block, page=page, hidden=unseen or block.hidden) for block in (heading, *found)]
    return Content(blocks, about.title, about.language, about.metadata)


def _blocks(sheet: SheetReader) -> Iterator[Block]:
    rows = [*sheet.rows()]
    filtered, columns = sheet.is_filtered(), sheet.hidden_columns()
    _fill_down(rows, [area.bounds for area in (sheet.merged_cells.mergeCell if sheet.merged_cells else ())])
    if not columns and not any(row.hidden for row in rows):
        yield from _tables(rows)
        return
    parted = [_parted(row, columns, all_hidden=row.hidden and not filtered) for row in rows]
    yield from _tables(shown for shown, _ in parted)
    yield from (replace(block, hidden=True) for block in _tables(unseen for _, unseen in parted))


def _over(reader: SheetReader, sheet: ReadOnlyWorksheet) -> Iterator[Block]:
    """What lies over a sheet that was read; the comments on hidden cells are as hidden as they are."""
    rows, columns = set() if reader.is_filtered() else reader.hidden_rows, reader.hidden_columns()
    for cell, block in xlsxdrawings.over(sheet.parent._archive, sheet._worksheet_path):  # noqa: SLF001
        try:
            column, row, *_ = range_boundaries(cell)
        except ValueError:  # names no cell, so nothing hides it
            column = row = None
        yield replace(block, hidden=block.hidden or row in rows or column in columns)


def _parted(row: Row, columns: set[int], *, all_hidden: bool) -> tuple[Row, Row]:
    """What is shown of a row, and the rest."""
    shown = {column: text for column, text in row.cells.items() if not all_hidden and column not in columns}
    unseen = {column: text for column, text in row.cells.items() if column not in shown}
    return row._replace(cells=shown), row._replace(cells=unseen)


def _fill_down(rows: list[Row], areas: Iterable[tuple[int, int, int, int]]) -> None:
    """What a merged cell says, in each of the rows it spans."""
    numbers = [row.number for row in rows]
    places = {row.number: row.cells for row in rows}
    spanned = (
        (left, top, number)
        for left, top, _, bottom in areas
        for number in itertools.islice(numbers, bisect_right(numbers, top), bisect_right(numbers, bottom))
    )
    for left, top, number in itertools.islice(spanned, _MOST_SPANNED):
        if words := repeated(places.get(top, {}).get(left, "")):
            places[number].setdefault(left, words)


def _tables(rows: Iterable[Row]) -> Iterator[Block]:
    """A block for each run of rows between empty ones: a table, or a paragraph if no row has two cells.

    Rows of one cell above a table are its title, not its header. Columns that are empty in all of it are left out.
    """
    filled = [row for row in rows if any(map(str.strip, row.cells.values()))]
    # Rows that follow each other have the same difference between their number and their place in the list.
    for _, group in itertools.groupby(enumerate(filled), key=lambda pair: pair[1].number - pair[0]):
        run = [row.cells for _, row in group]
        head = next((i for i, cells in enumerate(run) if len(cells) > 1), len(run))
        for kind, part in ((BlockKind.PARAGRAPH, run[:head]), (BlockKind.TABLE, run[head:])):
            columns = sorted(set().union(*part))
            if text := "\n".join(filter(None, (table_row([cells.get(c, "") for c in columns]) for cells in part))):
                yield Block(kind, text)
