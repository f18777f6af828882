"""PDF by pypdf, page by page, so that every block knows its page; scanned pages by OCR where there is any."""

import io
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pypdf import PageObject, PasswordType, PdfReader

from schemas.documents import Block
from schemas.errors import Reason, Refusal
from workers.parsing import ocr, pdfunseen
from workers.parsing.content import Content
from workers.parsing.dates import about
from workers.parsing.text import paragraphs

#: The first part of a language's tag.
_LANGUAGE = re.compile("[A-Za-z]{2,3}(?![A-Za-z])")
#: Titles that programs write when nobody gave one.
_NO_TITLE = {"untitled", "(anonymous)", "anonymous"}

_log = logging.getLogger("penstock.parsing")


def parse(body: bytes) -> Content:
    """The text of each page; a title, an author and dates from the document's properties, its language.

    Raises:
        Refusal: ENCRYPTED if it takes a password to open (one that only forbids printing or changing does not matter);
            NEEDS_OCR if pages are pictures and tesseract is missing, or shall not be used and no page has text;
            NO_TEXT if no page has text, or its fonts do not say which letters they show.
    """
    reader = PdfReader(io.BytesIO(body))
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise Refusal(Reason.ENCRYPTED, "a PDF with a password")
    pages = {number: list(_blocks(page, number)) for number, page in enumerate(reader.pages, start=1)}
    empty = [number for number, found in pages.items() if all(block.hidden for block in found)]
    for number, read in _scans(body, empty, total=len(pages)).items():
        pages[number] = read + pages[number]
    blocks = [block for page in pages.values() for block in page]
    text = "".join(block.text for block in blocks)
    if not text.strip():
        raise Refusal(Reason.NO_TEXT, f"none of its {len(pages)} pages has text")
    if text.count("\ufffd") * 10 > len(text):
        raise Refusal(Reason.NO_TEXT, "its fonts do not say which letters they show")
    said: Mapping[str, object] = reader.metadata or {}
    title, author = (str(said.get(name) or "").strip() for name in ("/Title", "/Author"))
    # As they stand there: pypdf's own reading of a date gives up, or takes one without a zone for UTC.
    metadata = about(
        author=None if author.lower() in _NO_TITLE else author,
        created=said.get("/CreationDate"),
        modified=said.get("/ModDate"),
    )
    return Content(blocks, None if title.lower() in _NO_TITLE else title, _language(reader), metadata)


def _language(reader: PdfReader) -> str | None:
    said = reader.root_object.get("/Lang")
    found = _LANGUAGE.match(said) if isinstance(said, str) else None
    return found[0].lower() if found else None


def _blocks(page: PageObject, number: int) -> Iterator[Block]:
    """What is seen on a page, then what is not."""
    seen, unseen = pdfunseen.texts(page)
    yield from paragraphs(seen, page=number)
    for block in paragraphs(unseen, page=number):
        yield replace(block, hidden=True)


def _scans(body: bytes, empty: list[int], *, total: int) -> dict[int, list[Block]]:
    """What OCR reads on pages without text that show pictures.

    Raises:
        Refusal: NEEDS_OCR if there is none, or it is switched off and no other page has text.
    """
    if not empty:
        return {}
    from workers.parsing import scans  # PDFium, for scans only

    with scans.opened(body) as document:
        found = scans.scanned(document, empty)
        if found and not ocr.is_on() and len(empty) < total:
            _log.warning("parser.scanned_pages_skipped", extra={"fields": {"pages": found}})
            return {}
        if found:
            ocr.require()
        return {page: paragraphs(scans.read(document, page), page=page) for page in found}
