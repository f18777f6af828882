"""Finding what was asked for: our chunks beside LangChain's RecursiveCharacterTextSplitter(1000, 200), same model.

    python -m benchmarks.retrieval HISTORY.jsonl.gz [MAX_TOKENS...]

The documents are the base of a history (see benchmarks/chunking.py). Two sets of queries, made without judging anything
by hand: headings that occur once ("known item": the page and the section under it are what is wanted), and sentences
taken out of a page before it is cut ("inverse cloze": the page is wanted, and the sentence that stood before). Dense
vectors only. Both read their hits in order until the same number of characters is read; pages count once, at their
first hit.
"""

import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from math import log2
from typing import Any, NamedTuple

import numpy as np

from benchmarks._verdict import rows, verdict
from benchmarks.chunking import lines
from infra.model_files import DEFAULT_MODEL, find_model
from infra.settings import Settings
from infra.tokenizer import ModelTokenizer
from penstock.compose import open_model
from schemas.documents import BlockKind, ParsedDocument
from workers.chunking import chunk
from workers.parsing.markdown import parse

#: Characters handed to the reader: those of ten, and of four of LangChain's chunks.
BUDGET, SHORT = 10_000, 4_000
SENTENCES = 600
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


class Query(NamedTuple):
    """What is asked, which page answers it, and words that are found at the place that does."""

    text: str
    page: str
    place: str


def document(text: str) -> ParsedDocument:
    content = parse(text.encode())
    return ParsedDocument("markdown", "text/markdown", tuple(content.blocks), content.title)


def plain(text: str) -> str:
    return " ".join(text.split())


def headings(pages: dict[str, str]) -> list[Query]:
    """Each heading that occurs once, with the beginning of the first paragraph under it."""
    found = []
    for page, text in pages.items():
        blocks = document(text).blocks
        for at, block in enumerate(blocks[:-1]):
            if block.kind is BlockKind.HEADING and blocks[at + 1].kind is BlockKind.PARAGRAPH:
                found.append(Query(block.heading or plain(block.text), page, plain(blocks[at + 1].text)[:80]))
    often = Counter(query.text for query in found)
    return [query for query in found if often[query.text] == 1]


def cloze(pages: dict[str, str], rng: random.Random) -> tuple[dict[str, str], list[Query]]:
    """The pages without one sentence each of some of their paragraphs, and those sentences."""
    left, found = dict(pages), []
    for page, text in pages.items():
        paragraphs = [one for one in text.split("\n\n") if len(_SENTENCE.split(one)) >= 3 and "```" not in one]
        for paragraph in rng.sample(paragraphs, min(5, len(paragraphs))):
            sentences = _SENTENCE.split(paragraph)
            at = rng.randrange(1, len(sentences))
            if 40 <= len(sentences[at]) <= 300 and left[page].count(paragraph) == 1:
                rest = " ".join(sentences[:at] + sentences[at + 1 :])
                left[page] = left[page].replace(paragraph, rest)
                found.append(Query(plain(sentences[at]), page, plain(sentences[at - 1])[-60:]))
    return left, rng.sample(found, min(SENTENCES, len(found)))


def ours(tokenizer: ModelTokenizer, limit: int) -> Callable[[str], list[str]]:
    return lambda text: [one.text for one in chunk(document(text), tokenizer, max_tokens=limit)]


def theirs() -> Callable[[str], list[str]]:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_text


def read(order: Any, texts: list[str], budget: int) -> Iterator[int]:
    """The hits that fit into the budget, best first; the last one is read to its end."""
    used = 0
    for at in order:
        if used >= budget:
            return
        yield int(at)
        used += len(texts[at])


def measure(
    split: Callable[[str], list[str]], pages: dict[str, str], queries: list[Query], model: Any
) -> dict[str, Any]:
    """recall and nDCG of pages among ten in one budget, and of places in a short one; points and their bytes."""
    names, texts = [], []
    for name, text in pages.items():
        cut = split(text)
        names += [name] * len(cut)
        texts += cut
    vectors, asked = model.encode(texts), model.encode([query.text for query in queries])
    recall = gain = place = 0.0
    for query, scores in zip(queries, np.asarray(asked) @ np.asarray(vectors).T, strict=True):
        order = np.argsort(-scores, kind="stable")
        seen = list(dict.fromkeys(names[at] for at in read(order, texts, BUDGET)))[:10]
        if query.page in seen:
            recall += 1
            gain += 1 / log2(seen.index(query.page) + 2)
        told = " ".join(texts[at] for at in read(order, texts, SHORT) if names[at] == query.page)
        place += query.place in plain(told)
    count = len(queries)
    return {
        "recall@10": recall / count,
        "nDCG@10": gain / count,
        "place": place / count,
        "points": len(texts),
        "characters": sum(map(len, texts)),
    }


def main(path: str, *limits: str) -> None:
    pages = next(lines(path))["files"]
    tokenizer = ModelTokenizer(find_model(DEFAULT_MODEL))
    _, model = open_model(Settings())
    holed, sentences = cloze(pages, random.Random(7))
    for what, texts, queries in (("headings", pages, headings(pages)), ("cloze", holed, sentences)):
        print(f"{what}: {len(queries)} queries on {len(pages)} pages")
        them = measure(theirs(), texts, queries, model)
        rows({"  LangChain 1000/200": them})
        for limit in limits or ("80",):
            mine = measure(ours(tokenizer, int(limit)), texts, queries, model)
            rows({f"  ours, at most {limit} tokens": mine})
            for name in ("recall@10", "nDCG@10", "place"):
                verdict(f"  {name}, ours / LangChain's", mine[name] / them[name], ">=", 1.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
