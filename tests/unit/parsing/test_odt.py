"""OpenDocument text: headings, lists and tables in order, white space as the format means it."""

import pytest

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from tests.unit.parsing.archives import odt
from workers.parsing import registry

HEADING, PARAGRAPH, ITEM, GRID = BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.TABLE


def parse(text, **given):
    return registry.parse(odt(text, **given), "a.odt")


def cell(text, **attributes):
    said = "".join(f' table:{key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f"<table:table-cell{said}><text:p>{text}</text:p></table:table-cell>"


def test_structure_is_kept_in_order():
    rows = f"<table:table-row>{cell('City')}{cell('Per night')}</table:table-row>"
    rows = f"<table:table-header-rows>{rows}</table:table-header-rows>"
    rows += f"<table:table-row>{cell('Oslo')}{cell('180')}{cell('', number_columns_repeated=1000000)}</table:table-row>"
    rows += f"<table:table-row>{cell('', number_columns_repeated=16384)}</table:table-row>"
    document = parse(
        '<text:h text:outline-level="1">Travel <text:span>policy</text:span></text:h>'
        '<text:section><text:h text:outline-level="2">Booking</text:h><text:p>Rail only.</text:p></text:section>'
        "<text:list><text:list-item><text:p>first</text:p><text:list><text:list-item><text:p>inner</text:p>"
        "</text:list-item></text:list></text:list-item></text:list>"
        f'<table:table table:name="Rates"><table:table-column/>{rows}</table:table>',
        about="<dc:title>Travel</dc:title><dc:language>en-GB</dc:language>",
    )
    assert (document.kind, document.title, document.language) == ("odt", "Travel", "en")
    assert document.blocks == (
        Block(HEADING, "Travel policy", 1, None, "Travel policy"),
        Block(HEADING, "Booking", 2, None, "Booking"),
        Block(PARAGRAPH, "Rail only."),
        Block(ITEM, "first"),
        Block(ITEM, "inner"),
        Block(GRID, "City | Per night\nOslo | 180"),
    )


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ('a\n  b<text:s text:c="3"/>c<text:tab/>d<text:line-break/>e', "a b   c\td\ne"),
        ('a<text:s text:c="999999999"/>b', "a" + " " * 256 + "b"),
        (
            "word<text:note><text:note-citation>1</text:note-citation><text:p>aside</text:p></text:note> on",
            "word (aside) on",
        ),
        (
            "<draw:frame><draw:text-box><text:p>one</text:p><text:p>two</text:p></draw:text-box></draw:frame>",
            "one\ntwo",
        ),
        ("shown<office:annotation><text:p>comment</text:p></office:annotation>", "shown"),
    ],
)
def test_white_space_notes_and_frames(inner, text):
    assert [block.text for block in parse(f"<text:p>{inner}</text:p>").blocks] == [text]


def test_what_was_deleted_while_changes_were_tracked_is_kept_out():
    deleted = "<text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion></text:tracked-changes>"
    assert [block.text for block in parse(f"{deleted}<text:p>kept</text:p>").blocks] == ["kept"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (odt("<text:p>x</text:p>", **{"META-INF/manifest.xml": "<m:encryption-data/>"}), Reason.ENCRYPTED),
        (odt("<text:p>x</text:p>").replace(b"content.xml", b"kontent.xml"), Reason.CORRUPT),
        (odt("<text:p>x").replace(b"office:text", b"office:tixt"), Reason.CORRUPT),
        (odt("<text:p>" + " " * 100_000_001 + "</text:p>"), Reason.TOO_LARGE),
        (odt("<text:p/>"), Reason.NO_TEXT),
    ],
    ids=["password", "missing part", "not well-formed", "bomb", "empty"],
)
def test_what_cannot_be_read_is_refused_by_name(body, reason):
    with pytest.raises(Refusal) as refused:
        registry.parse(body, "a.odt")
    assert refused.value.reason is reason
