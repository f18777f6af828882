"""A parser child with a text parser that obeys its document: it hangs, crashes, or shows its surroundings."""

import ctypes
import json
import os
import time

from schemas.documents import Block, BlockKind
from workers.parsing import child, registry, text
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
    if body.startswith(b"tell"):
        told = {"pid": os.getpid(), "environment": dict(os.environ)}
        return Content([Block(BlockKind.PARAGRAPH, json.dumps(told))])
    return Content(text.paragraphs(body.decode()))


def main():
    text.parse = _obey
    registry.FORMATS["csv"] = registry.Format("nowhere_to_be_found", "csv-0")
    child.main()
