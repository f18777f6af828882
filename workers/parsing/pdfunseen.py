"""Text of a PDF page that nobody sees: drawn invisibly, white on white, or smaller than a point.

One pass over the page's operators finds what is shown so; the page is then read in two parts. Told apart for certain,
or taken for seen: white text over anything that was painted before is seen, and so is invisible text that is all a
page has, or lies over a picture of the page, as OCR leaves it on scans. Text in forms that are drawn on the page is
not looked into.
"""

from typing import Any

from pypdf import PageObject
from pypdf.generic import ContentStream, NameObject

from workers.parsing.pdfpen import Pen

_CONTENTS = NameObject("/Contents")
_SHOWS = {b"Tj", b"TJ", b"'", b'"'}
#: Points, or part of the page's height: smaller letters are not seen.
_SMALLEST, _SMALLEST_PART = 1.0, 1 / 500
#: Part of the page that pictures cover when it is a scan.
_SCAN = 0.5


def texts(page: PageObject) -> tuple[str, str]:
    """The text of a page that is seen, and the text that is not."""
    contents = page.get("/Contents")
    stream = None if contents is None else contents.get_object()
    if stream is None or not hasattr(stream, "get_object"):
        return page.extract_text(), ""
    try:
        content = ContentStream(stream, page.pdf, "bytes")
    except AttributeError:  # nothing that could be one
        return page.extract_text(), ""
    raw = page.raw_get(_CONTENTS)
    # Read once, for both: what pypdf finds here it need not parse.
    page[_CONTENTS] = content
    try:
        hidden = _hidden(page, content) if b"T" in content.get_data() else frozenset()
        if not hidden:
            return page.extract_text(), ""
        operations = content.operations
        seen = [one for at, one in enumerate(operations) if at not in hidden]
        unseen = [one for at, one in enumerate(operations) if at in hidden or one[1] not in _SHOWS]
        return _extracted(page, seen), _extracted(page, unseen)
    finally:
        page[_CONTENTS] = raw


def _extracted(page: PageObject, operations: list[tuple[Any, bytes]]) -> str:
    part = ContentStream(None, page.pdf, "bytes")
    part.operations = operations
    page[_CONTENTS] = part
    return page.extract_text()


def _hidden(page: PageObject, content: ContentStream) -> frozenset[int]:
    """The places of the operators that show text which is not seen."""
    width, height = abs(float(page.mediabox.width)), abs(float(page.mediabox.height))
    pen = Pen(page, min(_SMALLEST, height * _SMALLEST_PART))
    known = pen.follows
    for at, (operands, operator) in enumerate(content.operations):
        if (follow := known.get(operator)) is None:
            continue
        try:
            follow(at, operands)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError):
            continue  # viewers pass over what makes no sense
    over_text = pen.seen and pen.pictured < _SCAN * width * height
    return frozenset([*pen.unseen, *(pen.invisible if over_text else ())])
