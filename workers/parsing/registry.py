"""The table of kinds, and `parse`: one document through sniffing and its parser, held to what is promised of both.

A parser is a module with `parse(body) -> Content`; one of containers also has `extract(body, members)`, which yields
what is `Taken` for each of some names of `Content.members`. It is imported when its kind first comes up, so nothing
here loads a driver. A version is part of the fingerprint: raise it when the same bytes may give other blocks.
"""

import functools
import importlib
import importlib.metadata
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from schemas.documents import Block, ParsedDocument
from schemas.errors import Reason, Refusal
from workers.parsing.content import Content
from workers.parsing.sniff import SNIFF_VERSION, content_type, sniff

#: A member that was taken out: its bytes, why it alone cannot be had, or None where there is none of that name.
Taken: TypeAlias = bytes | Refusal | None
#: Bytes of members after which none is taken out with them.
TOGETHER = 16_000_000


class Parser(Protocol):
    """Anything that makes a document of bytes: `ParserProcess`, or this module itself."""

    def parse(self, body: bytes, name: str) -> ParsedDocument:
        """The document in `body`; `name` helps where the content cannot tell its kind. May block.

        Raises:
            Refusal: this document cannot be indexed.
        """

    def extract(self, body: bytes, name: str, members: Sequence[str]) -> list[Taken]:
        """Some of the members `parse` tells of, in this order: as many as make TOGETHER bytes, at least one. May block.

        Raises:
            Refusal: as `parse`; of several members any may be at fault.
        """


class Format(NamedTuple):
    """How a kind is read. `library` is the distribution whose version shapes the result, if any does."""

    module: str
    version: str
    library: str | None = None


FORMATS = {
    "markdown": Format("workers.parsing.markdown", "markdown-2", "markdown-it-py"),
    "text": Format("workers.parsing.text", "text-1"),
    "html": Format("workers.parsing.webpage", "html-4", "unstructured"),
    "xml": Format("workers.parsing.xmldoc", "xml-1", "lxml"),
    "json": Format("workers.parsing.jsondoc", "json-1"),
    "jsonl": Format("workers.parsing.jsonlines", "jsonl-1"),
    "pdf": Format("workers.parsing.pdf", "pdf-3", "pypdf"),
    "docx": Format("workers.parsing.docx", "docx-3", "unstructured"),
    "pptx": Format("workers.parsing.pptx", "pptx-3", "python-pptx"),
    "xlsx": Format("workers.parsing.xlsx", "xlsx-3", "openpyxl"),
    "csv": Format("workers.parsing.delimited", "csv-1"),
    "eml": Format("workers.parsing.mail", "eml-4", "unstructured"),
    "msg": Format("workers.parsing.outlook", "msg-4", "python-oxmsg"),
    "code": Format("workers.parsing.sourcecode", "code-1"),
    **{kind: Format("workers.parsing.picture", f"{kind}-1", "pillow") for kind in ("png", "jpeg", "tiff")},
    **{kind: Format("workers.parsing.picture", f"{kind}-1", "pillow") for kind in ("gif", "webp", "bmp")},
    "rtf": Format("workers.parsing.rtf", "rtf-2"),
    "odt": Format("workers.parsing.odt", "odt-2", "lxml"),
    "epub": Format("workers.parsing.epub", "epub-4", "unstructured"),
    "zip": Format("workers.parsing.archive", "zip-1"),
}

#: What no text has and what no index takes: NUL, and halves of surrogate pairs (broken fonts in PDFs make them).
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_Found = TypeVar("_Found")


#: Kinds whose pictures are read.
_PICTURED = {"pdf", *(kind for kind, form in FORMATS.items() if form.module == "workers.parsing.picture")}


def parser_version(kind: str, *, ocr: bool = True) -> str:
    """What of the code shapes a document of this kind: sniffing, our parser, and the library under it.

    ocr: whether pictures are read, which is part of it for the kinds that have some.

    Raises:
        KeyError: there is no such kind.
    """
    form = FORMATS[kind]
    parts = [SNIFF_VERSION, form.version]
    if form.library:
        parts.append(f"{form.library}-{importlib.metadata.version(form.library)}")
    if kind in _PICTURED:
        parts.append("ocr" if ocr else "no-ocr")
    return "/".join(parts)


def load(kind: str) -> Callable[[bytes], Content]:
    """The parser of a kind, its imports done (seconds, the first time, where unstructured is needed)."""
    parser: Callable[[bytes], Content] = importlib.import_module(FORMATS[kind].module).parse
    return parser


def parse(body: bytes, name: str) -> ParsedDocument:
    """The document in `body`, in this process.

    Raises:
        Refusal: as `sniff`; CORRUPT or NO_TEXT from the parser; never an empty document.
    """
    kind = sniff(body, name)
    content = _run(kind, load(kind), body)
    blocks = tuple(_cleaned(block) for block in content.blocks if block.text.strip())
    if not content.members and not any(character.isalnum() for block in blocks for character in block.text):
        raise Refusal(Reason.NO_TEXT, f"no text found in this {kind} document")
    first_heading = next((block.heading for block in blocks if block.heading and not block.hidden), None)
    title = _UNSTORABLE.sub("", " ".join((content.title or "").split()))
    return ParsedDocument(
        kind,
        content_type(kind),
        blocks,
        title or first_heading,
        content.language,
        {name: _UNSTORABLE.sub("", value) for name, value in content.metadata.items() if value},
        content.members,
    )


def extract(body: bytes, name: str, members: Sequence[str]) -> list[Taken]:
    """Some of the members that `parse` names, in this process: as many of the first as make TOGETHER bytes.

    Raises:
        Refusal: as `parse`. What is wrong with one member is told in its place: ENCRYPTED, UNSUPPORTED, TOO_LARGE,
            CORRUPT.
    """
    kind = sniff(body, name)
    extractor = getattr(importlib.import_module(FORMATS[kind].module), "extract", None)
    if extractor is None:
        return [None] * len(members)
    return _run(kind, functools.partial(_together, extractor), body, members)


def _together(extractor: Callable[..., Iterator[Taken]], body: bytes, members: Sequence[str]) -> list[Taken]:
    taken: list[Taken] = []
    size = 0
    for one in extractor(body, members):
        taken.append(one)
        size += len(one) if isinstance(one, bytes) else 0
        if size >= TOGETHER:
            break
    return taken


def _run(kind: str, parser: Callable[..., _Found], *given: Any) -> _Found:
    """Call a parser; whatever its library raises becomes CORRUPT."""
    try:
        return parser(*given)
    except (Refusal, MemoryError):
        raise
    except RecursionError:
        raise Refusal(Reason.CORRUPT, f"this {kind} document is nested too deep") from None
    except Exception as error:  # libraries raise anything: zlib.error, KeyError, XMLSyntaxError, ...
        said = (str(error).strip().splitlines() or [""])[0][:200]
        raise Refusal(Reason.CORRUPT, f"cannot be read as {kind} ({type(error).__name__}: {said})") from error


def _cleaned(block: Block) -> Block:
    if not _UNSTORABLE.search(block.text) and not _UNSTORABLE.search(block.heading):
        return block
    clean = _UNSTORABLE.sub("", block.text), _UNSTORABLE.sub("", block.heading)
    return replace(block, text=clean[0], heading=clean[1])
