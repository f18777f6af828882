"""Office files: what unstructured loses is kept, what nobody sees is marked, and the properties are told."""

import datetime as dt
import io
import zipfile

import pytest
from docx import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor as SlideColor
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part as SlidePart
from pptx.opc.packuri import PackURI as SlideURI
from pptx.oxml import parse_xml as parse_slide_xml
from pptx.util import Inches
from pptx.util import Pt as SlidePt

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from tests.support import documents
from workers.parsing import ooxml, registry

PARAGRAPH, GRID, ITEM, HEADING = BlockKind.PARAGRAPH, BlockKind.TABLE, BlockKind.LIST_ITEM, BlockKind.HEADING
WHITE = RGBColor(255, 255, 255)
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
WPS = 'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
DGM = 'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
RELATION = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
DIAGRAM_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"


def saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def blocks(document):
    """The blocks of a document that is still open."""
    kind = {"Document": "docx", "Presentation": "pptx", "Workbook": "xlsx"}[type(document).__name__]
    return registry.parse(saved(document), f"a.{kind}").blocks


def shown(document):
    return [block.text for block in blocks(document) if not block.hidden]


def hidden(document):
    return [block.text for block in blocks(document) if block.hidden]


def rewritten(body, part, change, more=()):
    """The same archive with one part changed, and more of them."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w") as new:
        for name in more:
            new.writestr(name, more[name])
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return out.getvalue()


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


# Word


def test_notes_stand_in_brackets_where_they_are_referred_to():
    document = Document()
    paragraphs = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in ("Since", "2020."))
    notes = f"<w:footnotes {nsdecls('w')}><w:footnote w:id='7'>{paragraphs}</w:footnote></w:footnotes>"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    part = Part(PackURI("/word/footnotes.xml"), kind, notes.encode(), document.part.package)
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    reference = f"<w:r {nsdecls('w')}><w:footnoteReference w:id='7'/></w:r>"
    paragraph = document.add_paragraph("Rail is free")
    paragraph._p.append(parse_xml(reference))
    paragraph.add_run(" for all.")
    paragraph._p.append(parse_xml(reference))
    assert shown(document) == ["Rail is free (Since 2020.) for all."]


def test_comments_follow_what_they_are_about():
    document = Document()
    document.add_comment(document.add_paragraph("Claim.").runs, text="Is it so?", author="Ada")
    table = document.add_table(1, 2)
    document.add_comment(table.cell(0, 0).add_paragraph("cell").runs, text="And this?", author="")
    assert shown(document) == ["Claim.", "Comment (Ada): Is it so?", "cell", "Comment: And this?"]


def text_box(text, *, old=False):
    inner = (
        f"<w:txbxContent><w:p><w:r><w:t>{text}</w:t></w:r></w:p><w:p><w:r><w:t>more</w:t></w:r></w:p></w:txbxContent>"
    )
    return f"<w:pict>{inner}</w:pict>" if old else f"<w:drawing><wps:txbx>{inner}</wps:txbx></w:drawing>"


def test_text_boxes_follow_their_paragraph_and_are_read_once():
    document = Document()
    choices = (
        f"<mc:Choice Requires='wps'>{text_box('new')}</mc:Choice><mc:Fallback>{text_box('new', old=True)}</mc:Fallback>"
    )
    both = f"<mc:AlternateContent {MC}>{choices}</mc:AlternateContent>"
    for form in (both, text_box("old", old=True)):
        document.add_paragraph("Beside.")._p.append(parse_xml(f"<w:r {nsdecls('w')} {WPS}>{form}</w:r>"))
    assert shown(document) == ["Beside.", "new", "more", "Beside.", "old", "more"]


def test_fields_equations_and_readings_are_text():
    document = Document()
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    run = "<w:r><w:t>{}</w:t></w:r>"
    read = run.format("b")
    for xml in (
        f"<w:fldSimple {nsdecls('w')} w:instr='SEQ'>{run.format('12')}</w:fldSimple>",
        f"<m:oMathPara {math}><m:oMath><m:r><m:t>a=b</m:t></m:r></m:oMath></m:oMathPara>",
        f"<w:r {nsdecls('w')}><w:ruby><w:rt>{read}</w:rt><w:rubyBase>{run.format('a')}</w:rubyBase></w:ruby></w:r>",
    ):
        document.add_paragraph("It is ")._p.append(parse_xml(xml))
    assert shown(document) == ["It is 12", "It is a=b", "It is a(b)"]


def test_what_was_taken_away_is_no_text():
    document = Document()
    paragraph = document.add_paragraph("stays")
    for tag, inner in (("del", "delText"), ("moveFrom", "t")):
        xml = f"<w:{tag} {nsdecls('w')}><w:r><w:{inner}>gone</w:{inner}></w:r></w:{tag}>"
        paragraph._p.append(parse_xml(xml))
    assert [block.text for block in blocks(document)] == ["stays"]


def test_headers_and_footers_are_read_with_their_controls():
    document = Document()
    document.add_paragraph("Words.")
    header = document.sections[0].header
    control = f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>Draft</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    header._element.insert(0, parse_xml(control))
    document.sections[0].footer.paragraphs[0].add_run("unseen").font.hidden = True
    assert (shown(document), hidden(document)) == (["Draft", "Words."], ["unseen"])


VANISHED = "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>c</w:t></w:r></w:p>"


def formatted(run, **look):
    for name, value in look.items():
        if name == "color":
            run.font.color.rgb = value
        else:
            setattr(run.font, name, value)


@pytest.mark.parametrize(
    "look", [{"hidden": True}, {"size": Pt(1)}, {"color": WHITE}, {"color": RGBColor(0xFE, 0xFD, 0xFF)}]
)
def test_runs_that_nobody_sees_are_marked_and_stand_apart(look):
    document = Document()
    paragraph = document.add_paragraph("before, ")
    for words in ("un", "seen"):
        formatted(paragraph.add_run(words), **look)
    paragraph.add_run("after")
    assert blocks(document) == (
        Block(PARAGRAPH, "before, after"),
        Block(PARAGRAPH, "unseen", hidden=True),
    )


def test_a_style_can_hide_and_a_run_can_show_itself_again():
    document = Document()
    style = document.styles.add_style("Unseen", 1)
    style.font.hidden = True
    paragraph = document.add_paragraph("unseen", style="Unseen")
    paragraph.add_run("seen").font.hidden = False
    assert (shown(document), hidden(document)) == (["seen"], ["unseen"])


@pytest.mark.parametrize("where", ["run", "highlight", "paragraph", "cell", "table", "page"])
def test_white_on_a_colour_is_seen(where):
    document = Document()
    shading = f"<w:shd {nsdecls('w')} w:val='clear' w:fill='203040'/>"
    table = document.add_table(1, 1)
    paragraph = table.cell(0, 0).paragraphs[0]
    run = paragraph.add_run("white")
    formatted(run, color=WHITE)
    if where == "run":
        run._r.rPr.append(parse_xml(shading))
    elif where == "highlight":
        run.font.highlight_color = 7
    elif where == "paragraph":
        paragraph._p.get_or_add_pPr().append(parse_xml(shading))
    elif where == "cell":
        table.cell(0, 0)._tc.get_or_add_tcPr().append(parse_xml(shading))
    elif where == "table":
        table.style = "Medium Shading 1 Accent 1"
    else:
        document.element.insert(0, parse_xml(f"<w:background {nsdecls('w')} w:color='203040'/>"))
    assert (shown(document), hidden(document)) == (["white"], [])


def test_merged_cells_keep_their_columns_and_nested_tables_their_rows():
    document = Document()
    table = document.add_table(3, 3)
    for r in range(3):
        for c in range(3):
            table.cell(r, c).text = "" if (r, c) in {(0, 2), (2, 0)} else f"{r}{c}"
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 0).merge(table.cell(2, 0))
    inner = table.cell(2, 2).add_table(2, 2)
    for r in range(2):
        for c in range(2):
            inner.cell(r, c).text = f"inner {r}{c}"
    assert shown(document) == [
        "00 | 01\n10 | 11 | 12\n10 | 21 | 22",
        "inner 00 | inner 01\ninner 10 | inner 11",
    ]


def test_a_hidden_run_is_taken_once_with_all_that_is_in_it():
    document = Document()
    style = document.styles.add_style("Unseen", 1)
    style.font.hidden = True
    paragraph = document.add_paragraph("", style="Unseen")
    formatted(paragraph.add_run("a"), hidden=True, color=WHITE)
    paragraph.add_run("b")._r.append(
        parse_xml(f"<w:pict {nsdecls('w')}><w:txbxContent>{VANISHED}</w:txbxContent></w:pict>")
    )
    assert (shown(document), hidden(document)) == ([], ["abc"])


def test_a_box_tied_to_a_white_run_is_seen():
    document = Document()
    run = document.add_paragraph("Beside.").add_run()
    formatted(run, color=WHITE)
    run._r.append(parse_xml(text_box("boxed", old=True).replace("<w:pict", f"<w:pict {nsdecls('w')}")))
    assert (shown(document), hidden(document)) == (["Beside.", "boxed", "more"], [])


CHART = CategoryChartData()
CHART.categories = ["Oslo", "Rome"]
CHART.add_series("2025", (180, 140))
CHART.add_series("2026", (190, None))


def chart_xml():
    """The XML of a chart with a title."""
    deck = Presentation()
    chart = add_chart(deck.slides.add_slide(deck.slide_layouts[6]))
    return chart.part.blob


def add_chart(slide):
    place = (Inches(1), Inches(1), Inches(4), Inches(3))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, CHART).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Rates"
    chart.category_axis.has_title = True
    chart.category_axis.axis_title.text_frame.text = "City"
    return chart


def test_a_chart_in_a_text_is_a_table():
    document = Document()
    part = Part(PackURI("/word/charts/chart1.xml"), "application/xml", chart_xml(), document.part.package)
    relation = document.part.relate_to(part, RELATIONSHIP_TYPE.CHART)
    xml = f"<w:r {nsdecls('w', 'c', 'r')}><w:drawing><c:chart r:id='{relation}'/></w:drawing></w:r>"
    document.add_paragraph("See:")._p.append(parse_xml(xml))
    assert shown(document) == ["See:", "Rates", "City | 2025 | 2026\nOslo | 180 | 190\nRome | 140"]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"),
            st.sampled_from(["plain", "hidden", "tiny", "white", "insert", "control", "box", "cell"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_text_of_all_runs_is_text_of_the_blocks(runs):
    document = Document()
    paragraph = document.add_paragraph()
    run = f"<w:r {nsdecls('w')} {WPS}>{{}}</w:r>"
    for i, (letter, form) in enumerate(runs):
        word = f"{letter}{i}."
        xml = {
            "insert": f"<w:ins {nsdecls('w')}>{run.format(f'<w:t>{word}</w:t>')}</w:ins>",
            "control": f"<w:sdt {nsdecls('w')}><w:sdtContent>{run.format(f'<w:t>{word}</w:t>')}</w:sdtContent></w:sdt>",
            "box": run.format(text_box(word)),
        }.get(form)
        if xml:
            paragraph._p.append(parse_xml(xml))
        elif form == "cell":
            document.add_table(1, 1).cell(0, 0).text = word
        else:
            look = {"hidden": {"hidden": True}, "tiny": {"size": Pt(0.5)}, "white": {"color": WHITE}}.get(form, {})
            formatted(paragraph.add_run(word), **look)
    found = " ".join(block.text for block in blocks(document))
    assert all(found.count(f"{letter}{i}.") == 1 for i, (letter, _) in enumerate(runs))
    unseen = "".join(hidden(document))
    assert all((f"{c}{i}." in unseen) == (form in {"hidden", "tiny", "white"}) for i, (c, form) in enumerate(runs))


# PowerPoint


def deck_with(slides=1):
    deck = Presentation()
    for number in range(1, slides + 1):
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = f"Slide {number}"
    return deck


def box(shapes, text, left=1.0, top=2.0):
    shape = shapes.add_textbox(Inches(left), Inches(top), Inches(1), Inches(1))
    shape.text_frame.text = text
    return shape


def test_a_chart_on_a_slide_is_a_table():
    deck = deck_with()
    add_chart(deck.slides[0])
    assert blocks(deck)[1:] == (
        Block(PARAGRAPH, "Rates", page=1),
        Block(GRID, "City | 2025 | 2026\nOslo | 180 | 190\nRome | 140", page=1),
    )


def diagram_xml():
    points = [("d", "doc", ""), ("2", "node", "second"), ("1", "node", "first"), ("3", "node", "under first")]
    model = "".join(
        f"<dgm:pt modelId='{key}' type='{kind}'><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>"
        for key, kind, text in points
    )
    links = "".join(
        f"<dgm:cxn modelId='9' srcId='{a}' destId='{b}' srcOrd='{place}'/>"
        for a, b, place in (("d", "2", 1), ("d", "1", 0), ("1", "3", 0), ("3", "1", 0))
    )
    return f"<dgm:dataModel {DGM} {A}><dgm:ptLst>{model}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst></dgm:dataModel>"


def test_a_diagram_is_a_list_in_its_order():
    deck = deck_with()
    slide = deck.slides[0]
    part = SlidePart(SlideURI("/ppt/diagrams/data1.xml"), "application/xml", slide.part.package, diagram_xml().encode())
    relation = slide.part.relate_to(part, DIAGRAM_TYPE)
    frame = slide.shapes.add_table(1, 1, 0, 0, 0, 0)._element
    data = frame.find(".//{*}graphicData")
    data.set("uri", "http://schemas.openxmlformats.org/drawingml/2006/diagram")
    data.replace(data[0], parse_slide_xml(f"<dgm:relIds {DGM} {RELATION} r:dm='{relation}'/>"))
    assert [(block.kind, block.text) for block in blocks(deck)[1:]] == [
        (ITEM, "first"),
        (ITEM, "under first"),
        (ITEM, "second"),
    ]


def test_groups_stay_together_and_nothing_in_them_is_lost():
    deck = deck_with()
    shapes = deck.slides[0].shapes
    group = shapes.add_group_shape()
    box(group.shapes, "a", top=2)
    box(group.shapes.add_group_shape().shapes, "b", top=4)
    box(shapes, "c", top=3)
    assert shown(deck) == ["Slide 1", "a", "b", "c"]


@pytest.mark.parametrize("mark", ["<a:buChar {} char='-'/>", "<a:buAutoNum {} type='arabicPeriod'/>"])
def test_marked_paragraphs_of_a_slide_are_a_list(mark):
    deck = deck_with()
    paragraph = box(deck.slides[0].shapes, "item").text_frame.paragraphs[0]._p
    paragraph.get_or_add_pPr().append(parse_slide_xml(mark.format(A)))
    assert blocks(deck)[1] == Block(ITEM, "item", page=1)


def test_notes_are_text_of_their_slide():
    deck = deck_with()
    box(deck.slides[0].shapes, "words")
    deck.slides[0].notes_slide.notes_text_frame.text = "Say it slowly.\nTwice."
    assert shown(deck) == ["Slide 1", "words", "Say it slowly.\nTwice."]


def test_hidden_slides_and_what_is_beside_a_slide_are_marked():
    deck = deck_with(2)
    deck.slides[1]._element.set("show", "0")
    deck.slides[1].notes_slide.notes_text_frame.text = "unseen note"
    shapes = deck.slides[0].shapes
    for words, left, top in (("left", -3, 1), ("below", 1, 30), ("half out", -0.5, 5)):
        box(shapes, words, left, top)
    box(shapes, "switched off")._element.find(".//{*}cNvPr").set("hidden", "1")
    assert shown(deck) == ["Slide 1", "half out"]
    assert sorted(hidden(deck)) == ["Slide 2", "below", "left", "switched off", "unseen note"]


def test_specks_and_white_on_white_are_marked():
    deck = deck_with()
    shape = box(deck.slides[0].shapes, "seen, ")
    paragraph = shape.text_frame.paragraphs[0]
    speck, white = paragraph.add_run(), paragraph.add_run()
    speck.text, white.text, speck.font.size = "speck", " and white", SlidePt(1)
    white.font.color.rgb = SlideColor(255, 255, 255)
    assert (shown(deck)[1:], hidden(deck)) == (["seen,  and white"], ["speck"])
    shape.fill.solid()
    shape.fill.fore_color.rgb = SlideColor(255, 255, 255)
    assert (shown(deck)[1:], hidden(deck)) == (["seen, "], ["speck and white"])


def test_merged_cells_of_a_slide_stand_in_each_row():
    deck = deck_with()
    table = deck.slides[0].shapes.add_table(3, 2, 0, Inches(2), Inches(4), Inches(2)).table
    for r, row in enumerate((("Land", "City"), ("Norway", "Oslo"), ("", "Bergen"))):
        for c, text in enumerate(row):
            table.cell(r, c).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    assert shown(deck)[1:] == ["Land | City\nNorway | Oslo\nNorway | Bergen"]


def test_the_newer_of_two_forms_of_a_shape_is_read_and_ink_is_none():
    deck = deck_with()
    tree = deck.slides[0].shapes._spTree
    shape = box(deck.slides[0].shapes, "formula")._element
    forms = "<mc:Choice Requires='a14'/><mc:Fallback/>"
    wrapper = parse_slide_xml(f"<mc:AlternateContent {MC}>{forms}</mc:AlternateContent>")
    tree.replace(shape, wrapper)
    other = box(deck.slides[0].shapes, "below it", top=3)._element
    wrapper[0].extend([shape, parse_slide_xml(f"<p:contentPart {P}/>"), other])
    assert shown(deck) == ["Slide 1", "formula", "below it"]


def test_comments_on_a_slide_are_text_of_it_in_both_their_forms():
    deck = deck_with(2)
    slide, hidden_slide = deck.slides
    hidden_slide._element.set("show", "0")
    old = f"<p:cmLst {P}><p:cm><p:text>Ask the board.</p:text></p:cm></p:cmLst>"
    said = "<a:p><a:r><a:t>{}</a:t></a:r></a:p>"
    p188 = 'xmlns:p188="http://schemas.microsoft.com/office/powerpoint/2018/8/main"'
    reply = f"<p188:reply><p188:txBody>{said.format('They agreed.')}</p188:txBody></p188:reply>"
    question = said.format("Is it still") + said.format("120 euros?")
    thread = f"<p188:cm><p188:replyLst>{reply}</p188:replyLst><p188:txBody>{question}</p188:txBody></p188:cm>"
    new = f"<p188:cmLst {p188} {A}>{thread}</p188:cmLst>"
    kinds = (
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships/comments",
        "http://schemas.microsoft.com/office/2018/10/relationships/comments",
    )
    comments = ((slide, kinds[0], old), (slide, kinds[1], new), (hidden_slide, kinds[0], old))
    for number, (one, kind, xml) in enumerate(comments):
        name = SlideURI(f"/ppt/comments/comment{number}.xml")
        one.part.relate_to(SlidePart(name, "application/xml", one.part.package, xml.encode()), kind)
    assert shown(deck) == ["Slide 1", "Ask the board.", "Is it still\n120 euros?", "They agreed."]
    assert hidden(deck) == ["Slide 2", "Ask the board."]


# Excel


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


def test_a_row_beyond_the_last_one_is_a_row_and_makes_no_others():
    body = rewritten(
        saved(book_of(("a", "b"))), "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b'r="1"', b'r="2000000000"')
    )
    assert registry.parse(body, "a.xlsx").blocks[1].text == "a | b"


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
