"""Markdown: every block in its place, and text in = text out."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents import Block, BlockKind
from workers.parsing.markdown import parse


def blocks(source):
    return parse(source.encode()).blocks


def kinds(source):
    return [(block.kind, block.text) for block in blocks(source)]


def test_headings_keep_their_level_and_their_words():
    assert blocks("# **Leave** [policy](url) { #leave }\n\nSetext `code`\n---\n\n### A & B_c ###\n") == [
        Block(BlockKind.HEADING, "# **Leave** [policy](url) { #leave }", 1, None, "Leave policy"),
        Block(BlockKind.HEADING, "Setext `code`\n---", 2, None, "Setext code"),
        Block(BlockKind.HEADING, "### A & B_c ###", 3, None, "A & B_c"),
    ]


def test_code_is_whole_whatever_is_in_it():
    fenced = "```python\n# not a heading\n\n<!-- kept -->\n- no item\n```"
    assert kinds(f"Before.\n\n{fenced}\n\nBetween.\n\n    indented\n\n    # code\n") == [
        (BlockKind.PARAGRAPH, "Before."),
        (BlockKind.CODE, fenced),
        (BlockKind.PARAGRAPH, "Between."),
        (BlockKind.CODE, "    indented\n\n    # code"),
    ]


def test_a_list_comes_item_by_item_with_what_is_nested_in_it():
    assert kinds("- one\n  goes on\n- two\n  - inner\n\n    ```\n    code\n    ```\n1. three\n") == [
        (BlockKind.LIST_ITEM, "- one\n  goes on"),
        (BlockKind.LIST_ITEM, "- two"),
        (BlockKind.LIST_ITEM, "  - inner"),
        (BlockKind.CODE, "    ```\n    code\n    ```"),
        (BlockKind.LIST_ITEM, "1. three"),
    ]


def test_a_table_is_one_block_with_its_rows_on_lines():
    table = "| City | Rate |\n| --- | ---: |\n| Oslo | 180 |"
    assert kinds(f"Rates:\n\n{table}\n") == [(BlockKind.PARAGRAPH, "Rates:"), (BlockKind.TABLE, table)]


def test_quotes_keep_their_marks_and_link_definitions_their_words():
    assert kinds("> quoted\n> on\n>\n> again\n\n[a]: https://example.org 'Title'\n") == [
        (BlockKind.PARAGRAPH, "> quoted\n> on"),
        (BlockKind.PARAGRAPH, "> again"),
        (BlockKind.PARAGRAPH, "[a]: https://example.org 'Title'"),
    ]


def test_front_matter_gives_the_title_and_is_kept_out():
    content = parse(b"---\ntitle: Travel policy\ntags: [a]\n---\n# Other\n")
    assert content.title == "Travel policy"
    assert [block.heading for block in content.blocks] == ["Other"]


def test_a_rule_at_the_top_is_not_front_matter():
    assert [text for _, text in kinds("---\nJust words.\n\n---\nMore.\n")] == ["Just words.", "More."]


def test_comments_are_hidden_except_within_code():
    source = "<!-- TODO: secret\n\nstill hidden -->\n\nSeen <!-- not --> and `<!-- shown -->`. <!-- -->\n"
    assert [(block.text, block.hidden) for block in blocks(source)] == [
        ("TODO: secret\n\nstill hidden", True),
        ("Seen  and `<!-- shown -->`. ", False),
        ("not", True),
    ]


def test_a_comment_that_is_never_closed_hides_nothing():
    assert kinds("Seen.\n\n<!-- open\n\nStill there.\n") == [
        (BlockKind.PARAGRAPH, "Seen."),
        (BlockKind.PARAGRAPH, "<!-- open\n\nStill there."),
    ]


def words(text):
    return re.findall(r"[^\W_]+", text)


MARKS = (
    *("# ", "## ", "===", "---", "***", "- ", "  - ", "* ", "1. ", "+", "> ", "> > ", "    ", "\t", "  "),
    *(
        "```",
        "~~~ py",
        "`",
        "| a | b |",
        "|---|---|",
        "<div>",
        "</div>",
        "[x]: /y",
        "\\",
        "&amp;",
        "<?php",
        "<![CDATA[",
    ),
)
LINES = st.sampled_from(MARKS)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<"), max_size=12)
DOCUMENTS = st.lists(st.builds(lambda mark, text: mark + text, LINES | st.just(""), TEXTS), max_size=25).map("\n".join)


@settings(max_examples=200)
@given(DOCUMENTS)
def test_text_in_is_text_out_in_its_order(source):
    """Front matter and comments are stated exclusions; the source here begins with a word and has no comment."""
    source = "start\n\n" + source
    assert words("\n".join(block.text for block in blocks(source))) == words(source)


@settings(max_examples=100)
@given(DOCUMENTS)
def test_every_block_is_a_slice_of_the_source(source):
    source = "start\n\n" + source
    position = 0
    for block in blocks(source):
        first = block.text.split("\n")[0]
        found = source.find(first, position)
        assert found >= 0
        position = found + len(first)
