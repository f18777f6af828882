"""The child process, for real: it bounds time, survives nothing, and sees nothing of ours."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog

from schemas.errors import Reason, Refusal, Unreachable
from tests.support import documents
from workers.parsing.sandbox import ParserProcess

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def obeying():
    with ParserProcess(timeout_s=1.0, module="tests.support.misbehaving_child") as parser:
        yield parser


def told(parser):
    return json.loads(parser.parse(b"tell", "a.txt").blocks[0].text)


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


@pytest.mark.parametrize("how", ["hang", "spin"])
def test_a_document_that_hangs_its_parser_is_refused_alone(obeying, how):
    began = time.monotonic()
    with pytest.raises(Refusal) as refused:
        obeying.parse(how.encode(), "a.txt")
    assert refused.value.reason is Reason.PARSER_TIMEOUT
    assert 1.0 <= time.monotonic() - began < 5
    assert obeying.parse(b"fine", "b.txt").blocks[0].text == "fine"


def test_a_document_that_crashes_its_parser_is_refused_alone(obeying):
    with pytest.raises(Refusal) as refused:
        obeying.parse(b"crash", "a.txt")
    assert refused.value.reason is Reason.PARSER_CRASH
    assert "SIGSEGV" in refused.value.detail
    assert obeying.parse(b"fine", "b.txt").blocks[0].text == "fine"


def test_a_child_killed_while_idle_costs_no_document(obeying):
    os.kill(told(obeying)["pid"], signal.SIGKILL)
    time.sleep(0.2)
    assert obeying.parse(b"fine", "b.txt").blocks[0].text == "fine"


def test_what_a_library_prints_does_not_reach_the_answers(obeying):
    assert obeying.parse(b"print and go on", "a.txt").blocks[0].text == "print and go on"


def test_a_child_that_does_not_start_is_no_fault_of_the_document():
    with ParserProcess(module="tests.support.dead_child") as parser, pytest.raises(Unreachable):
        parser.parse(b"fine", "a.txt")


def test_a_parser_whose_library_is_missing_is_no_fault_of_the_document(obeying):
    with pytest.raises(Unreachable, match="nowhere_to_be_found"):
        obeying.parse(documents.csv(), "a.csv")


def test_the_child_is_kept_for_the_next_document(obeying):
    assert told(obeying)["pid"] == told(obeying)["pid"]


def test_the_child_sees_no_secret(obeying, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", "postgresql://user:secret@db")
    environment = told(obeying)["environment"]
    assert "secret" not in json.dumps(environment)
    assert environment["DO_NOT_TRACK"] == environment["SCARF_NO_ANALYTICS"] == "true"


def test_closing_ends_the_child(obeying):
    pid = told(obeying)["pid"]
    obeying.close()
    assert gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc, and the kernel's parent-death signal")
def test_the_child_dies_with_a_parent_that_is_killed_while_it_hangs():
    script = (
        "from workers.parsing.sandbox import ParserProcess\n"
        "p = ParserProcess(module='tests.support.misbehaving_child')\n"
        "print(p.parse(b'tell', 'a.txt').blocks[0].text, flush=True)\n"
        "p.parse(b'spin', 'a.txt')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        pid = json.loads(parent.stdout.readline())["pid"]
        parent.kill()
        assert gone(pid)


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
