"""One file: its cheap identity, what is wrong with it, and its bytes in one consistent version.

Nothing here decides that a file is gone; infra.source_folder does, for it knows the root.
"""
# pathlib takes no raw bytes.
# ruff: noqa: PTH116, PTH120, PTH123

import errno
import os
import stat
from collections.abc import Callable

from schemas.documents import Fetched, SourceEntry
from schemas.errors import Reason, Refusal, Unreachable

#: How often a file that changes while it is read is read again. A save takes milliseconds; a log never rests.
ATTEMPTS = 3
#: Seconds. Some file systems stamp times this coarsely, so a younger file can change again under the same times.
SETTLED_AGE = 2.0

#: What errors of the operating system mean to a person, and what to do about them.
_MEANING = {
    errno.ENOENT: ("does not exist", "mount it or put it back, or correct the path"),
    errno.ENOTDIR: ("is not a folder", "put the folder back, or correct the path"),
    errno.EACCES: ("this user may not read it", "give this user permission to read it and every folder above"),
    errno.ESTALE: ("its file system went away", "mount it again"),
    errno.EIO: ("the disk or network mount fails", "check it, then try again"),
}
#: What opening gives when something else took the file's place since it was looked at: look again.
_MOVED = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO}


def identity(status: os.stat_result) -> str:
    """Cheap identity of a file: "device:inode:size:mtime_ns:ctime_ns". Equal means unchanged."""
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def unreachable(where: str, error: OSError) -> Unreachable:
    """The operating system's error as ours."""
    unknown = ((error.strerror or type(error).__name__).lower(), "check the file system, then try again")
    return Unreachable(where, *_MEANING.get(error.errno or 0, unknown))


def problem(uri: str, status: os.stat_result, reason: Reason, detail: str = "") -> SourceEntry:
    """The entry of something that cannot be read; its identity changes when the thing itself does."""
    return SourceEntry(uri, f"problem:{reason}:{identity(status)}", 0, status.st_mtime, Refusal(reason, detail))


def examine(uri: str, path: bytes, status: os.stat_result, root: bytes) -> SourceEntry | None:
    """What `path` is as a document, or None where it is a folder, or a link to one inside the root.

    Args:
        uri: its URI.
        path: where it is.
        status: its `lstat`.
        root: the source's root; a link must not lead out of it.
    """
    if stat.S_ISREG(status.st_mode):
        return SourceEntry(uri, identity(status), status.st_size, status.st_mtime)
    if stat.S_ISDIR(status.st_mode):
        return None
    if stat.S_ISLNK(status.st_mode):
        return _examine_link(uri, path, status, os.path.realpath(root))
    return problem(uri, status, Reason.NOT_A_FILE, _kind(status.st_mode))


def _examine_link(uri: str, path: bytes, status: os.stat_result, real_root: bytes) -> SourceEntry | None:
    try:
        target, real = os.stat(path), os.path.realpath(path, strict=True)
    except OSError as error:
        reason = {
            errno.ENOENT: Reason.BROKEN_LINK,
            errno.ENOTDIR: Reason.BROKEN_LINK,
            errno.ELOOP: Reason.LINK_LOOP,
        }.get(error.errno or 0, Reason.UNREADABLE)
        return problem(uri, status, reason, "" if reason is not Reason.UNREADABLE else str(error.strerror))
    if not _within(real, real_root):
        return problem(uri, status, Reason.OUTSIDE_ROOT)
    if stat.S_ISDIR(target.st_mode):
        above = os.path.realpath(os.path.dirname(path))
        return problem(uri, status, Reason.LINK_LOOP) if _within(above, real) else None
    if stat.S_ISREG(target.st_mode):
        return SourceEntry(uri, identity(target), target.st_size, target.st_mtime)
    return problem(uri, status, Reason.NOT_A_FILE, _kind(target.st_mode))


def _within(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return kinds.get(stat.S_IFMT(mode), "")


def fetch(
    look: Callable[[], SourceEntry | None], path: bytes, *, max_bytes: int, clock: Callable[[], float]
) -> Fetched | None:
    """Read what `look` sees at `path`, or None when it sees that nothing is there.

    Raises:
        Refusal: TOO_LARGE, UNREADABLE, CHANGING, or its problem.
        Unreachable: `look` raises it, or reading fails for another reason than permission.
    """
    for _ in range(ATTEMPTS):
        entry = look()
        if entry is None:
            return None
        if entry.problem is not None:
            raise entry.problem
        if entry.size > max_bytes:
            raise Refusal(Reason.TOO_LARGE, f"{entry.size} bytes, the limit is {max_bytes}")
        try:
            body, trusted = _read(entry, path, clock)
        except PermissionError as error:
            raise Refusal(Reason.UNREADABLE, str(error.strerror)) from None
        except OSError as error:
            if error.errno in _MOVED:
                continue
            raise unreachable(entry.uri, error) from None
        if body is not None:
            return Fetched(entry.uri, body, entry.identity if trusted else "", entry.modified_at)
    raise Refusal(Reason.CHANGING)


def _read(entry: SourceEntry, path: bytes, clock: Callable[[], float]) -> tuple[bytes | None, bool]:
    """The bytes, or None when they are not those of `entry`; and whether its identity vouches for them later.

    That the open file has the identity examined before also proves that no link was turned elsewhere since.
    O_NONBLOCK: should a FIFO have taken its place, opening it does not wait for a writer.
    """
    now = clock()
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        if identity(before) != entry.identity:
            return None, False
        body = _read_exactly(file.read, entry.size)
        after = os.fstat(descriptor)
    if identity(after) != entry.identity or len(body) != entry.size:
        return None, False
    # A change time in the future is a skewed clock; a modification time far in the future is somebody's claim.
    trusted = now - after.st_ctime >= SETTLED_AGE and abs(now - after.st_mtime) >= SETTLED_AGE
    return body, trusted


def _read_exactly(read: Callable[[int], bytes | None], size: int) -> bytes:
    """At most `size` bytes; one `read` gives no more than 2 GiB."""
    body = read(size) or b""
    while len(body) < size and (more := read(size - len(body))):
        body += more
    return body
