"""The encoding of text that names none and is no UTF: told by what languages are written with, or not told at all.

A reading in the wrong encoding is letters of no one language, symbols within words, capitals within words. The right
one has none of that, and of two that have none neither is taken.

East Asian encodings show in their bytes: which characters are common decides which rows of the table they come from.
"""

import re
import unicodedata
from collections import Counter

#: What languages add to a to z, by encoding; of equally good encodings the first. Polish has two: Windows and ISO.
_CENTRAL = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ", "äöüß")
_LATIN = {
    "cp1252": (
        "äöüßé",
        "àâæçéèêëîïôœùûüÿ",
        "áéíñóúüªº",
        "áâãàçéêíóôõúª",
        "àèéìíòóùúï",
        "åäöé",
        "åæøéèêóòô",
        "áðéíóúýþæö",
        "éëïöüè",
        "äöüõšž",
    ),
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "cp1254": ("çğıöşüâîi̇",),  # noqa: RUF001
}
_RUSSIAN, _SLAVIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўђјљњћџѓќѕ"
_OTHERS = {
    "cp1251": (_SLAVIC,),
    "koi8_r": (_RUSSIAN,),
    "cp1253": ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",),
    "cp1255": ("אבגדהוזחטיךכלםמןנסעףפץצקרשת",),
    "cp1256": ("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژگک",),
}
#: Part of the letters beyond ASCII that one language must account for: quoted names may be of another.
_SHARE = 0.6
#: Part of all letters that may be beyond ASCII where the script is Latin.
_DENSE = 0.7
#: Part of the characters beyond ASCII that may stand where they never do.
_ODD = 0.02
#: Characters that tell enough.
_SAMPLE = 100_000

_SYMBOLS = {"Sm", "Sc", "So", "No"}
_OPENING = set("‚„¿¡‹†‡ˆ¤¦¬¯¸")  # noqa: RUF001
_CLOSING = set("”›»…")  # noqa: RUF001
_BEYOND = re.compile(r"[^\x00-\x7f]")
_WORD = re.compile(r"[^\W\d_\x00-\x7f]{3}")

#: Two bytes of an East Asian character, the first row by row of the table.
_PAIR = re.compile(rb"[\x81-\xfe][\x30-\xfe]")
#: What is common in a language, punctuation included, and in how much of a text at least.
_ROWS = {
    "gb18030": (re.compile(rb"[\xa1\xa3\xb0-\xd7][\xa1-\xfe]"), 0.85),
    "cp950": (re.compile(rb"[\xa1-\xa3\xa4-\xc6][\x40-\x7e\xa1-\xfe]"), 0.9),
    "cp949": (re.compile(rb"[\xa1\xa3\xb0-\xc8][\xa1-\xfe]"), 0.98),
}
#: Different characters before the rows can tell: Korean uses a part of the Chinese ones, and degrees Celsius are Big5.
_VARIETY = {"gb18030": 2, "cp950": 4, "cp949": 12}
_KANA, _HALF_WIDTH = re.compile("[\u3041-\u30ff]"), re.compile("[\uff61-\uff9f]")
#: Part of a Japanese text that is kana at least, and half-width ones at most.
_LEAST_KANA, _MOST_HALF_WIDTH = 0.1, 0.1


def guess(body: bytes) -> str | None:
    """The encoding of a text with bytes beyond ASCII, or None where it cannot be told."""
    readings: dict[str, str] = {}
    for encoding in ("cp932", "euc_jp"):
        if _is_japanese(text := _decoded(body, encoding)):
            readings[text] = encoding
    if not readings:
        readings = {_decoded(body, encoding): encoding for encoding in _ROWS if _is_common(body, encoding)}
    if not readings:
        scores = {encoding: _score(_decoded(body, encoding), encoding) for encoding in (*_LATIN, *_OTHERS)}
        latin = max(_LATIN, key=lambda encoding: scores[encoding])
        readings = {_decoded(body, encoding): encoding for encoding in (*_OTHERS, latin) if scores[encoding] >= _SHARE}
    readings.pop("", None)
    return next(iter(readings.values())) if len(readings) == 1 else None


def _decoded(body: bytes, encoding: str) -> str:
    """The text, or "" if it is none in this encoding."""
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _is_japanese(text: str) -> bool:
    beyond = len(_BEYOND.findall(text[:_SAMPLE]))
    kana, half = len(_KANA.findall(text[:_SAMPLE])), len(_HALF_WIDTH.findall(text[:_SAMPLE]))
    return kana > max(1, beyond * _LEAST_KANA) and half <= beyond * _MOST_HALF_WIDTH


def _is_common(body: bytes, encoding: str) -> bool:
    """Whether its pairs of bytes are those of a language that is written in this encoding."""
    rows, least = _ROWS[encoding]
    pairs = Counter(_PAIR.findall(body[:_SAMPLE]))
    common = {pair: count for pair, count in pairs.items() if rows.fullmatch(pair)}
    if sum(common.values()) < least * pairs.total() or len(common) < _VARIETY[encoding]:
        return False
    if encoding == "gb18030":
        # Capitals of Cyrillic lie in the same rows, but all above 0xC0; Korean in the lower ones.
        return any(min(pair) < 0xC0 for pair in common) and any(pair[0] > 0xC8 for pair in common)
    # The second byte of Big5 may be ASCII; of the others it is not.
    return encoding != "cp950" or any(pair[1] < 0x80 for pair in common)


def _score(text: str, encoding: str) -> float:
    """The part of the letters beyond ASCII that the likeliest language accounts for; 0 for what is no text."""
    text = text[:_SAMPLE]
    places = [match.start() for match in _BEYOND.finditer(text)]
    latin = encoding in _LATIN
    odd = sum(_is_odd(text[at - 1 : at], text[at], text[at + 1 : at + 2], latin=latin) for at in places)
    letters = Counter(text[at].lower() for at in places if text[at].isalpha())
    if not places or odd > _ODD * len(places) or not (latin or _WORD.search(text)):
        return 0.0
    total = letters.total()
    if latin and total > _DENSE * sum(c.isalpha() for c in text):
        return 0.0
    alphabets = (_LATIN | _OTHERS)[encoding]
    return max(sum(n for c, n in letters.items() if c in alphabet) for alphabet in alphabets) / total if total else 1.0


def _is_odd(before: str, character: str, after: str, *, latin: bool) -> bool:
    """Whether a character beyond ASCII stands where it never does in the right encoding."""
    if character.isalpha():
        mixed = not latin and ((before.isascii() and before.isalpha()) or (after.isascii() and after.isalpha()))
        return mixed or (character.isupper() and before.islower())
    category = unicodedata.category(character)
    return (
        category in {"Cc", "Cn", "Mn"}
        or (category in _SYMBOLS and before.isalpha() and after.isalpha())
        or (character in _OPENING and before.isalpha())
        or ((character in _CLOSING or category == "Sc") and after.isalpha())
    )
