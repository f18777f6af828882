"""What a record of the log says: document events, or a reason why it is not understood. No I/O.

A record is known by its shape, not by its topic: CloudEvents in structured JSON, or a bucket's own notification.
"""

import re
from datetime import UTC
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pydantic import ValidationError

from infra.ports import Record
from schemas.errors import printable
from schemas.events import DocumentEvent
from schemas.identity import quote
from schemas.s3_records import plainly, read_notification

#: Characters of a detail: enough to say what is wrong, too few to carry a document along.
EXCERPT = 200


class Why(StrEnum):
    """Why an event is a dead letter; stable names, shown by `dead-letters list`."""

    NO_VALUE = "no-value"
    NOT_UTF8 = "not-utf8"
    NOT_JSON = "not-json"
    UNKNOWN_FORMAT = "unknown-format"
    UNKNOWN_VERSION = "unknown-version"
    UNKNOWN_TYPE = "unknown-type"
    BAD_URI = "bad-uri"
    INVALID = "invalid-event"
    NO_SOURCE = "no-source"
    OTHER_TENANT = "other-tenant"
    AGAINST_RULES = "against-rules"


class Refused(NamedTuple):
    """A record that was not understood, or not all of it."""

    reason: Why
    detail: str


class Understood(NamedTuple):
    """What a record says. `refused`: that some of it was not understood, which takes nothing from the rest."""

    events: tuple[DocumentEvent, ...]
    refused: Refused | None = None


_TYPE = re.compile(r"penstock\.document\.(changed|removed)\.v\d+")
_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")
_DOTS = re.compile(r"(^|/)\.{0,2}(/|$)")


def understand(record: Record) -> Understood | Refused:
    """Read a record."""
    if record.value is None:
        return Refused(Why.NO_VALUE, "the record has no value; deletions are events of their own type")
    try:
        # A sign, not a proof: inside a JSON string its quotes would be escaped.
        if b'"specversion"' in record.value:
            return _checked(DocumentEvent.model_validate_json(record.value))
        notification = read_notification(record.value)
    except ValidationError as error:
        return _why(record.value, error)
    if notification is None:
        return Refused(Why.UNKNOWN_FORMAT, "JSON, but neither CloudEvents (specversion) nor a bucket's notification")
    refused = Refused(Why.INVALID, excerpt("; ".join(notification.problems))) if notification.problems else None
    return Understood(notification.events, refused)


def excerpt(text: str) -> str:
    """At most `EXCERPT` characters, and none that the ledger would refuse."""
    text = printable(text)
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def happened_at(event: DocumentEvent) -> float:
    """Seconds since the epoch; a time without a zone is read as UTC."""
    time = event.time if event.time.tzinfo else event.time.replace(tzinfo=UTC)
    return time.timestamp()


def _checked(event: DocumentEvent) -> Understood | Refused:
    uri = event.data.uri
    if event.subject != uri:
        return Refused(Why.BAD_URI, excerpt(f"subject and data.uri differ: {event.subject} and {uri}"))
    fault = _fault(uri)
    return Refused(Why.BAD_URI, excerpt(f"{fault}: {uri}")) if fault else Understood((event,))


def _fault(uri: str) -> str:
    """What is wrong with a URI, "" if nothing: a document has exactly one, and an id made of it."""
    scheme, _, rest = uri.partition("://")
    if not _PLAIN.fullmatch(rest):
        raw = unquote_to_bytes(rest)
        # An object's key may end in "/", which its URI encodes: only a folder's ends in one.
        ends = "%2F" if scheme == "s3" and rest.endswith("%2F") else ""
        right = quote(raw[: len(raw) - bool(ends)]) + ends
        if right != rest:
            return f"not as RFC 3986 encodes it, which is {scheme}://{excerpt(right)}"
        if scheme == "s3" and not _is_utf8(raw):
            return "the key of an object is UTF-8"
        if scheme == "file" and b"\0" in raw:
            return "no path has a NUL"
    if scheme == "file" and _DOTS.search(rest[1:].removesuffix("/")):
        return "the path of a file is absolute, without empty, `.` or `..` parts"
    return ""


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _why(value: bytes, error: ValidationError) -> Refused:
    """The reason behind a failed validation."""
    first = error.errors(include_url=False, include_context=False)[0]
    where, found = first["loc"], first.get("input")
    detail = excerpt(plainly(error))
    if not _is_utf8(value):
        return Refused(Why.NOT_UTF8, "the value is not UTF-8 text")
    if first["type"] == "json_invalid":
        return Refused(Why.NOT_JSON, detail)
    if where == ("specversion",) and first["type"] != "missing":
        return Refused(Why.UNKNOWN_VERSION, excerpt(f"CloudEvents {found!r}, known is 1.0"))
    if where == ("type",) and isinstance(found, str):
        known = "the types known are penstock.document.changed.v1 and penstock.document.removed.v1"
        reason = Why.UNKNOWN_VERSION if _TYPE.fullmatch(found) else Why.UNKNOWN_TYPE
        return Refused(reason, excerpt(f"{found[:80]!r}: {known}"))
    if where in (("subject",), ("data", "uri")):
        return Refused(Why.BAD_URI, detail)
    return Refused(Why.UNKNOWN_FORMAT if not where else Why.INVALID, detail)
