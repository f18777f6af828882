"""Text of a web page that no browser shows: taken out of what is shown, and put behind it as hidden blocks.

Each stretch of it is replaced by a marker of characters that no text has; the marker goes through the parser of pages
like a word, and says in the end where the stretch stood. What a click opens (folded details, forms) is shown, and so
is what is only kept from screen readers (aria-hidden).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lxml import etree  # type: ignore[import-untyped]

from schemas.documents import Block, BlockKind
from workers.parsing import styles
from workers.parsing.styles import WHITE, Colour, Rules

#: Whatever may hide something; pages without it are not searched.
_SUSPICIOUS = re.compile(r"<!--|<style|\bstyle\s*=|\bhidden\b|color\s*=", re.IGNORECASE)
#: Noncharacters, which Unicode keeps for use within a program.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_MARKER = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
#: A marker with one of the two blanks it stands between.
_WORD = re.compile(rf"(?<=\s){_MARKER.pattern} ?|{_MARKER.pattern}")
#: What has no text to show, seen or not.
_SILENT = {"script", "style", "title"}
#: Elements that do not part words.
_INLINE = {
    *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp"),
    *("small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr"),
}
#: Attributes that say, by themselves or by a rule, how text looks.
_LOOKS = ("style", "class", "id", "hidden", "bgcolor", "background", "color", "text")
#: Pixels: smaller letters are not seen.
_SMALLEST = 1.0


@dataclass(frozen=True, slots=True)
class _Look:
    """How text looks in an element. ink, ground: its colour and the one behind it; None where that cannot be told."""

    gone: bool = False
    invisible: bool = False
    tiny: bool = False
    ink: Colour | None = None
    ground: Colour | None = None

    @property
    def unseen(self) -> bool:
        drowned = self.ink is not None and self.ink in {(), self.ground}
        return self.gone or self.invisible or self.tiny or drowned


class Shown(NamedTuple):
    """A page without its hidden text, and that text: stretch by stretch, in the page's order."""

    source: str
    stretches: Sequence[str]


def shown(source: str, root: etree._Element | None) -> Shown:
    """What a browser shows of a page, as a page. `root` is its tree, and is changed."""
    if root is None or not _SUSPICIOUS.search(source):
        return Shown(source, ())
    search = _Search(root)
    search.everywhere(root)
    if not search.stretches:
        return Shown(source, ())
    stretches = ["".join(_folded(stretch)) for stretch in search.stretches]
    return Shown(etree.tostring(root, encoding="unicode", method="html"), stretches)


def with_hidden(blocks: Sequence[Block], stretches: Sequence[str]) -> Iterator[Block]:
    """The blocks of such a page without markers, each hidden stretch behind the block it stands in."""
    told = 0
    for block in blocks:
        numbers = [int(number) for number in _MARKER.findall(block.text)]
        if not numbers:
            yield block
            continue
        if text := _cut(block):
            yield replace(block, text=text, heading=_WORD.sub("", block.heading).strip())
        # Those between have lost their marker on the way, with what the parser leaves out around them.
        yield from map(_hidden, stretches[told : max(numbers) + 1])
        told = max(told, max(numbers) + 1)
    yield from map(_hidden, stretches[told:])


def _hidden(text: str) -> Block:
    return Block(BlockKind.PARAGRAPH, text, hidden=True)


def _cut(block: Block) -> str:
    """A block's text without markers; "" if nothing else was in it."""
    if block.kind is BlockKind.CODE:
        text = _MARKER.sub("", block.text)
        return text if text.strip() else ""
    if block.kind is not BlockKind.TABLE:
        return _WORD.sub("", block.text).strip()
    rows = (_WORD.sub("", row).rstrip(" |") if _OPEN in row else row for row in block.text.split("\n"))
    return "\n".join(filter(None, rows))


def _said(comment: Any) -> str:
    """What a comment says, "" if it is empty or speaks to old browsers."""
    text = str(comment.text or "")
    conditional = text.lstrip().lower().startswith(("[if", "<![endif", "[endif"))
    return text if not conditional and any(map(str.isalnum, text)) else ""


def _folded(runs: Sequence[str]) -> Iterator[str]:
    lines = (" ".join(line.split()) for line in "".join(runs).split("\n"))
    yield "\n".join(filter(None, lines))


