"""Markdown, natively: markdown-it says where each block is, the block's text is the source itself.

Kept out: front matter (what it says of title, author and dates is used), and lines of mere markup (`---`, a lone `>`).
HTML comments are hidden blocks. Everything else of the source is in the blocks, in order.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content
from workers.parsing.dates import about
from workers.parsing.decoding import decode

#: Authors that are named; a list may be any long.
_AUTHORS = 16

_BLOCKS = MarkdownIt("commonmark").enable("table")

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
#: A code span, which is kept, or a comment, which is not.
_SPAN_OR_COMMENT = re.compile(r"(?P<code>(?<!`)(`+)(?!`).*?(?<!`)\2(?!`))|<!--(?P<comment>.*?)-->", re.DOTALL)
#: `{ #anchor .class }` behind a heading's words.
_ATTRIBUTES = re.compile(r"(?<!\s)\s*+\{[^{}]*+\}\s*+$")

#: Whatever may be inline markup; most headings have none.
_MARKUP = re.compile(r"[^\w\s,.:;?/()-]|_")

_KINDS = {"fence": BlockKind.CODE, "code_block": BlockKind.CODE, "table_open": BlockKind.TABLE}


class _Span(NamedTuple):
    """A block's lines, [start, end)."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    heading: str = ""


def parse(body: bytes) -> Content:
    """The blocks of a Markdown file."""
    text, said = _front_matter(decode(body))
    tokens: list[Token] = []
    _BLOCKS.block.parse(text, _BLOCKS, {}, tokens)
    author = said.get("author") or said.get("authors")
    metadata = about(
        author=", ".join(filter(None, map(_plain, author[:_AUTHORS]))) if isinstance(author, list) else _plain(author),
        created=_moment(said.get("date") or said.get("created")),
        modified=_moment(said.get("lastmod") or said.get("modified") or said.get("updated")),
    )
    language = _plain(said.get("language") or said.get("lang")).partition("-")[0].lower()
    return Content(
        list(_blocks(text.split("\n"), _spans(tokens))), _plain(said.get("title")), language or None, metadata
    )


def _front_matter(text: str) -> tuple[str, dict[Any, Any]]:
    """The text without its front matter, and the fields given there."""
    match = _FRONT_MATTER.match(text)
    if not match:
        return text, {}
    import yaml  # few files have front matter

    try:
        fields = yaml.safe_load(match[1])
    except yaml.YAMLError:
        return text, {}
    return (text[match.end() :], fields) if isinstance(fields, dict) else (text, {})


def _plain(value: object) -> str:
    """A plain value as text, "" if it is none: anything else may unfold without end, a YAML alias of aliases."""
    return str(value) if value and isinstance(value, str | int | float | date) else ""


def _moment(value: object) -> object:
    return value if isinstance(value, date) else _plain(value)


def _spans(tokens: list[Token]) -> Iterator[_Span]:
    """The innermost blocks with their lines: containers (lists, quotes) only colour what is in them."""
    items = 0
    for i, token in enumerate(tokens):
        items += (token.type == "list_item_open") - (token.type == "list_item_close")
        if token.map is None:
            continue
        start, end = token.map
        if token.type == "heading_open" and token.level == 0:
            yield _Span(BlockKind.HEADING, start, end, int(token.tag[1]), _words(tokens[i + 1].content))
        elif token.type in {"heading_open", "paragraph_open", "html_block"}:
            yield _Span(BlockKind.LIST_ITEM if items else BlockKind.PARAGRAPH, start, end)
        elif token.type in _KINDS:
            yield _Span(_KINDS[token.type], start, end)


def _blocks(lines: list[str], spans: Iterator[_Span]) -> Iterator[Block]:
    """Each span's source lines; lines no span covers (link definitions, say) become paragraphs of their own."""
    position = 0
    for span in spans:
        yield from _uncovered(lines, position, span.start)
        end = span.end
        text = "\n".join(lines[span.start : end]).rstrip()
        comments = _comments(text) if span.kind is not BlockKind.CODE else []
        if comments:
            text = _without_comments(text)
        if text.strip():
            yield Block(span.kind, text, span.level, None, span.heading)
        for comment in comments:
            if any(map(str.isalnum, comment)):
                yield Block(BlockKind.PARAGRAPH, comment.strip(), hidden=True)
        position = max(position, end)
    yield from _uncovered(lines, position, len(lines))


def _uncovered(lines: list[str], start: int, end: int) -> Iterator[Block]:
    text = "\n".join(line for line in lines[start:end] if any(character.isalnum() for character in line))
    if text:
        yield Block(BlockKind.PARAGRAPH, text)


def _comments(text: str) -> list[str]:
    """What stands in the comments of a text."""
    if "<!--" not in text:
        return []
    return [match["comment"] for match in _SPAN_OR_COMMENT.finditer(text) if match["comment"] is not None]


def _without_comments(text: str) -> str:
    if "<!--" not in text:
        return text
    return _SPAN_OR_COMMENT.sub(lambda match: match["code"] or "", text).strip("\n")


def _words(source: str) -> str:
    """A heading's words without its markup: "**Leave** [policy](url) {#x}" gives "Leave policy"."""
    if not _MARKUP.search(source):
        return " ".join(source.split())
    inline = _BLOCKS.parseInline(_ATTRIBUTES.sub("", _without_comments(source)))
    parts = (child for token in inline for child in token.children or [])
    words = (" " if part.type in {"softbreak", "hardbreak"} else _visible(part) for part in parts)
    return " ".join("".join(words).split())


def _visible(part: Token) -> str:
    return part.content if part.type in {"text", "code_inline", "image"} else ""
