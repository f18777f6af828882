"""A Word document's tree, set in order before it is read: what the reader would pass over is put where it sees it.

In place: content controls, tracked insertions, fields, equations, notes (in brackets, after the word they belong to),
text boxes (after their paragraph). Aside, as blocks after the one they belong to: comments, charts, diagrams, and runs
that nobody sees. Away: tracked deletions, and second forms for older programs.
"""

from collections.abc import Iterator

from docx.document import Document
from docx.opc.constants import RELATIONSHIP_TYPE as RELATED
from docx.opc.part import Part, XmlPart
from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement, parse_xml

from schemas.documents import Block, BlockKind
from workers.parsing import drawings, wordlook
from workers.parsing.drawings import MATH
from workers.parsing.xmltree import Element

_GONE = tuple(map(qn, ("w:del", "w:moveFrom")))
#: Wrappers whose text python-docx does not see: content controls, accepted-to-be insertions, moved text, tags, fields.
_WRAPPERS = (
    *map(qn, ("w:sdt", "w:sdtContent", "w:ins", "w:moveTo", "w:smartTag", "w:customXml")),
    *map(qn, ("w:fldSimple", "w:dir", "w:bdo")),
    MATH + "oMathPara",
)
_PROPERTIES = tuple(map(qn, ("w:sdtPr", "w:sdtEndPr", "w:smartTagPr", "w:customXmlPr")))
_NOTES = {
    qn("w:footnoteReference"): (RELATED.FOOTNOTES, qn("w:footnote")),
    qn("w:endnoteReference"): (RELATED.ENDNOTES, qn("w:endnote")),
}
_ID = qn("w:id")


def settle(document: Document) -> tuple[dict[Element, list[Block]], list[Block]]:
    """Set the document in order; gives what stands beside its blocks, and what notes, headers and footers hide."""
    body, part, styles = document.element.body, document.part, wordlook.Styles.of(document)
    _spread(body)
    unplaced = _put_notes(body, part, styles)
    asides: dict[Element, list[Block]] = {}
    graphics = drawings.graphics(body, drawings.opc(part))
    for anchor, block in (*wordlook.take_unseen(body, styles), *_comments(body, part), *graphics):
        asides.setdefault(_top(anchor, body), []).append(block)
    _lift_boxes(body)
    for related in part.rels.values():
        if related.reltype in {RELATED.HEADER, RELATED.FOOTER} and isinstance(related.target_part, XmlPart):
            root = related.target_part.element
            _spread(root)
            unplaced += [block for _, block in wordlook.take_unseen(root, styles)]
            _lift_boxes(root)
    return asides, unplaced


def _spread(root: Element) -> None:
    """Take away what is gone, and put what wrappers hold in their place."""
    drawings.unfold(root)
    for gone in [*root.iter(*_GONE)]:
        gone.getparent().remove(gone)
    for wrapper in reversed([*root.iter(*_WRAPPERS)]):  # inner ones first
        for child in list(wrapper):  # moving one would upset the iteration
            if child.tag not in _PROPERTIES:
                wrapper.addprevious(child)
        wrapper.getparent().remove(wrapper)
    for formula in [*root.iter(MATH + "oMath")]:
        run = OxmlElement("w:r")
        run.append(_words("".join(piece.text or "" for piece in formula.iter(MATH + "t", qn("w:t")))))
        formula.getparent().replace(formula, run)
    for ruby in [*root.iter(qn("w:ruby"))]:
        base, reading = (_text(ruby.find(qn(f"w:{part}"))) for part in ("rubyBase", "rt"))
        ruby.getparent().replace(ruby, _words(f"{base}({reading})" if reading else base))


def _put_notes(body: Element, part: Part, styles: wordlook.Styles) -> list[Block]:
    """Put each note in brackets where it is first referred to; gives what notes hide."""
    hidden: list[Block] = []
    notes: dict[str, dict[str | None, str]] = {}
    for reference in [*body.iter(*_NOTES)]:
        kind, tag = _NOTES[reference.tag]
        if kind not in notes:
            root = _related(part, kind)
            _spread(root)
            hidden += [block for _, block in wordlook.take_unseen(root, styles)]
            notes[kind] = {note.get(_ID): _text(note) for note in root.iter(tag)}
        if words := notes[kind].pop(reference.get(_ID), ""):
            reference.getparent().replace(reference, _words(f" ({words})"))
    return hidden


def _comments(body: Element, part: Part) -> Iterator[tuple[Element, Block]]:
    """Comments, with the places they are made at."""
    references = [*body.iter(qn("w:commentReference"))]
    if not references:
        return
    comments = {comment.get(_ID): comment for comment in _related(part, RELATED.COMMENTS).iter(qn("w:comment"))}
    for reference in references:
        comment = comments.pop(reference.get(_ID), None)
        if comment is not None and (words := _text(comment)):
            author = comment.get(qn("w:author"))
            yield (
                reference,
                Block(BlockKind.PARAGRAPH, f"Comment ({author}): {words}" if author else f"Comment: {words}"),
            )


def _lift_boxes(root: Element) -> None:
    """Put the paragraphs of text boxes after the one that each is tied to."""
    for box in reversed([*root.iter(qn("w:txbxContent"))]):  # inner ones first, and the last one next to its paragraph
        paragraph = next(box.iterancestors(qn("w:p")), None)
        if paragraph is not None:
            for child in reversed(list(box)):
                paragraph.addnext(child)


def _related(part: Part, kind: str) -> Element:
    """The tree of the part that stands in this relation to the document; an empty one if there is none."""
    try:
        related = part.part_related_by(kind)
    except KeyError:
        return OxmlElement("w:p")
    return related.element if isinstance(related, XmlPart) else parse_xml(related.blob)


def _top(element: Element, body: Element) -> Element:
    """The block of the body that an element stands in."""
    while (parent := element.getparent()) is not body and parent is not None:
        element = parent
    return element


def _text(element: Element | None) -> str:
    """The words of an element on one line."""
    if element is None:
        return ""
    pieces = element.iter(qn("w:p"), qn("w:t"), qn("w:tab"), qn("w:br"))
    return " ".join("".join((piece.text or "") if piece.tag == qn("w:t") else " " for piece in pieces).split())


def _words(text: str) -> Element:
    element = OxmlElement("w:t")
    element.text = text
    return element
