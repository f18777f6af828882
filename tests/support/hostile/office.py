"""Office files that are well formed, and mean harm by what they say: much text for little, loops, far places."""

from tests.support import documents
from tests.support.hostile.archives import Members, archive, members, packed, paragraph, sheet, word
from tests.support.hostile.case import MB, READ, SAID, SLOW, Case

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_C = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
_DGM = 'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
_R = f'xmlns:r="{_RELATIONS}"'
_LAST = paragraph(SAID)


def run(look: str, text: str) -> str:
    return f"<w:r><w:rPr>{look}</w:rPr><w:t>{text}</w:t></w:r>"


def related(body: bytes, owner: str, kind: str, target: str, data: str) -> bytes:
    """The document with one more part, which `owner` names as "rIdX"."""
    parts: Members = members(body)
    folder, _, name = owner.rpartition("/")
    relations = f"{folder}/_rels/{name}.rels"
    entry = f'<Relationship Id="rIdX" Type="{_RELATIONS}/{kind}" Target="{target}"/></Relationships>'
    known = bytes(parts[relations]).replace(b"</Relationships>", entry.encode())  # type: ignore[arg-type]
    return archive({**parts, relations: known, f"{folder}/{target}": data.encode()})


def notes(times: int) -> bytes:
    """One long note, referred to again and again."""
    reference = "<w:r><w:footnoteReference w:id='1'/></w:r>"
    body = word(f"<w:p>{reference * 100}</w:p>" * (times // 100) + _LAST)
    text = paragraph("word " * 50_000)
    data = f"<w:footnotes {_WORD}><w:footnote w:id='1'>{text}</w:footnote></w:footnotes>"
    return related(body, "word/document.xml", "footnotes", "footnotes.xml", data)


def drawn(inner: str, kind: str, data: str) -> bytes:
    """A Word document with a drawing that shows another part."""
    drawing = f"<w:p><w:r><w:drawing>{inner}</w:drawing></w:r></w:p>"
    return related(word(drawing + _LAST), "word/document.xml", kind, "drawn.xml", data)


def chart(points: str) -> bytes:
    series = f"<c:ser><c:val><c:numRef><c:numCache>{points}</c:numCache></c:numRef></c:val></c:ser>" * 100
    data = f"<c:chartSpace {_C} {_A}><c:plotArea><c:barChart>{series}</c:barChart></c:plotArea></c:chartSpace>"
    return drawn(f"<c:chart {_C} {_R} r:id='rIdX'/>" * 1_000, "chart", data)


def diagram(links: str) -> bytes:
    text = "<dgm:t><a:p><a:r><a:t>point</a:t></a:r></a:p></dgm:t>"
    points = "".join(f"<dgm:pt modelId='{i}' type='{'node' if i else 'doc'}'>{text}</dgm:pt>" for i in range(300))
    data = f"<dgm:dataModel {_DGM} {_A}><dgm:ptLst>{points}</dgm:ptLst><dgm:cxnLst>{links}</dgm:cxnLst></dgm:dataModel>"
    return drawn(f"<dgm:relIds {_DGM} {_R} r:dm='rIdX'/>", "diagramData", data)


def merged(areas: str, rows: int) -> bytes:
    cells = "".join(f'<row r="{i}"><c t="inlineStr"><is><t>{SAID}</t></is></c></row>' for i in range(1, rows + 1))
    parts = members(documents.xlsx())
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    data = f"<worksheet {space}><sheetData>{cells}</sheetData><mergeCells>{areas}</mergeCells></worksheet>"
    return archive({**parts, "xl/worksheets/sheet1.xml": data.encode()})


def hidden_columns() -> bytes:
    columns = "".join(f'<col min="{i}" max="2000000000" hidden="1"/>' for i in range(2, 5_000))
    parts = members(sheet(f'<row><c t="inlineStr"><is><t>{SAID}</t></is></c></row>'))
    data = bytes(parts["xl/worksheets/sheet1.xml"])  # type: ignore[arg-type]
    return archive(
        {
            **parts,
            "xl/worksheets/sheet1.xml": data.replace(b"<sheetData>", f"<cols>{columns}</cols><sheetData>".encode()),
        }
    )


def unfolding(body: bytes, part: str) -> bytes:
    """The document with a part of 300 MB, as the directory of its ZIP says."""
    return archive({**members(body), part: packed((b" " * MB, 300))})


_VANISH, _WHITE = run("<w:vanish/>", "x"), run("<w:color w:val='FFFFFF'/>", "x")
_BOX, _BOX_END = "<w:p><w:r><w:pict><w:txbxContent>", "</w:txbxContent></w:pict></w:r></w:p>"
_SPANS = "<w:trPr><w:gridBefore w:val='2000000000'/></w:trPr><w:tc><w:tcPr><w:gridSpan w:val='-5'/><w:vMerge/></w:tcPr>"
_ROW = f"<w:tr>{_SPANS}{paragraph('x')}</w:tc></w:tr>"
_AREAS = "".join(f'<mergeCell ref="A{i}:XFD1048576"/>' for i in range(1, 3_000))
_LOOPS = "".join(f"<dgm:cxn srcId='{i % 300}' destId='{i * 7 % 300}' srcOrd='{i}'/>" for i in range(20_000))
_FAR = "<c:pt idx='2000000000'><c:v>7</c:v></c:pt>"

CASES = (
    Case("docx-300-MB-of-xml", lambda: unfolding(documents.docx(), "word/document.xml"), ("too-large",)),
    Case("pptx-300-MB-of-xml", lambda: unfolding(documents.pptx(), "ppt/slides/slide1.xml"), ("too-large",)),
    Case("xlsx-300-MB-of-xml", lambda: unfolding(documents.xlsx(), "xl/sharedStrings.xml"), ("too-large",)),
    Case("docx-one-note-3000-times", lambda: notes(3_000), READ, always=SAID),
    Case("docx-8000-unseen-runs", lambda: word(f"<w:p>{_VANISH * 8_000}</w:p>{_LAST}"), READ, always=SAID),
    Case("docx-8000-white-runs", lambda: word(f"<w:p>{_WHITE * 8_000}</w:p>{_LAST}"), READ, always=SAID),
    Case("docx-boxes-in-boxes", lambda: word(_BOX * 40 + _LAST + _BOX_END * 40), READ, always=SAID),
    Case("docx-1000-boxes", lambda: word((_BOX + _LAST + _BOX_END) * 1_000), SLOW, always=SAID),
    Case("docx-table-far-to-the-right", lambda: word(f"<w:tbl>{_ROW * 500}</w:tbl>{_LAST}"), READ, always=SAID),
    Case("docx-chart-1000-times", lambda: chart(_FAR), READ, always=SAID),
    Case("docx-diagram-in-circles", lambda: diagram(_LOOPS), READ, always=SAID),
    Case("xlsx-merged-over-each-other", lambda: merged(_AREAS, 1_000), SLOW, always=SAID),
    Case("xlsx-hidden-columns-without-end", hidden_columns, READ, always=SAID),
)
