"""Source code: stanzas of the top level are blocks, and no line is lost or changed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents import Block, BlockKind
from workers.parsing import registry


def stanzas(source, name="a.py"):
    document = registry.parse(source.encode(), name)
    assert {block.kind for block in document.blocks} == {BlockKind.CODE}
    return [block.text for block in document.blocks]


def test_each_function_is_a_stanza_with_its_comment_and_its_blank_lines():
    source = (
        '"""Rates."""\n\nimport os\n\n\n# why\n@cached\ndef rate(city):\n    x = 1\n\n    return x  \n\n\n'
        "class A:\n\n    b = 2\n"
    )
    assert stanzas(source) == [
        '"""Rates."""',
        "import os",
        "# why\n@cached\ndef rate(city):\n    x = 1\n\n    return x",
        "class A:\n\n    b = 2",
    ]


def test_what_closes_or_continues_stays_with_what_it_belongs_to():
    assert stanzas("int f() {\n  g();\n\n}\n\nint h;\n", "a.c") == ["int f() {\n  g();\n\n}", "int h;"]
    assert stanzas("if x\n\nelse\n\nend\n\nendless\n", "a.rb") == ["if x\n\nelse\n\nend", "endless"]


def test_indentation_of_the_first_line_and_line_ends_of_windows():
    assert registry.parse(b"  a: 1\r\n\r\nb: 2\r\n", "a.yml").blocks == (
        Block(BlockKind.CODE, "  a: 1"),
        Block(BlockKind.CODE, "b: 2"),
    )


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["", "  ", "def f():", "    x = 1", "}", "end", "\tb", "# c", ") "]), max_size=30))
def test_every_line_comes_out_in_its_order(lines):
    found = "\n".join(stanzas("\n".join(["start", *lines]))).split("\n")
    assert [line.rstrip() for line in found if line.strip()] == ["start", *(x.rstrip() for x in lines if x.strip())]
