"""PowerPoint by python-pptx: a slide is a page and its title a heading; notes and comments are text of the slide.

Not through unstructured: it drops charts, diagrams and what its author takes for outside the slide, mixes up groups,
and shows hidden slides like any other.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pptx
from pptx.oxml.ns import qn
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from schemas.documents import Block, BlockKind
from workers.parsing import drawings, ooxml, xmltree
from workers.parsing.content import Content, repeated, table_row
from workers.parsing.drawings import A

#: How the kinds of relations end that lead to review comments, in both forms of them.
_COMMENTS = "/comments"

Frame = tuple[int, int]


def parse(body: bytes) -> Content:
    """The blocks of a presentation."""
    about = ooxml.about(body, "ppt/")
    deck = pptx.Presentation(io.BytesIO(body))
    frame = (deck.slide_width or 0, deck.slide_height or 0)
    blocks = (block for page, slide in enumerate(deck.slides, 1) for block in _slide(slide, page, frame))
    return Content([*blocks], about.title, about.language, about.metadata)


def _slide(slide: Slide, page: int, frame: Frame) -> Iterator[Block]:
    """The title, the other shapes from top to bottom, the notes, the comments."""
    unseen = slide.element.get("show") in {"0", "false"}
    drawings.unfold(slide.element)
    for ink in [*slide.element.iter(qn("p:contentPart"))]:  # the library takes it for a shape, and fails
        ink.getparent().remove(ink)
    title = slide.shapes.title
    shapes = [shape for shape in _ordered(slide.shapes) if title is None or shape.element is not title.element]
    for shape in [title, *shapes] if title is not None else shapes:
        outside = _outside(shape, frame)
        for block in _shape(shape, is_title=shape is title):
            yield replace(block, page=page, hidden=unseen or outside or block.hidden)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        yield Block(BlockKind.PARAGRAPH, notes.text.replace("\v", "\n").strip(), page=page, hidden=unseen)
    for words in filter(str.strip, _comments(slide)):
        yield Block(BlockKind.PARAGRAPH, words.strip(), page=page, hidden=unseen)


def _ordered(shapes: Iterable[BaseShape]) -> list[BaseShape]:
    return sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0))


def _outside(shape: BaseShape, frame: Frame) -> bool:
    """Whether no part of a shape is on the slide. One without a place of its own is where its layout has it."""
    left, top, width, height = shape.left, shape.top, shape.width, shape.height
    if left is None or top is None or width is None or height is None:
        return False
    return left + width < 0 or top + height < 0 or left > frame[0] or top > frame[1]


def _shape(shape: BaseShape, *, is_title: bool = False) -> Iterable[Block]:
    """The blocks of a shape, or of those in a group."""
    blocks: Iterable[Block]
    if isinstance(shape, GroupShape):
        blocks = (block for inner in _ordered(shape.shapes) for block in _shape(inner))
    elif isinstance(shape, GraphicFrame):
        blocks = _graphic(shape)
    else:
        blocks = _paragraphs(shape, is_title=is_title)
    return (replace(block, hidden=True) for block in blocks) if drawings.is_off(shape.element) else blocks


def _graphic(shape: GraphicFrame) -> Iterator[Block]:
    """What a frame holds: a table, a chart, a diagram; or a program's own, which has no text here."""
    for table in shape.element.iter(A + "tbl"):
        if rows := "\n".join(_rows(table)):
            yield Block(BlockKind.TABLE, rows)
    for _, block in drawings.graphics(shape.element, drawings.opc(shape.part)):
        yield block


def _rows(table: xmltree.Element) -> Iterator[str]:
    above: list[str] = []
    for row in table.iter(A + "tr"):
        cells = ["\n".join(map(drawings.text, cell.iter(A + "p"))) for cell in row.iter(A + "tc")]
        for i, cell in enumerate(row.iter(A + "tc")):
            if cell.get("vMerge") in {"1", "true"} and i < len(above):
                cells[i] = repeated(above[i])
        above = cells
        if line := table_row(cells):
            yield line


def _paragraphs(shape: BaseShape, *, is_title: bool) -> Iterator[Block]:
    level = 0
    for paragraph in shape.element.iterfind("{*}txBody/" + A + "p"):
        for hidden, words in drawings.parted(paragraph, shape.element).items():
            if not words.strip():
                continue
            if hidden or not is_title:
                listed = any(paragraph.find(f"{A}pPr/{A}{mark}") is not None for mark in ("buChar", "buAutoNum"))
                yield Block(BlockKind.LIST_ITEM if listed else BlockKind.PARAGRAPH, words, hidden=hidden)
            else:
                level = min(level + 1, 6)
                yield Block(BlockKind.HEADING, words, level, heading=" ".join(words.split()))


def _comments(slide: Slide) -> Iterator[str]:
    """What reviewers said of a slide, answers behind what they answer."""
    for relation in slide.part.rels.values():
        if relation.is_external or not relation.reltype.endswith(_COMMENTS):
            continue
        for comment in xmltree.tree(relation.target_part.blob).iter("{*}cm", "{*}reply"):
            # The old form has one text, the new one paragraphs.
            said = [comment.findtext("{*}text") or "", *map(drawings.text, comment.iterfind("{*}txBody/" + A + "p"))]
            yield "\n".join(filter(None, said))
