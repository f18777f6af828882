"""ZIP and Office. An archive is written by hand, so that it can lie about what is in it."""

import bz2
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from tests.support import documents
from tests.support.hostile.case import ANY, BROKEN, MB, READ, SAID, SECRET, SLOW, STOPPED, Case
from tests.support.hostile.markup import LAUGHS, OUTSIDE, QUADRATIC, REMOTE


class Packed(NamedTuple):
    """A member as it stands in an archive: deflated, with the checksum and size it claims."""

    data: bytes
    crc: int
    size: int


Members = Mapping[str, bytes | Packed]


def packed(*pieces: tuple[bytes, int]) -> Packed:
    """Bytes repeated so many times, one after the other, without ever holding what they unpack to."""
    data, crc, size = b"", 0, 0
    for piece, times in pieces:
        data += flushed(piece) * times
        for _ in range(times):
            crc = zlib.crc32(piece, crc)
        size += len(piece) * times
    return Packed(data + b"\x03\x00", crc, size)


def flushed(piece: bytes) -> bytes:
    """Deflated so that it stands for itself wherever it is put."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)


def archive(
    members: Members, *, flags: int = 0, method: int = 8, attributes: int = 0, one_place: bool = False
) -> bytes:
    """A ZIP of these. `one_place`: the directory says of all members that they stand where the first one does."""
    out, directory = bytearray(), bytearray()
    for name, given in members.items():
        member = given if isinstance(given, Packed) else packed((given, 1))
        place = 0 if one_place else len(out)
        said = fields(name, member, flags=flags, method=method)
        if not (one_place and out):
            out += b"PK\x03\x04" + said + member.data
        directory += entry(said, place, attributes)
    return bytes(out) + ending(directory, len(members), len(out))


def fields(name: str, member: Packed, *, flags: int = 0, method: int = 8) -> bytes:
    """What a header and the directory both say of a member."""
    sizes = (member.crc, len(member.data), member.size)
    return struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 33, *sizes, len(name.encode()), 0) + name.encode()


def entry(said: bytes, place: int, attributes: int = 0) -> bytes:
    """A row of the directory."""
    return b"PK\x01\x02\x14\0" + said[:26] + struct.pack("<HHHII", 0, 0, 0, attributes, place) + said[26:]


def ending(directory: bytes, count: int, place: int) -> bytes:
    """The directory, and where it is."""
    count = min(count, 65535)
    return bytes(directory) + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), place, 0)


def members(body: bytes) -> dict[str, bytes | Packed]:
    """What is in an archive."""
    with zipfile.ZipFile(io.BytesIO(body)) as source:
        return {name: source.read(name) for name in source.namelist()}


def around(text: str, *filling: tuple[bytes, int]) -> Packed:
    """The text with the filling in place of its one "@"."""
    before, after = text.encode().split(b"@")
    return packed((before, 1), *filling, (after, 1))


_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_MAIN = f"<w:document {_WORD}><w:body>@</w:body></w:document>"
_ROWS = f'<worksheet {_SHEET}><dimension ref="A1:B2"/><sheetData>@</sheetData></worksheet>'
_STRINGS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


def word(inner: str | tuple[bytes, int], *, doctype: str = "", part: str = "word/document.xml") -> bytes:
    """A Word document with this body."""
    filling = inner if isinstance(inner, tuple) else (inner.encode(), 1)
    return archive(members(documents.docx()) | {part: around(doctype + _MAIN, filling)})


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def word_table(rows: int, columns: int) -> bytes:
    row = "<w:tr>" + f"<w:tc>{paragraph('cell')}</w:tc>" * columns + "</w:tr>"
    return word(f"<w:tbl>{row * rows}</w:tbl>{paragraph('after')}")


def sheet(inner: str | tuple[bytes, int], *, before: str = "") -> bytes:
    """A workbook whose first sheet has these rows."""
    filling = inner if isinstance(inner, tuple) else (inner.encode(), 1)
    return archive(members(documents.xlsx()) | {"xl/worksheets/sheet1.xml": around(before + _ROWS, filling)})


def string_cell(text: str) -> str:
    return f'<row><c t="inlineStr"><is><t>{text}</t></is></c></row>'


def far_cell(row: int, column: str = "A") -> str:
    return f'<row r="{row}"><c r="{column}{row}"><v>1234</v></c></row>'


def strings_bomb(times: int) -> bytes:
    """Megabytes of strings that cells may share, of which one does."""
    body = members(sheet('<row><c t="s"><v>0</v></c></row>'))
    types = bytes(body["[Content_Types].xml"])
    entry = f"<Override PartName='/xl/sharedStrings.xml' ContentType='{_STRINGS}'/></Types>"
    strings = around(f"<sst {_SHEET}>@</sst>", (f"<si><t>{'x' * 100_000}</t></si>".encode() * 10, times))
    types = types.replace(b"</Types>", entry.encode())
    return archive(body | {"[Content_Types].xml": types, "xl/sharedStrings.xml": strings})


def slide_bomb(times: int) -> bytes:
    deck = members(documents.pptx())
    before, _, after = bytes(deck["ppt/slides/slide1.xml"]).partition(documents.TITLE.encode())
    return archive(deck | {"ppt/slides/slide1.xml": packed((before, 1), (b"x" * MB, times), (after, 1))})


def nested(levels: int, width: int) -> bytes:
    inner = archive({"a.txt": packed((b"\0" * MB, 100))})
    for _ in range(levels):
        inner = archive({f"{i}.zip": inner for i in range(width)})
    return inner


def quoted(count: int, size: int) -> bytes:
    """David Fifield's bomb: what each member holds begins with the next one's header, and goes on as that one does."""
    plain, stream = b"a" * size, packed((b"a" * size, 1)).data
    rows: list[tuple[bytes, int]] = []
    for number in reversed(range(count)):
        said = fields(f"{number}.txt", Packed(stream, zlib.crc32(plain), len(plain)))
        header = b"PK\x03\x04" + said
        rows.append((said, len(header) + len(stream)))
        plain = header + plain
        stream = b"\0" + struct.pack("<HH", len(header), len(header) ^ 0xFFFF) + header + stream
    body = stream[5:]  # nobody holds the first header
    return body + ending(b"".join(entry(said, len(body) - left) for said, left in rows), count, len(body))


def headless() -> bytes:
    return archive({name: part for name, part in members(documents.docx()).items() if name != "word/document.xml"})


def bzip2_bomb() -> Packed:
    """Fifty bytes of which one cannot get less than 45 MB."""
    return Packed(bz2.compress(bytes(45 * MB)), 0, 10 * MB)


BOMB = packed((b"a" * MB, 300))
_HIDDEN = "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t></w:r></w:p>"
_OPEN, _CLOSE = "<w:sdt><w:sdtContent>", "</w:sdtContent></w:sdt>"
_TABLE, _TABLE_END = "<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"
_ALL_CELLS = '<row r="1"><c r="A1"><v>1234</v></c></row>'
_FORMULAS = {"S": [("name", '=HYPERLINK("http://127.0.0.1:9/")'), ("kept", "=cmd|' /C x'!A0")]}

CASES = (
    Case("zip-in-zip", lambda: nested(5, 10), READ),
    Case("zip-bomb", lambda: archive({"a.txt": BOMB}), READ),
    Case("zip-bomb-in-zip", lambda: archive({"a.txt": b"good", "a.zip": archive({"b.txt": BOMB})}), READ),
    Case("zip-bomb-that-lies", lambda: archive({"a.txt": BOMB._replace(size=10)}), READ),
    Case("zip-bomb-by-bzip2", lambda: archive({"a.txt": bzip2_bomb(), "b.txt": b"good"}, method=12), READ),
    Case("zip-bomb-of-many", lambda: archive(dict.fromkeys("0123456789", packed((b"a" * MB, 60)))), ("too-large",)),
    Case("zip-bomb-of-quotations", lambda: quoted(100, 6 * MB), ("corrupt",)),
    Case("zip-climbs-out", lambda: archive({"../../x.txt": b"out", "/etc/x.txt": b"out", "..\\x": b"out"}), READ),
    Case("zip-of-one-name", lambda: archive({"./" * i + "a.txt": b"a" * i for i in range(1_000)}), READ),
    Case("zip-of-long-names", lambda: archive({f"{i}/" + "a" * 60_000: b"a" for i in range(20)}), READ),
    Case("zip-of-odd-names", lambda: archive({"\x00a": b"a", "\x1b[2Jb": b"a", "": b"a", "a/": b"a"}), READ),
    Case(
        "zip-many-members", lambda: archive(dict.fromkeys(map(str, range(30_000)), packed((b"a", 1)))), ("too-large",)
    ),
    Case(
        "zip-100000-members",
        lambda: archive(dict.fromkeys(map(str, range(100_000)), packed((b"a", 1)))),
        ("too-large", "parser-timeout"),
    ),
    Case("zip-10000-members", lambda: archive(dict.fromkeys(map(str, range(10_000)), packed((b"a", 1)))), SLOW),
    Case(
        "zip-of-links", lambda: archive({"a.txt": b"/etc/passwd", "b": b"../.."}, attributes=0o120777 << 16), ("empty",)
    ),
    Case(
        "zip-members-overlap",
        lambda: archive(dict.fromkeys(map(str, range(200)), packed((b"a" * MB, 20))), one_place=True),
        ("corrupt",),
    ),
    Case("zip-with-password", lambda: archive({"a.txt": b"secret"}, flags=1), ("encrypted",)),
    Case("zip-of-no-members", lambda: archive({}), ("empty",)),
    Case("zip-without-directory", lambda: archive({"a.txt": b"text"})[:40], ("corrupt",)),
    Case("gz-bomb", lambda: b"\x1f\x8b\x08" + bytes(7) + flushed(b"a" * MB) * 900 + b"\x03\x00"),
    Case("docx-bomb", lambda: word((paragraph("word " * 200_000).encode(), 400)), STOPPED),
    Case("docx-bomb-of-paragraphs", lambda: word((paragraph("a b").encode() * 10_000, 200)), STOPPED),
    Case("docx-bomb-of-spaces", lambda: word((b" " * MB, 300)), large=True),
    Case("docx-bomb-in-styles", lambda: word((b"<a>" * 300_000, 600), part="word/styles.xml"), STOPPED),
    Case("docx-climbs-out", lambda: archive(members(documents.docx()) | {"../../x.xml": b"<x/>"}), READ, always=SAID),
    Case("docx-without-its-main-part", headless, ("corrupt",)),
    Case("docx-laughs", lambda: word(paragraph("&e11;"), doctype=LAUGHS), (*STOPPED, "no-text")),
    Case("docx-quadratic-entity", lambda: word(paragraph("&e;" * 5_000), doctype=QUADRATIC), (*STOPPED, "no-text")),
    Case("docx-outside-entity", lambda: word(paragraph("before &e; after"), doctype=OUTSIDE), BROKEN, SECRET),
    Case("docx-remote-dtd", lambda: word(paragraph("still here"), doctype=REMOTE), BROKEN),
    Case("docx-deep", lambda: word(_OPEN * 20_000 + paragraph("deep") + _CLOSE * 20_000)),
    Case("docx-nested-tables", lambda: word(_TABLE * 300 + paragraph("deep") + _TABLE_END * 300)),
    Case("docx-repeated-letters", lambda: word("".join(paragraph(chr(97 + i % 26) * 900) for i in range(20))), SLOW),
    Case("docx-repeated-letters-1-MB", lambda: word(paragraph("A" * 900) * 1_100), SLOW, large=True),
    Case("docx-2000-cells", lambda: word_table(100, 20), SLOW, always="after"),
    Case("docx-200000-cells", lambda: word_table(2_000, 100), large=True),
    Case("docx-hidden-text", lambda: word(paragraph(SAID) + _HIDDEN), READ, always=SAID),
    Case("xlsx-bomb", lambda: sheet((string_cell("x" * 100_000).encode() * 10, 900)), STOPPED),
    Case("xlsx-bomb-of-strings", lambda: strings_bomb(900), STOPPED, large=True),
    Case("xlsx-200000-cells", lambda: sheet(("<row>" + "<c><v>1</v></c>" * 100 + "</row>") * 2_000), SLOW),
    Case("xlsx-last-cell-only", lambda: sheet(far_cell(1_048_576, "XFD")), SLOW, always="1234"),
    Case("xlsx-row-two-billion", lambda: sheet(far_cell(2_000_000_000)), ANY, large=True),
    Case("xlsx-wide-rows", lambda: sheet("".join(far_cell(row, "XFD") for row in range(1, 60))), SLOW),
    Case("xlsx-laughs", lambda: sheet(string_cell("&e11;"), before=LAUGHS), (*STOPPED, "no-text")),
    Case("xlsx-outside-entity", lambda: sheet(string_cell("before &e; after"), before=OUTSIDE), BROKEN, SECRET),
    Case("xlsx-formulas", lambda: documents.xlsx(_FORMULAS), READ, always="kept"),
    Case("pptx-bomb", lambda: slide_bomb(600), STOPPED),
)
