"""What one document may take of the machine, and how its child is held to it.

Memory is what a child has over the server it was forked from: loaded parsers hold hundreds of megabytes, and under any
limit on the whole that is worth having they would not even start. No system call limits growth, so the server looks
at its child while it waits for it (`Watch`), and a limit on the address space stands behind that.

Linux has all of this; elsewhere the limits on memory and the death with the parent are missing, the others hold.
"""

import contextlib
import functools
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from workers.parsing.pipes import Deadline

LINUX = sys.platform == "linux"


class Limits(NamedTuple):
    """For one document.

    timeout_s: seconds from when its child is given it, its parser being loaded by then.
    growth: bytes of memory over the server's.
    answer: bytes of the parsed document as JSON. A text of 100 MB, the largest that is accepted, must pass, and as a
        table it doubles; what unpacks to more is no document, and would cost the process that waits for it a gigabyte.
    ocr: whether pictures are read; that is a setting, and not what happens to be installed.
    """

    timeout_s: float = 30.0
    growth: int = 512 << 20
    answer: int = 256 << 20
    ocr: bool = True


#: Seconds between two looks at a child's memory, 30 microseconds each. It can take some 20 MB between them.
_LOOK_S = 0.01
#: Times `Limits.growth` for the address space, which also counts what is reserved and never used.
_BACKSTOP = 2
#: Parsers open little besides their own code: a few libraries read tables of theirs.
_OPEN_FILES = 64
#: Seconds of processor time over the timeout. Ends what spins on where nobody watches any more.
_CPU_SPARE_S = 5

_PR_SET_PDEATHSIG = 1

#: What Python raises audit events for and no parser needs: other machines, other programs.
_DENIED = frozenset(
    (
        *("socket.__new__", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
        *("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"),
    )
)


class Outgrown(Exception):
    """A child has more memory than it may have."""


class Watch(Deadline):
    """A deadline that also looks at the memory of the process it waits for."""

    def __init__(self, pid: int, limits: Limits) -> None:
        super().__init__(limits.timeout_s)
        self._pid, self._most = pid, memory(os.getpid()) + limits.growth
        self._look_at = time.monotonic() + _LOOK_S

    def wait(self, descriptor: int, event: int) -> None:
        """As `Deadline.wait`.

        Raises:
            Outgrown: the process has more memory than it may have.
        """
        poll = select.poll()
        poll.register(descriptor, event)
        while not poll.poll(max(0.0, min(self._look_at - time.monotonic(), self.left())) * 1000):
            self._look()
            if not self.left():
                raise TimeoutError
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_S
            if memory(self._pid) > self._most:
                raise Outgrown


def memory(pid: int) -> int:
    """Bytes of memory a process has for itself, swapped out or not; 0 if it has gone or the system does not say.

    A page it shares with the process that forked it counts for both, so their difference is what was added.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    kilobytes = (
        int(line.split()[1]) for line in status.splitlines() if line.startswith((b"RssAnon:", b"RssShmem:", b"VmSwap:"))
    )
    return sum(kilobytes) * 1024


def confine(limits: Limits, *, parent: int) -> None:
    """Put this process, just forked by `parent`, under everything that it cannot lift again."""
    die_with(parent)
    if LINUX:
        # No Path: its code lies on a hundred pages, and every page a child touches is first copied.
        # Should memory run out all the same, the kernel is to take this process and not the one with the model in it.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", buffering=0) as file:  # noqa: PTH123
            file.write(b"1000")
        with open("/proc/self/statm", "rb", buffering=0) as file:  # noqa: PTH123
            space = int(file.read(64).split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, space + _BACKSTOP * limits.growth)
        _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_CPU, int(limits.timeout_s) + _CPU_SPARE_S)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    sys.addaudithook(_deny)


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent goes, even if no Python code runs then."""
    if LINUX:
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we asked
        os._exit(1)


@functools.cache
def _libc() -> Any:
    import ctypes  # not needed elsewhere

    return ctypes.CDLL(None)


def _limit(what: int, most: int) -> None:
    """Never raises a limit that is already lower."""
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _deny(event: str, _: object) -> None:
    if event in _DENIED:
        raise PermissionError(f"a parser must not use {event}")
