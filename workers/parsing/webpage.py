"""HTML through unstructured: everything a browser shows but navigation."""

import re

from lxml import etree  # type: ignore[import-untyped]
from unstructured.partition.html import partition_html

from schemas.documents import Block
from schemas.errors import Reason, Refusal
from workers.parsing import elements
from workers.parsing.content import Content
from workers.parsing.decoding import declared_encoding, decode

#: unstructured reads nothing outside <main>, a heading above it included.
_MAIN = re.compile(r"<(/?)main(?=[\s/>])", re.IGNORECASE)


def parse(body: bytes) -> Content:
    """The blocks of a page, its <title> and its language."""
    source = decode(body, declared=declared_encoding(body))
    root = _tree(source)
    language = root.get("lang") if root is not None else None
    title = root.findtext(".//head/title") if root is not None else None
    return Content(blocks(source), title, language.partition("-")[0].lower() if language else None)


def blocks(source: str) -> list[Block]:
    """The blocks of an HTML text.

    Raises:
        Refusal: CORRUPT where tags are nested so deep that the parser drops what is in them.
    """
    _tree(source)
    return elements.blocks(partition_html(text=_MAIN.sub(r"<\1section", source), languages=[""]))


def _tree(source: str) -> etree._Element | None:
    parser = etree.HTMLParser(encoding="utf-8")
    root = etree.fromstring(source.encode(), parser)
    # libxml2 stops at 256 levels, says so here, and gives what it has: the rest of the page would be lost.
    if any("depth" in entry.message.lower() for entry in parser.error_log):
        raise Refusal(Reason.CORRUPT, "its tags are nested more than 250 deep")
    return root
