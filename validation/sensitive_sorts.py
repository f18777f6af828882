"""The sorts of personal data and secrets that are known: how each looks, and what makes a look-alike none."""

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple


class Sort(NamedTuple):
    """One sort. expression: for RE2; its last group that takes part is the find, else all of it is.

    exact: where the find really ends, given the data and the place; None: it only looks like one.
    within: what only looks like one may have one in it, from its second word on. Such an expression has a longest
    match, or time would be squared.
    """

    rule: str
    label: bytes
    expression: str
    exact: Callable[[bytes, int, int], int | None]
    within: bool = False


#: Lengths of IBANs by country, from the SWIFT registry.
_IBAN = """AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24
FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21
LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33
SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"""
_IBAN_LENGTHS = {one[:2].encode(): int(one[2:]) for one in _IBAN.split()}
#: Beginnings of card numbers, with the lengths each brand has: Visa, Mastercard, American Express, Diners Club,
#: Discover, JCB, UnionPay. Without the brand, one number of ten would be a card by its check digit.
_BRANDS = (
    (range(4, 5), (13, 16, 19)),
    ((*range(51, 56), *range(2221, 2721)), (16,)),
    ((34, 37), (15,)),
    ((36, 38, 39, *range(300, 306)), (14,)),
    ((6011, 65, *range(644, 650)), (16,)),
    (range(3528, 3590), (16,)),
    ((62,), (16, 17, 18, 19)),
)
_BEGINNINGS = {str(start).encode(): lengths for starts, lengths in _BRANDS for start in starts}
#: What stands after the dot of a file's name, and of no host's.
_FILES = {b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"py", b"json", b"pdf", b"md", b"txt"}
_PLACEHOLDERS = (b"example", b"your", b"xxxx", b"placeholder", b"changeme", b"redacted", b"dummy", b"sample", b"****")
#: Bits a character, over the whole: a password has more, a word or a place-holder fewer.
_VARIED = 2.8

