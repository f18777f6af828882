"""A bucket's own notifications (AWS, MinIO, versitygw, also inside SNS or EventBridge) as document events. No I/O.

AWS and MinIO write the object's key as a form field is written ("a+b%2Bc"), versitygw and EventBridge as it is. Which
one it was is told by who says it, never by how the key looks: MinIO names itself in `eventSource`; AWS leaves the
"s3:" out of `eventName`; versitygw, which calls itself aws:s3, leaves it in and names its configuration after its
sender ("webhook-global", which it says of Kafka too). Of any other store both readings become events: the object that
does not exist costs one look at the source.

An event about a key that ends in "/" counts only if it says the object has bytes: the rest are consoles' folder
markers, which are no documents.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, Field, ValidationError

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


class _Bucket(BaseModel):
    name: str = Field(min_length=1)


class _Object(BaseModel):
    key: str = Field(min_length=1)
    size: int | None = None
    etag: str | None = Field(None, alias="eTag")
    version_id: str | None = Field(None, alias="versionId")
    sequencer: str | None = None


class _Place(BaseModel):
    configuration: str = Field("", alias="configurationId")
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    version: str = Field(alias="eventVersion", pattern=r"^2\.\d+$")
    source: str = Field("", alias="eventSource")
    name: str = Field(alias="eventName", min_length=1)
    time: datetime = Field(alias="eventTime")
    s3: _Place


class _BridgeObject(BaseModel):
    key: str = Field(min_length=1)
    size: int | None = None
    etag: str | None = None
    version_id: str | None = Field(None, alias="version-id")
    sequencer: str | None = None


class _BridgeDetail(BaseModel):
    bucket: _Bucket
    object: _BridgeObject


class _Bridge(BaseModel):
    kind: str = Field(alias="detail-type")
    time: datetime
    detail: _BridgeDetail


class _Message(BaseModel):
    """Any of the four; the fields that are there tell which."""

    records: list[_Record] | None = Field(None, alias="Records")
    test: str | None = Field(None, alias="Event")
    envelope: str | None = Field(None, alias="Message")
    bridge: str | None = Field(None, alias="detail-type")


class _Lenient(_Message):
    """The same where some record cannot be read: each is then read by itself."""

    records: list[Any] | None = Field(None, alias="Records")


def read_notification(body: bytes | str) -> Notification | None:
    """Read a notification; None for JSON that is none. A record that cannot be read leaves the others as they are.

    Raises:
        ValidationError: not a JSON object, or one whose fields have the wrong types.
    """
    try:
        message = _Message.model_validate_json(body)
    except ValidationError as error:
        if any(one["loc"][:1] != ("Records",) for one in error.errors(include_input=False, include_url=False)):
            raise
        message = _Lenient.model_validate_json(body)
    if message.records is not None:
        return _gather(_of_record(record) for record in message.records)
    if message.test == "s3:TestEvent":
        return Notification((), 1, ())
    if message.bridge is not None:
        return _gather([_of_bridge(body)])
    # Once: an envelope in an envelope is nobody's.
    if message.envelope is not None and '"Message"' not in message.envelope:
        return read_notification(message.envelope)
    return None


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


def _of_record(raw: Any) -> list[DocumentEvent] | str:
    """The events of one record: two where its key has two readings; or what is wrong with it."""
    if isinstance(raw, dict) and raw.get("eventName", raw.get("Event")) == "s3:TestEvent":
        return []
    try:
        record = raw if isinstance(raw, _Record) else _Record.model_validate(raw)
        found = record.s3.object
        kind = REMOVED if record.name.startswith(_GONE) else CHANGED
        source = record.source or "s3"
        return [
            _event(kind, f"{source} {record.name}", record.s3.bucket.name, key, record.time, found)
            for key in _keys(record)
            if _is_document(key, found.size)
        ]
    except ValidationError as error:
        return plainly(error)
    except UnicodeDecodeError:
        return "s3.object.key: its bytes are not UTF-8"


def _of_bridge(body: bytes | str) -> list[DocumentEvent] | str:
    try:
        bridge = _Bridge.model_validate_json(body)
        found = bridge.detail.object
        kind = REMOVED if bridge.kind.startswith("Object Deleted") else CHANGED
        if not _is_document(found.key, found.size):
            return []
        return [_event(kind, f"aws.s3 {bridge.kind}", bridge.detail.bucket.name, found.key, bridge.time, found)]
    except ValidationError as error:
        return plainly(error)


def plainly(error: ValidationError) -> str:
    """The first thing that is wrong, without the text in which it was found."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return printable(f"{where}: {first['msg']}" if where else first["msg"])


def _keys(record: _Record) -> Iterator[str]:
    """The key as its writer meant it."""
    key, named_in_full = record.s3.object.key, record.name.startswith("s3:")
    if record.source == "minio:s3" or (record.source == "aws:s3" and not named_in_full):
        yield _decoded(key)
    elif record.source == "aws:s3" and record.s3.configuration in _VERSITYGW:
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
    kind: Any, source: str, bucket: str, key: str, time: datetime, found: _Object | _BridgeObject
) -> DocumentEvent:
    # As a listing names it: a URI that ends in "/" is a folder's.
    uri = s3_uri(bucket, key[:-1]) + "%2F" if key.endswith("/") else s3_uri(bucket, key)
    data = DocumentEventData(
        uri=uri,
        etag=found.etag.strip('"') if found.etag else None,
        size=found.size if kind == CHANGED else None,
        sequencer=found.sequencer or None,
        version_id=found.version_id or None,
    )
    happening = f"{found.sequencer or ''}@{time.isoformat()} {uri}"
    return DocumentEvent(id=happening, source=source, type=kind, subject=uri, time=time, data=data)
