"""The rules on one document, each a function of a version and the rule's parameters. The order is the table's."""

import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from validation.faults import Fault, Version, characters, excerpts, quote
from validation.patterns import pattern, spans
from validation.sensitive import mask
from validation.signs import hidden_characters, orders

#: Characters looked at, from the beginning: enough to tell a text, and bounded for one of 100 MB.
SAMPLE_CHARACTERS = 200_000
#: Letters a text needs before its language is told; fewer are names and numbers.
_TOLD_FROM = 60
#: Characters it is told by.
_TOLD_BY = 3000
#: Where Chinese, Japanese and Korean begin, and how many letters one of their characters is worth.
_EAST_ASIAN, _LETTERS_A_CHARACTER = "\u2e80", 3
#: A language this likely may be the one.
_LIKELY = 0.1

#: UTF-8 read as Windows-1252 or Latin-1, as Shift-JIS, as GBK; Shift-JIS read as Windows-1252.
_CP1252 = bytes(set(range(0x80, 0xA0)) - {0x81, 0x8D, 0x8F, 0x90, 0x9D}).decode("cp1252")
_LATIN = rf"[\x{{c2}}-\x{{f4}}][\x{{80}}-\x{{bf}}{_CP1252}]{{1,3}}"
_ASIAN = r"[縺繧繝鐨鏄]|锟斤拷|\x{201a}[\x{a0}-\x{f1}Ÿ]"
#: What Latin mojibake really was: Latin letters, Greek, Cyrillic, punctuation, kana, Chinese characters, emoji.
_SENSIBLE = ((0xA0, 0x180), (0x370, 0x500), (0x2010, 0x2300), (0x3000, 0xA000), (0xAC00, 0xD7B0), (0x1F300, 0x1FB00))


def _type_allowed(version: Version, given: Any) -> Fault | None:
    kind, type_ = version.parsed.kind, version.parsed.content_type
    if not given.types or kind in given.types or type_ in given.types:
        return None
    return Fault(f"it is {kind} ({type_}); allowed here: {', '.join(given.types)}")


def _size(version: Version, given: Any) -> Fault | None:
    if given.max_bytes is None or version.size <= given.max_bytes:
        return None
    return Fault(f"it has {version.size:,} bytes; allowed here: {given.max_bytes:,}")


def _has_text(version: Version, _given: Any) -> Fault | None:
    if version.parsed.members or any(block.text.strip() for block in version.parsed.blocks):
        return None
    return Fault("no text was found in it")


def _readable(version: Version, given: Any) -> Fault | None:
    sample = version.text[:SAMPLE_CHARACTERS]
    bad = [c for c in set(sample) if _unreadable(c)]
    share = sum(map(sample.count, bad)) / max(len(sample), 1)
    if share <= given.max_share:
        return None
    return Fault(f"{share:.0%} of its characters are unreadable", (quote(sample[:200]),))


@cache
def _unreadable(c: str) -> bool:
    return c == "\N{REPLACEMENT CHARACTER}" or (unicodedata.category(c) in ("Cc", "Cn", "Cs") and c not in "\t\n\r\f")


def _mojibake(version: Version, given: Any) -> Fault | None:
    sample = version.text[:SAMPLE_CHARACTERS]
    if sample.isascii():
        return None
    data = sample.encode("utf-8", "replace")
    places = [(start, end) for start, end in spans(f"{_LATIN}|{_ASIAN}", data) if _misread(data[start:end].decode())]
    share = sum(len(data[start:end].decode()) for start, end in places) / len(sample)
    if len(places) < given.least or share <= given.max_share:
        return None
    return Fault("it was read, or saved, in a wrong encoding", excerpts(data, places))


def _misread(found: str) -> bool:
    if not "\xc2" <= found[0] <= "\xf4":
        return True
    raw = b"".join(c.encode("latin-1") if c < "\u0100" else c.encode("cp1252") for c in found)
    length = 2 if raw[0] < 0xE0 else 3 if raw[0] < 0xF0 else 4
    try:
        really = ord(raw[:length].decode())
    except UnicodeDecodeError:
        return False
    return any(low <= really < high for low, high in _SENSIBLE)


