"""What a check sees, and what it says: a version of a document with its surroundings, and a fault in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from schemas.documents import ParsedDocument
from schemas.errors import printable
from validation.patterns import encoded
from validation.sensitive import Found, find, redact
from validation.sensitive_sorts import SORTS

#: Excerpts of one finding, and characters around what is shown: enough to find the place.
MOST_EXCERPTS, AROUND = 3, 40
_LONGEST = 4 * AROUND

_ALL_SORTS = frozenset(sort.rule for sort in SORTS)


class Fault(NamedTuple):
    """What is wrong, and lines that show it."""

    detail: str
    excerpts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Version:
    """One parsed version. size: of its bytes. twin: URI of another document with the same bytes, where one is known.

    last_good_characters: `characters` of the last good version; None: there is none. looked_for: the rules on sensitive
    text that are in force.
    """

    parsed: ParsedDocument
    size: int
    last_good_characters: int | None = None
    twin: str | None = None
    looked_for: frozenset[str] = frozenset()

    @cached_property
    def text(self) -> str:
        """The text of its blocks, a line break between two."""
        return "\n".join(block.text for block in self.parsed.blocks)

    @cached_property
    def data(self) -> bytes:
        """Its text as patterns read it."""
        return encoded(self.text)

    @cached_property
    def everything(self) -> bytes:
        """Its text, and what else of it is indexed: headings, title, metadata."""
        return encoded("\n".join(parts(self.parsed)))

    @cached_property
    def sensitive(self) -> list[Found]:
        """The personal data and secrets in all of it."""
        return find(self.everything, self.looked_for)


def characters(parsed: ParsedDocument) -> int:
    """How much text a version has; what the rule `shrink` compares."""
    return sum(len(block.text) for block in parsed.blocks)


def parts(parsed: ParsedDocument) -> list[str]:
    """Every text of a document that is indexed or shown, in a fixed order."""
    texts = [block.text for block in parsed.blocks]
    headings = [block.heading for block in parsed.blocks if block.heading]
    return [*texts, *headings, *([parsed.title] if parsed.title else []), *parsed.metadata.values()]


def excerpts(data: bytes, places: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Lines that show some places (in bytes) with what is around them, personal data and secrets replaced."""
    shown: list[tuple[int, int]] = []
    for start, end in places:
        if len(shown) < MOST_EXCERPTS and (not shown or start > shown[-1][1] + 2 * AROUND):  # else it is seen already
            shown.append((start, end))
    return tuple(_excerpt(data, start, end) for start, end in shown)


def quote(text: str) -> str:
    """A text as one line of an excerpt."""
    line = " ".join(redact([text], _ALL_SORTS)[0].split())
    return printable(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")


def _excerpt(data: bytes, start: int, end: int) -> str:
    first = max(0, start - 10 * AROUND)
    wide = data[first : min(end, start + _LONGEST) + 10 * AROUND]
    low, high = max(0, start - first - AROUND), min(end, start + _LONGEST) - first + AROUND
    for find_ in find(wide, _ALL_SORTS):  # none is cut, lest its half be shown
        low = find_.start if find_.start < low < find_.end else low
        high = find_.end if find_.start < high < find_.end else high
    return quote(wide[low:high].decode(errors="ignore"))
