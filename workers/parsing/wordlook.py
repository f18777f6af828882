"""Which runs of a Word document nobody sees: hidden by their format or style, white on white, a point high or less.

White text counts only where nothing says that it may stand on a colour: no shading or highlight of the run, its
paragraph, cell or table, by itself or by a style, no coloured page, and no text box, which may be filled.
"""

from collections.abc import Iterator
from typing import NamedTuple

from docx.document import Document
from docx.oxml.ns import qn
from lxml import etree  # type: ignore[import-untyped]

from schemas.documents import Block, BlockKind
from workers.parsing.xmltree import Element

_NAMES = {"w": qn("w:r").partition("}")[0][1:]}
#: Formats of runs that may hide them. Looked for by libxml2: every run has a format, and few are looked at here.
_SUSPECTS = etree.XPath(
    "descendant::w:rPr[parent::w:r][w:vanish or w:sz[@w:val <= 2] or"
    " w:color[starts-with(@w:val, 'F') or starts-with(@w:val, 'f')]]",
    namespaces=_NAMES,
)
_RUN, _TEXT, _BOX = qn("w:r"), qn("w:t"), qn("w:txbxContent")
_BLANKS = tuple(map(qn, ("w:tab", "w:br", "w:cr")))
_VANISH, _SIZE, _COLOUR, _SHADING, _HIGHLIGHT = map(qn, ("w:vanish", "w:sz", "w:color", "w:shd", "w:highlight"))
_VAL, _FILL = qn("w:val"), qn("w:fill")
_OFF = {"0", "false", "off"}
_STYLES = (qn("w:rStyle"), qn("w:pStyle"), qn("w:tblStyle"))
#: Where the formats of a run, and of what it stands in, are: each is its first child.
_LOOKS = tuple(map(qn, ("w:rPr", "w:pPr", "w:tcPr", "w:tblPr")))


class Styles(NamedTuple):
    """The names of the styles that hide text and of those that put a colour under it; whether the page has one."""

    hiding: frozenset[str]
    colouring: frozenset[str]
    coloured_page: bool

    @staticmethod
    def of(document: Document) -> "Styles":
        """What a document defines."""
        found: dict[str, set[str]] = {"vanish": set(), "shd": set()}
        for look in document.styles.element.iter(_VANISH, _SHADING):
            style = next(look.iterancestors(qn("w:style")), None)
            if style is not None and look.get(_VAL) not in _OFF:
                found["vanish" if look.tag == _VANISH else "shd"].add(style.get(qn("w:styleId"), ""))
        background = document.element.find(qn("w:background"))
        coloured = background is not None and not _is_white(background.get(qn("w:color")))
        return Styles(frozenset(found["vanish"]), frozenset(found["shd"]), coloured)


def take_unseen(root: Element, styles: Styles) -> list[tuple[Element, Block]]:
    """Take the runs that nobody sees out of the tree: those that follow each other, with the element they stood in."""
    found: list[tuple[Element, list[str]]] = []
    taken: set[Element] = set()
    for run in dict.fromkeys(_unseen(root, styles)):
        parent = run.getparent()
        words = "".join(piece.text or "" if piece.tag == _TEXT else " " for piece in run.iter(_TEXT, *_BLANKS))
        if not words or not taken.isdisjoint(run.iterancestors(_RUN)):  # one in a text box of one that is gone
            continue
        taken.add(run)
        if not found or found[-1][0] is not parent:
            found.append((parent, []))
        found[-1][1].append(words)
        parent.remove(run)
    return [(parent, Block(BlockKind.PARAGRAPH, "".join(words), hidden=True)) for parent, words in found]


def _unseen(root: Element, styles: Styles) -> Iterator[Element]:
    if styles.hiding:
        for style in root.iter(qn("w:rStyle"), qn("w:pStyle")):
            if style.get(_VAL) in styles.hiding:
                yield from _runs_under(style)
    for look in _SUSPECTS(root):
        if _hides(look, styles):
            yield look.getparent()


def _runs_under(style: Element) -> Iterator[Element]:
    """The run or the paragraph's runs that have a style, but those that say they are shown."""
    holder = style.getparent().getparent()
    for run in [holder] if holder.tag == _RUN else holder.iter(_RUN):
        own = run.find(f"{qn('w:rPr')}/{_VANISH}")
        if own is None or own.get(_VAL) not in _OFF:
            yield run


def _hides(look: Element, styles: Styles) -> bool:
    vanish, size, colour = look.find(_VANISH), look.find(_SIZE), look.find(_COLOUR)
    if vanish is not None and vanish.get(_VAL) not in _OFF:
        return True
    if next(look.getparent().iter(_BOX), None) is not None:  # a box has a size and colours of its own
        return False
    if size is not None and size.get(_VAL, "").isdigit() and int(size.get(_VAL)) <= 2:  # half points
        return True
    return colour is not None and _is_white(colour.get(_VAL)) and not _stands_on_colour(look, styles)


def _stands_on_colour(look: Element, styles: Styles) -> bool:
    if styles.coloured_page:
        return True
    for holder in look.iterancestors():
        if holder.tag == _BOX:
            return True
        properties = next(holder.iterchildren(), None)
        if properties is not None and properties.tag in _LOOKS:
            shading, highlight = properties.find(_SHADING), properties.find(_HIGHLIGHT)
            if highlight is not None and highlight.get(_VAL) not in {"none", "white"}:
                return True
            if shading is not None and _colours(shading):
                return True
            if any(style.get(_VAL) in styles.colouring for style in properties.iterchildren(*_STYLES)):
                return True
    return False


def _colours(shading: Element) -> bool:
    """Whether a shading is anything but white: a fill, or a pattern over it."""
    filled = shading.get(_FILL) not in {None, "auto"} and not _is_white(shading.get(_FILL))
    return filled or shading.get(_VAL) not in {None, "clear", "nil"}


def _is_white(colour: str | None) -> bool:
    """Whether no eye tells a colour from white."""
    try:
        return min(bytes.fromhex(colour or "")) >= 0xF8
    except ValueError:  # "auto", or nothing
        return False
