"""Excel: cells as they are stored, what lies over them, and what nobody sees is marked."""

import datetime as dt
import io
import zipfile

import pytest
from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment

from schemas.documents import Block
from tests.support import documents
from tests.unit.parsing.office import GRID, HEADING, PARAGRAPH, A, blocks, hidden, rewritten, saved, shown
from workers.parsing import registry


def book_of(*rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    return book


def test_hidden_sheets_rows_and_columns_are_marked():
    book = book_of(("City", "Rate", "Margin"), ("Oslo", 180, "m1"), ("Rome", 140, "m2"))
    book.active.row_dimensions[3].hidden = True
    book.active.column_dimensions["C"].hidden = True
    other = book.create_sheet("Other")
    other["A1"], other.sheet_state = "secret", "hidden"
    assert blocks(book) == (
        Block(HEADING, "Sheet", 1, 1, "Sheet"),
        Block(GRID, "City | Rate\nOslo | 180", page=1),
        Block(PARAGRAPH, "Margin\nm1", page=1, hidden=True),
        Block(GRID, "Rome | 140 | m2", page=1, hidden=True),
        Block(HEADING, "Other", 1, 2, "Other", hidden=True),
        Block(PARAGRAPH, "secret", page=2, hidden=True),
    )


def test_rows_that_a_filter_or_a_fold_leaves_out_are_not_hidden():
    book = book_of(("City", "Rate"), ("Oslo", 180), ("Rome", 140))
    book.active.sheet_properties.filterMode = True
    book.active.row_dimensions[2].hidden = True
    book.active.column_dimensions.group("B", "B", hidden=True)
    assert shown(book) == ["Sheet", "City | Rate\nOslo | 180\nRome | 140"]


def test_a_merged_cell_stands_in_each_of_its_rows():
    book = book_of(("Land", "City"), ("Norway", "Oslo"), (None, "Bergen"), ("Italy", "Rome"))
    book.active.merge_cells("A2:A3")
    assert shown(book)[1] == "Land | City\nNorway | Oslo\nNorway | Bergen\nItaly | Rome"


def test_a_title_above_a_table_is_not_its_header_and_empty_columns_are_none():
    book = book_of((None, "Rates of 2026"), (None, "City", None, "Rate"), (None, "Oslo", None, 180))
    assert [(block.kind, block.text) for block in blocks(book)[1:]] == [
        (PARAGRAPH, "Rates of 2026"),
        (GRID, "City | Rate\nOslo | 180"),
    ]


def test_dates_are_iso_and_formulas_are_their_value():
    book = book_of(
        ("day", "moment"), (dt.date(2026, 3, 2), dt.datetime.fromisoformat("2026-03-02T09:30")), ("sum", "@")
    )
    formula = b'<c r="B3"><f>1+1</f><v>2</v></c>'

    def calculated(xml):
        head, _, tail = xml.partition(b'<c r="B3"')
        return head + formula + tail.partition(b"</c>")[2]

    body = rewritten(saved(book), "xl/worksheets/sheet1.xml", calculated)
    table = registry.parse(body, "a.xlsx").blocks[1].text
    assert table == "day | moment\n2026-03-02 | 2026-03-02 09:30:00\nsum | 2"


@pytest.mark.parametrize("size", [b"<dimension", b"<other"])
def test_a_sheet_is_read_once_whether_it_says_its_size_or_not(size, monkeypatch):
    sheet = "xl/worksheets/sheet1.xml"
    body = rewritten(documents.xlsx(), sheet, lambda xml: xml.replace(b"<dimension", size))
    opened, plain = [], zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, name, *rest: opened.append(name) or plain(self, name, *rest)
    )
    registry.parse(body, "a.xlsx")
    assert opened.count(sheet) == 1


