"""Each format through the registry, in this process: headings, levels, pages, tables and order are kept."""

import pytest

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from tests.support import documents
from workers.parsing import registry
from workers.parsing.sniff import CONTENT_TYPES, SNIFF_VERSION

TABLE = "City | Per night\nOslo | 180\nRome | 140"
HEADING, PARAGRAPH, ITEM, CODE, GRID = (
    BlockKind.HEADING,
    BlockKind.PARAGRAPH,
    BlockKind.LIST_ITEM,
    BlockKind.CODE,
    BlockKind.TABLE,
)


def heading(text, level, page=None):
    return Block(HEADING, text, level, page, text)


def parse(body, name):
    return registry.parse(body, name)


def refusal(body, name):
    with pytest.raises(Refusal) as refused:
        registry.parse(body, name)
    return refused.value


def test_text_is_parted_at_blank_lines_and_otherwise_left_alone():
    document = parse(b"One\r\n  two\r\n\r\n \r\n\r\nThree\r\n", "a.txt")
    assert document.blocks == (Block(PARAGRAPH, "One\n  two"), Block(PARAGRAPH, "Three"))
    assert (document.kind, document.content_type, document.title) == ("text", "text/plain", None)


def test_word_keeps_headings_lists_and_tables_in_order():
    document = parse(documents.docx(), "a.docx")
    assert document.title == documents.TITLE
    assert document.blocks == (
        heading(documents.TITLE, 1),
        heading("Booking", 2),
        Block(PARAGRAPH, documents.SENTENCE),
        Block(ITEM, "first item"),
        heading("Rates", 2),
        Block(GRID, TABLE),
    )


def test_word_takes_no_short_paragraph_for_a_heading():
    document = parse(documents.docx(body=["Short Line", "ANOTHER"]), "a.docx")
    assert [block.heading for block in document.blocks if block.kind is HEADING] == [
        documents.TITLE,
        "Booking",
        "Rates",
    ]


def test_word_keeps_the_text_of_content_controls_and_tracked_insertions():
    import io

    from docx import Document
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document = Document()
    run = "<w:r><w:t>{}</w:t></w:r>"
    control = f"<w:sdt {nsdecls('w')}><w:sdtPr/><w:sdtContent>{{}}</w:sdtContent></w:sdt>"
    document.element.body.insert(0, parse_xml(control.format(f"<w:p>{run.format('a block')}</w:p>" * 3)))
    paragraph = document.add_paragraph("before, ")._p
    paragraph.append(parse_xml(control.format(run.format("inside, "))))
    paragraph.append(parse_xml(f"<w:ins {nsdecls('w')}>{run.format('inserted')}</w:ins>"))
    out = io.BytesIO()
    document.save(out)
    assert [block.text for block in parse(out.getvalue(), "a.docx").blocks] == [
        *["a block"] * 3,
        "before, inside, inserted",
    ]


def test_slides_are_pages_and_their_notes_stand_under_their_title():
    document = parse(documents.pptx(notes="Say it slowly."), "a.pptx")
    assert document.blocks == (
        heading(documents.TITLE, 1, 1),
        Block(PARAGRAPH, documents.SENTENCE, page=1),
        Block(PARAGRAPH, "Say it slowly.", page=1),
        heading("Rates", 1, 2),
        Block(PARAGRAPH, "See the table.", page=2),
        Block(GRID, TABLE, page=2),
        Block(PARAGRAPH, "Say it slowly.", page=2),
    )


