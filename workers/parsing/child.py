"""The child that parses one document, forked by server.py: it answers into a pipe and ends.

It loads nothing heavy. The first import of a parser that is not loaded yet stops it: the server, which forks the
children after it too, loads that and forks anew. The document's bytes are touched here and nowhere else.

Answers, each a frame of JSON: any number of {"log", "fields"}, and at last {"document"} followed by a frame with the
document itself, {"refused", "detail"}, {"missing": module}, or {"unreachable"} where the installation is at fault.
"""

import json
import os
import sys
from importlib.abc import MetaPathFinder
from typing import Any, BinaryIO, NoReturn

from schemas.errors import Reason, Refusal
from workers.parsing import registry
from workers.parsing.limits import Limits, confine
from workers.parsing.pipes import write_frame

#: The modules a child leaves to its server to load.
PARSERS = "workers.parsing."


class _Missing(BaseException):
    """A module the server has to load first; no parser's `except Exception` may stop it."""


class _NothingNew(MetaPathFinder):
    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name.startswith(PARSERS):
            raise _Missing(name)


def run(body: bytes, name: str, limits: Limits, answers: BinaryIO, *, parent: int) -> NoReturn:
    """Parse in this process, which is forked for it and ends with it."""
    try:
        confine(limits, parent=parent)
        sys.meta_path.insert(0, _NothingNew())
        answer(answers, *_parsed(body, name))
    except MemoryError:
        answer(answers, {"refused": Reason.PARSER_MEMORY.value, "detail": "no memory left for its text"})
    except BaseException:  # noqa: BLE001 - there is nobody above: after a fork the caller's frames are the server's
        os._exit(1)
    os._exit(0)


def _parsed(body: bytes, name: str) -> tuple[dict[str, Any], ...]:
    try:
        document = registry.parse(body, name)
    except Refusal as refusal:
        return ({"refused": refusal.reason.value, "detail": refusal.detail},)
    except _Missing as missing:
        return ({"missing": str(missing)},)
    except ImportError as error:
        return ({"unreachable": f"a library is missing or broken: {error}"},)
    except MemoryError:
        return ({"refused": Reason.PARSER_MEMORY.value, "detail": "its parser ran out of memory"},)
    return {"document": True}, document.to_json()


def answer(answers: BinaryIO, *payloads: dict[str, Any]) -> None:
    """Write a frame of JSON for each."""
    for payload in payloads:
        write_frame(answers, json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace"))
