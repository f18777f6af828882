"""The text of an RTF document, run by run, in the encodings of its fonts, with what its words say of paragraphs.

Hidden text comes as pieces of its own. Kept out: deleted text, pictures, and every destination marked as one to skip if
unknown.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from schemas.errors import Reason, Refusal

_TOKEN = re.compile(
    r"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,9})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<symbol>[^a-zA-Z])"
    r"|(?P<brace>[{}])|[\r\n]+|(?P<text>[^\\{}\r\n]+)|\\",
    re.DOTALL,
)
_ANSI = {"ansi": "cp1252", "mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
#: What Windows calls the character set of a font, and its encoding; 0 and 1 are the document's own.
_CHARSETS = {
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gb18030",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
_CODE_PAGES = {936: "gb18030", 10000: "mac_roman", 65001: "utf-8"}
_CHARACTERS = {
    "tab": "\t",
    "line": "\n",
    "lbr": "\n",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "bullet": "•",
    "emdash": "—",
    "endash": "\N{EN DASH}",
    "lquote": "\N{LEFT SINGLE QUOTATION MARK}",
    "rquote": "\N{RIGHT SINGLE QUOTATION MARK}",
    "ldblquote": "“",
    "rdblquote": "”",
    "~": "\xa0",
    "_": "-",
    "nestcell": " ",
    "nestrow": "\n",
    "footnote": " ",
    "\\": "\\",
    "{": "{",
    "}": "}",
}
_HEADERS = {"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"}
_SKIPPED = {"*", "colortbl", "pict", "objdata", "filetbl", "revtbl", "listtable", "xmlnstbl", "themedata", "info"}
_INTO = {"fonttbl": "fonts", "stylesheet": "styles", "title": "title", "author": "author", "shptxt": "body"}
#: Destinations that hold a time, and its parts.
_TIMES = {"creatim": "created", "revtim": "modified"}
_PARTS = {"yr", "mo", "dy", "hr", "min"}
_BULLETS = {"listtext", "pntext"}
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)


_LEVELS = 6


class Mark(Enum):
    """What a piece is: text, text no reader sees, or the end of something."""

    TEXT = auto()
    HIDDEN = auto()
    PARAGRAPH = auto()
    CELL = auto()
    ROW = auto()


#: A word that is a line break in the file ends a paragraph, too.
_ENDS = {
    **dict.fromkeys(("par", "sect", "page", "\n", "\r"), Mark.PARAGRAPH),
    "cell": Mark.CELL,
    "row": Mark.ROW,
}
#: All words that say anything here; most say how it looks.
_KNOWN = {
    *(
        *_ANSI,
        *_CHARACTERS,
        *_HEADERS,
        *_SKIPPED,
        *_INTO,
        *_BULLETS,
        *_ENDS,
        *_TIMES,
        *_PARTS,
        "u",
        "uc",
        "ansicpg",
        "deff",
        "fcharset",
    ),
    *("f", "s", "plain", "pard", "outlinelevel", "v", "deleted", "ls", "pnlvlblt", "intbl"),
}


class Piece(NamedTuple):
    """A run of text, or an end with what it ends: a heading's level (0: none), an item of a list, in a cell."""

    mark: Mark
    text: str = ""
    level: int = 0
    item: bool = False
    in_table: bool = False


class _State(NamedTuple):
    """What a closing brace brings back.

    into: where text goes: "body", "title", "author", "fonts", "styles", or where none does: "created", "modified", "".
    """

    into: str = "body"
    number: int = 0
    encoding: str | None = None
    fallback: int = 1
    hidden: bool = False
    gone: bool = False
    level: int = 0
    item: bool = False
    in_table: bool = False
    header: bool = False


