"""XLSX by openpyxl: a heading for each sheet, a table for each run of rows, every value as it is stored.

Not through unstructured: it renders sheets with pandas, which rounds 0.0000001 to 0.0, drops cells that say "NA" and
turns 2 into 2.0 beside an empty cell.
"""

import datetime as dt
import io
import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO, Any, NamedTuple

from openpyxl import load_workbook  # type: ignore[import-untyped]
from openpyxl.worksheet._read_only import ReadOnlyWorksheet  # type: ignore[import-untyped]
from openpyxl.worksheet._reader import WorkSheetParser  # type: ignore[import-untyped]

from schemas.documents import Block, BlockKind
from workers.parsing import ooxml
from workers.parsing.content import Content, repeated, table_row

_LAST_COLUMN = 16_384
#: Rows under merged cells: these lie over each other only in a file that means harm.
_MOST_SPANNED = 1_000_000
#: Where a cell stands, by column, and what it says.
Cells = dict[int, str]


class Row(NamedTuple):
    """A row that says something."""

    number: int
    cells: Cells
    hidden: bool


def parse(body: bytes) -> Content:
    """The sheets in order; `page` is the sheet's number. What is hidden follows what is shown of its sheet."""
    about = ooxml.about(body, "xl/worksheets/", "xl/sharedStrings")
    book = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
    blocks: list[Block] = []
    for page, sheet in enumerate(book.worksheets, start=1):
        with sheet._get_source() as source:  # noqa: SLF001
            found = [*_blocks(_Parser.of(sheet, source))]
        if found:
            unseen = sheet.sheet_state != "visible"
            heading = Block(BlockKind.HEADING, sheet.title, 1, heading=sheet.title)
            blocks += [replace(block, page=page, hidden=unseen or block.hidden) for block in (heading, *found)]
    return Content(blocks, about.title, about.language, about.metadata)


class _Parser(WorkSheetParser):  # type: ignore[misc]
    """The library's reader of a sheet, without what is no text.

    Used by itself: what stands over it fills gaps with rows, a billion of them if it must, and forgets what is hidden.
    """

    @staticmethod
    def of(sheet: ReadOnlyWorksheet, source: IO[bytes]) -> "_Parser":
        book = sheet.parent
        return _Parser(
            source,
            sheet._shared_strings,  # noqa: SLF001
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,  # noqa: SLF001
            timedelta_formats=book._timedelta_formats,  # noqa: SLF001
        )

    def parse_extensions(self, element: Any) -> None:
        pass

    parse_formatting = parse_sheet_protection = parse_legacy = parse_extensions
    parse_row_breaks = parse_col_breaks = parse_custom_views = parse_extensions

    def rows(self) -> Iterator[Row]:
        """The rows that say something."""
        for number, row in self.parse():
            cells = {cell["column"]: _shown(cell["value"]) for cell in row if cell["value"] is not None}
            look = self.row_dimensions.pop(str(number), {})
            if cells:
                yield Row(number, cells, _is_hidden(look))

    def hidden_columns(self) -> set[int]:
        """Those nobody sees; to be asked for after the rows."""
        columns: set[int] = set()
        reached = 0  # each is counted once, however often it is named
        for first, last in sorted(
            (int(look["min"]), int(look["max"])) for look in self.column_dimensions.values() if _is_hidden(look)
        ):
            columns.update(range(max(first, reached + 1), min(last, _LAST_COLUMN) + 1))
            reached = max(reached, last)
        return columns

    def is_filtered(self) -> bool:
        """Whether rows are left out of sight by a filter, which is a view of the sheet that a click takes away."""
        return bool(getattr(self, "sheet_properties", None) and self.sheet_properties.filterMode)


def _is_hidden(look: dict[str, str]) -> bool:
    """Whether a row or column is hidden, and not only folded up: its sign then stands in the margin."""
    return look.get("hidden") in {"1", "true"} and look.get("outlineLevel", "0") == "0"


def _blocks(sheet: _Parser) -> Iterator[Block]:
    rows = [*sheet.rows()]
    filtered, columns = sheet.is_filtered(), sheet.hidden_columns()
    _fill_down(rows, [area.bounds for area in (sheet.merged_cells.mergeCell if sheet.merged_cells else ())])
    if not columns and not any(row.hidden for row in rows):
        yield from _tables(rows)
        return
    parted = [_parted(row, columns, all_hidden=row.hidden and not filtered) for row in rows]
    yield from _tables(shown for shown, _ in parted)
    yield from (replace(block, hidden=True) for block in _tables(unseen for _, unseen in parted))


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


def _shown(value: object) -> str:
    """A cell's value as a person would write it."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return str(value)


# A sheet's size is not asked for, and one that does not say it would be read to its end.
ReadOnlyWorksheet._get_size = lambda _: None  # noqa: SLF001
