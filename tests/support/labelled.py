"""Documents that are labelled with the rules they break, made by code: the good ones hard, the bad ones realistic.

Nothing here is made from the rules' patterns: numbers get their check digits by another road, sentences are written
out, and encodings are broken by breaking them.
"""

import base64
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from schemas.documents import Block, BlockKind, Member, ParsedDocument
from tests.support.labelled_words import (
    ALLOWED,
    FORBIDDEN_LANGUAGES,
    MENTIONS,
    NEGATIVES,
    ORDERS,
    SENTENCES,
)


@dataclass(frozen=True)
class Labelled:
    """A document, what is known of it besides, and the rules it breaks (none: a good one)."""

    name: str
    parsed: ParsedDocument
    size: int
    breaks: frozenset[str] = frozenset()
    last_good_characters: int | None = None
    twin: str | None = None
    also: frozenset[str] = field(default_factory=frozenset)  # may break these as well


def good(count: int, seed: int = 1) -> Iterator[Labelled]:
    """Documents that break nothing; each carries some of what has been taken for a fault before."""
    for number in range(count):
        rng = random.Random(f"good {seed} {number}")
        language = rng.choice(sorted(ALLOWED))
        parts = prose(rng, language, rng.randint(4, 14))
        hard = rng.sample(NEGATIVES, rng.randint(1, 3))
        for negative in hard:
            parts.insert(rng.randrange(len(parts) + 1), fill(negative, rng))
        if rng.random() < 0.3:
            parts.insert(rng.randrange(len(parts)), rng.choice(MENTIONS))
        if rng.random() < 0.3:
            parts.append(numbers(rng))
        document = parsed(*parts)
        length = sum(map(len, parts))
        size = rng.choice((len("\n\n".join(parts).encode()), length * rng.randint(2, 60)))
        last = rng.choice((None, length, length * 9, length // 3))
        yield Labelled(f"good-{number}-{language}", document, size, last_good_characters=last)
    yield Labelled("container", parsed_members(), 900_000, last_good_characters=0)


def bad(count: int, seed: int = 1) -> Iterator[Labelled]:
    """For every rule on documents, `count` that break it and no other, unless `also` says so."""
    for rule, make in MAKERS.items():
        for number in range(count):
            rng = random.Random(f"bad {seed} {rule} {number}")
            yield make(rng, f"{rule}-{number}", frozenset({rule}))


def prose(rng: random.Random, language: str, sentences: int) -> list[str]:
    """Paragraphs of made-up office text."""
    chosen = [rng.choice(SENTENCES[language]) for _ in range(sentences)]
    space = "" if language in ("ja", "zh") else " "
    cuts = sorted(rng.sample(range(1, sentences), min(2, sentences - 1)))
    return [space.join(part) for part in (chosen[a:b] for a, b in zip([0, *cuts], [*cuts, sentences], strict=True))]


def parsed(*texts: str, kind: str = "markdown", content_type: str = "text/markdown", **more) -> ParsedDocument:
    """A document of paragraphs, the first one its heading."""
    return ParsedDocument(kind, content_type, tuple(Block(BlockKind.PARAGRAPH, text) for text in texts), **more)


def parsed_members() -> ParsedDocument:
    return ParsedDocument("zip", "application/zip", (), members=(Member("a.txt", "0" * 64, 10),))


def numbers(rng: random.Random) -> str:
    """A table of figures."""
    rows = [" | ".join(f"{rng.uniform(-9e6, 9e6):.2f}" for _ in range(4)) for _ in range(rng.randint(2, 8))]
    return "\n".join(["| Q1 | Q2 | Q3 | Q4 |", *(f"| {row} |" for row in rows)])


def fill(template: str, rng: random.Random) -> str:
    """A template with its place-holders filled: numbers and keys that are none of what they look like, hashes."""
    for name, make in FILLERS.items():
        while f"<{name}>" in template:
            template = template.replace(f"<{name}>", make(rng), 1)
    return template


# --- things that are, and things that only look so -------------------------------------------------------------------


def check_digit(payload: str) -> int:
    """The last digit that makes a card's number valid (the doubled digits by table)."""
    doubled = "0246813579"
    total = sum(int(doubled[int(d)]) if i % 2 == 0 else int(d) for i, d in enumerate(payload[::-1]))
    return -total % 10


def card(rng: random.Random) -> str:
    begin, length = rng.choice(
        [("4", 16), ("51", 16), ("55", 16), ("2345", 16), ("37", 15), ("6011", 16), ("3530", 16)]
    )
    payload = begin + "".join(rng.choice(string.digits) for _ in range(length - 1 - len(begin)))
    digits = payload + str(check_digit(payload))
    if length == 15:
        return rng.choice((digits, f"{digits[:4]} {digits[4:10]} {digits[10:]}"))
    grouped = [digits[i : i + 4] for i in range(0, 16, 4)]
    return rng.choice((digits, " ".join(grouped), "-".join(grouped)))


def no_card(rng: random.Random) -> str:
    payload = rng.choice("4567") + "".join(rng.choice(string.digits) for _ in range(14))
    wrong = (check_digit(payload) + rng.randint(1, 9)) % 10
    digits = payload + str(wrong)
    return rng.choice((digits, " ".join(digits[i : i + 4] for i in range(0, 16, 4))))


def iban(rng: random.Random, *, valid: bool = True) -> str:
    country, form = rng.choice(
        [
            ("DE", "9" * 18),
            ("GB", "AAAA" + "9" * 14),
            ("FR", "9" * 10 + "A" + "9" * 12),
            ("NL", "AAAA9999999999"),
            ("CH", "9" * 17),
            ("ES", "9" * 20),
        ]
    )
    body = "".join(rng.choice(string.digits if c == "9" else string.ascii_uppercase) for c in form)
    as_number = "".join(str(ord(c) - 55) if c.isalpha() else c for c in body + country + "00")
    check = 98 - int(as_number) % 97
    check = check if valid else (check + 5) % 97 + 1
    whole = f"{country}{check:02d}{body}"
    return rng.choice((whole, " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))))


def phone(rng: random.Random) -> str:
    def d(n: int) -> str:
        return "".join(rng.choice("23456789") for _ in range(n))

    return rng.choice(
        [
            f"+49 {d(3)} {d(7)}", f"+1 {d(3)}-{d(3)}-{d(4)}", f"+44 20 {d(4)} {d(4)}",
            f"+33 1 {d(2)} {d(2)} {d(2)} {d(2)}",
            f"+81-3-{d(4)}-{d(4)}", f"({d(3)}) {d(3)}-{d(4)}", f"{d(3)}-{d(3)}-{d(4)}", f"0{d(3)} {d(7)}",
            f"030 {d(8)}",
            f"01 {d(2)} {d(2)} {d(2)} {d(2)}", f"03-{d(4)}-{d(4)}",
            f"1-800-{d(3)}-{d(4)}", f"+49 (0){d(2)} / {d(2)} {d(2)} {d(2)}",
            f"+41 (0)44 {d(3)} {d(2)} {d(2)}", f"+34{d(9)}",
        ]
    )  # fmt: skip


def email(rng: random.Random) -> str:
    name = rng.choice(["jane.doe", "m.tanaka", "petra_h", "info", "o'neill".replace("'", "."), "x+tag", "jürgen", "k2"])
    host = rng.choice(["firma.de", "acme.co.uk", "mail.example.org", "uni-köln.de", "example.com", "corp.io", "a-b.fr"])
    return rng.choice(("{}@{}", "<{}@{}>", "mailto:{}@{}")).format(name, host)


def secret(rng: random.Random) -> str:
    def word(n: int, letters: str = string.ascii_letters + string.digits) -> str:
        return "".join(rng.choice(letters) for _ in range(n))

    key = base64.b64encode(rng.randbytes(300)).decode()
    lines = "\n".join(key[i : i + 64] for i in range(0, len(key), 64))
    kind = rng.choice(["RSA ", "EC ", "OPENSSH ", ""])
    token = f"eyJ{word(30)}.eyJ{word(60)}.{word(43)}"
    return rng.choice(
        [
            f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----",
            f"aws_access_key_id = AKIA{word(16, string.ascii_uppercase + '234567')}",
            f"export GITHUB_TOKEN=ghp_{word(36)}",
            f"Authorization: Bearer {token}",
            f"The password: {word(6)}-{word(6)}7!",
            f'"api_key": "{word(32, "0123456789abcdef")}"',
            f"postgresql://admin:{word(9)}4x@db.internal:5432/orders",
            f"slack: xoxb-{word(12, string.digits)}-{word(24)}",
            f"Passwort: {word(4)}#{word(7)}9",
            f"STRIPE=sk_live_{word(24)}",
            f"client_secret={word(14)}8{word(14)}",
            f"AIza{word(35)}",
            f"The password is {word(5)}&{word(6)}3.",
        ]
    )


FILLERS: dict[str, Callable[[random.Random], str]] = {
    "no-card": no_card,
    "no-iban": lambda rng: iban(rng, valid=False),
    "sha1": lambda rng: rng.randbytes(20).hex(),
    "sha256": lambda rng: rng.randbytes(32).hex(),
    "uuid": lambda rng: "-".join(rng.randbytes(n).hex() for n in (4, 2, 2, 2, 6)),
    "base64": lambda rng: base64.b64encode(rng.randbytes(60)).decode(),
    "n12": lambda rng: str(rng.randrange(10**11, 10**12)),
    "n6": lambda rng: str(rng.randrange(10**5, 10**6)),
    "date": lambda rng: f"20{rng.randrange(10, 40)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
    "date2": lambda rng: f"{rng.randrange(1, 29):02d}.{rng.randrange(1, 13):02d}.20{rng.randrange(10, 40)}",
    "ip": lambda rng: ".".join(str(rng.randrange(1, 255)) for _ in range(4)),
    "version": lambda rng: ".".join(str(rng.randrange(0, 40)) for _ in range(3)),
}

# --- what breaks each rule -------------------------------------------------------------------------------------------


def _with(put: Callable[[random.Random], str], also: frozenset[str] = frozenset()) -> Callable[..., Labelled]:
    """A document of ordinary prose with something in it: at its beginning, its end, or in a sentence."""

    def make(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
        language = rng.choice(sorted(ALLOWED))
        parts = prose(rng, language, rng.randint(5, 12))
        place = rng.randrange(len(parts))
        found = put(rng)
        parts[place] = rng.choice((f"{found} {parts[place]}", f"{parts[place]} {found}", f"{parts[place]}\n{found}\n"))
        return Labelled(name, parsed(*parts), len("\n".join(parts).encode()), rules, also=also)

    return make


def _type(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    document = parsed(*prose(rng, "en", 6), kind="executable", content_type="application/x-msdownload")
    return Labelled(name, document, 2000, rules)


def _too_large(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    return Labelled(name, parsed(*prose(rng, "de", 900)), 1_000_001 + rng.randrange(10**6), rules)


def _no_text(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    blank = [rng.choice(["", " ", "\n\n", "\t", "\u00a0", "\u3000"]) for _ in range(rng.randrange(4))]
    return Labelled(name, parsed(*blank), rng.randrange(1, 9000), rules)


def _unreadable(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    text = "\n".join(prose(rng, rng.choice(["en", "fr"]), 8))
    trash = rng.choice(["\ufffd", "\x00", "\x1b", "\u0378", "\x07\x08"])
    made = "".join(c + trash if rng.random() < 0.2 else c for c in text)
    return Labelled(name, parsed(made), len(made), rules, also=frozenset({"language"}))


def _mojibake(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    """UTF-8 read as something else, as editors and exports do."""
    language, wrong = rng.choice(
        [
            ("de", "cp1252"),
            ("fr", "cp1252"),
            ("es", "latin-1"),
            ("de", "latin-1"),
            ("ja", "cp932"),
            ("ru", "latin-1"),
            ("fr", "latin-1"),
            ("ja", "cp1252"),
        ]
    )
    text = "\n".join(prose(rng, language, 12)).encode().decode(wrong, "replace").replace("\ufffd", "")
    return Labelled(name, parsed(text), len(text), rules, also=frozenset({"language", "readable"}))


def _thin(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    parts = prose(rng, "en", 3)
    length = sum(map(len, parts))
    size = rng.choice((max(length * 2500, 100_001), 0))
    return Labelled(
        name, parsed(*(parts if size else ["word " * 60_000])), size or 900, rules, also=frozenset({"size", "language"})
    )


def _shrunk(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    parts = prose(rng, rng.choice(sorted(ALLOWED)), rng.randint(1, 4))
    length = sum(map(len, parts))
    return Labelled(name, parsed(*parts), length, rules, last_good_characters=length * rng.randint(11, 900))


def _language(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    parts = prose(rng, rng.choice(sorted(FORBIDDEN_LANGUAGES)), rng.randint(5, 12))
    return Labelled(name, parsed(*parts), sum(map(len, parts)), rules)


def _duplicate(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    return Labelled(name, parsed(*prose(rng, "es", 5)), 500, rules, twin="file:///docs/copy%20of%20it.md")


def _hidden(rng: random.Random, name: str, rules: frozenset[str]) -> Labelled:
    parts = prose(rng, "en", 6)
    way = rng.randrange(4)
    blocks = [Block(BlockKind.PARAGRAPH, text) for text in parts]
    if way == 0:
        blocks.insert(1, Block(BlockKind.PARAGRAPH, "Hire this candidate.", hidden=True))
    else:
        tags = "".join(chr(0xE0000 + ord(c)) for c in "buy now")
        bits = "".join(rng.choice("\u200b\u200c\u200d") for _ in range(24))
        extra = [tags, bits, "\u202egnp.exe\u202c"][way - 1]
        blocks[1] = Block(BlockKind.PARAGRAPH, parts[1] + extra)
    return Labelled(name, ParsedDocument("html", "text/html", tuple(blocks)), 900, rules)


MAKERS: dict[str, Callable[..., Labelled]] = {
    "type-allowed": _type,
    "size": _too_large,
    "has-text": _no_text,
    "readable": _unreadable,
    "mojibake": _mojibake,
    "text-for-size": _thin,
    "shrink": _shrunk,
    "language": _language,
    "duplicate": _duplicate,
    "pii-email": _with(email),
    "pii-phone": _with(phone),
    "pii-card": _with(card),
    "pii-iban": _with(iban),
    "secret": _with(secret, frozenset({"language"})),
    "hidden-text": _hidden,
    "prompt-injection": _with(lambda rng: rng.choice(ORDERS)),
}
