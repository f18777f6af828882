"""EPUB: the pages in the order of the spine; nothing hidden by what XML closes and HTML does not."""

import pytest

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from tests.unit.parsing.archives import epub
from workers.parsing import registry

PAGE = '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>'


def parse(pages, **given):
    return registry.parse(epub(pages, **given), "a.epub")


def texts(*pages):
    return [block.text for block in parse({f"{i}.xhtml": page for i, page in enumerate(pages)}).blocks]


def test_pages_come_in_the_order_of_the_spine():
    document = parse(
        {
            "text/two%20b.xhtml": PAGE.format(
                "<h1>Rates</h1><table><tr><th>City</th></tr><tr><td>Oslo</td></tr></table>"
            ),
            "one.xhtml": PAGE.format("<h1>Booking</h1><p>Rail&nbsp;only, caf&eacute;.</p>"),
        },
        about="<dc:title>Travel policy</dc:title><dc:language>en-GB</dc:language>",
        spine=["p1", "p0"],
    )
    assert (document.kind, document.title, document.language) == ("epub", "Travel policy", "en")
    assert document.blocks == (
        Block(BlockKind.HEADING, "Booking", 1, None, "Booking"),
        Block(BlockKind.PARAGRAPH, "Rail only, café."),
        Block(BlockKind.HEADING, "Rates", 1, None, "Rates"),
        Block(BlockKind.TABLE, "City\nOslo"),
    )


def test_what_xml_closes_hides_nothing():
    assert texts(
        PAGE.format('<a id="a/b"/><p>one</p><script src="x"/><p>two<i/></p><textarea/><p>three<br/>four</p>')
    ) == [
        "one",
        "two",
        "three four",
    ]


def test_a_page_without_text_or_not_quite_well_formed_does_not_matter():
    assert texts(PAGE.format("<p>one & two<p>three"), "", PAGE.format("<svg/>")) == ["one & two", "three"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (epub({"a": PAGE.format("x")}, spine=["p7"]), Reason.CORRUPT),
        (epub({"a": PAGE.format("x")}).replace(b"OEBPS/a", b"OEBPS/b"), Reason.CORRUPT),
        (epub({"a": PAGE.format(" " * 60_000_000), "b": PAGE.format(" " * 60_000_000)}), Reason.TOO_LARGE),
        (epub({"a": PAGE.format("<img/>")}), Reason.NO_TEXT),
    ],
    ids=["spine", "missing part", "bomb", "pictures only"],
)
def test_what_cannot_be_read_is_refused_by_name(body, reason):
    with pytest.raises(Refusal) as refused:
        registry.parse(body, "a.epub")
    assert refused.value.reason is reason


@pytest.mark.parametrize(("part", "locked"), [("OEBPS/font.otf", False), ("OEBPS/a", True)])
def test_copy_protection_of_pages_is_refused_and_of_fonts_is_not(part, locked):
    protection = f'<encryption><CipherReference URI="{part}"/></encryption>'
    book = epub({"a": PAGE.format("<p>words</p>")}, parts={"META-INF/encryption.xml": protection})
    if locked:
        with pytest.raises(Refusal) as refused:
            registry.parse(book, "a.epub")
        assert refused.value.reason is Reason.ENCRYPTED
    else:
        assert registry.parse(book, "a.epub").blocks[0].text == "words"
