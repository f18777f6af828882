"""What an edit costs: replays a history of documents, and counts the characters that would be embedded. No model runs.

    python -m benchmarks.chunking HISTORY.jsonl.gz [MAX_TOKENS...]

HISTORY is gzip-compressed JSON lines: {"type": "base", "files": {path: text}}, then one {"type": "commit", "changes":
[{"op": "A"|"M"|"D"|"R", "path", "text", "added_chars"}]} a line. A vector is kept for ever by its tokens.
"""

import gzip
import json
import sys
import time
from collections.abc import Iterator
from statistics import mean
from typing import Any

from infra.model_files import DEFAULT_MODEL, find_model
from infra.tokenizer import ModelTokenizer, vector_key
from schemas.documents import ParsedDocument
from workers.chunking import chunk
from workers.parsing.markdown import parse


def lines(path: str) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as history:
        yield from map(json.loads, history)


def replay(path: str, tokenizer: ModelTokenizer, max_tokens: int) -> dict[str, float]:
    """Ratio of characters embedded to characters in changed lines, and what the cutting itself takes."""
    known: set[str] = set()
    seconds = cut_characters = 0.0

    def embed(text: str) -> tuple[int, list[int]]:
        nonlocal seconds, cut_characters
        content = parse(text.encode())
        document = ParsedDocument("markdown", "text/markdown", tuple(content.blocks), content.title)
        started = time.perf_counter()
        chunks = chunk(document, tokenizer, max_tokens=max_tokens)
        seconds += time.perf_counter() - started
        cut_characters += len(text)
        new = 0
        for piece, ids in zip(chunks, tokenizer.token_ids([c.text for c in chunks]), strict=True):
            if (key := vector_key(ids)) not in known:
                known.add(key)
                new += len(piece.text)
        return new, [c.tokens for c in chunks]

    history = lines(path)
    base = [embed(text) for text in next(history)["files"].values()]
    sizes = [size for _, file_sizes in base for size in file_sizes]
    embedded = changed = 0
    for commit in history:
        for change in commit["changes"]:
            changed += change.get("added_chars", 0)
            if change["op"] != "D":
                embedded += embed(change["text"])[0]
    return {
        "max tokens": max_tokens,
        "ratio": embedded / changed,
        "mean tokens": mean(sizes),
        "under 16 tokens": sum(size < 16 for size in sizes) / len(sizes),
        "chunks": len(sizes),
        "MB/s": cut_characters / seconds / 1e6,
    }


def main(path: str, *limits: str) -> None:
    tokenizer = ModelTokenizer(find_model(DEFAULT_MODEL))
    for limit in limits or ("80", "98", "128", "254"):
        figures = replay(path, tokenizer, int(limit)).items()
        print("  ".join(f"{name} {value if isinstance(value, int) else f'{value:.3f}'}" for name, value in figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
