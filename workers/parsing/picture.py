"""Pictures: the text tesseract sees in them; a TIFF may have many pages."""

import io
import itertools

from PIL import Image, ImageOps, ImageSequence

from schemas.errors import Reason, Refusal
from workers.parsing import ocr
from workers.parsing.content import Content
from workers.parsing.text import paragraphs

#: Pixels of a picture: two pages of A4 at 600 dots per inch. A few bytes can stand for any number of them.
MAX_PIXELS = 70_000_000
#: Pillow's own limit is replaced by ours, which has a name a person understands.
Image.MAX_IMAGE_PIXELS = None


def parse(body: bytes) -> Content:
    """The paragraphs of a picture.

    Raises:
        Refusal: NEEDS_OCR where tesseract is missing; TOO_LARGE; NO_TEXT.
    """
    with Image.open(io.BytesIO(body)) as image:
        frames = ImageSequence.Iterator(image) if image.format == "TIFF" else iter([image])
        pictures = map(_grey, frames)
        # A damaged picture is told from one that waits for tesseract.
        first = next(pictures)
        ocr.require()
        texts = [ocr.read(picture) for picture in itertools.chain([first], pictures)]
    blocks = [
        block
        for page, text in enumerate(texts, start=1)
        for block in paragraphs(text, page=page if len(texts) > 1 else None)
    ]
    if not blocks:
        raise Refusal(Reason.NO_TEXT, "a picture in which no text is seen")
    return Content(blocks)


def _grey(frame: Image.Image) -> ocr.Picture:
    """A frame upright and on white."""
    if frame.width * frame.height > MAX_PIXELS:
        raise Refusal(Reason.TOO_LARGE, f"a picture of more than {MAX_PIXELS // 10**6} million pixels")
    upright = ImageOps.exif_transpose(frame)
    if upright.has_transparency_data:
        coloured = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    grey = upright.convert("L")
    return ocr.Picture(grey.tobytes(), grey.width, grey.height, grey.width)
