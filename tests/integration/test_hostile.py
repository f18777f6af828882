"""Each hostile document ends in its refusal or in a sane document, within its bounds, and its neighbour is parsed.

All of them go through the same two servers, which must be there to the end. `-s` shows what each cost.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from schemas.documents import ParsedDocument
from schemas.errors import Refusal
from schemas.identity import content_hash
from tests.support import documents
from tests.support.hostile import CASES
from tests.support.hostile.case import DOCUMENT
from tests.support.hostile.damage import KINDS
from workers.parsing import limits
from workers.parsing.sandbox import ParserProcess

#: Under the 30 s that documents have: what would take longer than this ends here, and the table says that it may.
TIMEOUT_S = 5.0
#: Bytes a child may grow past its limit until it is seen, on a machine that is busy with other things.
LATE = 128 << 20


class Growth:
    """The most memory any child had over its server."""

    def __init__(self, *servers: int) -> None:
        self.most = 0
        self._children = {server: Path(f"/proc/{server}/task/{server}/children") for server in servers}
        self._over = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        base = {server: limits.memory(server) for server in self._children}
        while not self._over.wait(0.01):
            for server, children in self._children.items():
                for child in children.read_text().split():
                    self.most = max(self.most, limits.memory(int(child)) - base[server])


@pytest.fixture(scope="module")
def parser():
    with ParserProcess(timeout_s=TIMEOUT_S) as parser:
        for kind, make in KINDS.items():
            parser.parse(make(), f"a.{kind}")
        yield parser


def marked(case):
    return pytest.param(case, id=case.id, marks=[pytest.mark.chaos] if case.large else [])


@pytest.mark.skipif(not limits.LINUX, reason="elsewhere nothing bounds the memory")
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_hostile_document_costs_no_more_than_its_bounds(parser, case):
    body = case.make()
    servers = parser.light.pid, parser.heavy.pid
    growth = Growth(*servers)
    began = time.monotonic()
    with growth.watched():
        ending, document = ended(parser, body, case.name)
        take_out(parser, body, case.name, document)
    took = time.monotonic() - began
    print(f"{case.id:34} {len(body) / 1e6:7.2f} MB  {took:6.2f} s  {growth.most / 1e6:5.0f} MB more  {ending}")
    assert ending in case.ends
    if document is not None:
        assert_sane(document, case)
    assert took < 30
    assert growth.most < limits.Limits().growth + LATE
    neighbour = parser.parse(documents.html(), "neighbour.html")
    assert documents.SENTENCE in text_of(neighbour)
    assert (parser.light.pid, parser.heavy.pid) == servers


def ended(parser, body, name):
    try:
        return DOCUMENT, parser.parse(body, name)
    except Refusal as refusal:
        return refusal.reason.value, None


def take_out(parser, body, name, document):
    """The last members of a container: each comes as it was listed, or is refused."""
    for member in document.members[-3:] if document else ():
        with suppress(Refusal):
            [taken] = parser.extract(body, name, [member.name])
            assert isinstance(taken, Refusal) or content_hash(taken) == member.hash


def assert_sane(document, case):
    text = text_of(document)
    assert document.members or any(map(str.isalnum, text))
    assert "\x00" not in text
    assert all(block.text.strip() for block in document.blocks)
    assert case.always in text
    assert not case.never or case.never not in text
    assert not case.hidden or case.hidden not in text
    assert case.hidden in "\n".join(block.text for block in document.blocks if block.hidden)


def text_of(document: ParsedDocument) -> str:
    """What its readers see."""
    return "\n".join(block.text for block in document.blocks if not block.hidden)


def test_the_table_has_every_case_once():
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids)) >= 60
