"""CSV and TSV, by the standard library: every cell as it is written.

Not through unstructured: it reads them with pandas, which drops cells that say "NA" or "null" and turns 007 into 7.
"""

import csv
import sys

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content, table_row
from workers.parsing.decoding import decode

_DELIMITERS = ",;\t|"
#: Rows that decide which delimiter it is.
_SAMPLE = 20

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


def parse(body: bytes) -> Content:
    """One table, a row to a line."""
    text = decode(body)
    lines = text.splitlines(keepends=True)
    rows = csv.reader(lines, delimiter=_delimiter(lines[: _SAMPLE * 5]))
    table = "\n".join(filter(None, map(table_row, rows)))
    return Content([Block(BlockKind.TABLE, table)])


def _delimiter(lines: list[str]) -> str:
    """The one that gives the most rows of the first row's width, the wider the better; a comma when in doubt."""

    def agreement(delimiter: str) -> int:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row][:_SAMPLE]
        width = len(rows[0]) if rows else 1
        return (width > 1) * sum(len(row) == width for row in rows) * 1000 + min(width, 999)

    return max(_DELIMITERS, key=agreement)
