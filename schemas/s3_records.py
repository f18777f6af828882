"""A bucket's own notifications (AWS, MinIO, versitygw, also inside SNS or EventBridge) as document events. No I/O.

AWS and MinIO write the object's key as a form field is written ("a+b%2Bc"), versitygw and EventBridge as it is. Which
one it was is told by who says it, never by how the key looks: MinIO names itself in `eventSource`; AWS leaves the
"s3:" out of `eventName`; versitygw, which calls itself aws:s3, leaves it in and names its configuration after its
sender ("webhook-global", which it says of Kafka too). Of any other store both readings become events: the object that
does not exist costs one look at the source.

An event about a key that ends in "/" counts only if it says the object has bytes: the rest are consoles' folder
markers, which are no documents.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, NamedTuple, NotRequired
from urllib.parse import unquote_to_bytes

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from schemas.errors import printable
from schemas.events import CHANGED, REMOVED, DocumentEvent, DocumentEventData
from schemas.identity import s3_uri

_VERSITYGW = frozenset(f"{sender}-global" for sender in ("kafka", "nats", "webhook", "rabbitmq"))
_GONE = ("ObjectRemoved:", "LifecycleExpiration:", "s3:ObjectRemoved:", "s3:LifecycleExpiration:")


class Notification(NamedTuple):
    """What one message says: its events, how much of it says nothing of a document, and what could not be read."""

    events: tuple[DocumentEvent, ...]
    ignored: int
    problems: tuple[str, ...]


# Dictionaries, for they are made in half the time of models: the busiest topic is read with them.
_Name = Annotated[str, Field(min_length=1)]


class _Bucket(TypedDict):
    name: _Name


class _Object(TypedDict):
    key: _Name
    size: NotRequired[int | None]
    eTag: NotRequired[str | None]
    versionId: NotRequired[str | None]
    sequencer: NotRequired[str | None]


class _Place(TypedDict):
    configurationId: NotRequired[str]
    bucket: _Bucket
    object: _Object


class _Record(TypedDict):
    eventVersion: Annotated[str, Field(pattern=r"^2\.\d+$")]
    eventSource: NotRequired[str]
    eventName: _Name
    eventTime: datetime
    s3: _Place


# EventBridge has names of its own.
_BridgeObject = TypedDict(
    "_BridgeObject",
    {
        "key": _Name,
        "size": NotRequired[int | None],
        "etag": NotRequired[str | None],
        "version-id": NotRequired[str | None],
        "sequencer": NotRequired[str | None],
    },
)


class _BridgeDetail(TypedDict):
    bucket: _Bucket
    object: _BridgeObject


_Bridge = TypedDict("_Bridge", {"detail-type": str, "time": datetime, "detail": _BridgeDetail})

#: Any of the four; the fields that are there tell which.
_Message = TypedDict(
    "_Message",
    {
        "Records": NotRequired[list[_Record] | None],
        "Event": NotRequired[str | None],
        "Message": NotRequired[str | None],
        "detail-type": NotRequired[str | None],
    },
)


class _Lenient(_Message):
    """The same where some record cannot be read: each is then read by itself."""

    Records: NotRequired[list[Any] | None]


_message, _lenient = TypeAdapter(_Message), TypeAdapter(_Lenient)
_record, _bridge = TypeAdapter(_Record), TypeAdapter(_Bridge)


def read_notification(body: bytes | str) -> Notification | None:
    """Read a notification; None for JSON that is none. A record that cannot be read leaves the others as they are.

    Raises:
        ValidationError: not a JSON object, or one whose fields have the wrong types.
    """
    read: Callable[[Any], list[DocumentEvent] | str] = _events_of
    try:
        message = _message.validate_json(body)
    except ValidationError as error:
        if any(one["loc"][:1] != ("Records",) for one in error.errors(include_input=False, include_url=False)):
            raise
        message, read = _lenient.validate_json(body), _events_of_any
    if (records := message.get("Records")) is not None:
        return _gather(read(record) for record in records)
    if message.get("Event") == "s3:TestEvent":
        return Notification((), 1, ())
    if message.get("detail-type") is not None:
        return _gather([_events_of_bridge(body)])
    # Once: an envelope in an envelope is nobody's.
    envelope = message.get("Message")
    return read_notification(envelope) if envelope is not None and '"Message"' not in envelope else None


def later(one: DocumentEvent, other: DocumentEvent) -> bool | None:
    """Whether `one` happened after `other` as their sequencers tell; None where they do not tell.

    By S3's rule the shorter is filled with zeros on its right, then they compare as text. It says nothing of two
    different objects, nor without both sequencers. An event is never dropped for it: stores exist that count wrongly.
    """
    mine, theirs = one.data.sequencer, other.data.sequencer
    if one.data.uri != other.data.uri or mine is None or theirs is None:
        return None
    width = max(len(mine), len(theirs))
    return mine.upper().ljust(width, "0") > theirs.upper().ljust(width, "0")


def _gather(readings: Iterable[list[DocumentEvent] | str]) -> Notification:
    events: list[DocumentEvent] = []
    problems = []
    ignored = 0
    for reading in readings:
        if isinstance(reading, str):
            problems.append(reading)
        else:
            events += reading
            ignored += not reading
    return Notification(tuple(events), ignored, tuple(problems))


def _events_of_any(raw: Any) -> list[DocumentEvent] | str:
    """The events of one record, or what is wrong with it."""
    if isinstance(raw, dict) and raw.get("eventName", raw.get("Event")) == "s3:TestEvent":
        return []
    try:
        return _events_of(_record.validate_python(raw))
    except ValidationError as error:
        return plainly(error)


def _events_of(record: _Record) -> list[DocumentEvent] | str:
    """The events of one record: two where its key has two readings."""
    found, name, bucket = record["s3"]["object"], record["eventName"], record["s3"]["bucket"]["name"]
    kind = REMOVED if name.startswith(_GONE) else CHANGED
    source, etag, version = f"{record.get('eventSource') or 's3'} {name}", found.get("eTag"), found.get("versionId")
    try:
        return [
            _event(kind, source, bucket, key, record["eventTime"], found, etag, version)
            for key in _keys(record)
            if _is_document(key, found.get("size"))
        ]
    except ValidationError as error:
        return plainly(error)
    except UnicodeDecodeError:
        return "s3.object.key: its bytes are not UTF-8"


def _events_of_bridge(body: bytes | str) -> list[DocumentEvent] | str:
    try:
        bridge = _bridge.validate_json(body)
        found, bucket, said = bridge["detail"]["object"], bridge["detail"]["bucket"]["name"], bridge["detail-type"]
        kind = REMOVED if said.startswith("Object Deleted") else CHANGED
        if not _is_document(found["key"], found.get("size")):
            return []
        about = (found["key"], bridge["time"], found, found.get("etag"), found.get("version-id"))
        return [_event(kind, f"aws.s3 {said}", bucket, *about)]
    except ValidationError as error:
        return plainly(error)


def plainly(error: ValidationError) -> str:
    """The first thing that is wrong, without the text in which it was found."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return printable(f"{where}: {first['msg']}" if where else first["msg"])


