"""What a document is at each stage: bytes seen, blocks parsed, chunks cut. A new frozen type per stage.

SourceEntry -> Fetched -> ParsedDocument -> Chunk
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from schemas.errors import Refusal

#: What comes of text that no reader of a document sees: left out, or indexed with a note in its metadata.
HiddenText = Literal["skip", "flag"]


class SourceEntry(NamedTuple):
    """One object as a listing or a stat sees it, without reading it.

    identity: cheap identity; equal means unchanged. "" means: cannot be compared, read it.
    size: bytes. modified_at: seconds since the epoch.
    problem: set when the object cannot be read at all (a FIFO, a broken link); identity then names that state.
    """

    uri: str
    identity: str
    size: int
    modified_at: float
    problem: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of one version, with the identity they were read under ("" when it must not be trusted next time)."""

    uri: str
    body: bytes
    identity: str
    modified_at: float
    content_type: str | None = None


class BlockKind(StrEnum):
    """What a block is, as far as cutting chunks needs to know."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list-item"
    CODE = "code"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document that should stay whole if it can. `level` is a heading's depth (1 is the top).

    `heading` is the heading's own words, where `text` still carries markup ("## Leave" -> "Leave").
    `hidden`: no reader of the document sees it (white on white, size zero, a comment); a setting says what comes of it.
    """

    kind: BlockKind
    text: str
    level: int = 0
    page: int | None = None
    heading: str = ""
    hidden: bool = False


class Member(NamedTuple):
    """A document inside a container (a ZIP, a mail with attachments).

    name: its path in there, cleaned: no "..", no empty part, "/" between the parts; unique in the container.
    hash: SHA-256 of its bytes, hexadecimal. size: bytes.
    """

    name: str
    hash: str
    size: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser made of the bytes. `kind` names the parser; the text is the blocks', in reading order.

    metadata: what the format itself says besides: `author`, `created`, `modified` (ISO 8601), where it does.
    members: the documents inside it; one that has some may have no text of its own.
    """

    kind: str
    content_type: str
    blocks: tuple[Block, ...]
    title: str | None = None
    language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    members: tuple[Member, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form, short because one is stored for every document."""
        rows = [[b.kind.value, b.text, b.level, b.page, b.heading, *([True] if b.hidden else [])] for b in self.blocks]
        return {
            "kind": self.kind,
            "content_type": self.content_type,
            "title": self.title,
            "language": self.language,
            "metadata": dict(self.metadata),
            "members": self.members,
            "blocks": rows,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "ParsedDocument":
        """The document `to_json` was made from."""
        blocks = tuple(Block(BlockKind(kind), *rest) for kind, *rest in data["blocks"])
        return ParsedDocument(
            data["kind"],
            data["content_type"],
            blocks,
            data["title"],
            data["language"],
            data.get("metadata", {}),  # parses stored before had neither
            tuple(Member(*one) for one in data.get("members", ())),
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document's text, with its place.

    ordinal: position in the document, from 0. headings: path of headings it stands under, outermost first.
    occurrence: 0 for the first chunk of this exact text in the document, 1 for the second, ...
    tokens: length in the embedding model's own tokens, without its special ones.
    """

    ordinal: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    occurrence: int
    tokens: int
    hash: str = field(repr=False)
