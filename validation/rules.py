"""The rules a version must pass, as ordered, named data.

Each looks at one document only, so that the index stays a function of the document. A rule is a name,
the reason it gives, and a test that returns what is wrong ("" when nothing is).
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from schemas.documents import Chunk, ParsedDocument
from schemas.errors import Reason, Refusal

#: Part of the fingerprint: raise it when a rule changes what passes.
RULES_VERSION = "rules-1"

#: Share of characters of a text that may be unprintable (control, unassigned, U+FFFD) before it is not a text.
MAX_UNREADABLE_SHARE = 0.1
#: Characters looked at, from the beginning: enough to tell a text, and bounded for one of 100 MB.
SAMPLE_CHARACTERS = 200_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """One rule: its name, the reason a document is held for, and the test."""

    name: str
    reason: Reason
    fault: Callable[[T], str]


@dataclass(frozen=True, slots=True)
class Cut:
    """A document's chunks with the limit they were cut for, in tokens."""

    chunks: Sequence[Chunk]
    limit: int


def _no_text(document: ParsedDocument) -> str:
    return "" if any(block.text.strip() for block in document.blocks) else "no text was found in it"


def _unreadable(document: ParsedDocument) -> str:
    sample = "".join(islice((c for block in document.blocks for c in block.text), SAMPLE_CHARACTERS))
    counts = Counter(sample)
    bad = sum(
        n for c, n in counts.items() if c == "�" or (unicodedata.category(c) in ("Cc", "Cn") and c not in "\t\n\r\f")
    )
    share = bad / max(len(sample), 1)
    return f"{share:.0%} of its characters are unreadable" if share > MAX_UNREADABLE_SHARE else ""


def _too_long(cut: Cut) -> str:
    longest = max((chunk.tokens for chunk in cut.chunks), default=0)
    return f"a chunk has {longest} tokens, the model reads {cut.limit}" if longest > cut.limit else ""


def _misplaced(cut: Cut) -> str:
    ordinals = [chunk.ordinal for chunk in cut.chunks]
    return "" if ordinals == list(range(len(ordinals))) else "its chunks are not numbered one by one"


def _no_chunks(cut: Cut) -> str:
    return "" if cut.chunks else "no chunk could be made of it"


def _bad_norm(norm: float) -> str:
    return "" if math.isfinite(norm) and abs(norm - 1) < 1e-3 else f"a vector has norm {norm:.4g} instead of 1"


DOCUMENT_RULES: tuple[Rule[ParsedDocument], ...] = (
    Rule("has-text", Reason.NO_TEXT, _no_text),
    Rule("readable", Reason.CORRUPT, _unreadable),
)
CHUNK_RULES: tuple[Rule[Cut], ...] = (
    Rule("has-chunks", Reason.NO_TEXT, _no_chunks),
    Rule("fits-the-model", Reason.BAD_CHUNKS, _too_long),
    Rule("numbered", Reason.BAD_CHUNKS, _misplaced),
)
VECTOR_RULES: tuple[Rule[float], ...] = (Rule("unit-norm", Reason.BAD_VECTORS, _bad_norm),)


def check(subject: T, rules: Sequence[Rule[T]]) -> None:
    """Hold a subject to rules, in order.

    Raises:
        Refusal: with the reason of the first rule it breaks.
    """
    for rule in rules:
        if fault := rule.fault(subject):
            raise Refusal(rule.reason, fault)
