"""Pages of a PDF that are pictures: found, and drawn for OCR, by PDFium."""

import contextlib
from collections.abc import Iterator, Sequence

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

from workers.parsing import ocr

#: Times a PDF's 72 dots per inch: small print is read, and a page takes seconds.
_SCALE = 3.0
#: Pixels of a drawn page. A page may claim to be a mile wide.
_MAX_PIXELS = 20_000_000


@contextlib.contextmanager
def opened(body: bytes) -> Iterator[pdfium.PdfDocument]:
    """The document; one that takes a password is not opened.

    Raises:
        pypdfium2.PdfiumError: it cannot be read.
    """
    document = pdfium.PdfDocument(body)
    try:
        yield document
    finally:
        document.close()


def scanned(document: pdfium.PdfDocument, pages: Sequence[int]) -> list[int]:
    """Which of these pages, counted from 1, show pictures."""
    return [page for page in pages if page <= len(document) and _has_picture(document[page - 1])]


def read(document: pdfium.PdfDocument, page: int) -> str:
    """The text OCR sees on a page, counted from 1."""
    drawn = document[page - 1]
    width, height = drawn.get_size()
    scale = min(_SCALE, (_MAX_PIXELS / max(width * height, 1.0)) ** 0.5)
    bitmap = drawn.render(scale=scale, grayscale=True)
    try:
        return ocr.read(ocr.Picture(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride))
    finally:
        bitmap.close()
        drawn.close()


def _has_picture(page: pdfium.PdfPage) -> bool:
    try:
        return any(True for _ in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE]))
    finally:
        page.close()
