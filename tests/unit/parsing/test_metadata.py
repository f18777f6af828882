"""Author, dates and language as each format says them; what cannot be read is silently left out."""

from datetime import date, datetime

import pytest

from tests.support import documents
from tests.unit.parsing.archives import epub, odt
from workers.parsing import registry
from workers.parsing.dates import iso


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ("2026-03-02", "2026-03-02"),
        ("2026-03", "2026-03"),
        ("2026", "2026"),
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:00:00+02:00", "2026-03-02T07:00:00Z"),
        ("2026-03-02 00:00:00", "2026-03-02T00:00:00"),
        ("2026-03-02T09:00:00.123456789", "2026-03-02T09:00:00"),
        ("Mon, 02 Mar 2026 09:00:00 +0100", "2026-03-02T08:00:00Z"),
        ("D:20260302090000+01'30'", "2026-03-02T07:30:00Z"),
        ("D:20260302090000+01'30", "2026-03-02T07:30:00Z"),
        ("D:20260302090000Z", "2026-03-02T09:00:00Z"),
        ("D:202603020900", "2026-03-02T09:00:00"),
        ("D:202603", "2026-03"),
        ("D:20261302090000", ""),
        (datetime.fromisoformat("2026-03-02T09:00:00+02:00"), "2026-03-02T07:00:00Z"),
        (date(2026, 3, 2), "2026-03-02"),
        ("0001-01-01T00:00:00+14:00", ""),
        ("03/04/2026", ""),
        ("spring", ""),
        ("2026-13-40", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_date_is_iso_8601_or_nothing(said, date):
    assert iso(said) == date


def meta(name, content, key="name"):
    return f"<meta {key}='{name}' content='{content}'>"


def html(*metas, lang=""):
    return f"<!doctype html><html{lang}><head>{''.join(metas)}</head><body><p>words</p></body></html>".encode()


FRONT = (
    "---\ntitle: T\nauthor: Ada Lovelace\ndate: 2026-03-02\nlastmod: 2026-03-03T09:00:00+02:00\nlang: de-AT\n---\nwords"
)
OPEN = ("Ada Lovelace", "2026-03-02T09:00:00", "2026-03-03T09:00:00")
ODT = (
    '<meta:initial-creator xmlns:meta="m">Ada Lovelace</meta:initial-creator><dc:creator>Bob</dc:creator>'
    '<meta:creation-date xmlns:meta="m">2026-03-02T09:00:00.123456789</meta:creation-date>'
    "<dc:date>2026-03-03T09:00:00</dc:date><dc:language>de-AT</dc:language>"
)
EPUB = (
    "<dc:creator>Ada Lovelace</dc:creator><dc:date>2026</dc:date><dc:language>de</dc:language>"
    '<meta property="dcterms:modified">2026-03-03T07:00:00Z</meta>'
)
PAGE = {"a.xhtml": "<html><body><p>words</p></body></html>"}
RTF = (
    rb"{\rtf1{\info{\title T}{\author Ada \'4covelace}{\creatim\yr2026\mo3\dy2\hr9\min5}{\revtim\yr2026\mo13\dy2}}"
    rb"words\par}"
)


@pytest.mark.parametrize(
    ("body", "name", "language", "metadata"),
    [
        (
            html(
                meta("author", "Ada  Lovelace"),
                meta("article:published_time", "2026-03-02T09:00:00+02:00", "property"),
                meta("Last-Modified", "Tue, 03 Mar 2026 09:00:00 GMT", "http-equiv"),
                meta("content-language", "de-AT", "http-equiv"),
            ),
            "a.html",
            "de",
            ("Ada Lovelace", "2026-03-02T07:00:00Z", "2026-03-03T09:00:00Z"),
        ),
        (
            html(
                meta("article:author", "https://example.org/ada", "property"),
                meta("DC.creator", "Ada Lovelace"),
                meta("DC.date", "2026-03-02"),
                meta("dcterms.modified", "soon"),
                lang=" lang=en",
            ),
            "a.html",
            "en",
            ("Ada Lovelace", "2026-03-02", None),
        ),
        (FRONT.encode(), "a.md", "de", ("Ada Lovelace", "2026-03-02", "2026-03-03T07:00:00Z")),
        (b"---\nauthor: [Ada, {a: b}, Bob]\ndate: x\n---\nwords", "a.md", None, ("Ada, Bob", None, None)),
        (odt("<text:p>words</text:p>", about=ODT), "a.odt", "de", OPEN),
        (epub(PAGE, about=EPUB), "a.epub", "de", ("Ada Lovelace", "2026", "2026-03-03T07:00:00Z")),
        (RTF, "a.rtf", None, ("Ada Lovelace", "2026-03-02T09:05:00", None)),
    ],
)  # fmt: skip
def test_a_format_says_who_wrote_it_and_when(body, name, language, metadata):
    document = registry.parse(body, name)
    wanted = dict(zip(("author", "created", "modified"), metadata, strict=True))
    assert document.metadata == {key: value for key, value in wanted.items() if value}
    assert document.language == language
    assert [block.text for block in document.blocks] == ["words"]


def pdf(**info):
    import io

    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, invariant=1, lang=info.pop("lang", None))
    canvas.setAuthor(info.get("author", ""))
    canvas.drawString(72, 720, "words")
    canvas.save()
    return out.getvalue()


def test_a_pdf_says_who_wrote_it_and_when():
    document = registry.parse(pdf(author="Ada Lovelace", lang="de-AT"), "a.pdf")
    assert document.metadata == {
        "author": "Ada Lovelace",
        "created": "2000-01-01T00:00:00Z",
        "modified": "2000-01-01T00:00:00Z",
    }
    assert document.language == "de"
    assert "author" not in registry.parse(documents.pdf(), "a.pdf").metadata
