"""A ZIP is its members: what they are called, what is left out, and that each harms only itself."""

import hashlib
import os
import stat
import struct
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Reason, Refusal
from tests.support.hostile.archives import archive as forged
from tests.support.hostile.archives import packed
from tests.unit.parsing.archives import archive, taken
from workers.parsing import archive as parser
from workers.parsing import registry
from workers.parsing.names import MAX_NAME, cleaned
from workers.parsing.names import given as attached_names

CASES = int(os.environ.get("CASES") or 200)
LINK = {"external_attr": (stat.S_IFLNK | 0o777) << 16}


def names(body):
    return [member.name for member in registry.parse(body, "a.zip").members]


def extract(body, member):
    return taken(body, "a.zip", member)


def refusal(call, *given):
    with pytest.raises(Refusal) as refused:
        call(*given)
    return refused.value


def test_members_are_named_hashed_and_taken_out_again():
    body = archive(("policy/travel.md", b"# Travel"), ("b.txt", b"b" * 3_000_000), ("empty.txt", b""))
    document = registry.parse(body, "whatever")
    assert (document.kind, document.content_type, document.blocks) == ("zip", "application/zip", ())
    assert [(member.name, member.size) for member in document.members] == [
        ("policy/travel.md", 8),
        ("b.txt", 3_000_000),
        ("empty.txt", 0),
    ]
    for member in document.members:
        assert hashlib.sha256(extract(body, member.name)).hexdigest() == member.hash
    assert extract(body, "policy/travel.md") == b"# Travel"
    assert extract(body, "policy") is None
    assert extract(b"no container", "a") is None


def test_folders_links_devices_and_hidden_names_are_no_members():
    body = archive(
        ("folder/", b""),
        ("win\\", b""),
        ("link", b"/etc/passwd", LINK),
        ("pipe", b"", {"external_attr": stat.S_IFIFO << 16}),
        ("__MACOSX/a.txt", b"x"),
        (".hidden", b"x"),
        ("folder/.git/config", b"x"),
        ("../", b"x"),
        ("folder/a.txt", b"x", {"external_attr": (stat.S_IFREG | 0o644) << 16}),
    )
    assert names(body) == ["folder/a.txt"]
    assert extract(body, "link") is None


def test_of_two_of_one_name_the_last_counts():
    body = archive(("a.txt", b"first"), ("b.txt", b"b"), ("x/../a.txt", b"other"), ("./a.txt", b"last"))
    assert sorted(names(body)) == ["a.txt", "b.txt", "x/a.txt"]
    assert extract(body, "a.txt") == b"last"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../x", "x"),
        ("/etc/passwd", "etc/passwd"),
        ("..\\..\\x", "x"),
        ("C:\\docs\\a.txt", "docs/a.txt"),
        ("/C:/D:/a.txt", "a.txt"),
        ("a//b/./c", "a/b/c"),
        (".. /x", "x"),
        ("a: b.txt", "a: b.txt"),
        ("a\nb\x00.txt", "a\ufffdb\ufffd.txt"),
        ("..", ""),
        ("C:", ""),
    ],
)
def test_a_name_leads_nowhere_else(name, path):
    assert cleaned(name) == path


def test_a_very_long_name_is_shortened_and_keeps_its_ending():
    long, other = (cleaned("ü" * 5_000 + letter + ".pdf") for letter in "ab")
    assert long != other
    assert long.endswith("üa.pdf")
    assert len(long.encode()) <= MAX_NAME


PIECES = st.sampled_from(["..", ".", "/", "\\", "C:", " ", "a", "b.txt", "\x00", "\ud800", "é", "x" * 600])
NAMES = st.text(max_size=40) | st.lists(PIECES, max_size=12).map("".join)


@settings(max_examples=CASES, deadline=None)
@given(NAMES)
def test_every_cleaned_name_is_a_relative_path_and_stays_what_it_is(name):
    path = cleaned(name)
    assert cleaned(path) == path
    assert len(path.encode()) <= MAX_NAME
    assert not path or not {part.strip() for part in path.split("/")} & {"", ".", ".."}
    assert "\\" not in path
    assert not any(ord(character) < 32 for character in path)


@settings(max_examples=CASES, deadline=None)
@given(st.lists(st.tuples(NAMES | st.none(), st.sampled_from(["text/plain", "message/rfc822", "x/y"])), max_size=8))
def test_attachments_have_names_of_their_own(attached):
    found = list(attached_names(attached))
    assert len(set(found)) == len(found) == len(attached)
    assert all(found)


@settings(max_examples=CASES, deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=50)), max_size=6))
def test_what_is_taken_out_is_what_was_listed(entries):
    # In a folder, for at the top some names make it an Office document.
    given = ((f"a/{name}".encode("utf-8", "replace").decode(), content) for name, content in entries)
    body = archive(("kept", b""), *given)
    document = registry.parse(body, "a.zip")
    assert len({member.name for member in document.members}) == len(document.members)
    for member in document.members:
        content = extract(body, member.name)
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (member.hash, member.size)


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("cp437", ["für Übersicht.txt", "Größe.txt"]),
        ("cp850", ["informação.txt"]),
        ("cp866", ["Отчёт за март.docx", "Правила поездок/Приложение 1.txt"]),
        ("cp932", ["出張規程/はじめに.txt", "表紙.docx", "申請のしかた.md"]),
        ("gb18030", ["差旅政策.docx", "报销标准/北京.txt", "说明文件的内容.txt"]),
        ("cp949", ["출장 규정.txt", "한국어 문서의 이름.txt"]),
        ("cp1252", ["Größe der Übersicht.txt"]),
        ("utf-8", ["Größe.txt", "plain.txt"]),
    ],
)
def test_names_in_no_told_encoding_are_read_in_the_one_they_are_in(encoding, given):
    body = archive(*((name.encode(encoding), b"x") for name in given))
    assert names(body) == given
    assert extract(body, given[0]) == b"x"


