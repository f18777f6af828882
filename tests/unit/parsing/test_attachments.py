"""Attachments of a mail are its members; what only decorates or proves it is not."""

import base64
import hashlib
from email.message import EmailMessage

import pytest

from schemas.errors import Reason, Refusal
from tests.support import documents
from tests.unit.parsing.archives import taken
from workers.parsing import registry
from workers.parsing.mail import MAX_DEPTH, MAX_PARTS

HEADER = (
    b"From: Ada Lovelace <ada@example.org>\nMessage-ID: <1@example.org>\nContent-Type: multipart/mixed; boundary=b\n\n"
)


def mail(*parts):
    """A mail with these (content type, headers, bytes) as parts after its text."""
    said = b"--b\n\nHello.\n"
    for content_type, headers, body in parts:
        lines = [f"{name}: {value}\n" for name, value in {"Content-Type": content_type, **headers}.items()]
        said += b"--b\n" + "".join(lines).encode() + b"\n" + body + b"\n"
    return HEADER + said + b"--b--\n"


def named(name, **parameters):
    said = "".join(f'; {key}="{value}"' for key, value in {"filename": name, **parameters}.items())
    return {"Content-Disposition": f"attachment{said}"}


def members(body):
    return {member.name: member for member in registry.parse(body, "a.eml").members}


def extract(body, member):
    return taken(body, "a.eml", member)


def test_attachments_are_members_and_named_in_the_text():
    body = documents.eml(attachment="rates.pdf")
    document = registry.parse(body, "a.eml")
    assert document.members == (("rates.pdf", hashlib.sha256(b"%PDF-").hexdigest(), 5),)
    assert document.blocks[-1].text == "Attachments: rates.pdf"
    assert extract(body, "rates.pdf") == b"%PDF-"
    assert extract(body, "other.pdf") is None


def test_who_wrote_it_and_when_is_metadata():
    assert registry.parse(documents.eml(), "a.eml").metadata == {
        "author": "Ada Lovelace <ada@example.org>",
        "created": "2026-03-02T09:00:00+00:00",
    }
    assert registry.parse(b"From: a@b.c\nMessage-ID: <1>\nDate: soon\n\nx", "a").metadata == {"author": "a@b.c"}


@pytest.mark.parametrize(
    ("content_type", "headers", "name"),
    [
        ("application/pdf", named("../../etc/rates.pdf"), "etc/rates.pdf"),
        ("application/pdf", named("=?utf-8?B?w7xiZXIucGRm?="), "über.pdf"),
        ("application/pdf", {}, "part-1.pdf"),
        ("application/pdf", named(".."), "part-1.pdf"),
        ("application/x-unheard-of", {}, "part-1"),
        ('application/pdf; name="old.pdf"', {}, "old.pdf"),
        ("text/plain", named("notes.txt"), "notes.txt"),
        ("text/markdown", {"Content-Disposition": "attachment"}, "part-1.md"),
        ('text/csv; name="rates.csv"', {}, "rates.csv"),
        ("image/png", named("scan.png"), "scan.png"),
        ("image/png", {**named("scan.png"), "Content-ID": "<f_1>"}, "scan.png"),
        ("image/png", {}, "part-1.png"),
        ("application/pkcs7-mime", named("smime.p7m"), "smime.p7m"),
    ],
)
def test_an_attachment_has_its_own_name_or_one_by_its_place(content_type, headers, name):
    body = mail((content_type, headers, b"content"))
    assert list(members(body)) == [name]
    assert extract(body, name) == b"content"


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("image/png", {"Content-ID": "<1>"}),
        ("image/png", {"Content-Disposition": 'inline; filename="logo.png"'}),
        ("application/pgp-signature", named("signature.asc")),
        ("application/pkcs7-signature", named("smime.p7s")),
        ("application/ms-tnef", {}),
        ("application/octet-stream", named("WINMAIL.DAT")),
        ("text/plain", {"Content-Disposition": 'inline; filename="shown.txt"'}),
        ("text/calendar", {}),
        ("message/delivery-status", {}),
    ],
)
def test_decoration_signatures_and_what_is_shown_are_no_members(content_type, headers):
    assert members(mail((content_type, headers, b"Status: 5"))) == {}


