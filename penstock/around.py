"""What stands around a hit: the section it is from, for a reader, and where a link should lead. Decisions only."""

import re
from collections.abc import Sequence

from infra.ledger.records import PlacedPoint

#: Most chunks shown of a section, the hit among them: about 700 tokens.
SECTION = 9

_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


def section(points: Sequence[PlacedPoint], ordinal: int, most: int = SECTION) -> list[PlacedPoint]:
    """The chunks around one that stand under the same headings, in order, at most so many; as many before as after it.

    A chunk that is alone under its headings is shown with its neighbours.
    """
    by_place = {point.ordinal: point for point in points}
    here = by_place.get(ordinal)
    if here is None:
        return []
    first = last = ordinal
    while last - first + 1 < most:
        grown = False
        for at in (first - 1, last + 1):
            if at in by_place and by_place[at].headings == here.headings and last - first + 1 < most:
                first, last, grown = min(first, at), max(last, at), True
        if not grown:
            break
    if first == last:
        first, last = first - 1, last + 1
    return [by_place[at] for at in range(first, last + 1) if at in by_place]


def anchor(headings: Sequence[str], page: int | None) -> str:
    """The fragment of a link to a place; "" where there is none to be had.

    A page's as RFC 8118 writes it, else that of the innermost heading, as the common renderers of Markdown write it.
    """
    if page is not None:
        return f"page={page}"
    return _NOT_IN_ANCHORS.sub("", headings[-1].lower()).strip().replace(" ", "-") if headings else ""
