"""Pictures and scanned pages: read where tesseract is installed, else refused by name; never indexed empty."""

import io
import logging

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from schemas.errors import Reason, Refusal
from tests.support import documents
from workers.parsing import ocr, registry

SENTENCE = "Employees book rail travel."
#: A page of a scanned PDF; a text stands for a page with that text.
SCAN = object()

needs_tesseract = pytest.mark.skipif(ocr.missing() is not None, reason=str(ocr.missing()))


@pytest.fixture
def switched_off():
    ocr.switch_off()
    yield
    ocr._switched["on"] = True


@pytest.fixture
def without_tesseract(monkeypatch):
    monkeypatch.setattr(ocr, "_LIBRARIES", ("libtesseract.so.none",))
    ocr._library.cache_clear()
    yield
    ocr._library.cache_clear()


def drawn(text=SENTENCE, mode="L"):
    image = Image.new("RGBA" if mode == "RGBA" else "L", (1200, 300), 0 if mode == "RGBA" else 255)
    black = (0, 0, 0, 255) if mode == "RGBA" else 0
    ImageDraw.Draw(image).text((50, 100), text, fill=black, font=ImageFont.load_default(size=48))
    return image.convert(mode)


def picture(form="PNG", *, mode="L", more=()):
    out = io.BytesIO()
    drawn(mode=mode).save(out, form, **({"save_all": True, "append_images": more} if more else {}))
    return out.getvalue()


def pdf(*pages):
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    for page in pages:
        if page is SCAN:
            canvas.drawImage(ImageReader(drawn()), 50, 600, 500, 125)
        else:
            canvas.drawString(72, 720, page)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def refusal(body, name):
    with pytest.raises(Refusal) as refused:
        registry.parse(body, name)
    return refused.value


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"])
def test_a_picture_waits_for_tesseract(form, without_tesseract):
    refused = refusal(picture(form), "a.bin")
    assert refused.reason is Reason.NEEDS_OCR
    assert "tesseract" in refused.detail
    assert "tesseract" in refused.todo


def test_a_scanned_document_waits_for_tesseract_and_an_empty_one_does_not(without_tesseract):
    assert refusal(pdf(SCAN, ""), "a.pdf").reason is Reason.NEEDS_OCR
    assert refusal(pdf("", ""), "a.pdf").reason is Reason.NO_TEXT


def test_pages_wait_for_tesseract_with_the_others_of_their_document(without_tesseract):
    """What a document gives must not hang on the machine that reads it."""
    assert refusal(pdf("First page.", SCAN, ""), "a.pdf").reason is Reason.NEEDS_OCR


@pytest.mark.parametrize("body", [picture(), pdf(SCAN, "")], ids=["picture", "pdf"])
def test_what_shall_not_be_read_is_refused_whatever_is_installed(body, switched_off):
    refused = refusal(body, "a.bin")
    assert (refused.reason, refused.detail) == (Reason.NEEDS_OCR, "reading pictures is switched off")


@pytest.mark.parametrize("kind", ["pdf", "png", "tiff"])
def test_whether_pictures_are_read_is_part_of_the_version_of_kinds_that_have_some(kind):
    assert registry.parser_version(kind, ocr=True) != registry.parser_version(kind, ocr=False)
    assert registry.parser_version("html", ocr=True) == registry.parser_version("html", ocr=False)


def test_pages_with_text_are_read_and_the_others_logged(switched_off, caplog):
    with caplog.at_level(logging.WARNING, "penstock.parsing"):
        document = registry.parse(pdf("First page.", SCAN, ""), "a.pdf")
    assert [(block.page, block.text) for block in document.blocks] == [(1, "First page.")]
    assert [record.fields["pages"] for record in caplog.records] == [[2]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (documents.png(), Reason.CORRUPT),
        (picture("JPEG")[:3000], Reason.CORRUPT),
        (picture("PNG")[:-60], Reason.CORRUPT),
    ],
    ids=["not one", "cut JPEG", "cut PNG"],
)
def test_a_damaged_picture_is_corrupt_whatever_is_installed(body, reason):
    assert refusal(body, "a.png").reason is reason


def test_a_picture_of_too_many_pixels_is_refused_before_it_unfolds():
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    assert len(out.getvalue()) < 200_000
    assert refusal(out.getvalue(), "a.png").reason is Reason.TOO_LARGE


@needs_tesseract
@pytest.mark.parametrize(
    ("form", "mode"),
    [("PNG", "L"), ("PNG", "RGBA"), ("PNG", "1"), ("JPEG", "RGB"), ("GIF", "P"), ("WEBP", "RGB"), ("BMP", "L")],
)
def test_the_text_of_a_picture_is_read(form, mode):
    document = registry.parse(picture(form, mode=mode), "a.bin")
    assert [(block.page, block.text) for block in document.blocks] == [(None, SENTENCE)]


@needs_tesseract
def test_the_frames_of_a_tiff_are_pages():
    document = registry.parse(picture("TIFF", more=[drawn("Hotels cost at most 180.")]), "a.tif")
    assert [(block.page, block.text) for block in document.blocks] == [(1, SENTENCE), (2, "Hotels cost at most 180.")]


@needs_tesseract
def test_a_picture_without_text_is_not_indexed():
    out = io.BytesIO()
    Image.effect_noise((400, 400), 90).save(out, "PNG")
    assert refusal(out.getvalue(), "a.png").reason is Reason.NO_TEXT


@needs_tesseract
def test_scanned_pages_stand_between_the_others():
    document = registry.parse(pdf("First page.", SCAN, "", "Fourth page."), "a.pdf")
    assert [(block.page, block.text) for block in document.blocks] == [
        (1, "First page."),
        (2, SENTENCE),
        (4, "Fourth page."),
    ]