class Reader:
    """Reads one document, once. `title`, `author`, `times`, its properties, are known when all pieces are read.

    times: of "created" and "modified" the parts that are said ("yr", "mo", "dy", "hr", "min").
    """

    def __init__(self, body: bytes) -> None:
        self.title = self.author = ""
        self.times: dict[str, dict[str, int]] = {"created": {}, "modified": {}}
        # Every byte is a letter until its font says in which encoding.
        self._source = body.decode("latin-1")
        self._state, self._outer = _State(), list[_State]()
        self._encoding, self._default_font = "cp1252", 0
        self._fonts, self._levels = dict[int, str](), dict[int, int]()
        self._run = bytearray()
        self._skip = 0

    def pieces(self) -> Iterator[Piece]:
        """The pieces, in order.

        Raises:
            Refusal: CORRUPT where it ends too early: a file cut short must not replace a whole one.
        """
        position = 0
        while match := _TOKEN.match(self._source, position):
            position = match.end()
            kind = match.lastgroup
            if kind == "text":
                self._add(match["text"].encode("latin-1"))
            elif kind == "hex":
                self._add(bytes([int(match["hex"], 16)]))
            elif kind is not None:
                if self._run:
                    yield from self._flush()
                if kind == "brace":
                    yield from self._brace(match["brace"])
                    if not self._outer:
                        break
                elif match["word"] == "bin":
                    position += int(match["number"] or 0)
                elif (word := match["word"] or match["symbol"]) in _KNOWN:
                    yield from self._word(word, match["number"])
        if self._outer:
            raise Refusal(Reason.CORRUPT, "cut short: its last group is not closed")
        yield self._end(Mark.PARAGRAPH)

    def _add(self, run: bytes) -> None:
        """Bytes of text; those that stand in for a character named before are passed over."""
        passed = min(self._skip, len(run))
        self._skip -= passed
        self._run += run[passed:]

    def _flush(self) -> Iterator[Piece]:
        """The text so far, which belongs to the state in force."""
        run, self._run = bytes(self._run), bytearray()
        if run and not self._state.gone:
            default = self._fonts.get(self._default_font, self._encoding)
            yield from self._text(run.decode(self._state.encoding or default))

    def _text(self, text: str) -> Iterator[Piece]:
        state = self._state
        if state.gone or (state.hidden and state.into != "body"):
            return
        if state.into == "body":
            yield Piece(Mark.HIDDEN if state.hidden else Mark.TEXT, text)
        elif state.into == "title":
            self.title += text
        elif state.into == "author":
            self.author += text
        elif state.into == "styles" and (heading := _HEADING.search(text)):
            self._levels[state.number] = int(heading[1])

    def _brace(self, brace: str) -> Iterator[Piece]:
        self._skip = 0
        if brace == "{":
            self._outer.append(self._state)
        elif self._outer:
            left, self._state = self._state, self._outer.pop()
            if left.header and not self._state.header:
                yield Piece(Mark.PARAGRAPH)

    def _word(self, word: str, given: str | None) -> Iterator[Piece]:
        state, number = self._state, int(given or 0)
        in_body = state.into == "body" and not (state.hidden or state.gone)
        if word == "u":
            yield from self._text(chr(number % 0x10000))
            self._skip = state.fallback
        elif word in _CHARACTERS:
            # One of them may stand in for a character, too.
            if self._skip:
                self._skip -= 1
            else:
                yield from self._text(_CHARACTERS[word])
        elif in_body and word in _ENDS:
            yield self._end(_ENDS[word])
        elif word in _ENDS:
            yield from self._text("\n" if state.hidden else "")
        elif in_body and word in _HEADERS:
            yield self._end(Mark.PARAGRAPH)
            self._state = _State(header=True)
        elif word in _PARTS:
            self.times.get(state.into, {})[word] = number
        elif word in _ANSI:
            self._encoding = _ANSI[word]
        elif word == "ansicpg" and number:
            self._encoding = _CODE_PAGES.get(number, f"cp{number}")
        elif word == "deff":
            self._default_font = number
        elif word == "fcharset":
            self._fonts[state.number] = _CHARSETS.get(number, self._encoding)
        elif word in _BULLETS and self._outer:
            # What the bullet stands before is an item; the bullet itself is appearance.
            self._outer[-1] = self._outer[-1]._replace(item=True)
            self._state = state._replace(into="")
        else:
            self._state = self._changed(word, number, on=given is None or number != 0)
            if state.into == "styles" and word == "outlinelevel":
                self._levels[state.number] = self._state.level

    def _changed(self, word: str, number: int, *, on: bool) -> _State:
        """The state behind a word."""
        state = self._state
        if word in _SKIPPED:
            return state._replace(into="")
        if word in _INTO and (state.into or word in {"title", "author", "shptxt"}):
            return state._replace(into=_INTO[word])
        if word in _TIMES:
            return state._replace(into=_TIMES[word])
        if word == {"fonts": "f", "styles": "s"}.get(state.into):
            return state._replace(number=number)
        match word:
            case "f":
                return state._replace(encoding=self._fonts.get(number))
            case "plain":
                return state._replace(encoding=None, hidden=False, gone=False)
            case "pard":
                return state._replace(level=0, item=False, in_table=False)
            case "s":
                return state._replace(level=self._levels.get(number, 0))
            case "outlinelevel":
                return state._replace(level=number + 1 if 0 <= number < _LEVELS else 0)
            case "v":
                return state._replace(hidden=on)
            case "deleted":
                return state._replace(gone=on)
            case "ls" | "pnlvlblt":
                return state._replace(item=on)
            case "intbl":
                return state._replace(in_table=True)
            case "uc":
                return state._replace(fallback=max(number, 0))
        return state

    def _end(self, mark: Mark) -> Piece:
        state = self._state
        return Piece(mark, "", min(state.level, _LEVELS), state.item, state.in_table)
