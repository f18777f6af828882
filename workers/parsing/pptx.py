"""PowerPoint through unstructured: a slide is a page and its title a heading; speaker notes are text of the slide."""

import io
import itertools

from unstructured.partition.pptx import partition_pptx

from schemas.documents import Block, BlockKind
from workers.parsing import elements, ooxml
from workers.parsing.content import Content


def parse(body: bytes) -> Content:
    """The blocks of a presentation."""
    found = partition_pptx(file=io.BytesIO(body), include_slide_notes=True, languages=[""])
    slides = itertools.groupby(elements.blocks(found), key=lambda block: block.page)
    # The library gives notes, and shapes above the title, before the title they belong under.
    ordered = (block for _, slide in slides for block in sorted(slide, key=_after_title))
    return Content(list(ordered), ooxml.title(body))


def _after_title(block: Block) -> bool:
    return block.kind is not BlockKind.HEADING
