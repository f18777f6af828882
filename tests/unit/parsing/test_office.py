"""Office files alike: their properties, their bounds, and what unstructured is kept from doing to them."""

import datetime as dt

import pytest
from docx import Document
from openpyxl import Workbook
from pptx import Presentation

from schemas.errors import Reason, Refusal
from tests.support import documents
from tests.unit.parsing.office import rewritten, saved
from workers.parsing import ooxml, registry

# Properties


@pytest.mark.parametrize("make", [Document, Presentation])
def test_the_author_and_the_dates_of_a_document_are_told(make):
    document = make()
    document.core_properties.author, document.core_properties.language = "Ada Lovelace", "nb-NO"
    document.core_properties.created = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    document.core_properties.modified = dt.datetime(2026, 3, 4, 10, tzinfo=dt.UTC)
    if make is Document:
        document.add_paragraph("Words.")
    else:
        document.slides.add_slide(document.slide_layouts[0]).shapes.title.text = "Words."
    parsed = registry.parse(saved(document), "a.docx" if make is Document else "a.pptx")
    told = {"author": "Ada Lovelace", "created": "2026-03-02T09:00:00Z", "modified": "2026-03-04T10:00:00Z"}
    assert (parsed.metadata, parsed.language) == (told, "nb")


def test_the_author_of_a_workbook_is_told():
    book = Workbook()
    book.active["A1"], book.properties.creator = "x", "Ada Lovelace"
    assert registry.parse(saved(book), "a.xlsx").metadata["author"] == "Ada Lovelace"


def test_a_date_that_is_none_is_not_told():
    properties = b"<x xmlns:d='http://purl.org/dc/terms/'><d:created>soon</d:created></x>"
    parsed = registry.parse(rewritten(documents.docx(), "docProps/core.xml", lambda _: properties), "a.docx")
    assert (parsed.title, parsed.metadata) == (documents.TITLE, {})


# Bounds


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (documents.docx, "word/document.xml"),
        (documents.pptx, "ppt/slides/slide1.xml"),
        (documents.xlsx, "xl/worksheets/sheet1.xml"),
    ],
)
def test_more_xml_than_can_be_parsed_is_refused_before_it_is_unfolded(make, part, monkeypatch):
    monkeypatch.setattr(ooxml, "_MAX_XML", 10**6)
    body = rewritten(make(), part, lambda xml: xml + b" " * 10**6)
    with pytest.raises(Refusal, match="unfolds to 1 MB of XML") as refused:
        registry.parse(body, f"a.{make.__name__}")
    assert refused.value.reason is Reason.TOO_LARGE


# What the library does elsewhere


def test_a_paragraph_of_one_letter_is_one():
    body = documents.html(body="<p>a</p><p>5</p><p>words</p>")
    assert [block.text for block in registry.parse(body, "a.html").blocks] == ["a", "5", "words"]


@pytest.mark.parametrize("name", ["a.docx", "a.html"])
def test_nothing_is_tried_for_an_american_address(name, monkeypatch):
    """A paragraph of 900 equal letters takes that 60 ms."""
    from unstructured.partition import text_type

    monkeypatch.setattr(text_type, "US_CITY_STATE_ZIP_RE", None)
    body = documents.docx(body=["A" * 900]) if name == "a.docx" else documents.html(body="<p>" + "A" * 900)
    assert "A" * 900 in [block.text for block in registry.parse(body, name).blocks]
