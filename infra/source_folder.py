"""A folder, or one single file, as a source.

Invariant: "gone" is said only of a name that is not found while the root answers and still is the same root.
Names are raw bytes; links are read where they stay inside the root; names that begin with "." do not exist here.
"""
# pathlib takes no raw bytes.
# ruff: noqa: PTH100, PTH112, PTH116, PTH118, PTH120

import os
import stat
from collections.abc import Callable, Iterator, Sequence

from infra.source_file import examine, fetch, unreachable
from infra.source_names import Exclusions
from infra.source_walk import look_at_folder, walk
from schemas.documents import Fetched, SourceEntry
from schemas.errors import Unreachable
from schemas.identity import file_path, file_uri


class FolderSource:
    """Reads a folder's regular files, or exactly one file. Thread-safe.

    A `root` that ends in "/", or is a folder when the source is opened, is a folder. Any other is one file, whose root
    is the folder it is in; neither `exclude` nor the rule about hidden names applies to it.
    `clock` gives seconds since the epoch.
    """

    def __init__(self, root: bytes | str, *, exclude: Sequence[str] = (), clock: Callable[[], float]) -> None:
        raw = os.fsencode(root)
        path = os.path.abspath(raw)
        self._is_folder = raw.endswith(b"/") or os.path.isdir(path)
        self._root = path if self._is_folder else os.path.dirname(path)
        self._prefix = self._root.rstrip(b"/") + b"/"
        self._base = file_uri(self._prefix)
        self.uri = self._base if self._is_folder else file_uri(path)
        self._exclude = Exclusions(exclude)
        self._clock = clock

    def root_identity(self) -> str:
        """Device and inode of the folder (of a single file: of the folder it is in)."""
        try:
            status = _status_of_listable(self._root) if self._is_folder else os.stat(self._root)
        except OSError as error:
            raise unreachable(self._base, error) from None
        return f"{status.st_dev}:{status.st_ino}"

    def list(self) -> Iterator[SourceEntry]:
        """Every object under the root, as infra.ports says."""
        root = self.root_identity()
        if self._is_folder:
            yield from walk(self._root, self._base, self._exclude)
        elif (entry := self.stat(self.uri)) is not None:
            yield entry
        self._check_root(root)

    def stat(self, uri: str) -> SourceEntry | None:
        """What `list` gives for this URI, or None when it is gone, which includes: left out by declaration."""
        path = self._path(uri)
        root = self.root_identity()
        there = not self._leaves_out(path) and self._has_folder(uri, path)
        entry = self._look(uri, path) if there else None
        if entry is None:
            self._check_root(root)
        return entry

    def fetch(self, uri: str, *, max_bytes: int) -> Fetched | None:
        """The bytes of one consistent version, as infra.ports says."""
        return fetch(lambda: self.stat(uri), self._path(uri), max_bytes=max_bytes, clock=self._clock)

    def _check_root(self, expected: str) -> None:
        if self.root_identity() != expected:
            raise Unreachable(self._base, "another folder took its place meanwhile", "run again once it is settled")

    def _path(self, uri: str) -> bytes:
        """The path of a URI.

        Raises:
            Unreachable: a listing never gives this URI, so its absence says nothing about it.
        """
        if not self._is_folder and uri == self.uri:
            return file_path(uri)
        path = file_path(uri) if self._is_folder and uri.startswith(self._base) else b""
        names = path[len(self._prefix) :].removesuffix(b"/").split(b"/")
        if b"" in names or b"\0" in path or file_uri(path) != uri:
            raise Unreachable(uri, f"is not in the source {self.uri}", "name a document of this source")
        return path

    def _leaves_out(self, path: bytes) -> bool:
        """Whether a name is hidden or excluded: a person took it out of the source, whatever lies there."""
        if not self._is_folder:
            return False
        names = path[len(self._prefix) :].removesuffix(b"/").split(b"/")
        return any(name.startswith(b".") for name in names) or self._exclude.cover(os.fsdecode(b"/".join(names)))

    def _has_folder(self, uri: str, path: bytes) -> bool:
        """Whether a listing gets to the folder `path` is in; not, where a part of the way is gone, a file or a link.

        Raises:
            Unreachable: a folder on the way cannot be listed, or is a link that a listing refuses.
        """
        folder = self._root
        for name in path[len(self._prefix) :].removesuffix(b"/").split(b"/")[:-1]:
            folder = os.path.join(folder, name)
            try:
                status = os.lstat(folder)
                if stat.S_ISDIR(status.st_mode):
                    _status_of_listable(folder)
                    continue
                entry = examine(uri, folder, status, self._root)
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError as error:
                raise unreachable(uri, error) from None
            if entry is not None and entry.problem is not None:
                raise Unreachable(uri, f"is under {os.fsdecode(folder)!r}: {entry.problem}", entry.problem.todo)
            return False
        return True

    def _look(self, uri: str, path: bytes) -> SourceEntry | None:
        if uri.endswith("/"):
            return look_at_folder(path, uri, self._root, self._exclude)
        try:
            return examine(uri, path, os.lstat(path), self._root)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unreachable(uri, error) from None


def _status_of_listable(folder: bytes) -> os.stat_result:
    """Status of a folder that can be listed; else the OSError that listing it gives."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
