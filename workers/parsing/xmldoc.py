"""XML of any vocabulary: its text in order, with the structure that element names give away.

An element without elements in it is a line "name attribute=value: text"; lines of one parent are one paragraph, so a
record stays together. Names that common vocabularies (DocBook, DITA, JATS, TEI, RSS) use for headings, prose, lists,
code and tables give such blocks, without the name. Kept out: comments, instructions, and attributes of those.
"""

from collections.abc import Iterator

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content, table_row
from workers.parsing.xmltree import Element, elements, name, pieces, tree

_TITLES = {"title", "head", "heading"}
#: What may stand around the title of a whole document.
_FRONT = {"info", "articleinfo", "bookinfo", "front", "article-meta", "title-group", "prolog", "channel"}
_PROSE = {"p", "para", "simpara", "formalpara", "ab", "l", "line", "abstract", "shortdesc", "blockquote", "note"}
_ITEMS = {"li", "item", "listitem", "list-item", "step", "member"}
_CODE = {"pre", "code", "codeblock", "programlisting", "screen", "literallayout", "eg"}
_TABLES = {"table", "informaltable", "simpletable"}
_ROWS = {"tr", "row", "strow", "sthead"}
_XML = "{http://www.w3.org/XML/1998/namespace}"
#: Attributes for machines: xml:id, xsi:schemaLocation and the like.
_SILENT = (_XML, "{http://www.w3.org/2001/XMLSchema-instance}")


def parse(body: bytes) -> Content:
    """The blocks of an XML document and its language."""
    root = tree(body)
    language = str(root.get(_XML + "lang") or root.get("lang") or "").partition("-")[0].lower()
    return Content(list(_blocks(root, 1)), language=language or None)


def _blocks(parent: Element, level: int) -> Iterator[Block]:
    """The blocks of an element that holds elements; `level` is that of a heading in it."""
    if _is_mixed(parent) or not elements(parent):
        yield from _leaf_blocks(parent)
        return
    lines = [_line(parent, "")]
    below = level + _is_titled(parent)
    for at, child in enumerate(elements(parent)):
        label, within = name(child), elements(child)
        named = label in _PROSE | _ITEMS | _CODE | _TABLES or (label in _TITLES and at == 0)
        if not named and (not within or _is_mixed(child)):
            lines.append(_line(child, _text(child)))
            continue
        yield from _paragraph(lines)
        lines = []
        if label in _TITLES and at == 0:
            words = _text(child)
            yield Block(BlockKind.HEADING, words, min(level, 6), None, words)
        elif label in _TABLES and (rows := _rows(child)):
            yield from _paragraph([_caption(child)])
            yield Block(BlockKind.TABLE, rows)
        elif within and not (_is_mixed(child) or label in _CODE or _is_item(child)):
            yield from _blocks(child, level if label in _FRONT else below)
        else:
            yield from _leaf_blocks(child)
    yield from _paragraph(lines)


def _leaf_blocks(element: Element) -> Iterator[Block]:
    """The one block of an element that holds text."""
    label = name(element)
    if label in _CODE:
        yield Block(BlockKind.CODE, "".join(_runs(element)).strip("\n"))
    elif label in _ITEMS:
        yield Block(BlockKind.LIST_ITEM, _text(element))
    elif label in _PROSE:
        yield Block(BlockKind.PARAGRAPH, _text(element))
    else:
        yield from _paragraph([_line(element, _text(element))])


def _paragraph(lines: list[str]) -> Iterator[Block]:
    if any(lines):
        yield Block(BlockKind.PARAGRAPH, "\n".join(filter(None, lines)))


def _line(element: Element, text: str) -> str:
    """An element on one line; "" if it says nothing but its name."""
    keys = [str(key) for key in element.attrib if not str(key).startswith(_SILENT)]
    label = " ".join([name(element), *(f"{key.rpartition('}')[2]}={element.get(key)}" for key in keys)])
    return f"{label}: {text}" if text else label if keys else ""


def _is_mixed(element: Element) -> bool:
    """Whether text stands between its elements."""
    return bool(elements(element)) and any(isinstance(piece, str) and piece.strip() for piece in pieces(element))


def _is_item(element: Element) -> bool:
    """Whether it is an item of a list with nothing but prose in it."""
    return name(element) in _ITEMS and all(name(child) in _PROSE and not elements(child) for child in elements(element))


def _is_titled(element: Element) -> bool:
    """Whether it opens with a title, maybe within its front matter."""
    within = elements(element)
    return bool(within) and (name(within[0]) in _TITLES or (name(within[0]) in _FRONT and _is_titled(within[0])))


def _caption(table: Element) -> str:
    """What a table holds besides rows."""
    beside = (part for part in elements(table) if not any(name(inner) in _ROWS for inner in part.iter()))
    return " ".join(filter(None, map(_text, beside)))


def _rows(table: Element) -> str:
    rows = ([_text(cell) for cell in elements(row)] for row in table.iter() if name(row) in _ROWS)
    return "\n".join(filter(None, map(table_row, rows)))


def _text(element: Element) -> str:
    """All text in an element, white space folded."""
    return " ".join("".join(_runs(element)).split())


def _runs(element: Element) -> Iterator[str]:
    """The runs of text. Words of blocks, and around empty elements such as line breaks, do not grow together."""
    for piece in pieces(element):
        if isinstance(piece, str):
            yield piece
        elif name(piece) in _PROSE | _ITEMS | _CODE | _TITLES | _ROWS or not (len(piece) or piece.text):
            yield from ("\n", *_runs(piece), "\n")
        else:
            yield from _runs(piece)
