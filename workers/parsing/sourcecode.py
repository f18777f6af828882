"""Source code and configuration: a block for each stanza at the top level, every line as it stands.

A stanza begins at a line that is not indented, behind a blank line, and neither closes nor continues what is above.
"""

import re

from schemas.documents import Block, BlockKind
from workers.parsing.content import Content
from workers.parsing.decoding import decode

#: Blank lines, before a line that begins something new.
_BETWEEN = re.compile(
    r"\n(?:[^\S\n]*+\n)++(?=[^\s)\]}])(?!(?:end|else|elif|elsif|except|finally|fi|done|esac|then|do)\b)"
)


def parse(body: bytes) -> Content:
    """The stanzas of a source file."""
    stanzas = (stanza.rstrip().strip("\n") for stanza in _BETWEEN.split(decode(body)))
    return Content([Block(BlockKind.CODE, stanza) for stanza in stanzas if stanza])
