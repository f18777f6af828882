"""Word through unstructured: headings by style, lists, pages where Word recorded them; tables by the cell.

The library is handed a document that wordtree.py has set in order; tables it makes one line of, so they are read here.
"""

import io
from collections.abc import Iterator
from dataclasses import replace

import docx
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph
from unstructured.documents.elements import Element
from unstructured.partition.docx import DocxPartitionerOptions, _DocxPartitioner

from schemas.documents import Block, BlockKind
from workers.parsing import elements, ooxml, wordtree, xmltree
from workers.parsing.content import Content, repeated, table_row

#: Columns that one cell may span.
_WIDEST = 63
_TEXT = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-", qn("w:p"): "\n"}


def parse(body: bytes) -> Content:
    """The blocks of a Word document."""
    about = ooxml.about(body, "word/")
    document = docx.Document(io.BytesIO(body))
    asides, unplaced = wordtree.settle(document)
    options = DocxPartitionerOptions(file=None, file_path=None, include_page_breaks=False, infer_table_structure=False)
    options.document, options.asides = document, asides  # opened once, and changed since
    blocks = elements.blocks(_Reader.iter_document_elements(options))
    return Content([*blocks, *unplaced], about.title, about.language, about.metadata)


class _Reader(_DocxPartitioner):  # type: ignore[misc]
    """The library's reader, with what stands beside each block, and tables of our own."""

    def _iter_paragraph_elements(self, paragraph: Paragraph) -> Iterator[Element | Block]:
        yield from super()._iter_paragraph_elements(paragraph)
        yield from self._asides(paragraph._p)  # noqa: SLF001 - the library's own way to the tree

    def _iter_table_element(self, table: Table) -> Iterator[Block]:
        root = table._tbl  # noqa: SLF001
        if next(root.iter(qn("w:pStyle"), qn("w:numPr")), None) is not None:
            self._advance_table_numbering(table)
        tables = [*root.iter(qn("w:tbl"))]
        for inner in tables[1:]:  # those within it come after it, or their rows would be words in one of its cells
            inner.getparent().remove(inner)
        for one in tables:
            if rows := "\n".join(_rows(one)):
                yield Block(BlockKind.TABLE, rows, page=self._opts.metadata_page_number)
        yield from self._asides(root)

    def _paragraph_emphasis(self, _: Paragraph) -> tuple[list[str], list[str]]:
        return [], []  # a quarter of the library's time, and of no use here

    def _paragraph_link_meta(self, _: Paragraph) -> tuple[list[str], list[str], list[object]]:
        return [], [], []

    def _asides(self, anchor: xmltree.Element) -> Iterator[Block]:
        return (replace(block, page=self._opts.metadata_page_number) for block in self._opts.asides.get(anchor, ()))


def _rows(table: xmltree.Element) -> Iterator[str]:
    """The rows that say something. A merged cell says its text in each row it spans, and once in each of them."""
    above: dict[int, str] = {}
    for row in table.iter(qn("w:tr")):
        cells: list[str] = [""] * _number(row.find(f"{qn('w:trPr')}/{qn('w:gridBefore')}"), 0)
        starts: dict[int, str] = {}
        for cell in row.iter(qn("w:tc")):
            place, properties = len(cells), cell.find(qn("w:tcPr"))
            merged = properties.find(qn("w:vMerge")) if properties is not None else None
            words = _cell(cell)
            if merged is not None and merged.get(qn("w:val")) != "restart" and not words.strip():
                words = repeated(above.get(place, ""))
            starts[place] = words
            span = properties.find(qn("w:gridSpan")) if properties is not None else None
            cells += [words, *[""] * (_number(span, 1) - 1)]
        above = starts
        if line := table_row(cells):
            yield line


def _cell(cell: xmltree.Element) -> str:
    return "".join(_TEXT.get(piece.tag) or piece.text or "" for piece in cell.iter(qn("w:t"), *_TEXT))


def _number(element: xmltree.Element | None, least: int) -> int:
    try:
        return min(max(int(element.get(qn("w:val"))), least), _WIDEST) if element is not None else least
    except (TypeError, ValueError):
        return least
