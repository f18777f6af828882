"""Outlook messages read like any other mail."""

import pytest

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from tests.unit.parsing.compound import msg
from workers.parsing import registry

SUBJECT, BODY, HTML, RTF, HEADERS = 0x0037, 0x1000, 0x1013, 0x1009, 0x007D
SENDER, ADDRESS, TO, CC = 0x0C1A, 0x0C1F, 0x0E04, 0x0E03
CODE_PAGE, WEB_CODE_PAGE = 0x3FFD, 0x3FDE


def texts(properties, **given):
    return [block.text for block in registry.parse(msg(properties, **given), "a.msg").blocks]


def test_a_message_opens_with_its_subject_and_names_its_attachments():
    document = registry.parse(
        msg(
            {
                SUBJECT: "Travel policy",
                SENDER: "Ada",
                ADDRESS: "ada@example.org",
                TO: "all",
                CC: "Bob",
                BODY: "Hello.\r\n\r\nGrüße 東京\r\n" + "long " * 2000,
            },
            attached=["rates.pdf", "map.png"],
        ),
        "mail.bin",
    )
    assert (document.kind, document.title) == ("msg", "Travel policy")
    assert document.blocks == (
        Block(BlockKind.HEADING, "Travel policy", 1, None, "Travel policy"),
        Block(BlockKind.PARAGRAPH, 'From: "Ada" <ada@example.org>\nTo: all\nCc: Bob'),
        Block(BlockKind.PARAGRAPH, "Hello."),
        Block(BlockKind.PARAGRAPH, "Grüße 東京\n" + "long " * 2000),
        Block(BlockKind.PARAGRAPH, "Attachments: rates.pdf, map.png"),
    )


def test_the_html_form_is_read_in_its_code_page_and_under_the_subject():
    html = "<html><body><h1>Поездки</h1><p>Правила</p></body></html>".encode("cp1251")
    document = registry.parse(msg({SUBJECT: "S", BODY: "plain", HTML: html, WEB_CODE_PAGE: 1251}), "a.msg")
    assert [(block.level, block.text) for block in document.blocks] == [(1, "S"), (2, "Поездки"), (0, "Правила")]


def test_the_headers_of_the_way_it_came_are_better_than_its_own():
    headers = (
        "From: Ada <ada@example.org>\r\nTo: All <all@example.org>\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\n"
    )
    assert texts({HEADERS: headers, TO: "all", BODY: "x"}) == [
        "From: Ada <ada@example.org>\nTo: All <all@example.org>\nDate: Mon, 02 Mar 2026 09:00:00 +0000",
        "x",
    ]


@pytest.mark.parametrize("said", [{}, {CODE_PAGE: 932}])
def test_strings_of_eight_bits_are_read_in_their_code_page_or_the_one_they_tell(said):
    text = "出張の際は事前に申請してください。" * 3
    assert texts({BODY: (text, "cp932"), **said}) == [text]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (msg({SUBJECT: "S", RTF: b"LZFu"}), Reason.UNSUPPORTED),
        (msg({SUBJECT: "S", BODY: "x" * 9000})[:2000], Reason.CORRUPT),
        (msg({}), Reason.NO_TEXT),
    ],
    ids=["RTF", "cut short", "empty"],
)
def test_what_cannot_be_read_is_refused_by_name(body, reason):
    with pytest.raises(Refusal) as refused:
        registry.parse(body, "a.msg")
    assert refused.value.reason is reason
