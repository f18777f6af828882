"""The home: one folder with all state of the embedded composition, and the lock that makes its writer the only one.

format         the layout's version      ledger.sqlite   the ledger
lock           held while writing        index/          the embedded index
holder.json    who holds it              penstock.sock   where the holder answers (infra/home_socket.py)
push/          pushed content, by tenant and name, unless PENSTOCK_PUSH_STORE says otherwise
reports/       what `penstock report` wrote last
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from schemas.errors import HomeBusy, HomeTooNew, Unreachable, UsageError

#: Raise it when the layout changes in a way an older penstock would misread.
FORMAT = 1


class Home:
    """Paths of a home. Making one touches nothing; `create` makes the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.sqlite"
        self.index = folder / "index"
        self.push = folder / "push"
        self.reports = folder / "reports"
        self.socket = folder / "penstock.sock"
        self._lock = folder / "lock"
        self._holder = folder / "holder.json"
        self._format = folder / "format"

    @property
    def exists(self) -> bool:
        """Whether anything was ever indexed here."""
        return self.ledger.exists()

    def check_format(self) -> None:
        """Refuse a home that a newer penstock wrote.

        Raises:
            HomeTooNew: it did.
            UsageError: the folder is not a home.
            Unreachable: it cannot be read.
        """
        if not self._format.exists():
            return
        try:
            found = int(self._format.read_text())
        except ValueError:
            raise UsageError(f"{self._format} is damaged", "restore it, or choose another home with --home") from None
        except OSError as error:
            todo = "check the permissions of the home, or choose another with --home"
            raise Unreachable(str(self._format), f"it cannot be read: {error.strerror}", todo) from None
        if found > FORMAT:
            raise HomeTooNew(str(self.folder), found, FORMAT)

    def create(self) -> None:
        """Make the home where there is none.

        Raises:
            Unreachable: it cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._format.exists():
                fresh = self._format.with_suffix(".tmp")
                fresh.write_text(f"{FORMAT}\n")
                fresh.replace(self._format)
        except OSError as error:
            todo = "choose a place that can be written with --home"
            raise Unreachable(str(self.folder), f"the home cannot be made: {error.strerror}", todo) from None

    @contextmanager
    def locked(self, *, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the home's lock. The kernel releases it however this process ends.

        Raises:
            HomeBusy: another process holds it, and still does after `wait_s` seconds.
        """
        lock = FileLock(self._lock)
        try:
            lock.acquire(timeout=wait_s, poll_interval=0.05)
        except Timeout:
            raise HomeBusy(str(self.folder), *self.holder()) from None
        except OSError as error:
            todo = "check the permissions of the home, or choose another with --home"
            raise Unreachable(str(self.folder), f"the home cannot be locked: {error.strerror}", todo) from None
        try:
            self._write_holder()
            yield
        finally:
            lock.release()

    def holder(self) -> tuple[int, str]:
        """(pid, command) of the process that holds the lock, as far as it is known."""
        try:
            found = json.loads(self._holder.read_text())
            return int(found["pid"]), str(found["command"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, "unknown"

    def _write_holder(self) -> None:
        # Only the command's first words: arguments may hold what others should not read.
        command = " ".join(["penstock", *sys.argv[1:2]])
        temporary = self._holder.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps({"pid": os.getpid(), "command": command}))
            temporary.replace(self._holder)
        except OSError:
            # A full disk: readers need nothing more than the lock, and writers will say so themselves.
            with contextlib.suppress(OSError):
                self._holder.unlink(missing_ok=True)
