"""Word: what unstructured loses is kept, in its place, and what nobody sees is marked."""

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

from schemas.documents import Block
from tests.unit.parsing.office import MC, PARAGRAPH, blocks, chart_xml, hidden, shown

WHITE = RGBColor(255, 255, 255)
WPS = 'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'


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
