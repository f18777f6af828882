"""A parser server with a text parser that obeys its document: it hangs, grows, crashes, or shows its surroundings."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from schemas.documents import Block, BlockKind
from workers.parsing import registry, server, text
from workers.parsing.content import Content


def _obey(body: bytes) -> Content:
    if body.startswith(b"hang"):
        time.sleep(1000)
    if body.startswith(b"spin"):  # in C, holding the interpreter's lock: no Python code runs in this child any more
        ctypes.PyDLL(None).sleep(1000)
    if body.startswith(b"crash"):
        ctypes.string_at(0)
    if body.startswith(b"print"):
        print("a library prints", flush=True)
    if body.startswith(b"grow"):
        held = []
        while True:
            held.append(bytearray(b"x" * 2**22))
    if body.startswith(b"reserve"):  # at once, and more than any machine has
        bytearray(2**45)
    if body.startswith(b"end"):
        os._exit(3)
    if body.startswith(b"killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if body.startswith((b"garble", b"order")):
        said = b"hello" if body.startswith(b"garble") else b'{"missing": "antigravity"}'
        for descriptor in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(descriptor, len(said).to_bytes(8, "big") + said)
    if body.startswith(b"long"):
        return Content([Block(BlockKind.PARAGRAPH, "long " * 2**20)])
    if body.startswith(b"try"):
        return Content([Block(BlockKind.PARAGRAPH, json.dumps(_tried(body.decode().split()[1])))])
    if body.startswith(b"tell"):
        told = {"pid": os.getpid(), "server": os.getppid(), "environment": dict(os.environ)}
        return Content([Block(BlockKind.PARAGRAPH, json.dumps(told))])
    return Content(text.paragraphs(body.decode()))


def _obey_for_members(body: bytes, name: str, members: list[str]) -> list[bytes | None]:
    """What the document's orders are, for the members that are asked for: all but one of no name."""
    blocks = _obey(body).blocks
    return [f"{name} {member} {blocks[0].text}".encode() if member else None for member in members]


def _tried(what: str) -> str:
    """What comes of doing what no parser needs to do."""
    try:
        if what == "socket":
            socket.socket()
        elif what == "lookup":
            socket.getaddrinfo("localhost", 80)
        elif what == "program":
            subprocess.run([sys.executable, "-c", ""], check=False)
        elif what == "fork":
            os.fork()
        elif what == "file":
            with tempfile.TemporaryFile() as file:
                file.write(b"x")
        elif what == "descriptors":
            held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1000)]
            return f"opened {len(held)}"
    except OSError as error:
        return type(error).__name__
    return "done"


def main():
    text.parse = _obey
    registry.extract = _obey_for_members
    registry.FORMATS["csv"] = registry.Format("nowhere_to_be_found", "csv-0")
    server.main()
