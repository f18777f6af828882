"""The child that waits for the next document: forked ahead, because a fork takes longer than a small document does.

It has its limits on from the start, and its order comes through a pipe. It is used for one document and no other.
"""

import contextlib
import gc
import os
import select
import signal
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, NoReturn


class Child(NamedTuple):
    """A forked process: what is written to `orders` it reads, what it writes comes out of `answers`."""

    pid: int
    orders: int
    answers: int

    def ended(self) -> int:
        """How it ended, as an exit code or minus a signal; it is killed if it has not."""
        os.close(self.orders)
        os.close(self.answers)
        os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def waits(self) -> bool:
        """Whether it still waits for its order: then nothing comes out of it, neither an answer nor the end."""
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        return not poll.poll(0)


class Spare:
    """At most one child, which calls `run` with the ends of its two pipes."""

    def __init__(self, run: Callable[[BinaryIO, int], NoReturn]) -> None:
        self._run = run
        self._child: Child | None = None

    def prepare(self) -> None:
        """Have a child waiting, if the machine lets us: `take` would say why it does not."""
        with contextlib.suppress(OSError):
            self._child = self.take()

    def take(self) -> Child:
        """The child that waits, or a new one if there is none any more: the kernel kills it first of all.

        Raises:
            OSError: this machine cannot fork.
        """
        child, self._child = self._child, None
        if child is not None and child.waits():
            return child
        if child is not None:
            child.ended()
        return self._forked()

    def outdate(self) -> None:
        """Do away with the child that waits: it lacks what is loaded from now on."""
        child, self._child = self._child, None
        if child is not None:
            child.ended()

    def _forked(self) -> Child:
        gc.freeze()  # what is loaded stays: the child need not copy it to mark it
        theirs, orders = os.pipe()
        answers, into = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(orders)
            os.close(answers)
            self._run(os.fdopen(theirs, "rb"), into)
        os.close(theirs)
        os.close(into)
        os.set_blocking(orders, False)
        return Child(pid, orders, answers)