class _Search:
    """One walk over a page's tree, which leaves a marker for each stretch it takes out."""

    def __init__(self, root: Any) -> None:
        self.stretches: list[list[str]] = []
        self._rules: Rules = styles.rules("".join(sheet.itertext()) for sheet in root.iter("style"))
        linked = any("stylesheet" in (link.get("rel") or "").lower() for link in root.iter("link"))
        # Where the styles are elsewhere, what is white may well stand on black.
        self.page = _Look(ground=None if linked or self._rules.paints else WHITE)
        # Thousands of elements look alike.
        self._known: dict[tuple[Any, ...], _Look] = {}
        #: Where the last text that is seen stands: an element, and whether behind it.
        self._last: tuple[Any, bool] | None = None
        self._first = ""

    def everywhere(self, root: Any) -> None:
        """Take out what is hidden, before, in and behind the page's root."""
        for comment in reversed([*root.itersiblings(etree.Comment, preceding=True)]):
            self._remark(_said(comment))
        self.walk(root, self.page, None)
        for comment in root.itersiblings(etree.Comment):
            self._remark(_said(comment))
        body = root if (found := root.find("body")) is None else found
        body.text = self._first + (body.text or "")

    def walk(self, element: Any, around: _Look, stretch: list[str] | None) -> None:
        """Take out what is hidden in an element. `stretch`: what is taken around it goes in there, too."""
        look = self._look(element, around)
        if look.unseen and stretch is None:
            stretch = []
        block = stretch is not None and element.tag not in _INLINE
        if stretch is not None and block:
            stretch.append("\n")
        if look.unseen and stretch is not None:
            element.text = self._taken(element.text, stretch)
            if words := element.attrib.pop("alt", None):
                element.tag, element.text = "span", self._taken(words, stretch)
        elif element.text and not element.text.isspace():
            self._last = element, False
        for child in element:
            said = _said(child) if child.tag is etree.Comment else ""
            if isinstance(child.tag, str) and child.tag not in _SILENT:
                self.walk(child, look, stretch)
            if look.unseen and stretch is not None:
                child.tail = self._taken(f"\n{said}\n{child.tail or ''}" if said else child.tail, stretch)
                continue
            self._remark(said)
            if child.tail and not child.tail.isspace():
                self._last = child, True
        if stretch is not None and block:
            stretch.append("\n")

    def _remark(self, said: str) -> None:
        """Take out a comment. Its marker is a part of the text before it: by itself it would be one more paragraph."""
        marker = self._taken(said, [])
        if self._last is None:
            self._first += marker
            return
        element, behind = self._last
        if behind:
            element.tail += marker
        else:
            element.text += marker

    def _taken(self, text: str | None, stretch: list[str]) -> str:
        """Put a text into a stretch; a marker where that is the first of it."""
        if not text or not text.strip():
            stretch.append(text or "")  # blanks part the words around them
            return text or ""
        known = any(run.strip() for run in stretch)
        stretch.append(text)
        if known:
            return ""
        self.stretches.append(stretch)
        return f"{_OPEN}{len(self.stretches) - 1}{_CLOSE}"

    def _look(self, element: Any, around: _Look) -> _Look:
        if not element.keys() and element.tag not in self._rules.by_name:
            return around
        key = (id(around), element.tag, *map(element.get, _LOOKS))
        if key not in self._known:
            self._known[key] = self._looked_at(element, around)
        return self._known[key]

    def _looked_at(self, element: Any, around: _Look) -> _Look:
        given = element.attrib
        style = dict(self._rules.of(element.tag, given.get("class", "").split(), given.get("id")))
        style |= styles.declarations(given.get("style", ""))
        if not style and all(given.get(name) is None for name in _LOOKS[3:]):
            return around
        hidden = given.get("hidden") not in {None, "until-found"} and "display" not in style
        size = styles.font_size(style)
        return _Look(
            around.gone or hidden or styles.takes_away(style),
            style["visibility"] in {"hidden", "collapse"} if "visibility" in style else around.invisible,
            around.tiny if size is None else _is_tiny(size, around),
            _ink(style, given, around),
            _ground(style, given, around),
        )


def _is_tiny(size: str, around: _Look) -> bool:
    pixels = styles.pixels(size)
    relative = size == "inherit" or (size.endswith(("em", "%")) and not size.endswith("rem"))
    return (around.tiny and relative) or (pixels is not None and pixels < _SMALLEST)


def _ink(style: styles.Declarations, given: Any, around: _Look) -> Colour | None:
    name = style.get("color") or given.get("color") or given.get("text")
    if any(key.endswith("background-clip") for key in style):
        return None  # letters cut out of a picture
    return around.ink if name in {None, "inherit"} else styles.colour(name)


def _ground(style: styles.Declarations, given: Any, around: _Look) -> Colour | None:
    name = styles.background(style) or given.get("bgcolor")
    if given.get("background"):
        return None
    if name in {None, "none", "inherit"} or styles.colour(name) == ():
        # What is moved somewhere else may lie upon anything.
        return None if style.get("position") in {"absolute", "fixed"} else around.ground
    return styles.colour(name)
