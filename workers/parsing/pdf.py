"""PDF by pypdf, page by page, so that every block knows its page; scanned pages by OCR where there is any."""

import io
import logging

from pypdf import PasswordType, PdfReader

from schemas.documents import Block
from schemas.errors import Reason, Refusal
from workers.parsing import ocr
from workers.parsing.content import Content
from workers.parsing.text import paragraphs

#: Titles that programs write when nobody gave one.
_NO_TITLE = {"untitled", "(anonymous)"}

_log = logging.getLogger("penstock.parsing")


def parse(body: bytes) -> Content:
    """The text of each page; a title from the document's properties.

    Raises:
        Refusal: ENCRYPTED if it takes a password to open (one that only forbids printing or changing does not matter);
            NEEDS_OCR if no page has text, some are pictures, and tesseract is missing;
            NO_TEXT if no page has text, or its fonts do not say which letters they show.
    """
    reader = PdfReader(io.BytesIO(body))
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise Refusal(Reason.ENCRYPTED, "a PDF with a password")
    pages = {number: paragraphs(page.extract_text(), page=number) for number, page in enumerate(reader.pages, start=1)}
    pages |= _scans(body, [number for number, found in pages.items() if not found], total=len(pages))
    blocks = [block for page in pages.values() for block in page]
    text = "".join(block.text for block in blocks)
    if not text.strip():
        raise Refusal(Reason.NO_TEXT, f"none of its {len(pages)} pages has text")
    if text.count("\ufffd") * 10 > len(text):
        raise Refusal(Reason.NO_TEXT, "its fonts do not say which letters they show")
    title = str((reader.metadata.title if reader.metadata else None) or "").strip()
    return Content(blocks, None if title.lower() in _NO_TITLE else title)


def _scans(body: bytes, empty: list[int], *, total: int) -> dict[int, list[Block]]:
    """What OCR reads on pages without text that show pictures.

    Raises:
        Refusal: NEEDS_OCR if there is none, and no other page has text.
    """
    if not empty:
        return {}
    from workers.parsing import scans  # PDFium, for scans only

    with scans.opened(body) as document:
        found = scans.scanned(document, empty)
        if found and len(empty) == total:
            ocr.require()
        if found and (said := ocr.missing()) is not None:
            _log.warning("parser.scanned_pages_skipped", extra={"fields": {"pages": found, "because": said}})
            return {}
        return {page: paragraphs(scans.read(document, page), page=page) for page in found}
