"""EPUB: web pages in a ZIP, in the order its spine gives them.

Our own reader of the package: unstructured needs the system's pandoc for it. The pages go the way of all HTML.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from schemas.errors import Reason, Refusal
from workers.parsing import webpage
from workers.parsing.content import Content
from workers.parsing.dates import about
from workers.parsing.decoding import declared_encoding, decode
from workers.parsing.xmltree import Element, name, tree
from workers.parsing.zipped import MAX_MEMBER, member

_OPF = "{http://www.idpf.org/2007/opf}"
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml"}
#: <a id="x"/> is closed in XML and open in HTML, where an open <title/> or <script/> hides all that follows.
_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([A-Za-z][\w.:-]*)(\s[^<>]*?)?/>",
    re.IGNORECASE,
)
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*>")


def parse(body: bytes) -> Content:
    """The blocks of a book, its title, language, author and dates.

    Raises:
        Refusal: ENCRYPTED if a page is (a font may be); CORRUPT if a part is missing; TOO_LARGE if the text is.
    """
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        place = next(_named(tree(member(archive, _CONTAINER)), "rootfile")).get("full-path")
        package = tree(member(archive, place))
        pages = list(_pages(package, posixpath.dirname(place)))
        locked = _encrypted(archive)
        if not locked.isdisjoint(pages):
            raise Refusal(Reason.ENCRYPTED, "an EPUB book with copy protection")
        sources = list(_sources(archive, pages))
    blocks = [block for source in sources if source.strip() for block in webpage.blocks(source)]
    language = _said(package, "language").partition("-")[0].lower()
    changed = (meta.text for meta in _named(package, "meta") if meta.get("property") == "dcterms:modified")
    dates = {date.get(_OPF + "event"): date.text for date in _named(package, "date")}
    metadata = about(
        author=_said(package, "creator"),
        created=dates.get("publication") or dates.get("creation") or dates.get(None),
        modified=next(changed, None) or dates.get("modification"),
    )
    return Content(blocks, _said(package, "title"), language or None, metadata)


def _pages(package: Element, folder: str) -> Iterator[str]:
    """The names of the pages' members, in reading order."""
    items = {item.get("id"): item for item in _named(package, "item")}
    for reference in _named(package, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None:
            raise Refusal(Reason.CORRUPT, f"its spine names a part it has not: {reference.get('idref')}")
        if item.get("media-type") in _PAGES:
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "").partition("#")[0])))


def _sources(archive: zipfile.ZipFile, pages: list[str]) -> Iterator[str]:
    """The pages as HTML."""
    total = 0
    for page in pages:
        body = member(archive, page)
        total += len(body)
        if total > MAX_MEMBER:
            raise Refusal(Reason.TOO_LARGE, f"its pages unfold to more than {MAX_MEMBER // 10**6} MB")
        source = _DECLARATION.sub("", decode(body, declared=declared_encoding(body)))
        yield _CLOSED.sub(r"<\1\2></\1>", source)


def _encrypted(archive: zipfile.ZipFile) -> set[str]:
    if _ENCRYPTION not in archive.namelist():
        return set()
    return {unquote(part.get("URI", "")) for part in _named(tree(member(archive, _ENCRYPTION)), "CipherReference")}


def _said(package: Element, what: str) -> str:
    """What the metadata says first of the title, the language or the author."""
    return next(("".join(element.itertext()).strip() for element in _named(package, what)), "")


def _named(root: Element, what: str) -> Iterator[Element]:
    return (element for element in root.iter() if name(element) == what)
