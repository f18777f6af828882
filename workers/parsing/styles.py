"""What the styles of a web page say of its text, as far as they stand in the page and can be read for certain.

A declaration is known from a `style` attribute, and from rules by tag, class or id. A name that any other selector or
a condition (@media) mentions is left alone: it may be shown again there.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from PIL import ImageColor

_MARK = re.compile("[{};]")
_SIMPLE = re.compile(r"[.#]?[A-Za-z][\w-]*\Z")
_NAME = re.compile(r"[.#]?[A-Za-z_][\w-]*")
_LENGTH = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))(px|pt|em|rem|%)?\Z")
_FONT_SIZE = re.compile(r"(?:\A|\s)(0|(?:\d+\.?\d*|\.\d+)(?:px|pt|em|rem|%))(?=[\s/])")
#: Pixels to a unit; of an em and a percent, so that 12 points come out.
_PIXELS = {None: 1.0, "px": 1.0, "pt": 4 / 3, "em": 16.0, "rem": 16.0, "%": 0.16}
#: Pixels beyond the left or upper edge from which nothing of a text is seen.
_FAR = -500.0

Colour = tuple[int, ...]
Declarations = Mapping[str, str]

WHITE: Colour = (255, 255, 255)


class Rules(NamedTuple):
    """The rules of a page by tag, class (".x") or id ("#x"), and whether any rule paints a background."""

    by_name: Mapping[str, Declarations]
    paints: bool

    def of(self, tag: str, classes: Iterable[str], id_: str | None) -> Declarations:
        """What they declare of an element, the nearer name first."""
        names = [tag, *(f".{one}" for one in classes), *([f"#{id_}"] if id_ else [])]
        return {key: value for name in names for key, value in self.by_name.get(name, {}).items()}


def rules(sheets: Iterable[str]) -> Rules:
    """The rules of a page's <style> elements that can be read for certain."""
    source = _without_comments("\n".join(sheets))
    unsure: set[str] = set()
    found: dict[str, dict[str, str]] = {}
    for selectors, body in _rules(source):
        if selectors.startswith("@"):
            unsure.update(_NAME.findall(body))
            continue
        for selector in map(str.strip, selectors.split(",")):
            if _SIMPLE.match(selector):
                found.setdefault(selector, {}).update(declarations(body))
            else:
                unsure.update(_NAME.findall(selector))
    sure = {name: said for name, said in found.items() if name not in unsure}
    return Rules(sure, "background" in source)


def _rules(source: str) -> Iterator[tuple[str, str]]:
    """What stands before and within each outermost pair of braces. One pass, whatever the braces are like."""
    depth = start = 0
    selectors = ""
    for mark in _MARK.finditer(source):
        if mark[0] == "{":
            if depth == 0:
                selectors, start = source[start : mark.start()].strip(), mark.end()
            depth += 1
        elif mark[0] == "}" and depth:
            depth -= 1
            if depth == 0:
                yield selectors, source[start : mark.start()]
                start = mark.end()
        elif depth == 0:
            start = mark.end()


def _without_comments(source: str) -> str:
    first, *rest = source.split("/*")
    kept = [first]
    for part in rest:
        _, end, after = part.partition("*/")
        # Within a comment, what opens one is text of it.
        kept.append(after if end else "")
    return " ".join(kept)


def declarations(style: str) -> dict[str, str]:
    """The declarations of a `style` attribute or of a rule's body, in small letters."""
    parts = (part.partition(":") for part in style.lower().split(";"))
    return {key.strip(): value.replace("!important", "").strip() for key, colon, value in parts if colon}


def takes_away(style: Declarations) -> bool:
    """Whether an element is not seen, whatever stands in it."""
    if style.get("display") == "none" or number(style.get("opacity", "1")) == 0:
        return True
    if style.get("overflow") == "hidden" and 0 in (pixels(style.get("width", "")), pixels(style.get("height", ""))):
        return True
    places = [style.get("text-indent", "")]
    if style.get("position") in {"absolute", "fixed"}:
        places += [style.get("left", ""), style.get("top", "")]
    return any((place := pixels(one)) is not None and place <= _FAR for one in places)


def font_size(style: Declarations) -> str | None:
    """The size of letters as it is declared, None if it is not."""
    short = _FONT_SIZE.search(style.get("font", ""))
    return style.get("font-size") or (short[1] if short else None)


def colour(name: str | None) -> Colour | None:
    """Red, green and blue; () for what is seen through; None for what is not a plain colour."""
    if name in {"transparent", "rgba(0,0,0,0)", "rgba(0, 0, 0, 0)"}:
        return ()
    try:
        found = ImageColor.getrgb(name or "")
    except ValueError:
        return None
    return () if len(found) > 3 and found[3] == 0 else found[:3]


def background(style: Declarations) -> str | None:
    """The background as it is declared, None if it is not."""
    return style.get("background-image") or style.get("background-color") or style.get("background")


def pixels(length: str) -> float | None:
    """A length in pixels."""
    found = _LENGTH.match(length)
    return float(found[1]) * _PIXELS[found[2]] if found else None


def number(value: str) -> float | None:
    """A plain number."""
    return pixels(value)
