"""Regular expressions that cannot explode: RE2 matches in time linear in the text, whatever the pattern.

Python's `re` has no time limit, and one by the clock would let a busy machine decide what is indexed. RE2 refuses what
it could not keep linear (look-around, back references) when the pattern is compiled, which is at start. It is also some
twenty times faster than `re` at looking for several things at once, on bytes; places are therefore in bytes.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import re2


class BadPattern(ValueError):
    """A pattern RE2 does not take; the message says why."""


@cache
def pattern(expression: str) -> Any:
    """The compiled pattern, for UTF-8 bytes.

    Raises:
        BadPattern: it is no regular expression, or needs more than linear time.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise BadPattern(why) from None


def encoded(text: str) -> bytes:
    """A text as patterns read it. Half a surrogate pair, which UTF-8 has no bytes for, is read as "?"."""
    return text.encode("utf-8", "replace")


def spans(expression: str, data: bytes) -> Iterator[tuple[int, int]]:
    """Where a pattern matches, (start, end) in bytes, without overlap; empty matches are none."""
    for match in pattern(expression).finditer(data):
        start, end = match.span()
        if end > start:
            yield start, end
