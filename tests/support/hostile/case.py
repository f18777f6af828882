"""What a hostile document is, and how it may end."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support import documents

DOCUMENT = "document"
#: Stopped by us, or by a library's own limit.
STOPPED = ("parser-memory", "parser-timeout", "too-large", "corrupt")
#: A document, or slow on a busy machine.
SLOW = (DOCUMENT, "parser-timeout")
READ = (DOCUMENT,)
#: A document or nothing but damage.
BROKEN = (DOCUMENT, "corrupt", "no-text")
#: Any, for kinds that are not read yet, and where libraries may change their minds.
ANY = (*STOPPED, DOCUMENT, "unsupported", "no-text", "needs-ocr", "empty", "parser-crash")

MB = 1 << 20
#: What every harmless sample says.
SAID = documents.SENTENCE
#: A file of ours that is plain text, and its first words: they must not turn up in a document that points at it.
OUTSIDE_FILE = Path(__file__).resolve().parents[3] / "LICENSE"
SECRET = OUTSIDE_FILE.read_text().split("\n", 2)[1].strip()


class Case(NamedTuple):
    """One hostile document.

    id: begins with the ending of its name. ends: DOCUMENT and reasons of refusal, of which one must come.
    never, always: what must not and what must stand in what readers see of the document.
    hidden: what must stand in it, but as hidden text only. large: left to `make chaos`.
    """

    id: str
    make: Callable[[], bytes]
    ends: tuple[str, ...] = ANY
    never: str = ""
    always: str = ""
    given: str = ""
    large: bool = False
    hidden: str = ""

    @property
    def name(self) -> str:
        """The file name it arrives under."""
        return self.given or f"a.{self.id.partition('-')[0]}"