def test_pictures_within_a_page_and_other_forms_of_the_text_are_no_members():
    whole = EmailMessage()
    whole["From"], whole["Message-ID"] = "a@example.org", "<1@example.org>"
    whole.set_content("plain")
    whole.add_alternative("<p>rich <img src='cid:1'></p>", subtype="html")
    whole.get_payload(1).add_related(b"png", "image", "png", cid="<1>", filename="logo.png", disposition="attachment")
    whole.add_attachment(b"pdf", maintype="application", subtype="pdf", filename="rates.pdf")
    assert list(members(whole.as_bytes())) == ["rates.pdf"]


def test_the_pieces_of_an_encrypted_mail_are_no_members():
    body = mail(("application/octet-stream", named("encrypted.asc"), b"x"))
    assert list(members(body)) == ["encrypted.asc"]
    assert members(body.replace(b"multipart/mixed", b"multipart/encrypted")) == {}


def test_attachments_of_one_name_are_numbered():
    part = ("application/pdf", named("rates.pdf"))
    body = mail((*part, b"one"), (*part, b"two"), ("application/pdf", named("rates-2.pdf"), b"three"), (*part, b"four"))
    found = {name: extract(body, name) for name in members(body)}
    assert found == {"rates.pdf": b"one", "rates-2.pdf": b"two", "rates-2-2.pdf": b"three", "rates-3.pdf": b"four"}


INNER = b"""From: Bob <bob@example.org>
Message-ID: <2@example.org>
Subject: A  long   header
\tgoes on

Inner \xc3\xbc.
"""


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("", "part-1.eml"),
        ('attachment; filename="forwarded"', "forwarded.eml"),
        ('attachment; filename="Fwd.EML"', "Fwd.EML"),
    ],
)
def test_a_message_in_a_message_is_a_member_as_it_came(disposition, name):
    body = mail(("message/rfc822", {"Content-Disposition": disposition} if disposition else {}, INNER))
    assert list(members(body)) == [name]
    assert extract(body, name) == INNER
    inner = registry.parse(extract(body, name), name)
    assert (inner.kind, inner.blocks[-1].text) == ("eml", "Inner ü.")
    assert "Inner" not in " ".join(block.text for block in registry.parse(body, "a.eml").blocks)


def test_a_message_that_was_packed_against_the_rules_is_unpacked():
    body = mail(("message/rfc822", {"Content-Transfer-Encoding": "base64"}, base64.encodebytes(INNER)))
    assert extract(body, "part-1.eml") == INNER


def test_a_mail_that_is_nothing_but_an_attachment_has_one_member():
    body = b"From: a@b.c\nMessage-ID: <1>\nContent-Type: application/zip; name=a.zip\n\nPK"
    assert extract(body, "a.zip") == b"PK"


def test_members_are_hashed_as_they_are_taken_out():
    body = mail(
        ("application/pdf", {**named("a.pdf"), "Content-Transfer-Encoding": "base64"}, b"JVBERi0="),
        ("application/pdf", {**named("b.pdf"), "Content-Transfer-Encoding": "base64"}, b"no base64!"),
        ("application/pdf", named("c.pdf"), b""),
    )
    found = members(body)
    assert extract(body, "a.pdf") == b"%PDF-"
    assert extract(body, "c.pdf") == b""
    for name, member in found.items():
        content = extract(body, name)
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (member.hash, member.size)


DEEP = b"message/rfc822\n\n" + b"Content-Type: message/rfc822\n\n" * MAX_DEPTH


@pytest.mark.parametrize(
    "body",
    [
        mail(*[("application/pdf", {}, b"x")] * MAX_PARTS),
        mail(("message/rfc822", {}, b"")).replace(b"message/rfc822\n\n", DEEP),
        mail(("message/rfc822", {}, b"")).replace(b"message/rfc822\n\n", DEEP * 50),
    ],
    ids=["many", "deep", "very deep"],
)
def test_a_mail_has_so_many_parts_at_most_and_so_deep(body):
    with pytest.raises(Refusal) as refused:
        registry.parse(body, "a.eml")
    assert refused.value.reason is Reason.TOO_LARGE
