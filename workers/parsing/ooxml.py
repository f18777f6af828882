"""What every Office Open XML file is, wherever it was made: a ZIP of XML parts, one of them about the document."""

import datetime as dt
import io
import zipfile
from typing import NamedTuple

from schemas.errors import Reason, Refusal
from workers.parsing import xmltree
from workers.parsing.zipped import member

#: Bytes of XML, unfolded, over which parsing would only end at a limit of the sandbox: one MB takes 2 MB of memory
#: where it is one long text, and over 0.3 s where it is numbers or paragraphs.
_MAX_XML = 200_000_000
_PROPERTIES = "docProps/core.xml"
_ELEMENTS = "{http://purl.org/dc/elements/1.1/}"
_TERMS = "{http://purl.org/dc/terms/}"
#: Titles that the programs write when nobody gave one.
_NO_TITLE = {"powerpoint presentation", "word document"}


class About(NamedTuple):
    """What a document's properties say; `metadata` as in `Content`."""

    title: str | None
    language: str | None
    metadata: dict[str, str]


def about(body: bytes, *read: str) -> About:
    """The properties of a document that is not too large to be parsed.

    read: how the names of the parts begin that its parser reads.

    Raises:
        Refusal: TOO_LARGE. The ZIP's directory says so at once; one that lies is held to what it says when it is read.
    """
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        sizes = {part.filename: part.file_size for part in archive.infolist() if part.filename.endswith(".xml")}
        size = sum(size for name, size in sizes.items() if name.startswith(read))
        if size > _MAX_XML:
            words = f"unfolds to {size // 10**6} MB of XML, and {_MAX_XML // 10**6} MB can be parsed"
            raise Refusal(Reason.TOO_LARGE, words)
        properties = member(archive, _PROPERTIES) if _PROPERTIES in sizes else b"<none/>"
    root = xmltree.tree(properties)
    title = _said(root, _ELEMENTS + "title")
    dates = {name: _date(_said(root, _TERMS + name)) for name in ("created", "modified")}
    return About(
        None if title.lower() in _NO_TITLE else title,
        _said(root, _ELEMENTS + "language").partition("-")[0].lower() or None,
        {"author": _said(root, _ELEMENTS + "creator")} | dates,
    )


def _said(root: xmltree.Element, what: str) -> str:
    return (root.findtext(what) or "").strip()


def _date(words: str) -> str:
    """The words, if they are a date in ISO 8601."""
    try:
        dt.datetime.fromisoformat(words)
    except ValueError:
        return ""
    return words
