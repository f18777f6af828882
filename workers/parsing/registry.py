"""The table of kinds, and `parse`: one document through sniffing and its parser, held to what is promised of both.

A parser is a module with `parse(body) -> Content`. It is imported when its kind first comes up, so nothing here loads
a driver. A version is part of the fingerprint: raise it when the same bytes may give other blocks.
"""

import importlib
import importlib.metadata
import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from schemas.documents import Block, BlockKind, ParsedDocument
from schemas.errors import Reason, Refusal
from workers.parsing.content import Content
from workers.parsing.sniff import SNIFF_VERSION, content_type, sniff


class Parser(Protocol):
    """Anything that makes a document of bytes: `ParserProcess`, or this module itself."""

    def parse(self, body: bytes, name: str) -> ParsedDocument:
        """The document in `body`; `name` helps where the content cannot tell its kind. May block.

        Raises:
            Refusal: this document cannot be indexed.
        """


class Format(NamedTuple):
    """How a kind is read. `library` is the distribution whose version shapes the result, if any does."""

    module: str
    version: str
    library: str | None = None


FORMATS = {
    "markdown": Format("workers.parsing.markdown", "markdown-1", "markdown-it-py"),
    "text": Format("workers.parsing.text", "text-1"),
    "html": Format("workers.parsing.webpage", "html-1", "unstructured"),
    "xml": Format("workers.parsing.xmldoc", "xml-1", "lxml"),
    "json": Format("workers.parsing.jsondoc", "json-1"),
    "jsonl": Format("workers.parsing.jsonlines", "jsonl-1"),
    "pdf": Format("workers.parsing.pdf", "pdf-2", "pypdf"),
    "docx": Format("workers.parsing.docx", "docx-1", "unstructured"),
    "pptx": Format("workers.parsing.pptx", "pptx-1", "unstructured"),
    "xlsx": Format("workers.parsing.xlsx", "xlsx-1", "openpyxl"),
    "csv": Format("workers.parsing.delimited", "csv-1"),
    "eml": Format("workers.parsing.mail", "eml-1", "unstructured"),
    "msg": Format("workers.parsing.outlook", "msg-1", "python-oxmsg"),
    "code": Format("workers.parsing.sourcecode", "code-1"),
    **{kind: Format("workers.parsing.picture", f"{kind}-1", "pillow") for kind in ("png", "jpeg", "tiff")},
    **{kind: Format("workers.parsing.picture", f"{kind}-1", "pillow") for kind in ("gif", "webp", "bmp")},
    "rtf": Format("workers.parsing.rtf", "rtf-1"),
    "odt": Format("workers.parsing.odt", "odt-1", "lxml"),
    "epub": Format("workers.parsing.epub", "epub-1", "unstructured"),
}

#: What no text has and what no index takes: NUL, and halves of surrogate pairs (broken fonts in PDFs make them).
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parser_version(kind: str) -> str:
    """What of the code shapes a document of this kind: sniffing, our parser, and the library under it.

    Raises:
        KeyError: there is no such kind.
    """
    form = FORMATS[kind]
    parts = [SNIFF_VERSION, form.version]
    if form.library:
        parts.append(f"{form.library}-{importlib.metadata.version(form.library)}")
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
    content = _run(load(kind), body, kind)
    blocks = tuple(_cleaned(block) for block in content.blocks if block.text.strip())
    if not content.members and not any(character.isalnum() for block in blocks for character in block.text):
        raise Refusal(Reason.NO_TEXT, f"no text found in this {kind} document")
    first_heading = next((block.heading for block in blocks if block.kind is BlockKind.HEADING and block.heading), None)
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


def _run(parser: Callable[[bytes], Content], body: bytes, kind: str) -> Content:
    """Call a parser; whatever its library raises becomes CORRUPT."""
    try:
        return parser(body)
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