_WORD = set(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_DIGITS = set(b"0123456789")


def _alone(data: bytes, start: int, end: int) -> bool:
    """Whether it is no piece of a longer word or number. Letters beyond ASCII may be beside it, as in Japanese."""
    return (start == 0 or data[start - 1] not in _WORD) and (end == len(data) or data[end] not in _WORD)


def _in_number(data: bytes, start: int, end: int) -> bool:
    """Whether it is a part of something longer: 4111-...-1111-22, 3.14..., a group of an account's number."""
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    goes_on = after[:1] in (b".", b"-", b"/") and after[1:].isdigit()
    if before[-1:] == b" ":
        return goes_on or before[:1].isdigit()
    return goes_on or (before[-1:] in (b".", b"-", b"/", b"#") and before[:1].isalnum())


def _secret(data: bytes, start: int, end: int) -> int | None:
    found = data[start:end]
    if any(word in found.lower() for word in _PLACEHOLDERS):
        return None
    return end if found.startswith(b"-----") or _alone(data, start, end) else None


def _password(data: bytes, start: int, end: int) -> int | None:
    value = data[start:end]
    varied = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    called = data[end : end + 1] in (b"(", b"[", b"{")  # a function's name or a template's, not a value
    mixed = any(byte in _DIGITS for byte in value) and value.lower() != value.upper()
    if called or not mixed or varied < _VARIED or any(word in value.lower() for word in _PLACEHOLDERS):
        return None
    return end


def _iban(data: bytes, start: int, end: int) -> int | None:
    length, at, compact = _IBAN_LENGTHS.get(data[start : start + 2], 0), start, b""
    while at < end and len(compact) < length:
        compact += data[at : at + 1].strip()
        at += 1
    if len(compact) != length or not length or not _alone(data, start, at):
        return None
    number = int("".join(str(int(chr(byte), 36)) for byte in compact[4:] + compact[:4]))
    return at if number % 97 == 1 else None


def _card(data: bytes, start: int, end: int) -> int | None:
    digits = bytes(byte for byte in data[start:end] if byte in _DIGITS)
    branded = any(len(digits) in _BEGINNINGS.get(digits[:n], ()) for n in (1, 2, 3, 4))
    if not branded or not _alone(data, start, end) or _in_number(data, start, end):
        return None
    return end if luhn(digits) else None


def _email(data: bytes, start: int, end: int) -> int | None:
    host = data[start:end].rpartition(b"@")[2]
    remote = data[end : end + 1] == b":" and data[end + 1 : end + 2].strip() != b""  # git@host:path
    login = data[max(0, start - 3) : start] == b"://"
    return None if remote or login or host.rpartition(b".")[2].lower() in _FILES else end


def _phone(data: bytes, start: int, end: int) -> int | None:
    digits = sum(byte in _DIGITS for byte in data[start:end])
    if not 9 <= digits <= 15 or not _alone(data, start, end) or _in_number(data, start, end):
        return None
    return end


def luhn(digits: bytes) -> bool:
    """Whether the last digit is the check digit of those before (ISO/IEC 7812)."""
    total = 0
    for place, byte in enumerate(reversed(digits)):
        value = (byte - 48) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_PEM = r"-----{} (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
_KEY = (
    # With lines of base64 behind the heading, which a text about keys has not.
    _PEM.format("BEGIN") + r"(?:\s+[A-Za-z-]+: [^\n]+)*(?:(?:\s|\\n)+[A-Za-z0-9+/=]{16,})+(?:\s|\\n)*[A-Za-z0-9+/=]*"
    r"(?:(?:\s|\\n)*" + _PEM.format("END") + ")?"
)
_TOKENS = (
    r"A[KS]IA[A-Z0-9]{16}",  # AWS
    r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255}",
    r"glpat-[A-Za-z0-9_-]{20,64}",
    r"xox[abeprs]-[A-Za-z0-9-]{20,250}",  # Slack
    r"AIza[A-Za-z0-9_-]{35}",  # Google
    r"[rs]k_live_[A-Za-z0-9]{20,250}|whsec_[A-Za-z0-9+/=]{24,250}",  # Stripe, webhooks
    r"sk-[A-Za-z0-9_-]{32,250}",  # models for hire
    r"hf_[A-Za-z0-9]{34}|npm_[A-Za-z0-9]{36}",
    r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",  # SendGrid
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}",  # JSON Web Tokens
)
_NAMED = (
    r"(?i:passw(?:or)?d|passphrase|passwort|kennwort|mot de passe|contraseña|パスワード|密码|pwd|secret|api[ _-]?key|"
    r"access[ _-]?key|(?:access|auth)[ _-]?token)[\"'`*]{0,3}[ \t]*[:=\x{ff1a}][ \t]*[\"'`*]{0,3}"
    r"([^\s\x00\"'`<>{}\[\]()$,;]{10,250})"
)
_SPOKEN = (
    r"(?i:passw(?:or)?d|passwort|kennwort)[ \t]+(?:is|ist|lautet)[ \t]+[\"'`*]{0,3}([^\s\x00\"'`<>{}\[\]()$,;]{10,250})"
)
_LOGIN = r"[a-z][a-z0-9+.-]{1,20}://[^\s\x00:/@]{1,100}:([^\s\x00@/<>{}$]{8,100})@"

#: Of hosts and mailboxes; all that Unicode calls letters makes a pattern that is a hundred times slower.
_LETTERS = r"0-9A-Za-z_\x{c0}-\x{24f}-"

#: In this order: what two of them find is the first one's.
SORTS: tuple[Sort, ...] = (
    Sort("secret", b"[secret]", "|".join((_KEY, *_TOKENS)), _secret),
    Sort("secret", b"[secret]", f"{_NAMED}|{_SPOKEN}|{_LOGIN}", _password),
    Sort("pii-iban", b"[iban]", r"[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}", _iban, within=True),
    Sort(
        "pii-card",
        b"[card]",
        r"\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{13,19}",
        _card,
        within=True,
    ),
    Sort("pii-email", b"[email]", rf"[.%+{_LETTERS}]+@(?:[{_LETTERS}]+\.)+[A-Za-z]{{2,24}}", _email),
    Sort(
        "pii-phone",
        b"[phone]",
        r"\+[1-9](?:[ ().\x2f-]{0,3}\d){7,14}"  # international
        r"|\(0?\d{2,5}\) ?\d{2,4}[ -]?\d{2,8}(?:[ -]\d{1,6})?"
        r"|0\d{1,4}[ \x2f-]\d{2,4}[ -]?\d{3,8}(?:[ -]\d{1,5})?|0\d(?:[ .]\d{2}){4}"
        r"|(?:1-)?\d{3}-\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4}",
        _phone,
        within=True,
    ),
)
