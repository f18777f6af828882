"""A pen that follows the operators of a PDF page, as far as they decide whether text is seen."""

from collections.abc import Callable, Sequence
from typing import Any

from pypdf import PageObject

#: The way of drawing text that leaves no trace.
_INVISIBLE = 3
#: Of paper: what is nearly white counts.
_WHITE = 0.99
#: Painted areas to be remembered; a page with more is taken for painted all over.
_AREAS = 1_000
#: Colour spaces in which 1 1 1 is white, and 0 0 0 0 of four.
_PLAIN = {"/DeviceGray", "/DeviceRGB", "/DeviceCMYK", "/ICCBased", "/CalRGB", "/CalGray"}

Matrix = tuple[float, float, float, float, float, float]
_UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_EVERYWHERE = (float("-inf"), float("-inf"), float("inf"), float("inf"))
_CORNERS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))


class Pen:
    """Where it is and how it draws. seen: operators that show text; unseen, invisible: the places of those that do not.

    pictured: area of the page under pictures, in square points; what overlaps counts twice.

    Each follower of an operator takes its place and its operands. Plain attributes: there are thousands to a page.
    """

    def __init__(self, page: PageObject, smallest: float) -> None:
        self.seen, self.pictured = 0, 0.0
        self.unseen: list[int] = []
        self.invisible: list[int] = []
        self._page, self._smallest = page, smallest
        self._ctm, self._text = _UNIT, _UNIT
        self._white, self._plain = False, True
        self._mode, self._size, self._scalable, self._leading = 0, 0.0, True, 0.0
        self._stack: list[tuple[Any, ...]] = []
        self._areas: list[tuple[float, float, float, float]] = []
        self._path: list[tuple[float, float]] = []
        self._fonts: dict[str, bool] = {}
        self.follows: dict[bytes, Callable[[int, Any], None]] = {
            **dict.fromkeys((b"Tj", b"TJ"), self._show),
            **dict.fromkeys((b"'", b'"'), self._show_below),
            b"Td": self._move,
            b"TD": self._move_and_lead,
            b"T*": self._next_line,
            b"Tm": self._place_text,
            b"BT": self._begin_text,
            b"Tf": self._choose_font,
            b"Tr": self._set_mode,
            b"TL": self._set_leading,
            b"q": self._keep,
            b"Q": self._bring_back,
            b"cm": self._change_space,
            **dict.fromkeys((b"g", b"rg", b"k"), self._fill_with),
            b"cs": self._choose_colours,
            **dict.fromkeys((b"sc", b"scn"), self._fill_with_chosen),
            b"re": self._add_rectangle,
            **dict.fromkeys((b"m", b"l", b"c", b"v", b"y"), self._add_points),
            **dict.fromkeys((b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*"), self._fill),
            **dict.fromkeys((b"S", b"s", b"n"), self._drop_path),
            b"Do": self._draw,
            b"INLINE IMAGE": self._picture,
            b"sh": self._shade,
        }

    def _show(self, at: int, _operands: Any) -> None:
        text, ctm = self._text, self._ctm
        grown = (text[0] * text[3] - text[1] * text[2]) * (ctm[0] * ctm[3] - ctm[1] * ctm[2])
        height = abs(self._size) * abs(grown) ** 0.5
        if height < self._smallest and self._scalable:
            self.unseen.append(at)
        elif self._mode == _INVISIBLE:
            self.invisible.append(at)
        elif self._white and self._mode == 0 and not self._on_paint(height):
            self.unseen.append(at)
        else:
            self.seen += 1

    def _show_below(self, at: int, operands: Any) -> None:
        self._next_line(at, operands)
        self._show(at, operands)

    def _on_paint(self, height: float) -> bool:
        """Whether anything was painted where the text begins, a little above its line."""
        x, y = _place(self._ctm, self._text[4], self._text[5])
        near = height / 3
        return len(self._areas) > _AREAS or any(
            left - near <= x <= right + near and low - near <= y + near <= high + near
            for left, low, right, high in self._areas
        )

    def _move(self, _at: int, operands: Any) -> None:
        self._shift(float(operands[0]), float(operands[1]))

    def _move_and_lead(self, at: int, operands: Any) -> None:
        self._leading = -float(operands[1])
        self._move(at, operands)

    def _next_line(self, _at: int, _operands: Any) -> None:
        self._shift(0.0, -self._leading)

    def _shift(self, x: float, y: float) -> None:
        a, b, c, d, e, f = self._text
        self._text = (a, b, c, d, e + x * a + y * c, f + x * b + y * d)

    def _place_text(self, _at: int, operands: Any) -> None:
        self._text = _matrix(operands)

    def _begin_text(self, _at: int, _operands: Any) -> None:
        self._text = _UNIT

    def _choose_font(self, _at: int, operands: Any) -> None:
        name, self._size = operands[0], float(operands[1])
        if name not in self._fonts:
            # Letters of a Type 3 font have a size of their own.
            self._fonts[name] = self._resource("/Font", name).get("/Subtype") != "/Type3"
        self._scalable = self._fonts[name]

    def _set_mode(self, _at: int, operands: Any) -> None:
        self._mode = int(operands[0])

    def _set_leading(self, _at: int, operands: Any) -> None:
        self._leading = float(operands[0])

    def _keep(self, _at: int, _operands: Any) -> None:
        kept = (self._ctm, self._white, self._plain, self._mode, self._size, self._scalable, self._leading)
        self._stack.append(kept)

    def _bring_back(self, _at: int, _operands: Any) -> None:
        kept = self._stack.pop()
        self._ctm, self._white, self._plain, self._mode, self._size, self._scalable, self._leading = kept

    def _change_space(self, _at: int, operands: Any) -> None:
        self._ctm = _times(_matrix(operands), self._ctm)

    def _fill_with(self, _at: int, operands: Any) -> None:
        self._plain, self._white = True, _is_white(operands)

    def _choose_colours(self, _at: int, operands: Any) -> None:
        self._white, self._plain = False, False
        name = operands[0]
        space = name if name in _PLAIN else self._resource("/ColorSpace", name)
        self._plain = (space[0] if isinstance(space, list) else space) in _PLAIN

    def _fill_with_chosen(self, _at: int, operands: Any) -> None:
        self._white = False
        self._white = self._plain and _is_white(operands)

    def _add_rectangle(self, _at: int, operands: Any) -> None:
        x, y, width, height = map(float, operands)
        self._path += ((x, y), (x + width, y), (x, y + height), (x + width, y + height))

    def _add_points(self, _at: int, operands: Any) -> None:
        self._path += zip(map(float, operands[::2]), map(float, operands[1::2]), strict=True)

    def _fill(self, _at: int, _operands: Any) -> None:
        if not self._white:
            self._paint(self._path)
        self._path = []

    def _drop_path(self, _at: int, _operands: Any) -> None:
        self._path = []

    def _draw(self, at: int, operands: Any) -> None:
        drawn = self._resource("/XObject", operands[0])
        if drawn.get("/Subtype") == "/Image":
            self._picture(at, operands)
            return
        left, low, right, high = map(float, drawn["/BBox"])
        inner = _matrix(drawn.get("/Matrix", _UNIT))
        self._paint([_place(inner, x, y) for x in (left, right) for y in (low, high)])

    def _picture(self, _at: int, _operands: Any) -> None:
        a, b, c, d, _, _ = self._ctm
        self.pictured += abs(a * d - b * c)
        self._paint(_CORNERS)

    def _shade(self, _at: int, _operands: Any) -> None:
        self._areas.append(_EVERYWHERE)

    def _paint(self, corners: Sequence[tuple[float, float]]) -> None:
        if corners and len(self._areas) <= _AREAS:
            xs, ys = zip(*(_place(self._ctm, x, y) for x, y in corners), strict=True)
            self._areas.append((min(xs), min(ys), max(xs), max(ys)))

    def _resource(self, kind: str, name: str) -> Any:
        return self._page["/Resources"][kind][name]  # type: ignore[index]


def _matrix(operands: Sequence[Any]) -> Matrix:
    a, b, c, d, e, f = map(float, operands)
    return a, b, c, d, e, f


def _times(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _place(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return x * a + y * c + e, x * b + y * d + f


def _is_white(operands: Sequence[Any]) -> bool:
    values = [float(one) for one in operands]
    if len(values) == 4:  # inks: none of any is paper
        return max(values) <= 1 - _WHITE
    return bool(values) and min(values) >= _WHITE
