"""Chunks: all of the text once, within the limit, along the structure, and the same wherever an edit did not touch."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from infra.model_files import DEFAULT_MODEL, find_model
from infra.stub_embedder import StubTokenizer
from infra.tokenizer import ModelTokenizer
from schemas.documents import Block, BlockKind, ParsedDocument
from schemas.identity import text_hash
from workers.chunking import SMALLEST_LIMIT, chunk, chunker_version

#: Documents each property is tried on; `make fuzz` tries it on more.
CASES = int(os.environ.get("CASES") or 60)
WORDS = [
    *("policy", "leave", "day", "paid", "manager", "must", "approve", "travel"),
    *("hotel", "rail", "night", "claim", "form", "office", "team", "safety"),
]


class TokenizerThatReadsWhiteSpace:
    """Every character is a token, so joined texts have more tokens than their parts."""

    identity = "characters/254"
    limit = 254

    def token_ids(self, texts):
        return [list(map(ord, text)) for text in texts]

    def offsets(self, text):
        return [(at, at + 1) for at in range(len(text))]


@cache
def model_tokenizer():
    return ModelTokenizer(find_model(DEFAULT_MODEL))


TOKENIZERS = {"model": model_tokenizer, "stub": StubTokenizer, "characters": TokenizerThatReadsWhiteSpace}


def document(*blocks):
    return ParsedDocument("markdown", "text/markdown", blocks)


def paragraph(text):
    return Block(BlockKind.PARAGRAPH, text)


def heading(text, level=1):
    return Block(BlockKind.HEADING, "#" * level + " " + text, level, None, text)


def ink(text):
    """The text without its white space."""
    return "".join(text.split())


def cut(*blocks, max_tokens=128, tokenizer=None):
    return chunk(document(*blocks), tokenizer or model_tokenizer(), max_tokens=max_tokens)


def sentences(random_, words):
    """Made-up prose of about this many words."""
    made = []
    while words > 0:
        length = random_.randint(4, 18)
        made.append(" ".join(random_.choices(WORDS, k=length)).capitalize() + ".")
        words -= length
    return " ".join(made)


def handbook(seed, blocks=120):
    """A long document: one block in eight is a heading, one in ten is code."""
    random_ = random.Random(seed)
    made = []
    for _ in range(blocks):
        draw = random_.random()
        if draw < 0.125:
            made.append(heading(" ".join(random_.choices(WORDS, k=2)), random_.randint(1, 4)))
        elif draw < 0.225:
            lines = (" ".join(random_.choices(WORDS, k=6)) for _ in range(random_.randint(1, 40)))
            made.append(Block(BlockKind.CODE, "\n".join(lines)))
        else:
            made.append(paragraph(sentences(random_, random_.randint(5, 90))))
    return made


def new_texts(before, after):
    """How many chunks of `after` have a text that `before` has not."""
    return (Counter(c.text for c in cut(*after)) - Counter(c.text for c in cut(*before))).total()


ODD_WORDS = ["e.g.", "x.", "Ω", "漢字。", "\n", "\n\n", "  ", "https://x.org/a,b", "ab" * 90]
ODD_CHARACTERS = ["a", "!", "ﷺ", "é", "\u0301", "\t", "字", "a b\n", "\ud800"]
texts = st.one_of(
    st.text(max_size=400),
    st.lists(st.sampled_from(WORDS + ODD_WORDS)).map(" ".join),
    st.builds(str.__mul__, st.sampled_from(ODD_CHARACTERS), st.integers(1, 3000)),
)
blocks = st.builds(
    Block,
    kind=st.sampled_from(sorted(set(BlockKind) - {BlockKind.TABLE})),
    text=texts,
    level=st.integers(0, 6),
    page=st.none() | st.integers(1, 9),
    heading=st.text(max_size=10),
)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=CASES, deadline=None)
@given(made=st.lists(blocks, max_size=8), max_tokens=st.integers(SMALLEST_LIMIT, 300))
def test_every_document_becomes_all_of_its_text_once_within_the_limit(name, made, max_tokens):
    tokenizer = TOKENIZERS[name]()
    chunks = cut(*made, max_tokens=max_tokens, tokenizer=tokenizer)

    assert ink("".join(c.text for c in chunks)) == ink("".join(block.text for block in made))
    assert all(c.text.strip() for c in chunks)
    assert [c.tokens for c in chunks] == [len(ids) for ids in tokenizer.token_ids([c.text for c in chunks])]
    assert all(c.tokens <= min(max_tokens, tokenizer.limit) or len(c.text) == 1 for c in chunks)
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))
    assert [c.hash for c in chunks] == [text_hash(c.text) for c in chunks]
    assert len({(c.hash, c.occurrence) for c in chunks}) == len(chunks)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 119), edit=st.sampled_from(["replace", "remove", "insert"]))
def test_editing_one_block_of_a_long_document_changes_only_chunks_near_it(seed, at, edit):
    before = handbook(seed)
    fresh = paragraph(sentences(random.Random(-seed - 1), 60))
    after = before[:at] + ([] if edit == "remove" else [fresh]) + before[at + (edit != "insert") :]

    assert new_texts(before, after) <= 8


@pytest.mark.parametrize("seed", range(20))
def test_moving_a_section_touches_at_most_the_chunks_at_three_seams(seed):
    before = handbook(seed)
    starts = [at for at, block in enumerate(before) if block.kind is BlockKind.HEADING]
    first, last, to = starts[1], starts[3], starts[-2]
    after = before[:first] + before[last:to] + before[first:last] + before[to:]

    assert new_texts(before, after) <= 6


def test_rewrapping_a_paragraph_changes_no_token_and_no_boundary():
    made = handbook(5)
    wrapped = [paragraph(b.text.replace(" ", "\n")) if b.kind is BlockKind.PARAGRAPH else b for b in made]

    assert [c.text.split() for c in cut(*wrapped)] == [c.text.split() for c in cut(*made)]


def test_another_process_with_another_hash_seed_cuts_the_same():
    made = handbook(7, blocks=40)
    script = (
        "import json, sys\n"
        "from infra.stub_embedder import StubTokenizer\n"
        "from schemas.documents import ParsedDocument\n"
        "from workers.chunking import chunk\n"
        "document = ParsedDocument.from_json(json.load(sys.stdin))\n"
        "json.dump([c.hash for c in chunk(document, StubTokenizer(), max_tokens=128)], sys.stdout)\n"
    )
    results = [
        subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(document(*made).to_json()),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert results[0] == results[1]
    assert json.loads(results[0]) == [c.hash for c in cut(*made, tokenizer=StubTokenizer())]


def test_a_short_document_is_one_chunk():
    (only,) = cut(heading("Leave"), paragraph("Thirty days a year."))
    assert only.text == "# Leave\n\nThirty days a year."


def test_a_document_without_text_has_no_chunks():
    assert cut() == ()
    assert cut(paragraph(" \n ")) == ()


def test_chunks_begin_at_headings_where_sections_are_long_enough():
    random_ = random.Random(1)
    sections = [(heading(f"Part {n}", 2), paragraph(sentences(random_, 70))) for n in range(9)]
    chunks = cut(*[block for section in sections for block in section])

    assert [c.text.split("\n")[0] for c in chunks] == [f"## Part {n}" for n in range(9)]


def test_a_heading_stays_with_the_text_that_follows_it():
    random_ = random.Random(2)
    made = [b for n in range(30) for b in (heading(f"Part {n}", 2), paragraph(sentences(random_, 120)))]
    chunks = cut(*made)

    headings = {block.text for block in made if block.kind is BlockKind.HEADING}
    assert not [c for c in chunks if c.text.split("\n")[-1] in headings]


def test_a_long_paragraph_is_cut_at_its_sentences():
    chunks = cut(paragraph(sentences(random.Random(3), 900)))
    assert len(chunks) > 5
    assert all(c.text.endswith(".") and c.text[0].isupper() for c in chunks)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=CASES, deadline=None)
@given(text=texts, above=st.lists(blocks, max_size=2), max_tokens=st.integers(SMALLEST_LIMIT, 300))
def test_a_table_is_all_there_once_under_its_repeated_header(name, text, above, max_tokens):
    assume("¤" not in text + "".join(block.text for block in above))
    tokenizer = TOKENIZERS[name]()
    names = "¤a¤\n"
    chunks = cut(*above, Block(BlockKind.TABLE, names + text), max_tokens=max_tokens, tokenizer=tokenizer)
    assert all(c.tokens <= min(max_tokens, tokenizer.limit) or len(c.text) == 1 for c in chunks)
    first = next(at for at, c in enumerate(chunks) if "¤" in c.text)
    assert all(c.text.startswith(names) for c in chunks[first + 1 :])
    bare = [c.text if at <= first else c.text.removeprefix(names) for at, c in enumerate(chunks)]
    assert ink("".join(bare)) == ink("".join(block.text for block in above) + names + text)


@pytest.mark.parametrize("rule", ["", "| --- | :-: | --- |\n"])
def test_every_row_of_a_long_table_is_under_the_names_of_its_columns(rule):
    names = "| Country | Day | Night |\n" + rule
    rows = [f"| Country {n} | {n} euros | {n * 2} euros |" for n in range(200)]
    chunks = cut(heading("Rates"), Block(BlockKind.TABLE, names + "\n".join(rows)), paragraph("After it."))
    assert len(chunks) > 10
    assert all(names in c.text for c in chunks if "euros" in c.text)
    for row in rows:
        assert sum(row in c.text.split("\n") for c in chunks) == 1


def test_a_header_that_leaves_no_room_for_rows_stays_alone():
    names = " | ".join(f"column number {n}" for n in range(60))
    chunks = cut(Block(BlockKind.TABLE, names + "\n" + "\n".join(f"{n} | {n}" for n in range(300))))
    assert sum("column number 7 " in c.text for c in chunks) == 1


def test_code_is_cut_between_lines():
    lines = [f"    | row {n} | {n * 17} |" for n in range(200)]
    chunks = cut(Block(BlockKind.CODE, "\n".join(lines)))

    assert len(chunks) > 5
    assert [line for c in chunks for line in c.text.split("\n")] == lines


def test_a_chunk_carries_its_heading_path_and_the_page_of_its_first_block():
    random_ = random.Random(4)
    made = []
    for page, (name, level) in enumerate([("Handbook", 1), ("Leave", 2), ("Travel", 2), ("Office", 1)], 1):
        made.append(Block(BlockKind.HEADING, f"-- {name} --", level, page, name))
        made.append(Block(BlockKind.PARAGRAPH, sentences(random_, 100), page=page))

    assert [(c.headings, c.page) for c in cut(*made)] == [
        (("Handbook",), 1),
        (("Handbook", "Leave"), 2),
        (("Handbook", "Travel"), 3),
        (("Office",), 4),
    ]


def test_equal_chunks_are_numbered_in_their_order():
    text = sentences(random.Random(6), 100)
    made = [block for _ in range(3) for block in (heading("Same", 2), paragraph(text))]
    chunks = cut(*made)

    by_text = Counter(c.text for c in chunks)
    assert set(by_text.values()) == {3}
    for equal in by_text:
        assert [c.occurrence for c in chunks if c.text == equal] == [0, 1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "word " * 200_000,
        "a" * 1_000_000,
        "aB3+" * 100_000,
        '{"a":1,"bcd":"efgh"},' * 20_000,
        "漢" * 50_000,
        "x" + "\n" * 200_000 + "y",
    ],
    ids=["words", "one word", "base64", "json", "chinese", "blank lines"],
)
def test_a_huge_single_line_is_cut_into_bounded_chunks(text):
    chunks = cut(paragraph(text))

    assert "".join(ink(c.text) for c in chunks) == ink(text)
    assert max(c.tokens for c in chunks) <= 128
    assert max(len(c.text) for c in chunks) <= 128 * 32


def test_the_version_names_the_effective_limit_and_the_tokenizer():
    stub = StubTokenizer()
    assert chunker_version(stub, 128) != chunker_version(stub, 80)
    assert chunker_version(stub, 254) == chunker_version(stub, 1000)
    assert chunker_version(stub, 128) != chunker_version(model_tokenizer(), 128)


def test_a_limit_too_small_for_text_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        cut(paragraph("text"), max_tokens=8)
