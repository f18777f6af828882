"""XML: records, prose and tables by the names of elements; no entity is expanded, and no text is lost."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from workers.parsing import registry

HEADING, PARAGRAPH, ITEM, CODE, GRID = (
    BlockKind.HEADING,
    BlockKind.PARAGRAPH,
    BlockKind.LIST_ITEM,
    BlockKind.CODE,
    BlockKind.TABLE,
)


def parse(source, name="a.xml"):
    return registry.parse(source if isinstance(source, bytes) else source.encode(), name)


def test_records_stay_together_with_the_names_of_their_fields():
    source = (
        "<catalog><book id='bk1'><author>Ada</author><title>Engines</title><price/></book>"
        "<book id='bk2'><price>007</price></book></catalog>"
    )
    assert parse(source).blocks == (
        Block(PARAGRAPH, "book id=bk1\nauthor: Ada\ntitle: Engines"),
        Block(PARAGRAPH, "book id=bk2\nprice: 007"),
    )


def test_prose_has_headings_items_code_and_tables():
    source = """<?xml version="1.0"?>
    <article xml:lang="en-GB"><info><title>Travel policy</title><author>Ada</author></info>
    <section><title>Booking</title><para>Employees <b>book</b> rail<br/>in second
    class.</para><list><listitem><para>first</para></listitem><listitem><para>second</para></listitem></list>
    <programlisting>if x:
      book()</programlisting>
    <section><title>Rates</title><informaltable><tgroup><thead><row><entry>City</entry><entry>Per night</entry></row>
    </thead><tbody><row><entry>Oslo</entry><entry>180</entry></row></tbody></tgroup></informaltable></section></section>
    </article>"""
    document = parse(source)
    assert (document.kind, document.title, document.language) == ("xml", "Travel policy", "en")
    assert document.blocks == (
        Block(HEADING, "Travel policy", 1, None, "Travel policy"),
        Block(PARAGRAPH, "author: Ada"),
        Block(HEADING, "Booking", 2, None, "Booking"),
        Block(PARAGRAPH, "Employees book rail in second class."),
        Block(ITEM, "first"),
        Block(ITEM, "second"),
        Block(CODE, "if x:\n      book()"),
        Block(HEADING, "Rates", 3, None, "Rates"),
        Block(GRID, "City | Per night\nOslo | 180"),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "shift_jis", "iso8859-2"])
def test_the_encoding_it_declares_is_used(encoding):
    text = "出張" if encoding == "shift_jis" else "jaźń"
    declared = encoding.removesuffix("-le")
    source = f'<?xml version="1.0" encoding="{declared}"?><memo>{text}</memo>'.encode(encoding)
    assert [block.text for block in parse(source).blocks] == [f"memo: {text}"]


def test_a_declaration_makes_it_xml_whatever_its_name():
    assert parse('<?xml version="1.0"?><a>words</a>', "a.txt").kind == "xml"
    assert parse("<a>words</a>", "a.txt").kind == "text"


def test_no_file_is_read_and_what_follows_an_entity_is_kept(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    source = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]><a>before &x; behind <b>and</b> on</a>'
    assert parse(source).blocks == (Block(PARAGRAPH, "a: before &x; behind and on"),)


def test_letters_by_their_names_are_letters():
    assert parse('<!DOCTYPE a SYSTEM "no.dtd"><a>caf&eacute; &lt;b&gt;</a>').blocks[0].text == "a: café <b>"


LAUGHS = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
BOMB = f'<!DOCTYPE a [<!ENTITY e0 "lol">{LAUGHS}]>'


@pytest.mark.parametrize(
    "source",
    [
        BOMB + "<a>&e9;</a>",
        BOMB + "<a k='&e9;'>x</a>",
        "<a>" * 5000 + "x" + "</a>" * 5000,
        "<a>cut short",
        "<a>two</a><b>roots</b>",
        '<?xml version="1.0" encoding="utf-8"?><a>Gr\xfc\xdfe</a>'.encode("latin-1"),
    ],
)
def test_bombs_and_broken_xml_are_refused_as_corrupt(source):
    with pytest.raises(Refusal) as refused:
        parse(source)
    assert refused.value.reason is Reason.CORRUPT


NAMES = st.sampled_from(["title", "p", "item", "list", "table", "row", "code", "info", "b", "name", "x"])
WORDS = st.lists(st.sampled_from(["alpha", "Beta", "77", "ß"]), max_size=3).map(" ".join)


@st.composite
def trees(draw, depth=4):
    element = etree.Element(draw(NAMES))
    element.text = draw(WORDS)
    for child in draw(st.lists(trees(depth - 1), max_size=4)) if depth else []:
        child.tail = draw(WORDS)
        element.append(child)
    return element


@settings(max_examples=200, deadline=None)
@given(trees())
def test_text_in_is_text_out_in_its_order(root):
    """Rows and cells aside: they come with marks between them, and a table's other children are not its rows."""
    for cell in root.iter("table", "row"):
        cell.tag = "group"
    root.insert(0, etree.Element("p"))
    root[0].text = "start"
    root.text = None
    text = " ".join(block.text for block in parse(etree.tostring(root, encoding="utf-8")).blocks)
    words = re.findall("alpha|Beta|77|ß", text)
    assert words == re.findall("alpha|Beta|77|ß", "".join(f"{run} " for run in root.itertext()))
