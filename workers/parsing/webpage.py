"""HTML through unstructured: everything a browser shows but navigation."""

import re
from collections.abc import Mapping, Sequence

from lxml import etree  # type: ignore[import-untyped]
from unstructured.partition.html import partition_html

from schemas.documents import Block
from schemas.errors import Reason, Refusal
from workers.parsing import elements, unseen
from workers.parsing.content import Content
from workers.parsing.dates import about
from workers.parsing.decoding import declared_encoding, decode

#: unstructured reads nothing outside <main>, a heading above it included.
_MAIN = re.compile(r"<(/?)main(?=[\s/>])", re.IGNORECASE)

#: The names under which pages say what is known of them, the better ones first.
_METADATA = {
    "author": ("author", "dc.creator", "dcterms.creator", "citation_author", "article:author", "parsely-author"),
    "created": (
        *("article:published_time", "datepublished", "dcterms.created", "dc.date.created", "citation_publication_date"),
        *("dc.date", "dcterms.date", "date", "pubdate"),
    ),
    "modified": (
        *("article:modified_time", "datemodified", "dcterms.modified", "dc.date.modified", "og:updated_time"),
        "last-modified",
    ),
}
_LANGUAGE = ("content-language", "dc.language", "dcterms.language", "language", "og:locale")


def parse(body: bytes) -> Content:
    """The blocks of a page, its <title>, its language, and what its <meta> elements say."""
    source = decode(body, declared=declared_encoding(body))
    root = _tree(source)
    if root is None:
        return Content(_blocks(source, root))
    title, said = root.findtext(".//head/title"), _said(root)
    language = root.get("lang") or _first(said, _LANGUAGE)
    metadata = about(**{name: _first(said, names) for name, names in _METADATA.items()})
    return Content(_blocks(source, root), title, re.split("[-_,;]", language)[0].strip().lower() or None, metadata)


def blocks(source: str) -> list[Block]:
    """The blocks of an HTML text.

    Raises:
        Refusal: CORRUPT where tags are nested so deep, TOO_LARGE where one piece is so long that the parser stops.
    """
    return _blocks(source, _tree(source))


def _blocks(source: str, root: etree._Element | None) -> list[Block]:
    page = unseen.shown(source, root)
    found = elements.blocks(partition_html(text=_MAIN.sub(r"<\1section", page.source), languages=[""]))
    return list(unseen.with_hidden(found, page.stretches)) if page.stretches else found


def _said(root: etree._Element) -> dict[str, str]:
    """What the <meta> elements of a page say, the first of a name."""
    said: dict[str, str] = {}
    for meta in root.iter("meta"):
        name = meta.get("name") or meta.get("property") or meta.get("itemprop") or meta.get("http-equiv") or ""
        said.setdefault(name.strip().lower(), (meta.get("content") or "").strip())
    return said


def _first(said: Mapping[str, str], names: Sequence[str]) -> str:
    """The first of these that is said; the address of a person's page is not a name."""
    return next((said[name] for name in names if said.get(name) and "://" not in said[name]), "")


def _tree(source: str) -> etree._Element | None:
    parser = etree.HTMLParser(encoding="utf-8")
    root = etree.fromstring(source.encode(), parser)
    # libxml2 stops at 256 levels, and at a text, attribute or comment of 10 MB: it says so here, and gives what it has.
    # The rest of the page would be lost.
    limits = [entry.message.lower() for entry in parser.error_log if entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT]
    if any("depth" in limit for limit in limits):
        raise Refusal(Reason.CORRUPT, "its tags are nested more than 250 deep")
    if limits:
        raise Refusal(Reason.TOO_LARGE, "a text, comment or attribute (a picture in the page?) of more than 10 MB")
    return root
