"""Personal data and secrets: found by form and checksum, and replaced by a word that says what stood there.

Found is what is certain by its form: a number that is merely long is no card, a hash is no key. Everything asked for is
looked for at once, in linear time; only where that finds something is looked at closely. Places are in bytes of UTF-8.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from validation.patterns import encoded, pattern
from validation.sensitive_sorts import SORTS, Sort

#: Of what is found, shown at each end; the rest is masked.
_SHOWN = 2


class Found(NamedTuple):
    """One find, in bytes of the encoded text, and the rule whose it is."""

    start: int
    end: int
    rule: str


def find(data: bytes, rules: Collection[str]) -> list[Found]:
    """What these rules find, in order and without overlap. What two rules claim is the one's that SORTS names first."""
    asked = tuple(sort for sort in SORTS if sort.rule in rules)
    if not asked or not pattern(_any_of(asked)).search(data):
        return []
    found: list[Found] = []
    free = bytearray(data)
    for sort in asked:
        mine = [Found(start, end, sort.rule) for start, end in _places(sort, bytes(free))]
        for start, end, _ in mine:
            free[start:end] = b"\0" * (end - start)
        found += mine
    return sorted(found)


def redact(parts: Sequence[str], rules: Collection[str]) -> list[str]:
    """Texts that follow one another, with every find replaced; a find may reach from one into the next.

    What is left holds no find of these rules, and redacting it again changes nothing.
    """
    raw = [encoded(part) for part in parts]
    redacted = False
    while found := find(b"\n".join(raw), rules):
        raw, redacted = _replaced(raw, found), True
    return [part.decode() for part in raw] if redacted else list(parts)


def mask(find: bytes) -> str:
    """Enough of a find to know it again, too little to use it."""
    text = find.decode(errors="replace")
    return f"{text[:_SHOWN]}…{text[-_SHOWN:]}"


def _replaced(parts: list[bytes], found: list[Found]) -> list[bytes]:
    made, offset, left = [], 0, list(reversed(found))
    for part in parts:
        pieces, at, end = [], 0, offset + len(part)
        while left and left[-1].start < end:
            one = left[-1]
            pieces.append(part[at : max(one.start - offset, at)])
            if one.start >= offset:  # else its word stands in a part before
                pieces.append(LABELS[one.rule])
            at = min(one.end - offset, len(part))
            if one.end > end:
                break
            left.pop()
        made.append(b"".join([*pieces, part[at:]]))
        offset = end + 1
    return made


def _places(sort: Sort, data: bytes) -> Iterator[tuple[int, int]]:
    compiled, at = pattern(sort.expression), 0
    while match := compiled.search(data, at):
        group = match.lastindex or 0
        start, end = match.span(group)
        exact = sort.exact(data, start, end)
        if exact is not None:
            yield start, exact
        # On behind the word, not the digit: a long run of digits would be tried at each.
        onward = _end_of_word(data, match.start()) if sort.within else match.end()
        at = onward if exact is None else exact


def _end_of_word(data: bytes, at: int) -> int:
    match = pattern("[^0-9A-Za-z]").search(data, at + 1)
    return int(match.start()) if match else len(data)


@cache
def _any_of(sorts: tuple[Sort, ...]) -> str:
    return "|".join(sort.expression for sort in sorts)


LABELS = {sort.rule: sort.label for sort in SORTS}
