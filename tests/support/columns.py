"""Pages of several columns, made by code: each word says where it belongs, so that any reading order can be judged."""

import io
import itertools
import re
from collections.abc import Iterator

COLUMNS = {2: (60, 320), 3: (50, 225, 400)}
#: Orders in which programs write the lines of a page.
ORDERS = ("columns", "rows", "words", "backwards")


def pdf(columns: int, order: str, *, lines: int = 30, words: int = 4, heading: bool = False) -> bytes:
    """A page of columns: word "w0042" is the 42nd in the order a person reads.

    order: "columns", one column after the other; "rows", line by line across all columns; "words", as "rows" with a
    string for each word; "backwards", the last column first. heading: a line above all columns, read first.
    """
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    canvas.setFont("Helvetica", 10)
    if heading:
        canvas.drawString(60, 780, "A heading that stands above all of the columns of this page")
    for column, line in _placed(columns, lines, order):
        first = (column * lines + line) * words
        texts = [f"w{number:04}" for number in range(first, first + words)]
        x, y = COLUMNS[columns][column], 750 - 14 * line
        for at, text in enumerate(texts if order == "words" else [" ".join(texts)]):
            canvas.drawString(x + 34 * at, y, text)
    canvas.save()
    return out.getvalue()


def _placed(columns: int, lines: int, order: str) -> Iterator[tuple[int, int]]:
    if order in {"rows", "words"}:
        return ((column, line) for line, column in itertools.product(range(lines), range(columns)))
    along = range(columns) if order == "columns" else reversed(range(columns))
    return itertools.product(along, range(lines))


def inversions(text: str) -> int:
    """Pairs of words that stand the wrong way round; more than that if a word is lost or doubled."""
    found = [int(word) for word in re.findall(r"w(\d{4})", text)]
    assert len(set(found)) == len(found), "a word is doubled"
    return sum(before > after for before, after in itertools.combinations(found, 2))
