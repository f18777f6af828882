"""unstructured's elements to blocks, and unstructured made fit for this house. Importing it costs seconds.

Four things are changed in the library, once, here:

1. The spaCy model is never downloaded: where it is not installed, a blank English pipeline with a sentence splitter
   stands in, and the log says so.
2. Only structure makes a heading. The library also guesses titles from the words of a text, by that model; the same
   bytes would then give other blocks on another machine. The guesses are switched off.
3. What browsers show is kept: forms, folded details, figures with their captions and paragraphs of one letter are
   dropped by default.
4. Nothing is taken for an American address: a paragraph of 900 equal letters is tried for 60 ms, and the answer is of
   no use here.
"""

import importlib.util
import logging
from collections.abc import Iterable
from typing import Any

import spacy
from lxml import etree  # type: ignore[import-untyped]
from unstructured.documents.elements import (
    CodeSnippet,
    Element,
    Footer,
    Header,
    ListItem,
    PageBreak,
    Table,
    Text,
    Title,
)
from unstructured.nlp import tokenize
from unstructured.partition import docx
from unstructured.partition.html import parser as html

from schemas.documents import Block, BlockKind
from workers.parsing.content import table_row

_log = logging.getLogger("penstock.parsing")
_library_derived = html.derive_element_type_from_text


def blocks(elements: Iterable[Element | Block]) -> list[Block]:
    """The blocks of a document's elements, in their order; a reader may put blocks of its own among them."""
    found: list[Block] = []
    furniture: set[str] = set()
    for element in elements:
        if isinstance(element, Block):
            found.append(element)
            continue
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


def _derived(text: str) -> Any:
    """The class of a text in a web page; the library has none for a single letter."""
    return _library_derived(text) or Text


def _adapt() -> None:
    if importlib.util.find_spec(tokenize._SPACY_MODEL_NAME) is None:  # noqa: SLF001 - the library has no setting for it
        tokenize._load_spacy_model = _blank_pipeline  # noqa: SLF001
        _log.warning(
            "parser.fallback_sentencizer",
            extra={"fields": {"missing": tokenize._SPACY_MODEL_NAME, "instead": "blank English, sentence splitter"}},  # noqa: SLF001
        )
    for module in (docx, html):
        module.is_possible_narrative_text = module.is_us_city_state_zip = _no_guess
    html.derive_element_type_from_text = _derived
    html.element_class_lookup.get_namespace(None).update(
        {
            **dict.fromkeys(("details", "dialog", "fieldset", "figure", "form"), html.Flow),
            **dict.fromkeys(("figcaption", "legend", "summary"), html.BlockItem),
            "label": html.Phrasing,
        }
    )


_adapt()
