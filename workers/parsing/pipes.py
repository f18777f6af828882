"""Frames over a pipe: eight bytes of length, then the payload. What is in them is JSON or a document's bytes.

The parent's side must come back by its deadline whatever the child does, so it polls; the child's side just blocks.
Frames cannot deadlock: the child reads a whole request before it writes, the parent writes it all before it reads.
Here "parent" is who waits for an answer: penstock for its server, the server for the child it forked.
"""

import os
import select
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

_LENGTH = 8
#: Bytes for one system call; more than a pipe holds.
_STEP = 1 << 20


class TooLong(ValueError):
    """A frame is announced that is larger than the reader takes."""


class Deadline:
    """A moment in the clock's seconds that reading and writing must not pass."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._end, self._clock = clock() + seconds, clock

    def wait(self, descriptor: int, event: int) -> None:
        """Return once the descriptor is ready for `event`.

        Raises:
            TimeoutError: it is not, by the deadline.
        """
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(self.left() * 1000):
            raise TimeoutError

    def left(self) -> float:
        """Seconds until then, 0.0 once it has passed."""
        return max(0.0, self._end - self._clock())


def send(descriptor: int, *payloads: bytes, deadline: Deadline) -> None:
    """Write one frame per payload to a non-blocking descriptor.

    Raises:
        TimeoutError: as `Deadline.wait`.
        BrokenPipeError: the reader has gone.
    """
    # Small ones go in one write: a document of a few kilobytes then costs one system call.
    head = b"".join(len(payload).to_bytes(_LENGTH, "big") + payload for payload in payloads[:-1])
    head += len(payloads[-1]).to_bytes(_LENGTH, "big")
    parts = [head + payloads[-1]] if len(payloads[-1]) < _STEP else [head, payloads[-1]]
    for part in parts:
        view = memoryview(part)
        while view:
            try:
                view = view[os.write(descriptor, view[:_STEP]) :]
            except BlockingIOError:
                deadline.wait(descriptor, select.POLLOUT)


def receive(descriptor: int, *, deadline: Deadline, at_most: int = sys.maxsize) -> bytes:
    """Read one frame's payload, of `at_most` so many bytes.

    Raises:
        TimeoutError: as `Deadline.wait`.
        EOFError: the writer has gone.
        TooLong: it is larger; nothing of it is read.
    """
    length = int.from_bytes(_exactly(descriptor, _LENGTH, deadline), "big")
    if length > at_most:
        raise TooLong
    return bytes(_exactly(descriptor, length, deadline))


def _exactly(descriptor: int, size: int, deadline: Deadline) -> bytearray:
    got = bytearray()
    while len(got) < size:
        deadline.wait(descriptor, select.POLLIN)
        piece = os.read(descriptor, min(_STEP, size - len(got)))
        if not piece:
            raise EOFError
        got += piece
    return got


def write_frame(stream: BinaryIO, payload: bytes) -> None:
    """Write one frame to a blocking stream and flush it."""
    stream.write(len(payload).to_bytes(_LENGTH, "big"))
    stream.write(payload)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read one frame's payload from a blocking stream; None at its end, also if that comes within a frame."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH:
        return None
    length = int.from_bytes(head, "big")
    payload = stream.read(length)
    return payload if len(payload) == length else None