def test_a_name_that_cannot_be_told_is_no_mojibake():
    assert names(archive(("東京.txt".encode("cp932"), b"x"))) == ["%93%8C%8B%9E.txt"]
    assert names(archive(("Ταξίδια.txt".encode("cp737"), b"x"))) == ["%92%98%A5%E5%9B%A0%98.txt"]


def test_the_name_that_is_kept_in_utf8_beside_the_other_is_the_better_one():
    def beside(short, crc):
        field = b"\x01" + struct.pack("<I", crc) + "東京.txt".encode()
        return archive((short, b"x", {"extra": struct.pack("<HH", 0x7075, len(field)) + field}))

    assert names(beside(b"????.txt", zlib.crc32(b"????.txt"))) == ["東京.txt"]
    assert names(beside(b"renamed.txt", zlib.crc32(b"????.txt"))) == ["renamed.txt"]


def locked(body):
    """With the flag that says so on the first member."""
    changed = bytearray(body)
    changed[6] |= 1
    changed[body.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def damaged(body):
    return body.replace(b"good words", b"evil words", 1)


STORED = [("bad.txt", b"good words"), ("good.txt", b"fine")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (locked(archive(*STORED)), Reason.ENCRYPTED),
        (damaged(archive(*STORED, method=zipfile.ZIP_STORED)), Reason.CORRUPT),
        (
            archive(STORED[0], method=zipfile.ZIP_BZIP2)[:0]
            + archive(("bad.txt", b"x", {"compress_type": 12}), STORED[1]),
            Reason.UNSUPPORTED,
        ),
        (forged({"bad.txt": packed((b"a" * 1_000_000, 101)), "good.txt": b"fine"}), Reason.TOO_LARGE),
        (forged({"bad.txt": packed((b"a", 1))._replace(size=50_000_000), "good.txt": b"fine"}), None),
    ],
    ids=["encrypted", "damaged", "bzip2", "a bomb", "says it is larger"],
)
def test_a_member_that_cannot_be_read_harms_only_itself(body, reason):
    bad, good = registry.parse(body, "a.zip").members
    assert (bad.name, good.name) == ("bad.txt", "good.txt")
    assert extract(body, "good.txt") == b"fine"
    if reason:
        assert refusal(extract, body, "bad.txt").reason is reason
    else:
        assert extract(body, "bad.txt") == b"a"
        assert bad.size == 1
    assert len(bad.hash) == 64


def test_what_replaces_a_member_that_could_not_be_read_has_another_hash():
    hashes = [
        registry.parse(body, "a.zip").members[0].hash
        for body in (
            archive(*STORED),
            locked(archive(*STORED)),
            locked(archive(("bad.txt", b"other word"), STORED[1])),
            damaged(archive(*STORED, method=zipfile.ZIP_STORED)),
        )
    ]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(
    ("body", "reason", "says"),
    [
        (archive(), Reason.EMPTY, "no file"),
        (archive(("a/", b""), ("a/.b", b"x"), ("c", b"d", LINK)), Reason.EMPTY, "no file"),
        (locked(archive(("a.txt", b"x"))), Reason.ENCRYPTED, "password"),
        (archive(("a.txt", b"x"))[:-30], Reason.CORRUPT, "cut short"),
        (
            forged(dict.fromkeys(map(str, range(3)), packed((os.urandom(500), 1))), one_place=True),
            Reason.CORRUPT,
            "over",
        ),
        (
            forged({str(i): packed((b"a" * 1_000_000, 1))._replace(size=99_000_000) for i in range(6)}),
            Reason.TOO_LARGE,
            "500 MB",
        ),
    ],
    ids=["nothing", "nothing but folders, links and hidden", "all locked", "cut short", "overlapping", "too much"],
)
def test_an_archive_as_a_whole_may_be_refused(body, reason, says):
    found = refusal(registry.parse, body, "a.zip")
    assert found.reason is reason
    assert says in found.detail


def test_an_archive_has_so_many_members_at_most(monkeypatch):
    body = archive(("a", b"x"), ("b", b"x"), ("c", b"x"))
    monkeypatch.setattr(parser, "MAX_MEMBERS", 3)
    assert len(names(body)) == 3
    monkeypatch.setattr(parser, "MAX_MEMBERS", 2)
    found = refusal(registry.parse, body, "a.zip")
    assert found.reason is Reason.TOO_LARGE
    assert "3 members" in found.detail
    assert len(names(archive(("a/", b""), ("b/", b""), ("c", b"x"), ("d", b"x")))) == 2
    assert refusal(registry.parse, archive(*[("a/", b"")] * 5), "a.zip").reason is Reason.TOO_LARGE


def test_an_archive_that_opens_with_a_pdf_is_none():
    body = archive(("a.pdf", b"%PDF-1.7"), ("b.txt", b"x"), method=zipfile.ZIP_STORED)
    assert names(body) == ["a.pdf", "b.txt"]


def test_an_archive_in_an_archive_is_a_member_like_any_other():
    inner = archive(("a.txt", b"x"))
    body = archive(("inner.zip", inner))
    assert names(body) == ["inner.zip"]
    assert names(extract(body, "inner.zip")) == ["a.txt"]
