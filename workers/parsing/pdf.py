"""PDF by pypdf, page by page, so that every block knows its page."""

import io

from pypdf import PasswordType, PdfReader

from schemas.documents import Block
from schemas.errors import Reason, Refusal
from workers.parsing.content import Content
from workers.parsing.text import paragraphs

#: Titles that programs write when nobody gave one.
_NO_TITLE = {"untitled", "(anonymous)"}


def parse(body: bytes) -> Content:
    """The text of each page; a title from the document's properties.

    Raises:
        Refusal: ENCRYPTED if it takes a password to open (one that only forbids printing or changing does not matter);
            NO_TEXT if no page has text, or its fonts do not say which letters they show.
    """
    reader = PdfReader(io.BytesIO(body))
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise Refusal(Reason.ENCRYPTED, "a PDF with a password")
    blocks: list[Block] = []
    pages = 0
    for pages, page in enumerate(reader.pages, start=1):
        blocks += paragraphs(page.extract_text(), page=pages)
    text = "".join(block.text for block in blocks)
    if not text.strip():
        raise Refusal(Reason.NO_TEXT, f"none of its {pages} pages has text")
    if text.count("\ufffd") * 10 > len(text):
        raise Refusal(Reason.NO_TEXT, "its fonts do not say which letters they show")
    title = str((reader.metadata.title if reader.metadata else None) or "").strip()
    return Content(blocks, None if title.lower() in _NO_TITLE else title)
