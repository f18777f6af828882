"""Documents of every kind cut short, damaged, empty, or not what they are called."""

import random
from collections.abc import Callable

from tests.support import documents
from tests.support.hostile.case import ANY, BROKEN, READ, SAID, Case


def markdown() -> bytes:
    return f"# {documents.TITLE}\n\n{SAID}\n\n| City | Rate |\n|---|---|\n| Oslo | 180 |\n".encode()


KINDS: dict[str, Callable[[], bytes]] = {
    "docx": documents.docx,
    "pptx": documents.pptx,
    "xlsx": documents.xlsx,
    "pdf": documents.pdf,
    "html": documents.html,
    "eml": documents.eml,
    "csv": documents.csv,
    "md": markdown,
}


def cut(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: (body := make())[: len(body) * 2 // 3]


def flipped(make: Callable[[], bytes], seed: int) -> Callable[[], bytes]:
    """With forty bits changed, the same each time, behind the first 16 bytes: it still looks like what it was."""

    def flip() -> bytes:
        body, chance = bytearray(make()), random.Random(seed)
        for _ in range(40):
            body[chance.randrange(16, len(body))] ^= 1 << chance.randrange(8)
        return bytes(body)

    return flip


def protected() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")


_HUGE_PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x80\0\0\0\x80\0\x08\x02" + bytes(64)
_NO_PICTURE = ("unsupported", "corrupt", "no-text", "needs-ocr")

CASES = (
    Case("docx-that-is-a-pdf", documents.pdf, READ, always="rail travel"),
    Case("md-that-is-a-docx", documents.docx, READ, always=SAID),
    Case("txt-that-is-a-picture", documents.png, _NO_PICTURE),
    Case("xlsx-that-is-text", lambda: b"Employees book rail travel", BROKEN),
    Case("md-name-that-climbs-out", markdown, READ, always=SAID, given="../../../etc/passwd\n.md"),
    Case("exe", lambda: b"MZ\x90\x00" + bytes(4_096), ("unsupported",)),
    Case("doc-of-junk", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + documents.junk()),
    Case("docx-with-password", protected, ("encrypted", "corrupt")),
    Case("png-of-a-billion-pixels", lambda: _HUGE_PICTURE, (*_NO_PICTURE, "parser-memory", "too-large")),
    Case("md-only-a-byte-order-mark", lambda: b"\xef\xbb\xbf", ("empty",)),
    Case("html-only-white-space", lambda: b" \r\n\t" * 1_000_000, ("empty",)),
    *(Case(f"{kind}-of-nothing", lambda: b"", ("empty",)) for kind in KINDS),
    *(Case(f"{kind}-cut-short", cut(make), BROKEN) for kind, make in KINDS.items()),
    *(
        Case(f"{kind}-with-flipped-bits-{seed}", flipped(make, seed), (*ANY, "encrypted"))
        for kind, make in KINDS.items()
        for seed in (1, 2)
    ),
)
