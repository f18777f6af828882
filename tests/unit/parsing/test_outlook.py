"""Outlook messages read like any other mail."""

import hashlib

import pytest

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from tests.unit.parsing.archives import taken
from tests.unit.parsing.compound import msg
from workers.parsing import outlook, registry

SUBJECT, BODY, HTML, RTF, HEADERS = 0x0037, 0x1000, 0x1013, 0x1009, 0x007D
SENDER, ADDRESS, TO, CC = 0x0C1A, 0x0C1F, 0x0E04, 0x0E03
FILE, NAME, DOS_NAME, MIME, CID, FLAGS, HIDDEN = 0x3701, 0x3707, 0x3704, 0x370E, 0x3712, 0x3714, 0x7FFE
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


def test_names_in_the_header_of_the_way_it_came_are_decoded():
    headers = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nDate: Mon, 02 Mar 2026 09:00:00 +0100\r\n\r\n"
    document = registry.parse(msg({HEADERS: headers, SENDER: "J", BODY: "x"}), "a.msg")
    assert document.blocks[0].text.startswith("From: Jürgen <j@example.org>\n")
    assert document.metadata == {"author": "Jürgen <j@example.org>", "created": "2026-03-02T09:00:00+01:00"}


def test_without_that_header_its_own_properties_say_who_wrote_it():
    document = registry.parse(msg({SENDER: "Ada", ADDRESS: "ada@example.org", BODY: "x"}), "a.msg")
    assert document.metadata == {"author": '"Ada" <ada@example.org>'}


def test_attachments_are_members():
    html = b"<p>See <img src='cid:logo@1'></p>"
    body = msg(
        {SUBJECT: "S", HTML: html},
        attached=[
            {NAME: "rates.pdf", FILE: b"%PDF-" + bytes(5000), CID: "other@1"},
            {DOS_NAME: "..\\OLD.DOC", FILE: b"old"},
            {FILE: b"note", MIME: "message/rfc822"},
            {NAME: "rates.pdf", FILE: b"again"},
            {NAME: "logo.png", FILE: b"png", CID: "logo@1"},
            {NAME: "banner.png", FILE: b"png", FLAGS: 4},
            {NAME: "hidden.png", FILE: b"png", HIDDEN: 1},
            {NAME: "smime.p7s", FILE: b"sign", MIME: "application/pkcs7-signature"},
            {NAME: "a message that was attached"},
        ],
    )
    document = registry.parse(body, "a.msg")
    found = {member.name: taken(body, "a.msg", member.name) for member in document.members}
    assert found == {
        "rates.pdf": b"%PDF-" + bytes(5000),
        "OLD.DOC": b"old",
        "part-3.eml": b"note",
        "rates-2.pdf": b"again",
    }
    for member in document.members:
        content = found[member.name]
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (member.hash, member.size)
    assert document.blocks[-1].text.startswith("Attachments: rates.pdf, ..\\OLD.DOC, rates.pdf, logo.png")
    assert taken(body, "a.msg", "logo.png") is None


def test_a_message_has_so_many_attachments_at_most(monkeypatch):
    monkeypatch.setattr(outlook, "_MAX_ATTACHED", 2)
    assert registry.parse(msg({BODY: "x"}, attached=["a", "b"]), "a.msg")
    with pytest.raises(Refusal) as refused:
        registry.parse(msg({BODY: "x"}, attached=["a", "b", "c"]), "a.msg")
    assert refused.value.reason is Reason.TOO_LARGE


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
