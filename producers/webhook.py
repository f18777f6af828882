"""Webhooks: who signed this, and which event does it make. Pure: no clock, no network, no URL is ever fetched.

Signed as Standard Webhooks says: headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, HMAC-SHA256 over
"id.timestamp.payload". The payload is the body of a POST. Of every other request it is "METHOD /path?query", a line
feed and the body, for there the body alone does not say what is asked: who sees one signed request must not be able to
send its signature with another path.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import UsageError
from schemas.events import CHANGED, REMOVED, DocumentEvent, DocumentEventData
from schemas.identity import push_uri, quote
from schemas.sources import S, owners

#: Seconds by which the sender's clock may differ. Ids are remembered for longer, so that no replay fits in between.
TOLERANCE_S = 300
#: Signatures of one request: one for each key while keys are exchanged.
MAX_SIGNATURES = 8
#: Without a dot: "id.timestamp.payload" must be read in one way only.
_ID = re.compile(r"[!-\-/-~]{1,200}").fullmatch
_TIMESTAMP = re.compile(r"[0-9]{1,12}").fullmatch

#: Tenant -> its keys, as bytes.
Keys = Mapping[str, Sequence[bytes]]


class Rejected(UsageError):
    """A request that is not taken in: the HTTP status, what is wrong, and what the sender can do."""

    def __init__(self, status: int, what: str, todo: str) -> None:
        self.status = status
        super().__init__(what, todo)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the headers of a request say, before anything is proved: enough to refuse most of what is not signed."""

    id: str
    timestamp: str
    signatures: tuple[bytes, ...]


def keys_of(secrets: Mapping[str, Sequence[str]]) -> Keys:
    """Keys from settings: `whsec_` and base64, or plain text.

    Raises:
        UsageError: a key is empty, is not base64, or belongs to two tenants. It never shows the key.
    """
    keys = {tenant: [_key(tenant, secret) for secret in given] for tenant, given in secrets.items()}
    owner: dict[bytes, str] = {}
    for tenant, key in ((tenant, key) for tenant, given in keys.items() for key in given):
        if owner.setdefault(key, tenant) != tenant:
            what = f"PENSTOCK_WEBHOOK_SECRETS: tenants {owner[key]} and {tenant} have the same key"
            raise UsageError(what, "give each tenant keys of its own: the key says whose request it is")
    return keys


def _key(tenant: str, secret: str) -> bytes:
    try:
        encoded = secret.removeprefix("whsec_")
        key = secret.encode() if encoded == secret else base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if not key or not tenant:
        what = f"PENSTOCK_WEBHOOK_SECRETS: a key of tenant {tenant!r} is empty or not base64 after whsec_"
        raise UsageError(what, "make one with `printf whsec_; head -c 32 /dev/urandom | base64`; tenants have names")
    return key


def payload(method: str, target: str, body: bytes) -> bytes:
    """What is signed of a request, after its id and timestamp. `target`: path and query as sent."""
    return body if method == "POST" else f"{method} {target}\n".encode() + body


