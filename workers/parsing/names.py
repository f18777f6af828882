"""Names of what lies in a container: relative paths that lead nowhere else, in the letters they were given in.

A name is only ever compared and shown: nothing is written under it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from posixpath import splitext

from schemas.errors import printable
from workers.parsing.guessing import guess
from workers.parsing.kinds import CONTENT_TYPES

#: Most bytes of a name in UTF-8; what is longer keeps its end, for a name's ending may tell the kind.
MAX_NAME = 1000
#: The longest ending of a name, for that too.
_KEPT = 200

_DRIVE = re.compile(r"[A-Za-z]:")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
#: Letters of any script in a row, and what such a word is in Russian. DOS's encodings are alive in the ZIPs of Windows.
_WORD = re.compile(r"[A-Za-z\x80-\U0010ffff]+")
_RUSSIAN = re.compile("[\u0410-\u042f\u0401]?[\u0430-\u044f\u0451]+|[\u0410-\u042f\u0401]+|\u2116")
#: Western letters, but no symbols.
_ACCENTED = re.compile(r"[\x80-\U0010ffff]")
_WESTERN = re.compile(r"[\x00-\x7f\xc0-\xd6\xd8-\xf6\xf8-\xff]*")
#: Frames and blocks, which only a wrong reading puts into names.
_BOXES = re.compile("[\u2500-\u25ff]")
#: The ending for a content type, where it is not the kind's own name.
_ENDINGS = {"text": "txt", "markdown": "md", "jpeg": "jpg"}


def cleaned(name: str) -> str:
    r"""The path in a name: no drive, no empty part, no "..", no control character, "\" made "/"; "" if none is left."""
    parts = [part for part in printable(name).replace("\\", "/").split("/") if part.strip() not in {"", ".", ".."}]
    while parts and _DRIVE.fullmatch(parts[0]):
        del parts[0]
    path = "/".join(parts)
    raw = path.encode()
    if len(raw) <= MAX_NAME:
        return path
    return f"{hashlib.sha256(raw).hexdigest()}-{raw[-_KEPT:].decode(errors='ignore')}"


def decoded(names: Sequence[bytes]) -> list[str]:
    """Names whose encoding nobody told. All are in the same one: a single name is too short to guess by.

    Bytes that cannot be told are written as in a URI: "%82" is at least no other letter.
    """
    encoding = _encoding(b"\n".join(name for name in names if not _is_utf8(name)))
    return [_decoded(name, "utf-8" if _is_utf8(name) else encoding) for name in names]


def given(attached: Iterable[tuple[str | None, str]]) -> Iterator[str]:
    """The names of attachments, in their order, from (file name, content type); those of one name are numbered."""
    taken: set[str] = set()
    for number, (said, content_type) in enumerate(attached, 1):
        ending = _ending(content_type)
        name = cleaned(said or "") or f"part-{number}{ending}"
        if ending == ".eml" and not name.lower().endswith(ending):
            name += ending
        stem, ending = splitext(name)
        again = 1
        while name in taken:
            again += 1
            name = f"{stem}-{again}{ending}"
        taken.add(name)
        yield name


def _ending(content_type: str) -> str:
    kind = next((kind for kind, known in CONTENT_TYPES.items() if known == content_type), "")
    return "." + _ENDINGS.get(kind, kind) if kind else ""


def _encoding(sample: bytes) -> str | None:
    if _is_russian(sample.decode("cp866")):
        return "cp866"
    found = guess(sample)
    if found and not _BOXES.search(sample.decode(found)):
        return found
    return "cp850" if _is_western(sample.decode("cp850")) else None


def _is_russian(text: str) -> bool:
    """Whether all words are, and one at least is in small letters: Japanese ones look like capitals only."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    return all(map(_RUSSIAN.fullmatch, words)) and any(len(word) > 2 and word[1:].islower() for word in words)


def _is_western(text: str) -> bool:
    """Whether there are letters only, and most of them have no accent."""
    plain = sum(character.isascii() and character.isalpha() for character in text)
    return bool(_WESTERN.fullmatch(text)) and 2 * len(_ACCENTED.findall(text)) <= plain


def _decoded(name: bytes, encoding: str | None) -> str:
    if encoding is None:
        name, encoding = _BEYOND_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], name), "ascii"
    return name.decode(encoding)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
