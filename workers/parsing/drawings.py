"""Text of drawings in Office files: their paragraphs, charts as tables, diagrams (SmartArt) as lists."""

import itertools
from collections.abc import Callable, Iterable, Iterator
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

#: The part that an identifier of a relation leads to, as its name and its bytes; None if there is none inside.
Related = Callable[[str], tuple[str, bytes] | None]

#: Hundredths of a point up to which nobody reads a letter.
_SPECK = 100
#: Axes whose title says what the categories are, the first of them that has one; of a set, that would be any.
_CATEGORY_AXES = ("catAx", "dateAx")


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


def parted(paragraph: Element, shape: Element) -> dict[bool, str]:
    """The text of a paragraph in a shape: what is shown of it under False, what nobody sees under True."""
    said = {False: "", True: ""}
    for run in paragraph:
        said[_is_unseen(run, shape)] += text(run)
    return said


def is_off(shape: Element) -> bool:
    """Whether a shape is switched off in the list of what is drawn."""
    properties = shape.find(".//{*}cNvPr")
    return properties is not None and properties.get("hidden") in {"1", "true"}


def opc(part: Any) -> Related:
    """What is related to a part, as python-docx and python-pptx have it."""

    def related(key: str) -> tuple[str, bytes] | None:
        found = part.rels.get(key)
        return None if found is None or found.is_external else (found.target_part.partname, found.target_part.blob)

    return related


def graphics(root: Element, related: Related, *, values: bool = True) -> Iterator[tuple[Element, Block]]:
    """The charts and diagrams of a drawing, each at the element that shows it; once, however often it is shown.

    values: whether the numbers of charts are told, and not their titles only.
    """
    keys: set[str] = set()
    seen: set[str] = set()
    for graphic in root.iter(C + "chart", DGM + "relIds"):
        is_chart = graphic.tag == C + "chart"
        key = graphic.get(R + ("id" if is_chart else "dm")) or ""
        part = None if key in keys else related(key)
        keys.add(key)
        if part is None or part[0] in seen:
            continue
        seen.add(part[0])
        data = tree(part[1])
        for block in _chart(data, values=values) if is_chart else _diagram(data):
            yield graphic, block


def _chart(space: Element, *, values: bool) -> Iterator[Block]:
    """A chart: its titles as a paragraph, its numbers as a table with the names of the series above them."""
    titles = {name(title.getparent()): _words(title) for title in space.iter(C + "title")}
    corner = next((titles.pop(axis) for axis in _CATEGORY_AXES if axis in titles), "") if values else ""
    shown = "\n".join(filter(None, titles.values()))
    if shown:
        yield Block(BlockKind.PARAGRAPH, shown)
    if not values:
        return
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


def _is_unseen(run: Element, shape: Element) -> bool:
    """Whether a run is too small to be seen, or white in a shape that is filled with white."""
    look = run.find(A + "rPr")
    if look is None:
        return False
    return int(look.get("sz") or 1800) <= _SPECK or (
        _is_white(look) and (fill := shape.find("{*}spPr")) is not None and _is_white(fill)
    )


def _is_white(look: Element) -> bool:
    colour = look.find(A + "solidFill/" + A + "srgbClr")
    return colour is not None and colour.get("val", "").upper() == "FFFFFF"