def _keys(record: _Record) -> Iterator[str]:
    """The key as its writer meant it."""
    key, source, named_in_full = (
        record["s3"]["object"]["key"],
        record.get("eventSource"),
        record["eventName"][:3] == "s3:",
    )
    if source == "minio:s3" or (source == "aws:s3" and not named_in_full):
        yield _decoded(key)
    elif source == "aws:s3" and record["s3"].get("configurationId") in _VERSITYGW:
        yield key
    else:
        yield key
        with suppress(UnicodeDecodeError):
            if _decoded(key) != key:
                yield _decoded(key)


def _decoded(key: str) -> str:
    return unquote_to_bytes(key.replace("+", " ")).decode()


def _is_document(key: str, size: int | None) -> bool:
    return not key.endswith("/") or bool(size)


def _event(
    kind: Any,
    source: str,
    bucket: str,
    key: str,
    time: datetime,
    found: _Object | _BridgeObject,
    etag: str | None,
    version: str | None,
) -> DocumentEvent:
    # As a listing names it: a URI that ends in "/" is a folder's.
    uri = s3_uri(bucket, key[:-1]) + "%2F" if key.endswith("/") else s3_uri(bucket, key)
    sequencer = found.get("sequencer") or None
    data = DocumentEventData(
        uri=uri,
        etag=etag.strip('"') if etag else None,
        size=found.get("size") if kind == CHANGED else None,
        sequencer=sequencer,
        version_id=version or None,
    )
    happening = f"{sequencer or ''}@{time.isoformat()} {uri}"
    return DocumentEvent(id=happening, source=source, type=kind, subject=uri, time=time, data=data)
