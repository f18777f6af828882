"""Dates as formats write them, in ISO 8601: in UTC where they say their zone, as short as they are where not."""

import re
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime

#: Characters of a name: it is stored with every chunk.
_LONGEST = 200
_PDF = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z)|([+-])(\d\d)'?(\d\d)?)?")
_PARTIAL = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?\Z")
_MAIL = re.compile(r"(?:[A-Za-z]{3},\s*)?\d{1,2}\s+[A-Za-z]{3}\s+\d{4}\s+\d\d:\d\d")


def iso(said: object) -> str:
    """A date in ISO 8601; "" if it is none, or can be read in two ways ("03/04/2026")."""
    try:
        return _iso(said)
    except (ValueError, OverflowError):
        return ""


def _iso(said: object) -> str:
    if isinstance(said, datetime):
        return _in_utc(said)
    if isinstance(said, date):
        return said.isoformat()
    words = str(said or "").strip()
    if _PARTIAL.match(words):
        return words
    if found := _PDF.match(words):
        return _pdf(found)
    if _MAIL.match(words):
        return _in_utc(parsedate_to_datetime(words))
    moment = datetime.fromisoformat(words)
    only_day = moment.time() == time() and not re.search(r"\d[T ]\d", words)
    return moment.date().isoformat() if only_day else _in_utc(moment)


def _pdf(found: re.Match[str]) -> str:
    """A PDF's date: as much of D:YYYYMMDDHHmmSS+HH'mm' as is there."""
    *parts, zulu, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = parts
    if hour is None:
        return "-".join(part for part in (year, month, day) if part)
    zone = f"{sign}{hours}:{minutes or '00'}" if sign else "+00:00" if zulu else ""
    return _in_utc(datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{zone}"))


def _in_utc(moment: datetime) -> str:
    moment = moment.replace(microsecond=0)
    if moment.tzinfo is None:
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def about(*, author: object = None, created: object = None, modified: object = None) -> dict[str, str]:
    """What a format says besides its text, as metadata: names and dates it has, on one line each."""
    said = {
        "author": " ".join(str(author or "").split())[:_LONGEST],
        "created": iso(created),
        "modified": iso(modified),
    }
    return {name: value for name, value in said.items() if value}
