"""The rows of a sheet of a workbook, by openpyxl's reader of sheets, and what of them nobody sees."""

import datetime as dt
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from openpyxl.worksheet._read_only import ReadOnlyWorksheet  # type: ignore[import-untyped]
from openpyxl.worksheet._reader import WorkSheetParser  # type: ignore[import-untyped]

_LAST_COLUMN = 16_384
#: Where a cell stands, by column, and what it says.
Cells = dict[int, str]


class Row(NamedTuple):
    """A row that says something."""

    number: int
    cells: Cells
    hidden: bool


class SheetReader(WorkSheetParser):  # type: ignore[misc]
    """The library's reader of a sheet, without what is no text.

    Used by itself: what stands over it fills gaps with rows, a billion of them if it must, and forgets what is hidden.

    hidden_rows: the numbers of those nobody sees, empty or not, once they have been read.
    """

    hidden_rows: set[int]

    @staticmethod
    def of(sheet: ReadOnlyWorksheet, source: IO[bytes]) -> "SheetReader":
        """A reader of a sheet of an open workbook from its part."""
        book = sheet.parent
        reader = SheetReader(
            source,
            sheet._shared_strings,  # noqa: SLF001
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,  # noqa: SLF001
            timedelta_formats=book._timedelta_formats,  # noqa: SLF001
        )
        reader.hidden_rows = set()
        return reader

    def parse_extensions(self, element: Any) -> None:
        """Skipped: neither these elements nor those below hold text."""

    parse_formatting = parse_sheet_protection = parse_legacy = parse_extensions
    parse_row_breaks = parse_col_breaks = parse_custom_views = parse_extensions

    def rows(self) -> Iterator[Row]:
        """The rows that say something."""
        for number, row in self.parse():
            cells = {cell["column"]: _shown(cell["value"]) for cell in row if cell["value"] is not None}
            hidden = _is_hidden(self.row_dimensions.pop(str(number), {}))
            if hidden:
                self.hidden_rows.add(number)
            if cells:
                yield Row(number, cells, hidden)

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


def _shown(value: object) -> str:
    """A cell's value as a person would write it."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return str(value)


# A sheet's size is not asked for, and one that does not say it would be read to its end.
ReadOnlyWorksheet._get_size = lambda _: None  # noqa: SLF001
