"""OpenDocument text: XML in a ZIP, whose elements say what is a heading, a list, a table.

Our own reader: unstructured needs the system's pandoc for it. Text that is hidden, by its style, its section or as a
field, comes behind the block it stands in, as a hidden one. Kept out: what tracked changes took away, comments, and
what the program can make again (tables of contents).
"""

import io
import re
import zipfile
from collections.abc import Iterator

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from workers.parsing import dates
from workers.parsing.content import Content, table_row
from workers.parsing.xmltree import Element, elements, name, pieces, tree
from workers.parsing.zipped import member

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_SKIPPED = {
    *("tracked-changes", "annotation", "table-of-content", "sequence-decls", "note-citation", "binary-data"),
    "hidden-paragraph",
}
_WHITE = re.compile(r"[ \t\r\n]+")
#: Times a cell or a blank may be repeated; spreadsheets fill a million cells so.
_REPEATS = 256
#: Styles a style may inherit from, one through the other: a ring of them has no end.
_GENERATIONS = 32


def parse(body: bytes) -> Content:
    """The blocks of a text document, its title, language, author and dates.

    Raises:
        Refusal: ENCRYPTED if it takes a password; CORRUPT if a part is missing; TOO_LARGE if one is.
    """
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = archive.namelist()
        if "META-INF/manifest.xml" in parts and b"encryption-data" in member(archive, "META-INF/manifest.xml"):
            raise Refusal(Reason.ENCRYPTED, "an OpenDocument file with a password")
        content = tree(member(archive, "content.xml"))
        about = tree(member(archive, "meta.xml")) if "meta.xml" in parts else None
        styles = tree(member(archive, "styles.xml")) if "styles.xml" in parts else None
    said = {
        name(element): "".join(element.itertext()).strip() for element in (about.iter() if about is not None else ())
    }
    text = next((element for element in content.iter() if element.getparent() is not None and _is_text(element)), None)
    if text is None:
        raise Refusal(Reason.CORRUPT, "an OpenDocument file without a text")
    language = said.get("language", "").partition("-")[0].lower()
    author = said.get("initial-creator") or said.get("creator")
    metadata = dates.about(author=author, created=said.get("creation-date"), modified=said.get("date"))
    hidden = _hiding_styles(content) if styles is None else _hiding_styles(content, styles)
    return Content(list(_Reader(hidden).blocks(text)), said.get("title"), language or None, metadata)


def _is_text(element: Element) -> bool:
    return name(element) == "text" and name(element.getparent()) == "body"


def _hiding_styles(*parts: Element) -> set[str]:
    """The names of the styles whose text is not displayed, inherited or not."""
    parents: dict[str, str] = {}
    displays: dict[str, bool] = {}
    for style in (element for part in parts for element in part.iter(_STYLE + "style")):
        own = style.get(_STYLE + "name", "")
        parents[own] = style.get(_STYLE + "parent-style-name", "")
        display = next((found.get(_TEXT + "display") for found in style.iter(_STYLE + "text-properties")), None)
        if display is not None:
            displays[own] = display != "none"
    return {style for style in parents if not _displays(style, parents, displays)}


def _displays(style: str, parents: dict[str, str], displays: dict[str, bool]) -> bool:
    for _ in range(_GENERATIONS):
        if style in displays or style not in parents:
            break
        style = parents[style]
    return displays.get(style, True)


class _Reader:
    """Reads a text, and puts aside what is hidden in it. `hiding`: the names of the styles that hide."""

    def __init__(self, hiding: set[str]) -> None:
        self._hiding = hiding
        self._aside: list[str] = []

    def blocks(self, parent: Element, *, item: bool = False, hidden: bool = False) -> Iterator[Block]:
        """The blocks of an element, each with what is hidden in it behind it."""
        for element in elements(parent):
            kind = name(element)
            if kind in _SKIPPED:
                continue
            if kind == "h":
                words = self._text(element, hidden=hidden)
                level = int(element.get(_TEXT + "outline-level") or 1)
                block = Block(BlockKind.HEADING, words, min(max(level, 1), 6), None, " ".join(words.split()))
            elif kind == "p":
                block = Block(BlockKind.LIST_ITEM if item else BlockKind.PARAGRAPH, self._text(element, hidden=hidden))
            elif kind == "table":
                block = Block(BlockKind.TABLE, "\n".join(self._rows(element, hidden=hidden)))
            else:
                within = item or kind == "list-item"
                yield from self.blocks(element, item=within, hidden=hidden or self._hides(element))
                continue
            yield block
            if aside := "".join(self._aside).strip():
                yield Block(BlockKind.PARAGRAPH, aside, hidden=True)
            self._aside.clear()

    def _hides(self, element: Element) -> bool:
        """Whether what an element holds is hidden: by its style, as a section, or as a field in it says."""
        if element.get(_TEXT + "display") == "none" or element.get(_TEXT + "style-name") in self._hiding:
            return True
        if name(element) == "hidden-text":
            return bool(element.get(_TEXT + "is-hidden") != "false")
        return any(
            field.get(_TEXT + "is-hidden") == "true" for field in element.iterchildren(_TEXT + "hidden-paragraph")
        )

    def _rows(self, table: Element, *, hidden: bool) -> Iterator[str]:
        """The rows that say something."""
        for row in _within(table, "table-row"):
            cells: list[str] = []
            for cell in _within(row, "table-cell", "covered-table-cell"):
                repeated = int(cell.get(_TABLE + "number-columns-repeated") or 1)
                cells += [self._text(cell, hidden=hidden)] * min(repeated, _REPEATS)
            if line := table_row(cells):
                yield line

    def _text(self, element: Element, *, hidden: bool) -> str:
        return "".join(self._runs(element, hidden=hidden)).strip()

    def _runs(self, element: Element, *, hidden: bool) -> Iterator[str]:
        """The runs of text that are seen; those that are not are put aside."""
        if hidden or self._hides(element):
            self._aside += [*self._read(element, hidden=True), "\n"]
        else:
            yield from self._read(element, hidden=False)

    def _read(self, element: Element, *, hidden: bool) -> Iterator[str]:
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
                yield f" ({''.join(self._read(piece, hidden=hidden)).strip()})"
            elif kind not in _SKIPPED:
                # What is put aside is put there once, as a whole.
                yield from self._read(piece, hidden=True) if hidden else self._runs(piece, hidden=False)
                # Paragraphs and descriptions of pictures within a cell or a frame stand on lines of their own.
                if kind in {"p", "h", "title", "desc"}:
                    yield "\n"


def _within(element: Element, *kinds: str) -> Iterator[Element]:
    """The nearest elements of these kinds, below headers and groups."""
    for child in elements(element):
        if name(child) in kinds:
            yield child
        else:
            yield from _within(child, *kinds)
