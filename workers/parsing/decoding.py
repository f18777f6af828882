"""Bytes of text to text. Never replaces what it cannot read: it finds the encoding, or refuses.

UTF-8 first (it proves itself), UTF-16 and UTF-32 by their mark, else the best guess of charset-normalizer.
"""

import codecs
import re

from schemas.errors import Reason, Refusal

#: UTF-32's little-endian mark begins with UTF-16's, so it is tried first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: Encodings of one byte a letter, by how common they are.
_COMMON = ("cp1252", "cp1250", "cp1251", "iso8859_2")
#: Difference of charset-normalizer's `chaos` (0 to 1) that says nothing.
_SLACK = 0.15

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
    if text is None:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            text = _declared(body, declared) or _guessed(body, error)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _marked(body: bytes) -> str | None:
    for mark, encoding in MARKS:
        if body.startswith(mark):
            try:
                return body[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                raise _damaged(encoding, error) from None
    return None


def _declared(body: bytes, declared: str | None) -> str | None:
    try:
        text = body.decode(declared) if declared else None
    except (UnicodeDecodeError, LookupError):
        return None
    return None if text is None or _NEVER.search(text) else text


def _guessed(body: bytes, error: UnicodeDecodeError) -> str:
    # A few bad bytes among many good sequences are damage: any other encoding would turn the good ones into mojibake.
    whole = len(_SEQUENCE.findall(body))
    stray = len(re.findall(rb"[\x80-\xff]", _SEQUENCE.sub(b"", body)))
    if whole > stray:
        raise _damaged("utf-8", error)

    from charset_normalizer import from_bytes  # 60 ms, and nearly all text is UTF-8

    matches = list(from_bytes(body))
    if matches:
        text = body.decode(_likeliest({match.encoding: match.chaos for match in matches}))
        if not _NEVER.search(text):
            return text
    raise Refusal(Reason.UNSUPPORTED, "binary data, or text in an encoding that cannot be told: save it as UTF-8")


def _likeliest(chaos: dict[str, float]) -> str:
    """Of encodings that all give clean text, the one most used in the world.

    On a few western words charset-normalizer ranks code pages nobody uses a little above cp1252, and gets one letter
    in fifty wrong.
    """
    least = min(chaos.values())
    if chaos.get(_COMMON[0], 1.0) <= least + _SLACK:
        return _COMMON[0]
    tied = [encoding for encoding in chaos if chaos[encoding] <= least]
    return next((encoding for encoding in _COMMON if encoding in tied), tied[0])


def _damaged(encoding: str, error: UnicodeDecodeError) -> Refusal:
    return Refusal(Reason.CORRUPT, f"damaged {encoding.upper()} text: {error.reason} at byte {error.start}")
