"""Listing a folder tree: one `lstat` a name, no file opened.

Written for speed, for this is what an unchanged source costs: a folder's URI is quoted once, and a regular file with
a plain name, which is nearly every one, runs through few functions.
"""

import os
import re
import stat
from collections.abc import Iterator

from infra.source_file import examine, identity, problem, unreachable
from infra.source_names import Exclusions
from schemas.documents import SourceEntry
from schemas.errors import Reason
from schemas.identity import quote

_needs_no_quoting = re.compile(rb"[A-Za-z0-9._~-]+").fullmatch
_DOT = ord(".")


def walk(root: bytes, base: str, exclude: Exclusions) -> Iterator[SourceEntry]:
    """Every document under `root`, whose URI is `base` (ending in "/"), and everything that cannot be one.

    A subfolder that cannot be listed is an entry with a problem; one that vanishes meanwhile is none.

    Raises:
        Unreachable: the root itself cannot be listed.
    """
    pending = [(root, base)]
    while pending:
        path, uri = pending.pop()
        try:
            entries, folders = _scan(path, uri, root, exclude)
        except OSError as error:
            if path == root:
                raise unreachable(base, error) from None
            failed = unlistable(path, uri, error)
            if failed is not None:
                yield failed
            continue
        yield from entries
        pending += folders


def look_at_folder(path: bytes, uri: str, root: bytes, exclude: Exclusions) -> SourceEntry | None:
    """What `walk` says of a subfolder under its own URI (ending in "/"): a problem, or nothing."""
    try:
        _scan(path, uri, root, exclude)
    except OSError as error:
        return unlistable(path, uri, error)
    return None


def unlistable(path: bytes, uri: str, error: OSError) -> SourceEntry | None:
    """The entry of a folder that cannot be listed, or None when it is gone."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as second:
        raise unreachable(uri, second) from None
    if not stat.S_ISDIR(status.st_mode):
        return None
    return problem(uri, status, Reason.UNREADABLE, f"the folder cannot be listed: {error.strerror}")


def _scan(
    path: bytes, base: str, root: bytes, exclude: Exclusions
) -> tuple[list[SourceEntry], list[tuple[bytes, str]]]:
    """One folder: its documents, and its subfolders as (path, URI ending in "/")."""
    entries: list[SourceEntry] = []
    folders: list[tuple[bytes, str]] = []
    start = len(root.rstrip(b"/")) + 1
    some_excluded = bool(exclude)
    with os.scandir(path) as names:
        for found in names:
            name = found.name
            if name[0] == _DOT:
                continue
            if some_excluded and exclude.match(os.fsdecode(found.path[start:])):
                continue
            try:
                status = found.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            uri = base + (name.decode("ascii") if _needs_no_quoting(name) else quote(name))
            if stat.S_ISREG(status.st_mode):
                entries.append(SourceEntry(uri, identity(status), status.st_size, status.st_mtime))
            elif stat.S_ISDIR(status.st_mode):
                folders.append((found.path, uri + "/"))
            elif (entry := examine(uri, found.path, status, root)) is not None:
                entries.append(entry)
    return entries, folders
