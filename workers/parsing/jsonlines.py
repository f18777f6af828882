"""JSON Lines: a JSON value on each line, each a block."""

import json

from schemas.documents import Block
from schemas.errors import Reason, Refusal
from workers.parsing import jsondoc
from workers.parsing.content import Content
from workers.parsing.decoding import decode


def parse(body: bytes) -> Content:
    """A block for each record, in the lines of jsondoc.py.

    Raises:
        Refusal: CORRUPT, naming the first line that is no JSON: a file cut short must not replace a whole one.
    """
    blocks: list[Block] = []
    for number, line in enumerate(decode(body).split("\n"), start=1):
        if line.strip():
            try:
                blocks += jsondoc.blocks([jsondoc.load(line)])
            except json.JSONDecodeError as error:
                raise Refusal(Reason.CORRUPT, f"line {number} is no JSON: {error.msg}") from None
    return Content(blocks)
