"""XML from strangers: no entity is expanded, nothing outside the document is read."""

import html
from collections.abc import Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

#: Whatever has children; lxml has no types.
Element = Any


def tree(body: bytes) -> Element:
    """The root element.

    Raises:
        lxml.etree.XMLSyntaxError: the document is not well-formed, nested over 256 deep, or grows by its entities.
    """
    options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    return etree.fromstring(body, etree.XMLParser(remove_comments=True, remove_pis=True, **options))


def name(element: Element) -> str:
    """The element's name without its namespace; "" for a reference to an entity."""
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def elements(parent: Element) -> list[Element]:
    """The children that are elements."""
    return [child for child in parent if isinstance(child.tag, str)]


def pieces(element: Element) -> Iterator[str | Element]:
    """What an element holds, in order: runs of text and child elements.

    A reference to an entity is text: the letter where HTML knows one by that name, else as it is written ("&chap1;").
    """
    if element.text:
        yield element.text
    for child in element:
        yield child if isinstance(child.tag, str) else html.unescape(child.text)
        if child.tail:
            yield child.tail