def test_sheets_become_headings_and_every_value_is_kept():
    rows = (("id", "rate", "note"), ("007", 0.0000001, "NA"), (12, None, "null"), (None, None, None), ("end", 2, True))
    document = parse(documents.xlsx({"Rates": rows, "Notes": (("Only words.",),)}), "a.xlsx")
    assert document.blocks == (
        heading("Rates", 1, 1),
        Block(GRID, "id | rate | note\n007 | 1e-07 | NA\n12 |  | null", page=1),
        Block(GRID, "end | 2 | TRUE", page=1),
        heading("Notes", 1, 2),
        Block(PARAGRAPH, "Only words.", page=2),
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_keeps_every_cell_whatever_the_delimiter(delimiter):
    rows = (("id", "land", "text"), ("007", "NA", "a, b; c"), ("008", "null", "two\nlines"))
    document = parse(documents.csv(rows, delimiter=delimiter), "a.csv")
    assert document.blocks == (Block(GRID, "id | land | text\n007 | NA | a, b; c\n008 | null | two lines"),)


def test_tabs_part_the_cells_of_a_tsv_whatever_else_is_in_them():
    rows = (("city", "rate, per night", "note"), ("Oslo", "180, 200", "a; b"), ("Rome", "140, 150", ""))
    document = parse(documents.csv(rows, delimiter="\t"), "a.tsv")
    assert document.blocks == (Block(GRID, "city | rate, per night | note\nOslo | 180, 200 | a; b\nRome | 140, 150"),)


def test_a_page_keeps_headings_lists_code_and_tables_in_order():
    document = parse(documents.html(), "a.html")
    assert (document.title, document.language) == (documents.TITLE, "en")
    assert document.blocks == (
        heading(documents.TITLE, 1),
        heading("Booking", 2),
        Block(PARAGRAPH, documents.SENTENCE),
        Block(ITEM, "first item"),
        Block(ITEM, "second item"),
        Block(CODE, "book --class 2\n  --rail"),
        heading("Rates", 2),
        Block(GRID, TABLE),
    )


@pytest.mark.parametrize(
    "shown",
    [
        "<form><p>words here</p></form>",
        "<details><summary>words here</summary></details>",
        "<details>words here</details>",
        "<figure><img src=x><figcaption>words here</figcaption></figure>",
        "<header>words here</header><main>other</main>",
        "<main>other</main><p>words here</p>",
        "<label>words here</label>",
    ],
)
def test_what_a_browser_shows_is_kept(shown):
    document = parse(documents.html(body=shown), "a.html")
    assert "words here" in [block.text for block in document.blocks]


def test_scripts_and_styles_of_a_page_are_kept_out():
    body = "<script>bad()</script><style>bad</style><p>good words</p>"
    assert [block.text for block in parse(documents.html(body=body), "a.html").blocks] == ["good words"]


def test_a_page_in_the_encoding_it_declares_is_read_in_it():
    page = "<html><head><meta charset='iso-8859-2'></head><body><p>Zażółć gęślą jaźń</p></body></html>"
    assert parse(page.encode("iso8859-2"), "a.html").blocks[0].text == "Zażółć gęślą jaźń"


def test_a_mail_opens_with_its_subject_and_names_its_attachments():
    document = parse(documents.eml(text="Hello.\n\nGrüße\n", attachment="rates.pdf"), "a.eml")
    assert document.title == documents.TITLE
    assert [block.text for block in document.blocks] == [
        documents.TITLE,
        "From: Ada Lovelace <ada@example.org>\nTo: all@example.org\nDate: Mon, 02 Mar 2026 09:00:00 +0000",
        "Hello.",
        "Grüße",
        "Attachments: rates.pdf",
    ]


def test_a_mail_with_two_forms_is_read_once_in_the_richer_one():
    document = parse(documents.eml(text="plain words", html="<h1>Rich</h1><p>rich words</p>"), "a.eml")
    texts = [block.text for block in document.blocks]
    assert "rich words" in texts
    assert "plain words" not in texts
    assert heading("Rich", 2) in document.blocks


def test_pages_of_a_pdf_are_numbered():
    document = parse(documents.pdf(["First page.", "", "Third page."]), "a.pdf")
    assert document.title == documents.TITLE
    assert document.blocks == (Block(PARAGRAPH, "First page.", page=1), Block(PARAGRAPH, "Third page.", page=3))


def test_a_pdf_that_asks_for_a_password_is_refused_as_encrypted():
    assert refusal(documents.pdf(user_password="secret"), "a.pdf").reason is Reason.ENCRYPTED


def test_a_pdf_that_only_its_owner_may_change_opens():
    assert parse(documents.pdf(user_password=""), "a.pdf").blocks[0].text == documents.SENTENCE


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        (documents.pdf(["", ""]), "scan.pdf", Reason.NO_TEXT),
        (documents.pdf()[:200], "cut.pdf", Reason.CORRUPT),
        (b"%PDF-1.7 and nothing else", "fake.pdf", Reason.CORRUPT),
        (
            documents.docx(title="", body=[], table=None).replace(b"word/document", b"word/dokument"),
            "a.docx",
            Reason.CORRUPT,
        ),
        (documents.xlsx({"Empty": ()}), "a.xlsx", Reason.NO_TEXT),
        (documents.html(title="", body="<script>x</script>"), "a.html", Reason.NO_TEXT),
        (documents.html(body="<div>" * 300 + "deep" + "</div>" * 300 + "<p>after"), "a.html", Reason.CORRUPT),
        (b"---\n\n***\n", "a.md", Reason.NO_TEXT),
        (b",,,\n,,,\n", "a.csv", Reason.NO_TEXT),
    ],
)
def test_nothing_goes_in_full_and_comes_out_empty(body, name, reason):
    found = refusal(body, name)
    assert found.reason is reason
    assert found.detail
    assert "\n" not in found.detail


def test_a_version_names_the_parser_the_library_and_the_sniffing():
    assert registry.FORMATS.keys() == CONTENT_TYPES.keys()
    versions = {kind: registry.parser_version(kind) for kind in registry.FORMATS}
    assert all(version.startswith(f"{SNIFF_VERSION}/") for version in versions.values())
    assert len(set(versions.values())) == len(versions)
    assert "pypdf-" in versions["pdf"]


def test_a_new_version_of_one_parser_changes_that_kind_only(monkeypatch):
    before = {kind: registry.parser_version(kind) for kind in registry.FORMATS}
    monkeypatch.setitem(registry.FORMATS, "pdf", registry.FORMATS["pdf"]._replace(version="pdf-99"))
    after = {kind: registry.parser_version(kind) for kind in registry.FORMATS}
    assert {kind for kind in after if after[kind] != before[kind]} == {"pdf"}


def test_blocks_do_not_depend_on_the_language_model(monkeypatch):
    """Two machines, one with spaCy's model and one without, must index the same."""
    from unstructured.nlp import tokenize

    before = [parse(documents.docx(), "a.docx"), parse(documents.pptx(), "a.pptx"), parse(documents.html(), "a.html")]
    monkeypatch.setattr(tokenize, "_get_nlp", lambda: pytest.fail("the model was asked"))
    for cached in (tokenize._process_cached, tokenize.word_tokenize, tokenize.pos_tag, tokenize._tokenize_for_cache):
        cached.cache_clear()
    assert before == [
        parse(documents.docx(), "a.docx"),
        parse(documents.pptx(), "a.pptx"),
        parse(documents.html(), "a.html"),
    ]
