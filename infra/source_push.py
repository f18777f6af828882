"""Pushed content as a source: what lies in the push store, under its push:// names.

Invariant: nothing is decided here. The store's folder or bucket is read by the source of that kind, which alone says
what is gone; names are exchanged on the way in and out.
"""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from infra.ports import SourceReader
from schemas.documents import Fetched, SourceEntry
from schemas.errors import Unreachable
from schemas.identity import quote

_SCHEME = "push://"


class PushSource:
    """Reads `push://NAME/...` from where the push store keeps it. As thread-safe as what it reads by.

    Args:
        uri: the source: `push://NAME/`, a folder in it, or one document.
        stored: the reader of the same source in the store.
        base: the store's URI, ending in "/", that stands for `push://` (infra.push_store: `where`).
    """

    def __init__(self, uri: str, stored: SourceReader, *, base: str) -> None:
        self.uri, self._stored, self._base = uri, stored, base

    def root_identity(self) -> str:
        """That of the folder or bucket in which the source lies."""
        return self._stored.root_identity()

    def list(self) -> Iterator[SourceEntry]:
        """Every document of the source, as infra.ports says."""
        for entry in self._stored.list():
            yield self._pushed(entry)

    def stat(self, uri: str) -> SourceEntry | None:
        """What `list` gives for this URI, or None when it is gone."""
        entry = self._stored.stat(self._place(uri))
        return None if entry is None else self._pushed(entry)

    def fetch(self, uri: str, *, max_bytes: int) -> Fetched | None:
        """The bytes of one consistent version, as infra.ports says."""
        fetched = self._stored.fetch(self._place(uri), max_bytes=max_bytes)
        return None if fetched is None else replace(fetched, uri=uri)

    def _pushed(self, entry: SourceEntry) -> SourceEntry:
        return entry._replace(uri=_SCHEME + entry.uri.removeprefix(self._base))

    def _place(self, uri: str) -> str:
        """The URI in the store.

        Raises:
            Unreachable: a listing never gives this URI, so its absence says nothing about it.
        """
        rest = uri.removeprefix(_SCHEME)
        inside = uri == self.uri or (self.uri.endswith("/") and uri.startswith(self.uri))
        if not inside or quote(unquote_to_bytes(rest)) != rest:
            raise Unreachable(uri, f"is not in the source {self.uri}", "name a document of this source")
        return self._base + rest
