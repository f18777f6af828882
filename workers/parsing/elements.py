"""unstructured's elements to blocks, and unstructured made fit for this house. Importing it costs seconds.

Three things are changed in the library, once, here:

1. The spaCy model is never downloaded: where it is not installed, a blank English pipeline with a sentence splitter
   stands in, and the log says so.
2. Only structure makes a heading. The library also guesses titles from the words of a text, by that model; the same
   bytes would then give other blocks on another machine. The guesses are switched off.
3. What browsers show is kept: forms, folded details and figures with their captions are dropped by default.
"""

import importlib.util
import logging
from collections.abc import Iterable
from typing import Any

import spacy
from lxml import etree  # type: ignore[import-untyped]
from unstructured.documents.elements import CodeSnippet, Element, Footer, Header, ListItem, PageBreak, Table, Title
from unstructured.nlp import tokenize
from unstructured.partition import docx, pptx
from unstructured.partition.html import parser as html

from schemas.documents import Block, BlockKind
from workers.parsing.content import table_row

_log = logging.getLogger("penstock.parsing")


def blocks(elements: Iterable[Element]) -> list[Block]:
    """The blocks of a document's elements, in their order."""
    found: list[Block] = []
    furniture: set[str] = set()
    for element in elements:
        if isinstance(element, PageBreak) or not element.text.strip():
            continue
        if isinstance(element, (Header, Footer)):
            # The same line on every page is one line of text.
            if element.text in furniture:
                continue
            furniture.add(element.text)
        found.append(_block(element))
    return found


def _block(element: Element) -> Block:
    page, depth = element.metadata.page_number, element.metadata.category_depth
    if isinstance(element, Title) and depth is not None:
        words = " ".join(element.text.split())
        return Block(BlockKind.HEADING, element.text, min(depth + 1, 6), page, words)
    if isinstance(element, Table):
        return Block(BlockKind.TABLE, _rows(element), page=page)
    if isinstance(element, ListItem):
        return Block(BlockKind.LIST_ITEM, element.text, page=page)
    if isinstance(element, CodeSnippet):
        return Block(BlockKind.CODE, element.text, page=page)
    return Block(BlockKind.PARAGRAPH, element.text, page=page)


def _rows(table: Table) -> str:
    """The table, a row to a line; the library's own text is one line without cells."""
    if not table.metadata.text_as_html:
        return str(table.text)
    root = etree.fromstring(table.metadata.text_as_html, etree.HTMLParser(huge_tree=True))
    rows = (["".join(cell.itertext()) for cell in row.iterfind("*")] for row in root.iter("tr"))
    return "\n".join(filter(None, map(table_row, rows))) or str(table.text)


def _blank_pipeline() -> Any:
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    return pipeline


def _no_guess(*_: object, **__: object) -> bool:
    return False


def _adapt() -> None:
    if importlib.util.find_spec(tokenize._SPACY_MODEL_NAME) is None:  # noqa: SLF001 - the library has no setting for it
        tokenize._load_spacy_model = _blank_pipeline  # noqa: SLF001
        _log.warning(
            "parser.fallback_sentencizer",
            extra={"fields": {"missing": tokenize._SPACY_MODEL_NAME, "instead": "blank English, sentence splitter"}},  # noqa: SLF001
        )
    for module in (docx, pptx):
        module.is_possible_title = module.is_possible_narrative_text = _no_guess
    html.is_possible_narrative_text = _no_guess
    html.element_class_lookup.get_namespace(None).update(
        {
            **dict.fromkeys(("details", "dialog", "fieldset", "figure", "form"), html.Flow),
            **dict.fromkeys(("figcaption", "legend", "summary"), html.BlockItem),
            "label": html.Phrasing,
        }
    )


_adapt()
