"""Word through unstructured: headings by style, lists, tables, pages where Word recorded them."""

import io
import zipfile

import docx
from docx.oxml.ns import qn
from unstructured.partition.docx import partition_docx

from workers.parsing import elements, ooxml
from workers.parsing.content import Content

#: Wrappers whose text python-docx does not see: content controls, accepted-to-be insertions, moved text, tags.
_WRAPPERS = ("w:sdt", "w:ins", "w:moveTo", "w:smartTag", "w:customXml")
_PROPERTIES = tuple(map(qn, ("w:sdtPr", "w:sdtEndPr", "w:smartTagPr", "w:customXmlPr")))


def parse(body: bytes) -> Content:
    """The blocks of a Word document."""
    found = partition_docx(file=io.BytesIO(_unwrapped(body)), languages=[""])
    return Content(elements.blocks(found), ooxml.title(body))


def _unwrapped(body: bytes) -> bytes:
    """The same document with what its wrappers hold put in their place; most have none and come back as they are."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        main = archive.read("word/document.xml") if "word/document.xml" in archive.namelist() else b""
    if not any(f"<{wrapper}".encode() in main for wrapper in _WRAPPERS):
        return body
    document = docx.Document(io.BytesIO(body))
    wrappers = [*document.element.body.iter(*map(qn, (*_WRAPPERS, "w:sdtContent")))]
    for wrapper in reversed(wrappers):  # inner ones first
        for child in list(wrapper):  # moving one would upset the iteration
            if child.tag not in _PROPERTIES:
                wrapper.addprevious(child)
        wrapper.getparent().remove(wrapper)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
