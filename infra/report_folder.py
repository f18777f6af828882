"""The folder of reports in the home: its files are written as a whole, and erased for good.

What was erased from the ledger, and then here, is in no report afterwards: who writes opens the folder before it reads
the ledger, and nothing can be put into a folder that was taken away since.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import Unreachable

_TODO = "make room in the home, or check its permissions"
#: Tries of an erasure, each of which a writer may spoil; one that never rests spoils about one in three.
_TRIES = 100
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """The folder, made where there is none, as a descriptor to `put` files into.

    Raises:
        Unreachable: it cannot be made.
    """
    try:
        folder = _open(path)
    except OSError as error:
        raise Unreachable(str(path), f"it cannot be made: {error.strerror}", _TODO) from None
    try:
        yield folder
    finally:
        os.close(folder)


def put(folder: int, name: str, body: bytes) -> bool:
    """Put a file in its place, for this user's eyes; False where the folder was erased since it was opened.

    Raises:
        Unreachable: it cannot be written.
    """
    temporary = f".{name}.{os.getpid()}"
    try:
        with os.fdopen(os.open(temporary, _NEW, 0o600, dir_fd=folder), "wb") as file:
            file.write(body)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise Unreachable(name, f"the report cannot be written: {error.strerror}", _TODO) from None
    return True


def erase(path: Path) -> None:
    """Delete the folder and all reports in it.

    Raises:
        Unreachable: something of it is left.
    """
    why: OSError | None = None
    for _ in range(_TRIES):
        if not os.path.lexists(path):
            return
        try:
            shutil.rmtree(path)
        except OSError as error:  # also where a file came, or went, meanwhile
            why = error
    if os.path.lexists(path):
        what = f"it cannot be deleted: {why.strerror if why else 'reports are being written'}"
        raise Unreachable(str(path), what, "check the permissions of the home, then run forget again")


def _open(path: Path) -> int:
    while True:
        # Not with exist_ok: it would look again whether the folder is there, and raise where it went since.
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # erased in between
            if path.is_symlink():  # to nothing: it would stay so
                raise
