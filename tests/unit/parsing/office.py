"""Office files that are made by their libraries and read by our parsers, for the tests of each of them."""

import io
import zipfile

from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from schemas.documents import BlockKind
from workers.parsing import registry

PARAGRAPH, GRID, ITEM, HEADING = BlockKind.PARAGRAPH, BlockKind.TABLE, BlockKind.LIST_ITEM, BlockKind.HEADING
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'


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
