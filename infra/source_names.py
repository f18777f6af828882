"""Names at a source's edge: what a person types becomes a source's URI, and glob patterns say what stays out.

The URI of a folder or prefix ends in "/"; any other names one object.
"""
# pathlib takes no raw bytes.
# ruff: noqa: PTH100, PTH110, PTH112, PTH113, PTH120

import fnmatch
import os
import re
from collections.abc import Sequence
from urllib.parse import unquote, unquote_to_bytes

from schemas.errors import UsageError
from schemas.identity import file_path, file_uri, member_uri, push_uri, quote, s3_uri

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def source_uri(argument: str) -> str:
    """Turn a command-line argument into a source's URI.

    A path that does not exist is one file, unless it ends in "/" or its folder is missing too. An S3 argument is
    taken for a URI (`%20` is a space) and keeps its ending: only the bucket knows what `s3://bucket/docs` is.

    Raises:
        UsageError: neither a path nor a `file://`, `s3://` or `push://` URI.
    """
    scheme = _SCHEME.match(argument)
    if scheme is None:
        return _path_uri(os.fsencode(argument), argument)
    rest = unquote_to_bytes(os.fsencode(argument[scheme.end() :]))
    if scheme[1].lower() == "file":
        # RFC 8089 allows the machine's own name before the path.
        path = rest.removeprefix(b"localhost")
        if path.startswith(b"/"):
            return _path_uri(path, argument)
    if scheme[1].lower() == "s3":
        return _bucket_uri(rest, argument)
    if scheme[1].lower() == "push":
        return _push_source_uri(rest, argument)
    raise _not_a_source(argument)


def document_uri(argument: str) -> str:
    """Turn a command-line argument into a document's URI: as `source_uri`, or `ARCHIVE.zip!/member`.

    A folder whose name ends in "!" is meant where there is such a thing.

    Raises:
        UsageError: as `source_uri`.
    """
    container, *names = argument.split("!/")
    uri = source_uri(argument)
    if not names or (uri.startswith("file://") and os.path.exists(file_path(uri))):
        return uri
    uri = source_uri(container)
    for name in names:
        uri = member_uri(uri, unquote(name) if _SCHEME.match(argument) else name)
    return uri


def _path_uri(path: bytes, argument: str) -> str:
    if not path or b"\0" in path:
        raise _not_a_source(argument)
    absolute = os.path.abspath(path)
    if os.path.isfile(absolute):
        return file_uri(absolute)
    is_folder = path.endswith(b"/") or os.path.isdir(absolute) or not os.path.isdir(os.path.dirname(absolute))
    return file_uri(absolute.rstrip(b"/") + b"/" if is_folder else absolute)


def _bucket_uri(rest: bytes, argument: str) -> str:
    bucket, _, key = rest.partition(b"/")
    try:
        names = bucket.decode("ascii"), key.decode()
    except UnicodeDecodeError:
        raise _not_a_source(argument) from None
    if not bucket:
        raise _not_a_source(argument)
    return s3_uri(*names)


def _push_source_uri(rest: bytes, argument: str) -> str:
    name, _, id_ = rest.partition(b"/")
    # A whole source, or a folder in it, ends in "/"; the rules are those of a document in it.
    folder = rest.endswith(b"/") or not id_
    try:
        uri = push_uri(name, id_.removesuffix(b"/") or b"any")
    except ValueError as error:
        raise UsageError(f"{quote(os.fsencode(argument))} is not a source", str(error)) from None
    return (uri.removesuffix("any") if not id_ else uri + "/") if folder else uri


def _not_a_source(argument: str) -> UsageError:
    shown = quote(os.fsencode(argument)) if not argument.isprintable() else argument
    return UsageError(f"{shown!r} is not a source", "give a folder, a file, s3://bucket/prefix or push://name/")


class Exclusions:
    """Glob patterns (`*`, `?`, `[a-z]`; `*` crosses "/") over a relative path or over the name alone.

    What matches a folder leaves out all that is in it.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        rules = "|".join(fnmatch.translate(pattern.rstrip("/")) for pattern in patterns)
        self._matches = re.compile(rules).match if patterns else None

    def __bool__(self) -> bool:
        """Whether there is any pattern."""
        return self._matches is not None

    def match(self, relative: str) -> bool:
        """Whether this relative path itself is excluded; the folders above it are not looked at."""
        matches = self._matches
        return matches is not None and bool(matches(relative) or matches(relative.rpartition("/")[2]))

    def cover(self, relative: str) -> bool:
        """Whether this relative path or a folder above it is excluded."""
        if self._matches is None:
            return False
        parts = relative.split("/")
        return any(self.match("/".join(parts[: depth + 1])) for depth in range(len(parts)))