def sign(key: bytes, id_: str, timestamp: int, signed: bytes) -> str:
    """One signature, as it stands in the header."""
    digest = hmac.new(key, f"{id_}.{timestamp}.".encode() + signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def read_headers(headers: Mapping[str, str], *, now: float) -> Claimed:
    """What the headers claim; can be asked before the body is read. Names are lower-case.

    Raises:
        Rejected: 401, not signed, or not in time.
    """
    id_, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split()
    if not (_ID(id_) and _TIMESTAMP(timestamp) and given):
        todo = "send webhook-id (up to 200 visible characters, no dot), webhook-timestamp (seconds), webhook-signature"
        raise Rejected(401, "the request is not signed", todo)
    if abs(now - int(timestamp)) > TOLERANCE_S:
        raise Rejected(
            401, f"it was signed more than {TOLERANCE_S} s from now", "set the clock, sign again, send again"
        )
    signatures = tuple(one[3:].encode() for one in given[:MAX_SIGNATURES] if one.startswith("v1,"))
    return Claimed(id_, timestamp, signatures)


def verify(claimed: Claimed, signed: bytes, keys: Keys) -> str:
    """The tenant whose key signed this.

    Raises:
        Rejected: 401, nobody's key did.
    """
    head = f"{claimed.id}.{claimed.timestamp}.".encode()
    for tenant, key in ((tenant, key) for tenant, given in keys.items() for key in given):
        mac = hmac.new(key, head, hashlib.sha256)
        mac.update(signed)
        right = base64.b64encode(mac.digest())
        if any(hmac.compare_digest(right, signature) for signature in claimed.signatures):
            return tenant
    todo = 'sign "id.timestamp.payload" with a key in PENSTOCK_WEBHOOK_SECRETS; README, Webhook, has an example'
    raise Rejected(401, "the signature is of no known key", todo)


class _Short(BaseModel):
    """The short form of an event."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    uri: str
    removed: bool = False
    tenant: str | None = None
    metadata: dict[str, str] | None = None
    acl: list[str] | None = None


class _Push(_Short):
    """Content, and the document it is of."""

    content: str
    encoding: Literal["utf-8", "base64"] = "utf-8"


def read_push(body: bytes, *, tenant: str) -> tuple[DocumentEventData, bytes]:
    """The document and the content of a body {"uri": "push://NAME/ID", "content", "encoding"}; its tenant is the key's.

    Raises:
        Rejected: 400 malformed, 403 another tenant's, 422 no document that can be pushed.
    """
    try:
        push = _Push.model_validate_json(body)
        content = push.content.encode() if push.encoding == "utf-8" else base64.b64decode(push.content, validate=True)
        name, _, id_ = push.uri.removeprefix("push://").partition("/")
        pushed = push.uri.startswith("push://")
        if not pushed or push.uri != push_uri(unquote_to_bytes(name), unquote_to_bytes(id_)):
            raise Rejected(422, "not the URI of a pushed document", "write push://NAME/ID, percent-encoded")
        data = DocumentEventData(uri=push.uri, tenant=tenant, metadata=push.metadata, acl=push.acl)
    except ValidationError as error:
        raise _malformed(error) from None
    except ValueError as error:
        raise Rejected(400, f"not a document: {error}", 'uri: push://NAME/ID; encoding: "utf-8" or "base64"') from None
    if push.tenant not in (None, tenant):
        raise Rejected(403, "the body names another tenant than the key's", "leave the tenant out, or use its key")
    return data, content


def read_event(body: bytes, *, tenant: str, time: float, new_id: str) -> DocumentEvent:
    """The event that a body asks for: a CloudEvent, or the short {"uri", "removed"}. Its tenant is the key's.

    Raises:
        Rejected: 400 malformed, 403 another tenant's, 422 its URI is none that penstock reads.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Rejected(400, "the body is not JSON", "send an event as JSON") from None
    if not isinstance(found, dict):
        raise Rejected(400, "the body is not a JSON object", 'send a CloudEvent, or {"uri": "...", "removed": false}')
    try:
        event = _cloud_event(found) if "specversion" in found else _short_event(found, time=time, new_id=new_id)
    except ValidationError as error:
        raise _malformed(error) from None
    if event.data.tenant not in (None, tenant):
        raise Rejected(403, "the event names another tenant than the key's", "leave the tenant out, or use its key")
    return event.model_copy(update={"data": event.data.model_copy(update={"tenant": tenant})})


def _cloud_event(found: dict[str, Any]) -> DocumentEvent:
    event = DocumentEvent.model_validate_json(json.dumps(found))
    if event.subject != event.data.uri:
        raise Rejected(400, "subject and data.uri differ", "name the document's URI in both")
    return event


def _short_event(found: dict[str, Any], *, time: float, new_id: str) -> DocumentEvent:
    short = _Short.model_validate(found)
    data = DocumentEventData(uri=short.uri, tenant=short.tenant, metadata=short.metadata, acl=short.acl)
    return make_event(data, removed=short.removed, time=time, new_id=new_id)


def make_event(data: DocumentEventData, *, removed: bool, time: float, new_id: str) -> DocumentEvent:
    """An event of this producer. `time`: seconds since the epoch."""
    return DocumentEvent(
        id=new_id,
        source="penstock/webhook",
        type=REMOVED if removed else CHANGED,
        subject=data.uri,
        time=datetime.fromtimestamp(time, UTC),
        data=data,
    )


def _malformed(error: ValidationError) -> Rejected:
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "string_pattern_mismatch" and first["loc"][-1] in ("uri", "subject"):
        return Rejected(422, "penstock fetches no such URI", "name a document of a declared source: file, s3 or push")
    where = ".".join(map(str, first["loc"])) or "event"
    return Rejected(400, f"{where}: {first['msg']}", "see schemas/json for the event's schema")


def owner_of(uri: str, tenant: str, sources: Iterable[S]) -> S:
    """The declared source of the tenant that a URI lies in.

    Raises:
        Rejected: 422, it lies in none, or is not spelt as a listing spells it.
    """
    scheme, _, rest = uri.partition("://")
    # An S3 key may be anything; a path is taken apart, and must not lead out of its source.
    leads_out = scheme != "s3" and any(part in (".", "..") for part in rest.split("/"))
    if leads_out or quote(unquote_to_bytes(rest)) != rest:
        todo = "percent-encode its bytes (RFC 3986) once, without . or .. as a part"
        raise Rejected(422, "the URI is not in its one spelling", todo)
    found = next((one for one in owners(uri, sources) if one.tenant == tenant), None)
    if found is None:
        todo = "declare its source in PENSTOCK_SOURCES for this tenant; `penstock status` lists the known ones"
        raise Rejected(422, "the URI lies in no declared source of this tenant", todo)
    return found
