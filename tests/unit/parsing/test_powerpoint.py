"""PowerPoint: what unstructured loses is kept, in its order, and what nobody sees is marked."""

import subprocess
import sys

import pytest
from pptx import Presentation
from pptx.dml.color import RGBColor as SlideColor
from pptx.opc.package import Part as SlidePart
from pptx.opc.packuri import PackURI as SlideURI
from pptx.oxml import parse_xml as parse_slide_xml
from pptx.util import Inches
from pptx.util import Pt as SlidePt

from schemas.documents import Block
from tests.unit.parsing.office import GRID, ITEM, MC, PARAGRAPH, A, add_chart, blocks, hidden, shown

DGM = 'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
RELATION = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
C = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
DIAGRAM_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"


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


def test_of_two_axes_of_categories_the_same_one_names_them_in_every_process():
    """It was taken from a set, whose order is another for each seed of Python's hashes."""
    said = "<c:{0}><c:title><c:tx><c:rich><a:t>{0}</a:t></c:rich></c:tx></c:title></c:{0}>"
    series = "<c:ser><c:val><c:pt idx='0'><c:v>1</c:v></c:pt></c:val></c:ser>"
    chart = f"<c:x {C} {A}>{said.format('dateAx')}{said.format('catAx')}{series}</c:x>".encode()
    program = (
        "import sys; from workers.parsing import drawings, xmltree; "
        "root = xmltree.tree(sys.stdin.buffer.read()); print([b.text for b in drawings._chart(root, values=True)])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program], input=chart, capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in "1234"
    }
    assert told == {b"['dateAx', 'catAx\\n | 1']\n"}


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
