"""Text of drawings in Office files: their paragraphs, charts as tables, diagrams (SmartArt) as lists."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from schemas.documents import Block, BlockKind
from workers.parsing.content import table_row
from workers.parsing.xmltree import Element, name, tree

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"

#: Axes whose title says what the categories are.
_CATEGORY_AXES = {"catAx", "dateAx"}


def unfold(root: Element) -> None:
    """Put the first form of what is there in several in its place: the others say the same for older programs."""
    for choices in reversed([*root.iter(MC + "AlternateContent")]):
        for child in [*next(iter(choices), ())]:  # moving one would upset the iteration
            choices.addprevious(child)
        choices.getparent().remove(choices)


def text(paragraph: Element) -> str:
    """The text of anything in a drawing, its line breaks kept."""
    pieces = paragraph.iter(A + "t", A + "br", MATH + "t")
    return "".join("\n" if piece.tag == A + "br" else piece.text or "" for piece in pieces)


def graphics(root: Element, part: Any) -> Iterator[tuple[Element, Block]]:
    """The charts and diagrams of a drawing, each at the element that shows it; once, however often it is shown.

    part: what holds the drawing, as python-docx and python-pptx have it; charts and diagrams are parts of their own.
    """
    seen: set[str] = set()
    for graphic in root.iter(C + "chart", DGM + "relIds"):
        is_chart = graphic.tag == C + "chart"
        relation = part.rels.get(graphic.get(R + ("id" if is_chart else "dm")))
        if relation is None or relation.is_external or relation.target_part.partname in seen:
            continue
        seen.add(relation.target_part.partname)
        data = tree(relation.target_part.blob)
        for block in _chart(data) if is_chart else _diagram(data):
            yield graphic, block


def _chart(space: Element) -> Iterator[Block]:
    """A chart: its titles as a paragraph, its numbers as a table with the names of the series above them."""
    titles = {name(title.getparent()): _words(title) for title in space.iter(C + "title")}
    corner = next((titles.pop(axis) for axis in _CATEGORY_AXES & titles.keys()), "")
    shown = "\n".join(filter(None, titles.values()))
    if shown:
        yield Block(BlockKind.PARAGRAPH, shown)
    labelled = ((_points(series, "cat", "xVal"), series) for series in space.iter(C + "ser"))
    for labels, group in itertools.groupby(labelled, key=lambda pair: pair[0]):
        rows = [*_chart_rows(corner, labels, [series for _, series in group])]
        if len(rows) > 1 or any(rows):
            yield Block(BlockKind.TABLE, "\n".join(filter(None, rows)))


def _chart_rows(corner: str, labels: dict[int, str], series: list[Element]) -> Iterator[str]:
    yield table_row([corner, *(_words(one.find(C + "tx")) for one in series)])
    columns = [_points(one, "val", "yVal") for one in series]
    for point in sorted(labels.keys() | set().union(*columns)):
        yield table_row([labels.get(point, ""), *(column.get(point, "") for column in columns)])


def _points(series: Element, *kinds: str) -> dict[int, str]:
    """The values under any of these elements by their number; names of several levels are joined, the outer first."""
    found: dict[int, str] = {}
    for data in itertools.chain.from_iterable(series.iterfind(C + kind) for kind in kinds):
        for point in data.iter(C + "pt"):
            number, value = int(point.get("idx") or 0), point.findtext(C + "v") or ""
            found[number] = f"{value} {found[number]}" if number in found else value
    return found


def _words(element: Element | None) -> str:
    """What a title or a name says, typed in or taken from a sheet."""
    if element is None:
        return ""
    return " ".join("".join(piece.text or "" for piece in element.iter(A + "t", C + "v")).split())


def _diagram(model: Element) -> Iterator[Block]:
    """The texts of a diagram, each under the one it belongs to."""
    points = {point.get("modelId"): point for point in model.iter(DGM + "pt")}
    children: dict[str, list[tuple[int, str]]] = {}
    for link in model.iter(DGM + "cxn"):
        if link.get("type", "parOf") == "parOf":
            children.setdefault(link.get("srcId"), []).append((int(link.get("srcOrd") or 0), link.get("destId")))
    left = [key for key, point in points.items() if point.get("type") == "doc"]
    for key in _walk(left, children, points):
        # What stands between two texts (an arrow) is a point as well, and mostly an empty one.
        for paragraph in points[key].iter(A + "p"):
            if (words := text(paragraph)).strip():
                yield Block(BlockKind.LIST_ITEM, words)


def _walk(roots: list[str], children: dict[str, list[tuple[int, str]]], points: Iterable[str]) -> Iterator[str]:
    """Every point once: the tree from its top, then what hangs nowhere."""
    known, left = set(points), [*reversed([*roots, *points])]
    while left:
        key = left.pop()
        if key in known:
            known.remove(key)
            yield key
            left += [child for _, child in sorted(children.get(key, ()), reverse=True)]
