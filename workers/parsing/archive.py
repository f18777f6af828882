"""A ZIP of documents: what lies in it. Nothing is unfolded to disk, and one member at a time in memory.

Its directory says how large everything is, and zipfile unfolds no more than that: bounds are held to before anything
is. A member that cannot be read is listed all the same, under a hash of what the directory says of it: it is refused
when its own turn comes, and its neighbours are not.
"""

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from schemas.documents import Member
from schemas.errors import Reason, Refusal
from workers.parsing.content import Content
from workers.parsing.names import cleaned, decoded
from workers.parsing.zipped import MAX_MEMBER

#: Members of one archive.
MAX_MEMBERS = 10_000
#: Times as many entries there may be, for folders and what is hidden.
_FOLDERS = 2
#: Bytes of all members together, unfolded to know what changed: some two seconds of work.
MAX_TOTAL = 500_000_000

#: bzip2 makes gigabytes of a hundred bytes, and zipfile cannot be told to stop within them.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED, _UTF8 = 0x1, 0x800
#: Where Info-ZIP, WinRAR and others keep the name in UTF-8 beside one that old programs can show.
_UNICODE_PATH = 0x7075
#: Bytes unfolded at a time.
_PIECE = 1 << 20


def parse(body: bytes) -> Content:
    """The members of an archive; it has no text of its own.

    Raises:
        Refusal: EMPTY if it has none, TOO_LARGE for too many or too much, CORRUPT if they lie over each other.
    """
    with _opened(body) as archive:
        _check_count(len(archive.infolist()), _FOLDERS * MAX_MEMBERS)  # so many names are not even looked at
        files = _files(archive)
        _check_count(len(files), MAX_MEMBERS)
        if not files:
            raise Refusal(Reason.EMPTY, "a ZIP archive with no file in it, hidden ones and links aside")
        if sum(info.file_size for info in files.values() if info.file_size <= MAX_MEMBER) > MAX_TOTAL:
            raise Refusal(Reason.TOO_LARGE, f"its members unfold to more than {MAX_TOTAL // 10**6} MB")
        return Content([], members=tuple(_member(archive, name, info) for name, info in files.items()))


def extract(body: bytes, members: Sequence[str]) -> Iterator[bytes | Refusal | None]:
    """The bytes of each member; None where there is none of that name.

    In the place of one that cannot be had stands its refusal: ENCRYPTED, UNSUPPORTED, TOO_LARGE or CORRUPT.
    """
    with _opened(body) as archive:
        files = _files(archive)
        for member in members:
            yield _taken(archive, files[member]) if member in files else None


def _taken(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | Refusal:
    try:
        return b"".join(_pieces(archive, info))
    except Refusal as refusal:
        return refusal


def _check_count(found: int, most: int) -> None:
    if found > most:
        raise Refusal(Reason.TOO_LARGE, f"a ZIP archive of {found} members, the limit is {MAX_MEMBERS}")


@contextmanager
def _opened(body: bytes) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        # Bombs of a few bytes let all their members stand in the same place. No program packs like that.
        if sum(info.compress_size for info in archive.infolist()) > len(body):
            raise Refusal(Reason.CORRUPT, "a ZIP archive whose members lie over each other")
        yield archive


def _files(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is a document, by cleaned name; of two of one name the last, as when both are unfolded."""
    infos = archive.infolist()
    # Names in no told encoding were read as code page 437, which has a character for each byte.
    unsure = [info for info in infos if not info.flag_bits & _UTF8]
    names = dict(zip(map(id, unsure), decoded([info.orig_filename.encode("cp437") for info in unsure]), strict=True))
    found = ((_unicode_path(info) or names.get(id(info), info.orig_filename), info) for info in infos)
    return {path: info for name, info in found if (path := cleaned(name)) and not _left_out(name, path, info)}


def _left_out(name: str, path: str, info: zipfile.ZipInfo) -> bool:
    """Whether it is a folder, a link, a device or hidden, as in a folder that is a source."""
    parts = path.split("/")
    return (
        name.endswith(("/", "\\"))
        or stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}
        or parts[0] == "__MACOSX"
        or any(part.startswith(".") for part in parts)
    )


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in UTF-8 that is kept beside the other, if it is still the same file's."""
    rest = info.extra
    while len(rest) > struct.calcsize("<HH"):
        kind, size = struct.unpack_from("<HH", rest)
        field, rest = rest[4 : 4 + size], rest[4 + size :]
        if kind == _UNICODE_PATH and field[1:5] == struct.pack("<I", zlib.crc32(info.orig_filename.encode("cp437"))):
            return field[5:].decode("utf-8", "replace")
    return None


def _member(archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> Member:
    digest, size = hashlib.sha256(), 0
    try:
        for piece in _pieces(archive, info):
            digest.update(piece)
            size += len(piece)
    except Refusal as refusal:
        told = f"{refusal.reason} {info.CRC} {info.file_size} {info.compress_size}"
        return Member(name, hashlib.sha256(told.encode()).hexdigest(), info.file_size)
    return Member(name, digest.hexdigest(), size)


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    if info.flag_bits & _ENCRYPTED:
        raise Refusal(Reason.ENCRYPTED, "a member of a ZIP archive with a password")
    if info.compress_type not in _METHODS:
        raise Refusal(Reason.UNSUPPORTED, f"packed by method {info.compress_type}: pack it the common way, by deflate")
    if info.file_size > MAX_MEMBER:
        raise Refusal(Reason.TOO_LARGE, f"unfolds to more than {MAX_MEMBER // 10**6} MB")
    try:
        with archive.open(info) as file:
            while piece := file.read(_PIECE):
                yield piece
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile raises a dozen types on damaged archives
        raise Refusal(Reason.CORRUPT, f"a damaged member of a ZIP archive ({error})") from None
