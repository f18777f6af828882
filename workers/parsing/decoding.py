"""Bytes of text to text. Never replaces what it cannot read: it finds the encoding, or refuses.

UTF-8 first (it proves itself), UTF-16 and UTF-32 by their mark, UTF-16 also by where its NULs stand, else what
guessing.py can tell.
"""

import codecs
import re
import unicodedata

from schemas.errors import Reason, Refusal
from workers.parsing.guessing import guess

#: UTF-32's little-endian mark begins with UTF-16's, so it is tried first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: How much more often NUL stands on one side in UTF-16: characters such as U+3000 have it on the other.
_LOPSIDED = 4

#: Bytes in which HTML and XML name their encoding.
_PREAMBLE = 4096
_ENCODING = re.compile(
    rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)|\A\s*<\?xml[^>]+encoding\s*=\s*[\"']([A-Za-z0-9_:.-]+)",
    re.IGNORECASE,
)

#: A UTF-8 sequence of two to four bytes; text in another encoding hits it by accident only.
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")

#: Characters that no text has, and every wrong guess produces.
_NEVER = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")


def decode(body: bytes, *, declared: str | None = None) -> str:
    r"""The text of `body` with "\n" line ends and without a byte order mark.

    declared: the encoding the document names itself; used where it is not UTF-8 and the name holds.

    Raises:
        Refusal: CORRUPT for damaged UTF text, UNSUPPORTED where no encoding fits.
    """
    text = _marked(body)
    if text is None and b"\x00" in body:
        text = _unmarked_utf16(body)
    if text is None:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            text = _declared(body, declared) or _guessed(body, error)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def declared_encoding(body: bytes) -> str | None:
    """The encoding that HTML or XML names at its beginning."""
    found = _ENCODING.search(body[:_PREAMBLE])
    return found and (found[1] or found[2]).decode("ascii")


def _marked(body: bytes) -> str | None:
    for mark, encoding in MARKS:
        if body.startswith(mark):
            try:
                return body[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise _damaged(encoding, error) from None
    return None


def _unmarked_utf16(body: bytes) -> str | None:
    """UTF-16 without its mark: any blank, line break, digit or letter of ASCII has its NUL on the same side."""
    first, second = body[0::2].count(0), body[1::2].count(0)
    if len(body) % 2 or first == second or max(first, second) < _LOPSIDED * min(first, second):
        return None
    try:
        text = body.decode("utf-16-be" if first > second else "utf-16-le")
    except UnicodeDecodeError:
        return None
    # Numbers in two bytes each look alike, but soon hit what is no character.
    return None if _NEVER.search(text) or any(unicodedata.category(c) in {"Cn", "Co"} for c in text) else text


def _declared(body: bytes, declared: str | None) -> str | None:
    try:
        text = body.decode(declared) if declared else None
    except (UnicodeDecodeError, LookupError):
        return None
    return None if text is None or _NEVER.search(text) else text


def _guessed(body: bytes, error: UnicodeDecodeError) -> str:
    if b"\x00" in body:
        raise Refusal(Reason.UNSUPPORTED, "looks like binary data (it has NUL bytes)")
    # A few bad bytes among many good sequences are damage: any other encoding would turn the good ones into mojibake.
    whole = len(_SEQUENCE.findall(body))
    stray = len(re.findall(rb"[\x80-\xff]", _SEQUENCE.sub(b"", body)))
    if whole > stray:
        raise _damaged("utf-8", error)

    encoding = guess(body)
    if encoding is not None and not _NEVER.search(text := body.decode(encoding)):
        return text
    raise Refusal(Reason.UNSUPPORTED, "binary data, or text in an encoding that cannot be told: save it as UTF-8")


def _damaged(encoding: str, error: UnicodeDecodeError) -> Refusal:
    return Refusal(Reason.CORRUPT, f"damaged {encoding.upper()} text: {error.reason} at byte {error.start}")
