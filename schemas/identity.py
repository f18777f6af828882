"""Names of things: URIs, document ids, chunk hashes and point ids. The same input gives the same name, everywhere.

A URI percent-encodes the name's raw bytes (RFC 3986), `/` kept and `!` encoded, so that a name in any encoding has
one URI and comes back from it byte for byte, and `!/` can mark a member of a container.
"""

import hashlib
import uuid
from urllib.parse import quote_from_bytes, unquote_to_bytes

#: Namespace of every UUIDv5 made here. Never change it: every id in every index derives from it.
NAMESPACE = uuid.UUID("7b1c2a52-6f0e-5d0e-9a53-2f2d1c5a9e10")
#: Default tenant.
DEFAULT_TENANT = "default"

#: Most bytes of one segment of a pushed document's name as written in a URI, and of its whole id: less than any file
#: system or bucket allows, so that what one store takes, the other takes too.
MAX_PUSH_SEGMENT, MAX_PUSH_ID = 200, 1024

_SAFE = "/-._~"
#: Between a container's URI and the name of a document in it; no other name has it, for its "!" would be encoded.
_INSIDE = "!/"


def quote(raw: bytes) -> str:
    """Percent-encode raw bytes; `/` and unreserved characters stay, `!` does not."""
    return quote_from_bytes(raw, safe=_SAFE)


def file_uri(path: bytes) -> str:
    """URI of an absolute path given as raw bytes (`os.fsencode`)."""
    return "file://" + quote(path)


def file_path(uri: str) -> bytes:
    """The raw path of a `file://` URI.

    Raises:
        ValueError: `uri` is not a file URI.
    """
    if not uri.startswith("file:///"):
        raise ValueError(f"not a file URI: {uri}")
    return unquote_to_bytes(uri[len("file://") :])


def s3_uri(bucket: str, key: str) -> str:
    """URI of an object; `key` is the key itself, not an encoded form of it."""
    return f"s3://{bucket}/{quote(key.encode())}"


def s3_location(uri: str) -> tuple[str, str]:
    """(bucket, key) of an `s3://` URI.

    Raises:
        ValueError: `uri` is not an S3 URI, or names no bucket.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise ValueError(f"not an S3 URI: {uri}")
    return bucket, unquote_to_bytes(key).decode()


def push_uri(name: bytes, id_: bytes) -> str:
    """URI of pushed content: the name of its source, and its id, which may have folders like a path.

    Raises:
        ValueError: which rule the name or the id breaks. `..` would leave the source, and nobody lists hidden names.
    """
    for segment in (name, *id_.split(b"/")):
        _check_push_segment(segment)
    if b"/" in name:
        raise ValueError("a source's name has no /")
    if len(quote(id_)) > MAX_PUSH_ID:
        raise ValueError(f"an id has at most {MAX_PUSH_ID} bytes, percent-encoded")
    return f"push://{quote(name)}/{quote(id_)}"


def _check_push_segment(segment: bytes) -> None:
    if not segment:
        raise ValueError("no name, and no part of an id between slashes, may be empty")
    if segment.startswith(b"."):
        raise ValueError("no name, and no part of an id between slashes, may begin with a dot")
    if b"\0" in segment:
        raise ValueError("no name may hold a zero byte")
    if len(quote(segment)) > MAX_PUSH_SEGMENT:
        raise ValueError(f"each part between slashes has at most {MAX_PUSH_SEGMENT} bytes, percent-encoded")
    try:
        segment.decode()
    except UnicodeDecodeError:
        raise ValueError("names are UTF-8") from None


def member_uri(container: str, name: str) -> str:
    """URI of a document inside a container, by its name in there."""
    return container + _INSIDE + quote(name.encode())


def parent_uri(uri: str) -> str | None:
    """URI of the container a document lies in; None: it lies in none."""
    return uri.rpartition(_INSIDE)[0] or None


def outermost(uri: str) -> str:
    """URI of the outermost container a document lies in, or its own if it lies in none."""
    return uri.partition(_INSIDE)[0]


def containers_of(uri: str) -> list[str]:
    """URIs of the containers a document lies in, the outermost first."""
    names = uri.split(_INSIDE)
    return [_INSIDE.join(names[:depth]) for depth in range(1, len(names))]


def member_path(uri: str) -> tuple[str, tuple[str, ...]]:
    """URI of the outermost container (or of the document itself), and the names that lead from there to the document.

    Raises:
        UnicodeDecodeError: a name is not UTF-8, as no member's is.
    """
    outermost, *names = uri.split(_INSIDE)
    return outermost, tuple(unquote_to_bytes(name).decode() for name in names)


def lies_in(uri: str, place: str) -> bool:
    """Whether a document is the one a place names, or lies in it: in a folder or prefix (ends in "/") or container."""
    return uri == place or uri.startswith(place if place.endswith("/") else place + _INSIDE)


def document_id(tenant: str, uri: str) -> str:
    """UUIDv5 of tenant and URI. The length of the tenant keeps ("a", "bc") and ("ab", "c") apart."""
    return _uuid5(NAMESPACE, f"{len(tenant)}:{tenant}{uri}")


def text_hash(text: str) -> str:
    """SHA-256 of a chunk's exact text, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def content_hash(body: bytes) -> str:
    """SHA-256 of a document's bytes, hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def point_id(document: str, chunk_hash: str, occurrence: int) -> str:
    """UUIDv5 of a chunk: its document (which is tenant and URI), its exact text, and which of the equal ones it is."""
    return _uuid5(uuid.UUID(document), f"{chunk_hash}:{occurrence}")


def _uuid5(namespace: uuid.UUID, name: str) -> str:
    """As `str(uuid.uuid5(...))`, in a third of its time: every event has one made."""
    made = hashlib.sha1(namespace.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(made[16], 16) & 3]
    return f"{made[:8]}-{made[8:12]}-5{made[13:16]}-{variant}{made[17:20]}-{made[20:32]}"
