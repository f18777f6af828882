"""Documents to chunks: never over the model's limit, along the structure, and so that an edit stays local.

pieces.py    a document's blocks, split finer where they have to be
cutting.py   where chunks begin
tables.py    what is repeated where a chunk begins inside a table
__init__.py  the spans as chunks, with their place in the document
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from infra.ports import Tokenizer
from schemas.documents import Block, BlockKind, Chunk, ParsedDocument
from schemas.identity import text_hash
from workers.chunking.cutting import Cutter
from workers.chunking.pieces import Grain, Piece, Ruler, whole
from workers.chunking.tables import Headers

__all__ = ["chunk", "chunker_version"]

#: Raise it when the same document would be cut differently: every document is then cut anew.
_VERSION = "treap-2"
#: Smallest limit that is accepted, in tokens: below it, chunks are not text any more.
SMALLEST_LIMIT = 16
#: A chunk is at least this part of the limit where the text allows.
_LEAST = 8

_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")


def chunker_version(tokenizer: Tokenizer, max_tokens: int) -> str:
    """Names everything besides the document that decides its chunks; part of the fingerprint."""
    return f"{_VERSION}/{min(max_tokens, tokenizer.limit)}/{tokenizer.identity}"


def chunk(document: ParsedDocument, tokenizer: Tokenizer, *, max_tokens: int) -> tuple[Chunk, ...]:
    """Cut a document into chunks of at most `max_tokens` of the model's own tokens, or fewer if the model reads fewer.

    The chunks' texts are the blocks' texts, in order, apart from white space; a table's header is repeated above rows
    that begin a chunk. The tokens are those of the final text.

    Raises:
        ValueError: `max_tokens` is under SMALLEST_LIMIT.
    """
    limit = min(max_tokens, tokenizer.limit)
    if limit < SMALLEST_LIMIT:
        raise ValueError(f"chunks of {limit} tokens are too short, give at least {SMALLEST_LIMIT}")
    ruler = Ruler(tokenizer, limit)
    cutter = Cutter(document.blocks, ruler, least=limit // _LEAST)
    spans = list(cutter.spans(whole(document.blocks, ruler), limit))
    cut = list(_measured(spans, document.blocks, cutter, ruler, limit, Headers(document.blocks, ruler, limit)))
    return tuple(_placed(cut, document.blocks))


def _measured(
    spans: Sequence[Sequence[Piece]],
    blocks: Sequence[Block],
    cutter: Cutter,
    ruler: Ruler,
    limit: int,
    headers: Headers,
) -> Iterator[tuple[Sequence[Piece], str, int]]:
    """Each span with its text and tokens: pieces can have more together than apart. One that is over is cut again."""
    bare = [_text(span, blocks) for span in spans]
    texts = [headers.above(span[0]) + text if text else "" for span, text in zip(spans, bare, strict=True)]
    for span, text, tokens in zip(spans, texts, ruler.tokens(texts), strict=True):
        size = sum(piece.size for piece in span)
        if tokens <= limit or size <= 1 or len(text) == 1:
            if text:
                yield span, text, tokens
            continue
        again = list(cutter.spans(span, max(1, min(size - 1, size * limit // tokens))))
        yield from _measured(again, blocks, cutter, ruler, limit, headers)


def _text(span: Sequence[Piece], blocks: Sequence[Block]) -> str:
    """The pieces joined: those of one block as they were, blocks apart by an empty line, items of a list by none."""
    parts = [span[0].text]
    for before, piece in pairwise(span):
        if piece.seam is Grain.BLOCK:
            kinds = {blocks[before.block].kind, blocks[piece.block].kind}
            parts.append("\n" if kinds == {BlockKind.LIST_ITEM} else "\n\n")
        parts.append(piece.text)
    return _BLANK_LINES.sub("", "".join(parts)).rstrip()


def _placed(cut: Sequence[tuple[Sequence[Piece], str, int]], blocks: Sequence[Block]) -> Iterator[Chunk]:
    """The chunks, each under the headings of its first block that is not a heading itself."""
    paths = _heading_paths(blocks)
    seen = Counter[str]()
    for ordinal, (span, text, tokens) in enumerate(cut):
        content = [piece.block for piece in span if blocks[piece.block].kind is not BlockKind.HEADING]
        hash_ = text_hash(text)
        first = span[0].block
        yield Chunk(
            ordinal,
            text,
            paths[content[0] if content else span[-1].block],
            blocks[first].page,
            seen[hash_],
            tokens,
            hash_,
        )
        seen[hash_] += 1


def _heading_paths(blocks: Sequence[Block]) -> list[tuple[str, ...]]:
    """For each block the headings it stands under, outermost first; a heading stands under itself."""
    path: list[Block] = []
    paths = []
    for block in blocks:
        if block.kind is BlockKind.HEADING:
            while path and path[-1].level >= block.level:
                path.pop()
            path.append(block)
        paths.append(tuple(heading.heading or heading.text.strip() for heading in path))
    return paths
