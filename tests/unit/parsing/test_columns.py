"""The reading order of pages with columns is no worse than pypdfium2's, however their lines were written."""

import pypdfium2
import pytest

from tests.support import columns
from workers.parsing import registry


def judged_by_pypdfium2(body):
    document = pypdfium2.PdfDocument(body)
    page = document[0]
    words = page.get_textpage()
    try:
        return columns.inversions(words.get_text_range())
    finally:
        words.close()
        page.close()
        document.close()


@pytest.mark.parametrize("count", columns.COLUMNS)
@pytest.mark.parametrize("order", columns.ORDERS)
@pytest.mark.parametrize("heading", [False, True])
def test_columns_are_read_no_worse_than_by_pypdfium2(count, order, heading):
    body = columns.pdf(count, order, heading=heading)
    text = "\n".join(block.text for block in registry.parse(body, "a.pdf").blocks)
    assert text.count("w0") == count * 120
    assert columns.inversions(text) <= judged_by_pypdfium2(body)
    if order == "columns":
        assert columns.inversions(text) == 0
    if heading:
        assert text.startswith("A heading")
