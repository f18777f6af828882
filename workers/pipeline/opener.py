"""Reads what lies in containers (ZIP, mail with attachments) at any depth, as a source reads what lies in a folder."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from infra.ports import SourceReader
from schemas.documents import Fetched, SourceEntry
from schemas.errors import Reason, Refusal
from schemas.identity import containers_of, lies_in, member_path, outermost, parent_uri
from workers.parsing.registry import Parser, Taken

#: Members that are taken out together, at most.
AT_ONCE = 200


class ContainerGone(Exception):
    """The outermost container is not in its source."""


@dataclass
class Opener:
    """Reads members from a source, each container once in a row; made anew for each batch, so that it sees changes.

    parser: takes members out of containers. reader: where the outermost containers lie. coming: URIs of members that
    will be asked for in this order, as far as is known: those that lie side by side are taken out together, for the
    directory of an archive costs more to read than a document.
    """

    reader: SourceReader
    parser: Parser
    coming: Sequence[str] = ()
    _entry: tuple[str, SourceEntry | None] | None = None
    _fetched: tuple[str, Fetched] | None = None
    #: By the container they lie in, so that a mail opened in between takes nothing from what lies beside it.
    _taken: dict[str, dict[str, Taken]] = field(default_factory=dict)
    _apart: bool = False

    def announce(self, uris: Sequence[str]) -> None:
        """Say of more members that they will be asked for, in this order."""
        self.coming = [*self.coming, *uris]

    def stat(self, uri: str) -> SourceEntry:
        """What the outermost container looks like from outside, as an entry of the member's own.

        Raises:
            ContainerGone: it is not there. Whether the member is in it is not known until it is fetched.
        """
        container = outermost(uri)
        if self._entry is None or self._entry[0] != container:
            self._entry = container, self.reader.stat(container)
        if self._entry[1] is None:
            raise ContainerGone(container)
        return self._entry[1]._replace(uri=uri, size=0)

    def fetch(self, uri: str, *, max_bytes: int) -> Fetched | None:
        """The bytes of a member; None: the container holds none of that name.

        Raises:
            ContainerGone: as `stat`.
            Refusal: its container cannot be read or opened, or the member is too large or damaged.
        """
        found = self._container(outermost(uri), max_bytes)
        holder = parent_uri(uri) or ""
        if uri not in self._taken.get(holder, ()):
            body: bytes | None = found.body
            for around in containers_of(uri)[1:]:
                body = body and self._only(body, around, max_bytes)
            if body is None:
                return None
            self._take(body, uri)
        inner = _bounded(self._taken[holder].pop(uri), max_bytes)
        return None if inner is None else replace(found, uri=uri, body=inner, content_type=None)

    def _container(self, uri: str, max_bytes: int) -> Fetched:
        if self._fetched is None or self._fetched[0] != uri:
            self._fetched = None  # not two of them in memory
            self._taken.clear()
            fetched = self.reader.fetch(uri, max_bytes=max_bytes)
            if fetched is None:
                raise ContainerGone(uri)
            self._fetched = uri, fetched
        return self._fetched[1]

    def _only(self, body: bytes, uri: str, max_bytes: int) -> bytes | None:
        """One member of the container whose bytes are `body`."""
        [taken] = self._extracted(body, [uri])
        return _bounded(taken, max_bytes)

    def _take(self, body: bytes, uri: str) -> None:
        """Take a member out, and with it some of those that will be asked for next."""
        beside = [] if self._apart else self._beside(uri)
        try:
            taken = self._extracted(body, [uri, *beside])
        except Refusal:
            if not beside:
                raise
            # Nobody knows whose fault it was: from here on, each costs only itself.
            self._apart, beside = True, []
            taken = self._extracted(body, [uri])
        # What lies in no container of this one is behind us.
        self._taken = {holder: kept for holder, kept in self._taken.items() if lies_in(uri, holder)}
        self._taken[parent_uri(uri) or ""] = dict(zip([uri, *beside], taken, strict=False))

    def _beside(self, uri: str) -> list[str]:
        later = itertools.dropwhile(uri.__ne__, self.coming)
        return [one for one in itertools.islice(later, 1, AT_ONCE) if parent_uri(one) == parent_uri(uri)]

    def _extracted(self, body: bytes, uris: Sequence[str]) -> list[Taken]:
        holder = parent_uri(uris[0]) or ""
        container, names = member_path(holder)
        name = names[-1] if names else container.rpartition("/")[2]
        return self.parser.extract(body, name, [member_path(uri)[1][-1] for uri in uris])


def fetch_if_there(reader: SourceReader | Opener, uri: str, *, max_bytes: int) -> Fetched | None:
    """The bytes of a document; None where it has gone, or its container with it.

    Raises:
        Refusal: it cannot be read, or is too large.
    """
    try:
        return reader.fetch(uri, max_bytes=max_bytes)
    except ContainerGone:
        return None


def _bounded(taken: Taken, max_bytes: int) -> bytes | None:
    if isinstance(taken, Refusal):
        raise taken
    if taken is not None and len(taken) > max_bytes:
        raise Refusal(Reason.TOO_LARGE, f"{len(taken)} bytes, the limit is {max_bytes}")
    return taken
