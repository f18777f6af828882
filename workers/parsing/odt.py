"""OpenDocument text: XML in a ZIP, whose elements say what is a heading, a list, a table.

Our own reader: unstructured needs the system's pandoc for it. Kept out: what tracked changes took away, comments, and
what the program can make again (tables of contents).
"""

import io
import re
import zipfile
from collections.abc import Iterator

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from workers.parsing.content import Content, table_row
from workers.parsing.xmltree import Element, elements, name, pieces, tree
from workers.parsing.zipped import member

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_SKIPPED = {
    *("tracked-changes", "annotation", "table-of-content", "sequence-decls", "note-citation", "binary-data"),
    *("hidden-text", "hidden-paragraph"),
}
_WHITE = re.compile(r"[ \t\r\n]+")
#: Times a cell or a blank may be repeated; spreadsheets fill a million cells so.
_REPEATS = 256


def parse(body: bytes) -> Content:
    """The blocks of a text document, its title and language.

    Raises:
        Refusal: ENCRYPTED if it takes a password; CORRUPT if a part is missing; TOO_LARGE if one is.
    """
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = archive.namelist()
        if "META-INF/manifest.xml" in parts and b"encryption-data" in member(archive, "META-INF/manifest.xml"):
            raise Refusal(Reason.ENCRYPTED, "an OpenDocument file with a password")
        content = tree(member(archive, "content.xml"))
        about = tree(member(archive, "meta.xml")) if "meta.xml" in parts else None
    said = {
        name(element): "".join(element.itertext()).strip() for element in (about.iter() if about is not None else ())
    }
    text = next((element for element in content.iter() if element.getparent() is not None and _is_text(element)), None)
    if text is None:
        raise Refusal(Reason.CORRUPT, "an OpenDocument file without a text")
    language = said.get("language", "").partition("-")[0].lower()
    return Content(list(_blocks(text)), said.get("title"), language or None)


def _is_text(element: Element) -> bool:
    return name(element) == "text" and name(element.getparent()) == "body"


def _blocks(parent: Element, *, item: bool = False) -> Iterator[Block]:
    for element in elements(parent):
        kind = name(element)
        if kind in _SKIPPED:
            continue
        if kind == "h":
            words = _text(element)
            level = int(element.get(_TEXT + "outline-level") or 1)
            yield Block(BlockKind.HEADING, words, min(max(level, 1), 6), None, " ".join(words.split()))
        elif kind == "p":
            yield Block(BlockKind.LIST_ITEM if item else BlockKind.PARAGRAPH, _text(element))
        elif kind == "table":
            yield Block(BlockKind.TABLE, "\n".join(_rows(element)))
        else:
            yield from _blocks(element, item=item or kind == "list-item")


def _rows(table: Element) -> Iterator[str]:
    """The rows that say something."""
    for row in _within(table, "table-row"):
        cells: list[str] = []
        for cell in _within(row, "table-cell", "covered-table-cell"):
            repeated = int(cell.get(_TABLE + "number-columns-repeated") or 1)
            cells += [_text(cell)] * min(repeated, _REPEATS)
        if line := table_row(cells):
            yield line


def _within(element: Element, *kinds: str) -> Iterator[Element]:
    """The nearest elements of these kinds, below headers and groups."""
    for child in elements(element):
        if name(child) in kinds:
            yield child
        else:
            yield from _within(child, *kinds)


def _text(element: Element) -> str:
    return "".join(_runs(element)).strip()


def _runs(element: Element) -> Iterator[str]:
    """The runs of text: white space in the file folds to one blank, other white space has elements."""
    for piece in pieces(element):
        if isinstance(piece, str):
            yield _WHITE.sub(" ", piece)
        elif (kind := name(piece)) == "s":
            yield " " * min(int(piece.get(_TEXT + "c") or 1), _REPEATS)
        elif kind == "tab":
            yield "\t"
        elif kind == "line-break":
            yield "\n"
        elif kind == "note":
            yield f" ({_text(piece)})"
        elif kind not in _SKIPPED:
            yield from _runs(piece)
            # Paragraphs and descriptions of pictures within a cell or a frame stand on lines of their own.
            if kind in {"p", "h", "title", "desc"}:
                yield "\n"
