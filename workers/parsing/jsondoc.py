"""JSON as lines "path: value", so that each line can be found, and read, on its own.

A value is written as it stands in the file: a number of any length keeps its digits. Paths have no positions in lists:
one item more would otherwise change every line behind it. What an item of a list holds is one block, and so are the
plain values that follow each other in an object; plain values of a list share a line.
"""

import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content
from workers.parsing.decoding import decode

#: A string, which is kept, or what configuration files have and JSON has not: comments, and commas before a bracket.
#: What is never closed reaches to the end, so that nothing is read twice.
_STRING_OR_EXTRA = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\Z))|//[^\n]*|/\*.*?(?:\*/|\Z)|,(?=\s*[}\]])', re.DOTALL)


class _Object(list[tuple[str, Any]]):
    """An object's members in their order, repeated names included."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str)


def parse(body: bytes) -> Content:
    """The blocks of a JSON file, and the title it gives itself at the top."""
    value = load(decode(body))
    title = dict(value).get("title") if isinstance(value, _Object) else None
    return Content(list(blocks(value)), title if isinstance(title, str) else None)


def load(text: str) -> Any:
    """The value, with numbers as they are written, and objects as lists of members.

    Raises:
        json.JSONDecodeError: it is no JSON, not even without comments.
    """
    try:
        return _DECODER.decode(text.strip())
    except json.JSONDecodeError as error:
        without = _STRING_OR_EXTRA.sub(lambda match: match[1] or " ", text)
        try:
            return _DECODER.decode(without.strip())
        except json.JSONDecodeError:
            raise error from None


def blocks(value: Any, path: str = "") -> Iterator[Block]:
    """The blocks of a value that stands at `path`."""
    if isinstance(value, _Object):
        for nested, members in groupby(value, key=lambda member: _is_nested(member[1])):
            if nested:
                for name, inner in members:
                    yield from blocks(inner, _join(path, name))
            else:
                yield from _paragraph(line for name, inner in members for line in _lines(inner, _join(path, name)))
    elif _is_nested(value):
        for item in value:
            yield from _paragraph(_lines(item, path))
    else:
        yield from _paragraph(_lines(value, path))


def _is_nested(value: Any) -> bool:
    """Whether there is an object in it."""
    return isinstance(value, _Object) or (isinstance(value, list) and any(isinstance(item, list) for item in value))


def _lines(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Object):
        for name, inner in value:
            yield from _lines(inner, _join(path, name))
    elif _is_nested(value):
        for item in value:
            yield from _lines(item, path)
    elif value != []:
        text = ", ".join(map(_shown, value)) if isinstance(value, list) else _shown(value)
        yield f"{path}: {text}".rstrip() if path else text


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return {True: "true", False: "false", None: "null"}[value]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _paragraph(lines: Iterator[str]) -> Iterator[Block]:
    text = "\n".join(lines)
    if text.strip():
        yield Block(BlockKind.PARAGRAPH, text)
