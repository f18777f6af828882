"""What a document is: content decides, the name only where content cannot."""

import io
import os
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Reason, Refusal
from tests.support import documents
from tests.unit.parsing.compound import compound
from workers.parsing.kinds import BY_NAME
from workers.parsing.registry import FORMATS
from workers.parsing.sniff import CONTENT_TYPES, content_type, sniff


def archive(*names, mimetype=None):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        if mimetype:
            file.writestr("mimetype", mimetype)
        for name in names:
            file.writestr(name, "x")
    return out.getvalue()


def ole(stream):
    return compound({stream: b"x" * 10, "Data": b"y" * 5000})


@pytest.mark.parametrize(
    ("body", "name", "kind"),
    [
        (b"# Hi\n", "a.md", "markdown"),
        (b"# Hi\n", "A.MD", "markdown"),
        (b"# Hi\n", "a.txt", "text"),
        (b"# Hi\n", "README", "text"),
        (b'{"a": 1}', "a.json", "json"),
        (b'{"a": 1}', "a", "json"),
        (b'{"a": 1}', "a.md", "markdown"),
        (b'{"a": 1}\n', "a.ndjson", "jsonl"),
        (b"<a>b</a>", "a.XML", "xml"),
        (b"<?xml version='1.0'?><a>b</a>", "a.txt", "xml"),
        ('<?xml version="1.0" encoding="euc-jp"?><a>出張</a>'.encode("euc-jp"), "a", "xml"),
        (b"a\tb\n", "a.tsv", "csv"),
        (b"{\\rtf1 hello}", "a.txt", "rtf"),
        (archive(mimetype="application/epub+zip\n"), "a.docx", "epub"),
        (archive("META-INF/container.xml"), "a.zip", "epub"),
        (archive(mimetype="application/vnd.oasis.opendocument.text"), "a", "odt"),
        (archive("a.txt"), "a.docx", "zip"),
        (archive("word/document.xml"), "a.docx", "zip"),
        (archive("mimetype"), "a", "zip"),
        (archive(), "a", "zip"),
        (documents.png(), "a.txt", "png"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "a", "webp"),
        (b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36", "a", "bmp"),
        (b"BM is short for benchmark", "a", "text"),
        (ole("__properties_version1.0"), "a.doc", "msg"),
        (b"import os\n", "a.py", "code"),
        (b"key: value\n", "a.yaml", "code"),
        (b"#!/bin/sh\nls\n", "run", "code"),
        (b"all: clean\n", "Makefile", "text"),
        (b"a,b\n", "folder/a.csv", "csv"),
        (b"<p>Hi</p>", "a.html", "html"),
        (b"<p>Hi</p>", "a.md", "markdown"),
        (b"\xef\xbb\xbf<!-- x -->\n<!DOCTYPE HTML><p>Hi", "a.txt", "html"),
        ("<html><p>Grüße".encode("utf-16"), "a.txt", "html"),
        (documents.eml(), "a.eml", "eml"),
        (documents.eml(), "a.txt", "eml"),
        (b"From: me\nTo: you\n\nA memo.\n", "memo.txt", "text"),
        (documents.docx(), "a.txt", "docx"),
        (documents.pptx(), "a", "pptx"),
        (documents.xlsx(), "a.docx", "xlsx"),
        (documents.pdf(), "a.docx", "pdf"),
        ("Grüße".encode("utf-16"), "a.txt", "text"),
        ("# Grüße".encode("utf-16-be"), "a.md", "markdown"),
        (b"\x1b[31mred\x1b[0m log line", "a.log", "text"),
    ],
)
def test_a_kind_is_told_by_content_and_then_by_name(body, name, kind):
    assert sniff(body, name) == kind
    assert content_type(kind) == CONTENT_TYPES[kind]


@pytest.mark.parametrize(
    ("body", "name", "reason", "says"),
    [
        (b"", "a.md", Reason.EMPTY, "0 bytes"),
        (b" \n\t\r\n", "a.md", Reason.EMPTY, "white space"),
        (b"\xef\xbb\xbf\n", "a.md", Reason.EMPTY, "white space"),
        ("\n \n".encode("utf-16"), "a.md", Reason.EMPTY, "white space"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "a.txt", Reason.UNSUPPORTED, "RIFF"),
        (b"\x1f\x8b" + bytes(20), "a.md", Reason.UNSUPPORTED, "gzip"),
        (archive("META-INF/MANIFEST.MF", "a/B.class"), "a.zip", Reason.UNSUPPORTED, "JAR"),
        (archive("a/b.py", "a-1.dist-info/WHEEL"), "a.whl", Reason.UNSUPPORTED, "wheel"),
        (documents.junk(), "a.txt", Reason.UNSUPPORTED, "binary"),
        (bytes(range(1, 32)) * 40, "a.txt", Reason.UNSUPPORTED, "binary"),
        (b"<svg xmlns='x'/>", "a.svg", Reason.UNSUPPORTED, "SVG"),
        (archive("[Content_Types].xml", "visio/document.xml"), "a.vsdx", Reason.UNSUPPORTED, "package"),
        (archive(mimetype="application/vnd.oasis.opendocument.graphics"), "a", Reason.UNSUPPORTED, "OpenDocument"),
        (ole("WordDocument"), "a.doc", Reason.UNSUPPORTED, ".doc"),
        (ole("Contents"), "a.doc", Reason.UNSUPPORTED, "old binary"),
        (ole("WordDocument")[:700], "a.doc", Reason.CORRUPT, "cut short"),
        (ole("EncryptedPackage"), "a.docx", Reason.ENCRYPTED, "password"),
        (documents.docx()[:-400], "a.docx", Reason.CORRUPT, "cut short"),
        (documents.xlsx()[:300], "a.xlsx", Reason.CORRUPT, "cut short"),
    ],
)
def test_what_cannot_be_read_is_refused_by_what_it_looks_like(body, name, reason, says):
    with pytest.raises(Refusal, match=says) as refused:
        sniff(body, name)
    assert refused.value.reason is reason


SIGNATURES = [
    b"%PDF-1.7\n",
    b"PK\x03\x04",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
]
OPENINGS = [
    b"{\\rtf1 ",
    b"<?xml version='1.0'?>",
    b"<!doctype html>",
    b"<!-- ",
    b"From: a\nTo: b\n\n",
    b"#!/bin/sh\n",
    b"",
]
BEGINNINGS = st.sampled_from([*SIGNATURES, *OPENINGS])
NAMES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(sorted(BY_NAME)).map("a.{}".format),
    st.sampled_from(["", ".", "a.", ".md", "Makefile"]),
)


@settings(max_examples=int(os.environ.get("CASES") or 300), deadline=None)
@given(BEGINNINGS, st.binary(max_size=600) | st.text(max_size=300).map(str.encode), NAMES)
def test_whatever_the_bytes_and_the_name_it_is_a_kind_we_read_or_refused(beginning, rest, name):
    body = beginning + rest
    try:
        assert sniff(body, name) in FORMATS
    except Refusal:
        with pytest.raises(Refusal):
            sniff(body, name)
