"""The parser processes, for real: a document has its bounds, the server lives on, and neither sees anything of ours."""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import structlog

from schemas.errors import Reason, Refusal, Unreachable
from tests.support import documents
from workers.parsing.limits import memory
from workers.parsing.sandbox import ParserProcess

ROOT = Path(__file__).resolve().parents[2]


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's parent-death signal, or /proc")
MB = 1 << 20


@pytest.fixture
def obeying():
    limits = {"timeout_s": 1.0, "growth": 128 * MB, "answer": MB}
    with ParserProcess(**limits, module="tests.support.misbehaving_child") as parser:
        yield parser


def told(parser):
    return json.loads(parser.parse(b"tell", "a.txt").blocks[0].text)


def forked_by(server, *, after):
    """The child a server has at work, once it has one other than the one before."""
    for _ in range(100):
        children = {*map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())} - {after}
        if children:
            return children.pop()
        time.sleep(0.05)
    raise AssertionError("no child within five seconds")


def gone(pid):
    """Whether a process ends within five seconds (a zombie nobody waits for has ended)."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("document", "reason", "detail"),
    [
        ("hang", Reason.PARSER_TIMEOUT, "within 1 s"),
        ("spin", Reason.PARSER_TIMEOUT, "within 1 s"),
        pytest.param("grow", Reason.PARSER_MEMORY, "128 MB", marks=LINUX),
        ("reserve", Reason.PARSER_MEMORY, "ran out of memory"),
        ("killed", Reason.PARSER_MEMORY, "killed"),
        ("crash", Reason.PARSER_CRASH, "SIGSEGV"),
        ("end", Reason.PARSER_CRASH, "status 3"),
        ("garble", Reason.PARSER_CRASH, "garbled"),
        ("order its server about", Reason.PARSER_CRASH, "garbled"),
        ("long", Reason.TOO_LARGE, "1 MB"),
    ],
)
def test_a_document_that_goes_beyond_its_bounds_is_refused_alone(obeying, document, reason, detail):
    server = told(obeying)["server"]
    began = time.monotonic()
    with pytest.raises(Refusal) as refused:
        obeying.parse(document.encode(), "a.txt")
    assert (refused.value.reason, detail in refused.value.detail) == (reason, True), refused.value
    assert time.monotonic() - began < 10
    assert obeying.parse(b"fine", "b.txt").blocks[0].text == "fine"
    assert told(obeying)["server"] == server


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("hang", Reason.PARSER_TIMEOUT),
        pytest.param("grow", Reason.PARSER_MEMORY, marks=LINUX),
        ("crash", Reason.PARSER_CRASH),
        ("long", Reason.TOO_LARGE),
    ],
)
def test_taking_a_member_out_has_the_same_bounds(obeying, document, reason):
    server = told(obeying)["server"]
    with pytest.raises(Refusal) as refused:
        obeying.extract(document.encode(), "a.txt", ["b.txt"])
    assert refused.value.reason == reason
    assert obeying.extract(b"fine", "a.txt", ["b.txt", ""]) == [b"a.txt b.txt fine", None]
    assert told(obeying)["server"] == server


def test_members_travel_as_their_bytes_a_missing_one_as_none_and_a_bad_one_as_its_refusal():
    files = {"a.txt": b"Travel policy", "b/c.bin": bytes(range(256)) * 5000, "empty.txt": b""}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as into:
        for name, body in files.items():
            into.writestr(name, body)
        into.writestr("last.txt", b"to be damaged")
    body = archive.getvalue().replace(b"to be damaged", b"TO BE DAMAGED")
    with ParserProcess() as parser:
        found = parser.extract(body, "all.zip", [*files, "nowhere.txt", "last.txt"])
        assert found[:-1] == [*files.values(), None]
        assert isinstance(found[-1], Refusal)
        assert found[-1].reason == Reason.CORRUPT
        assert found[-1].detail
        assert parser.extract(body, "all.zip", ["empty.txt"]) == [b""]


@pytest.mark.parametrize("what", ["socket", "lookup", "program", "fork", "file", "descriptors"])
def test_a_parser_reaches_nothing_outside(obeying, what):
    """No other machine, no other program, no file to write, and few to read."""
    outcome = json.loads(obeying.parse(f"try {what}".encode(), "a.txt").blocks[0].text)
    assert outcome in {"PermissionError", "OSError", "FileNotFoundError", "BlockingIOError"}


def test_a_server_killed_while_idle_costs_no_document(obeying):
    os.kill(told(obeying)["server"], signal.SIGKILL)
    time.sleep(0.2)
    assert obeying.parse(b"fine", "b.txt").blocks[0].text == "fine"


@LINUX
def test_a_child_killed_while_it_waits_costs_no_document(obeying):
    first = told(obeying)
    os.kill(forked_by(first["server"], after=first["pid"]), signal.SIGKILL)
    time.sleep(0.2)
    assert obeying.parse(b"fine", "b.txt").blocks[0].text == "fine"
    assert told(obeying)["server"] == first["server"]


@LINUX
def test_the_child_that_waits_has_nothing_of_the_document_before(obeying):
    big = obeying.parse(b"tell" + b" " * 40 * MB, "a.txt")
    first = json.loads(big.blocks[0].text)
    assert memory(forked_by(first["server"], after=first["pid"])) < 40 * MB


def test_what_a_library_prints_does_not_reach_the_answers(obeying):
    assert obeying.parse(b"print and go on", "a.txt").blocks[0].text == "print and go on"


def test_a_child_that_does_not_start_is_no_fault_of_the_document():
    with ParserProcess(module="tests.support.dead_child") as parser, pytest.raises(Unreachable):
        parser.parse(b"fine", "a.txt")


def test_a_parser_whose_library_is_missing_is_no_fault_of_the_document(obeying):
    with pytest.raises(Unreachable, match="nowhere_to_be_found"):
        obeying.parse(documents.csv(), "a.csv")


def test_each_document_has_a_child_of_its_own_and_one_server(obeying):
    first, second = told(obeying), told(obeying)
    assert first["server"] == second["server"]
    assert first["pid"] != second["pid"]
    assert gone(first["pid"])


@LINUX
def test_libraries_are_loaded_once_by_the_server_and_leave_it_one_thread():
    """A fork takes along one thread only: a lock another one held would stay locked for ever."""
    with ParserProcess() as parser:
        for kind, body in {"docx": documents.docx(), "pdf": documents.pdf(), "xlsx": documents.xlsx()}.items():
            parser.parse(body, f"a.{kind}")
        for server in (parser.light, parser.heavy):
            process = Path(f"/proc/{server.pid}")
            loaded = (process / "maps").read_text()
            assert "/lxml/" in loaded
            assert "/torch/" not in loaded
            assert len(list((process / "task").iterdir())) == 1


@pytest.mark.parametrize("kind", ["md", "txt", "csv", "json", "xml", "pdf", "xlsx"])
def test_most_kinds_are_parsed_by_the_light_server(kind):
    """Each child costs what its server has loaded: 5 ms, or 20."""
    bodies = {"pdf": documents.pdf(), "xlsx": documents.xlsx(), "json": b'{"a": "b"}', "xml": b"<a>Travel policy</a>"}
    with ParserProcess() as parser:
        parser.parse(bodies.get(kind, b"Travel policy,\n"), f"a.{kind}")
        assert parser.heavy.pid is None


def test_a_kind_the_name_does_not_tell_goes_on_to_the_heavy_server():
    with ParserProcess() as parser:
        parser.parse(documents.html(), "a.html")
        assert parser.light.pid is None
        assert parser.parse(documents.html(), "page").kind == "html"
        light = parser.light.pid
        assert parser.parse(b"Travel policy", "a.txt").kind == "text"
        assert parser.light.pid == light


def test_the_child_sees_no_secret(obeying, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql://user:secret@db")
    environment = told(obeying)["environment"]
    assert "secret" not in json.dumps(environment)
    assert environment["DO_NOT_TRACK"] == environment["SCARF_NO_ANALYTICS"] == "true"


@LINUX
def test_closing_ends_the_server_and_the_child_that_waits(obeying):
    first = told(obeying)
    child = forked_by(first["server"], after=first["pid"])
    obeying.close()
    assert gone(first["server"])
    assert gone(child)


@LINUX
@pytest.mark.parametrize("doing", ["hang", "spin"])
def test_server_and_child_die_with_a_parent_that_is_killed_while_the_child_hangs(doing):
    script = (
        "from workers.parsing.sandbox import ParserProcess\n"
        "p = ParserProcess(module='tests.support.misbehaving_child')\n"
        "print(p.parse(b'tell', 'a.txt').blocks[0].text, flush=True)\n"
        f"p.parse(b'{doing}', 'a.txt')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        first = json.loads(parent.stdout.readline())
        child = forked_by(first["server"], after=first["pid"])
        parent.kill()
        assert gone(first["server"])
        assert gone(child)


def test_a_document_of_many_megabytes_passes_both_pipes():
    paragraph = b"word " * 2000
    body = b"\n\n".join([paragraph] * 3000)
    with ParserProcess() as parser:
        document = parser.parse(body, "big.txt")
    assert len(document.blocks) == 3000
    assert sum(len(block.text) for block in document.blocks) == len(paragraph) * 3000


def test_warming_returns_at_once_and_the_document_then_waits_for_it():
    with ParserProcess() as parser:
        began = time.monotonic()
        parser.warm("pdf")
        assert time.monotonic() - began < 0.5
        assert parser.parse(documents.pdf(), "a.pdf").kind == "pdf"


def test_every_kind_parses_with_no_network_and_the_missing_model_is_named_once():
    samples = {
        "docx": documents.docx(),
        "pptx": documents.pptx(),
        "xlsx": documents.xlsx(),
        "html": documents.html(),
        "eml": documents.eml(html="<p>Hello all of you.</p>"),
        "pdf": documents.pdf(),
        "csv": documents.csv(),
        "md": b"# Travel policy\n",
        "txt": b"Travel policy\n",
    }
    with structlog.testing.capture_logs() as logs, ParserProcess(module="tests.support.offline_child") as parser:
        kinds = {parser.parse(body, f"a.{name}").kind for name, body in samples.items()}
        parser.close()
        parser.parse(samples["docx"], "again.docx")
    assert len(kinds) == len(samples)
    assert {log["event"] for log in logs} <= {"parser.fallback_sentencizer"}
    assert len(logs) == (importlib.util.find_spec("en_core_web_sm") is None)