def _text_for_size(version: Version, given: Any) -> Fault | None:
    length = characters(version.parsed)
    if version.parsed.members:
        return None
    if length > given.max_times * max(version.size, 1):
        return Fault(f"{length:,} characters came of {version.size:,} bytes")
    if version.size < given.from_bytes or length >= given.min_share * version.size:
        return None
    return Fault(f"only {length:,} characters were found in {version.size:,} bytes")


def _shrink(version: Version, given: Any) -> Fault | None:
    last, now = version.last_good_characters, characters(version.parsed)
    if last is None or now >= given.min_share * last:
        return None
    return Fault(f"it has {now:,} characters; its last good version had {last:,}")


def _language(version: Version, given: Any) -> Fault | None:
    if not given.languages:
        return None
    told = _told(version.text[:SAMPLE_CHARACTERS]) or [(version.parsed.language or "").partition("-")[0].lower()]
    if told == [""] or any(one in given.languages for one in told):
        return None
    return Fault(f"it is written in {told[0]!r}; allowed here: {', '.join(given.languages)}")


def _told(text: str) -> list[str]:
    """The languages a text may be in (ISO 639-1), the likeliest first; none where it is too short to tell."""
    words = "".join(c if c.isalpha() else " " for c in text[:_TOLD_BY]).split()
    asian = [word for word in words if word[0] >= _EAST_ASIAN]
    # One of their characters says as much as some letters: names and code among them do not decide.
    many = _LETTERS_A_CHARACTER * sum(map(len, asian)) > sum(map(len, words)) - sum(map(len, asian))
    words = asian if many else [word for word in words if word[0] < _EAST_ASIAN]
    if sum(map(len, words)) * (_LETTERS_A_CHARACTER if many else 1) < _TOLD_FROM:
        return []
    from langdetect import DetectorFactory, LangDetectException, detect_langs

    DetectorFactory.seed = 0  # else it answers differently from run to run
    try:
        return [one.lang.partition("-")[0] for one in detect_langs(" ".join(words)) if one.prob >= _LIKELY]
    except LangDetectException:
        return []


def _duplicate(version: Version, _given: Any) -> Fault | None:
    return Fault(f"it has the same bytes as {version.twin}") if version.twin else None


def _sensitive(rule: str, what: str) -> Callable[[Version, Any], Fault | None]:
    def check(version: Version, _given: Any) -> Fault | None:
        found = [one for one in version.sensitive if one.rule == rule]
        if not found:
            return None
        shown = dict.fromkeys(mask(version.everything[one.start : one.end]) for one in found)
        return Fault(f"{what} found: {len(found)}", tuple(shown)[:3])

    return check


def _hidden_text(version: Version, _given: Any) -> Fault | None:
    blocks = [block.text for block in version.parsed.blocks if block.hidden and block.text.strip()]
    if blocks:
        return Fault("text that no reader sees", tuple(quote(text) for text in blocks[:3]))
    places = hidden_characters(version.text)
    return Fault("characters that no reader sees", tuple(map(quote, places[:3]))) if places else None


def _prompt_injection(version: Version, _given: Any) -> Fault | None:
    places = orders(version.data)
    return Fault("text that gives a model orders", excerpts(version.data, places)) if places else None


CHECKS: Mapping[str, Callable[[Version, Any], Fault | None]] = {
    "type-allowed": _type_allowed,
    "size": _size,
    "has-text": _has_text,
    "readable": _readable,
    "mojibake": _mojibake,
    "text-for-size": _text_for_size,
    "shrink": _shrink,
    "language": _language,
    "duplicate": _duplicate,
    "pii-email": _sensitive("pii-email", "e-mail addresses"),
    "pii-phone": _sensitive("pii-phone", "phone numbers"),
    "pii-card": _sensitive("pii-card", "numbers of payment cards"),
    "pii-iban": _sensitive("pii-iban", "IBANs"),
    "secret": _sensitive("secret", "keys or passwords"),
    "hidden-text": _hidden_text,
    "prompt-injection": _prompt_injection,
}


def forbidden(version: Version, expression: str) -> Fault | None:
    """Whether a user's pattern stands in the text."""
    places = list(spans(expression, version.data))
    return Fault(f"found: {len(places)}", excerpts(version.data, places)) if places else None


def required(version: Version, expression: str) -> Fault | None:
    """Whether a user's pattern stands nowhere in the text."""
    return None if pattern(expression).search(version.data) else Fault("not found in it")