def test_comments_on_cells_follow_the_cells_and_those_on_hidden_ones_are_hidden():
    book = book_of(("City", "Rate", "Margin"), ("Oslo", 180, "m1"))
    sheet = book.active
    for cell, words in (("B2", "Since March."), ("C1", "unseen column"), ("A4", "unseen row")):
        sheet[cell].comment = Comment(words, "Ada")
    sheet.column_dimensions["C"].hidden = sheet.row_dimensions[4].hidden = True
    assert shown(book) == ["Sheet", "City | Rate\nOslo | 180", "Since March."]
    assert sorted(hidden(book)) == ["Margin\nm1", "unseen column", "unseen row"]


def test_a_thread_of_comments_is_told_and_not_the_note_for_older_programs():
    book = book_of(("City", "Rate"))
    book.active["B1"].comment = Comment("[Threaded comment] Your version of Excel", "Ada")
    book.active["A1"].comment = Comment("A note.", "Ada")
    thread = "".join(f"<threadedComment ref='B1'><text>{words}</text></threadedComment>" for words in ("Why?", "Law."))
    kind = "http://schemas.microsoft.com/office/2017/10/relationships/threadedComment"
    relation = f'<Relationship Id="t" Type="{kind}" Target="../threadedComments/threadedComment1.xml"/></Relationships>'
    body = rewritten(
        saved(book),
        "xl/worksheets/_rels/sheet1.xml.rels",
        lambda xml: xml.replace(b"</Relationships>", relation.encode()),
        {"xl/threadedComments/threadedComment1.xml": f"<ThreadedComments>{thread}</ThreadedComments>"},
    )
    assert [one.text for one in registry.parse(body, "a.xlsx").blocks] == [
        "Sheet",
        "City | Rate",
        "A note.",
        "Why?",
        "Law.",
    ]


def book_with_chart():
    book = book_of(("City", "Rate"), ("Oslo", 180), ("Rome", 140))
    chart = BarChart()
    chart.title, chart.x_axis.title = "Rates of 2026", "Town"
    chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    book.active.add_chart(chart, "D1")
    return book


def test_titles_of_a_chart_are_told_and_its_numbers_stand_in_the_cells():
    assert shown(book_with_chart()) == ["Sheet", "City | Rate\nOslo | 180\nRome | 140", "Rates of 2026\nTown"]


def test_text_boxes_on_a_sheet_are_read_and_unseen_ones_marked():
    def said(words, look="", off=""):
        paragraph = f"<a:p {A}><a:r><a:rPr {look}/><a:t>{words}</a:t></a:r></a:p>"
        return f"<sp><nvSpPr><cNvPr id='9' name='b' {off}/></nvSpPr><txBody>{paragraph}</txBody></sp>"

    boxes = said("In the box.") + f"<grpSp>{said('In a group.')}</grpSp>"
    boxes += said("a speck", look="sz='1'") + said("switched off", off="hidden='1'")
    body = rewritten(
        saved(book_with_chart()),
        "xl/drawings/drawing1.xml",
        lambda xml: xml.replace(b"</oneCellAnchor>", boxes.encode() + b"</oneCellAnchor>"),
    )
    found = registry.parse(body, "a.xlsx").blocks[2:]
    assert [one.text for one in found if not one.hidden] == ["In the box.", "In a group.", "Rates of 2026\nTown"]
    assert [one.text for one in found if one.hidden] == ["a speck", "switched off"]


def test_a_drawing_that_is_named_and_not_there_costs_nothing():
    body = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(book_with_chart()))) as old, zipfile.ZipFile(body, "w") as new:
        for name in old.namelist():
            if not name.startswith("xl/drawings/"):
                new.writestr(name, old.read(name))
    found = registry.parse(body.getvalue(), "a.xlsx").blocks
    assert [one.text for one in found] == ["Sheet", "City | Rate\nOslo | 180\nRome | 140"]


def test_a_sheet_of_nothing_but_a_comment_is_no_empty_document():
    book = Workbook()
    book.active["A1"].comment = Comment("All there is.", "Ada")
    assert shown(book) == ["Sheet", "All there is."]


def test_a_row_beyond_the_last_one_is_a_row_and_makes_no_others():
    body = rewritten(
        saved(book_of(("a", "b"))), "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b'r="1"', b'r="2000000000"')
    )
    assert registry.parse(body, "a.xlsx").blocks[1].text == "a | b"
