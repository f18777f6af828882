"""The child that parses one document, or takes members out, forked by server.py: it answers into a pipe and ends.

It loads nothing heavy. The first import of a parser that is not loaded yet stops it: the server, which forks the
children after it too, loads that and forks anew. The document's bytes are touched here and nowhere else.

Order: a frame of JSON (`Order`), then one with the document's bytes.
Answers, each a frame of JSON: any number of {"log", "fields"}, and at last {"found"} followed by a frame with the
document as JSON, {"found", "members"} followed by one with their bytes together, {"refused", "detail"},
{"missing": module}, or {"unreachable"} where the installation is at fault.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from typing import Any, BinaryIO, NamedTuple, NoReturn

from schemas.errors import Reason, Refusal
from workers.parsing import registry
from workers.parsing.limits import Limits, confine
from workers.parsing.pipes import read_frame, write_frame
from workers.parsing.registry import Taken

#: The modules a child leaves to its server to load.
PARSERS = "workers.parsing."


class Order(NamedTuple):
    """What is asked about a document of this name: the document itself, or these members of it."""

    name: str
    members: Sequence[str] | None


class _Missing(BaseException):
    """A module the server has to load first; no parser's `except Exception` may stop it."""


class _NothingNew(MetaPathFinder):
    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name.startswith(PARSERS):
            raise _Missing(name)


def run(limits: Limits, orders: BinaryIO, answers: BinaryIO, *, parent: int) -> NoReturn:
    """Wait for an order and its document and carry it out, in this process, which is forked for it and ends with it."""
    try:
        confine(limits, parent=parent)
        sys.meta_path.insert(0, _NothingNew())
        order, body = read_frame(orders), read_frame(orders)
        if order is None or body is None:
            os._exit(1)
        said, found = _outcome(body, Order(**json.loads(order)))
        answer(answers, said)
        if found is not None:
            write_frame(answers, found)
    except BaseException:  # noqa: BLE001 - there is nobody above: after a fork the caller's frames are the server's
        os._exit(1)
    os._exit(0)


def _outcome(body: bytes, order: Order) -> tuple[dict[str, Any], bytes | None]:
    try:
        if order.members is None:
            return {"found": True}, encoded(registry.parse(body, order.name).to_json())
        return joined(registry.extract(body, order.name, order.members))
    except Refusal as refusal:
        return {"refused": refusal.reason.value, "detail": refusal.detail}, None
    except _Missing as missing:
        return {"missing": str(missing)}, None
    except ImportError as error:
        return {"unreachable": f"a library is missing or broken: {error}"}, None
    except MemoryError:
        return {"refused": Reason.PARSER_MEMORY.value, "detail": "its parser ran out of memory"}, None


def joined(taken: Iterable[Taken]) -> tuple[dict[str, Any], bytes]:
    """Members as they travel: for each its size, null, or a pair of reason and detail; and the bytes of all."""
    members: list[Any] = []
    bodies: list[bytes] = []
    for one in taken:
        if isinstance(one, Refusal):
            members.append([one.reason.value, one.detail])
        elif one is None:
            members.append(None)
        else:
            members.append(len(one))
            bodies.append(one)
    return {"found": True, "members": members}, b"".join(bodies)


def parted(members: Iterable[Any], together: bytes) -> Iterator[Taken]:
    """What `joined` was given."""
    start = 0
    for told in members:
        if isinstance(told, int):
            yield together[start : start + told]
            start += told
        else:
            yield told and Refusal(Reason(told[0]), told[1])


def answer(answers: BinaryIO, said: dict[str, Any]) -> None:
    """Write a frame of JSON."""
    write_frame(answers, encoded(said))


def encoded(payload: dict[str, Any]) -> bytes:
    """JSON in UTF-8, halves of surrogate pairs as question marks."""
    return json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
