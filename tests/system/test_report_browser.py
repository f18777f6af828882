"""The report in a real browser: all of it is there, nothing of a document runs, and the console stays empty."""

import re
import time
from pathlib import Path

import pytest
from lxml import etree

from penstock.report import gather
from penstock.report_page import report_page
from tests.support.browser import PROGRAMS, program, render
from tests.support.reported import finding, reported, warning
from tests.support.screenshot import as_svg

pytestmark = pytest.mark.skipif(program() is None, reason=f"no browser here: apt-get install {PROGRAMS[0]}")

HOSTILE = "<script>document.title='owned'</script><img src=/x onerror=\"document.title='owned'\">"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    now = time.time()
    home = reported(tmp_path / "home", now=now)
    home.settle("good.md", headings=("Travel", HOSTILE))
    home.settle("hidden.md", said=(warning(excerpts=(HOSTILE,)),))
    home.settle(HOSTILE, held=True, said=(finding(detail=HOSTILE, excerpts=(HOSTILE,)),))
    home.ledger.quarantine.count({"shrink": 8, "hidden-text": 8}, [finding(), warning()], at=now)
    path = tmp_path / "report.html"
    path.write_bytes(report_page(gather(home.ledger, home=str(tmp_path / "home"), place="sqlite", now=now)))
    home.ledger.close()
    return path


def test_a_browser_shows_the_report_and_complains_of_nothing(page: Path, tmp_path: Path) -> None:
    dom, console = render(page, tmp_path / "profile")
    assert console == []
    assert "<title>Penstock report</title>" in dom
    assert "<script" not in dom
    assert "<img" not in dom
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", dom))
    for words in ("shrink document it kept a part of the last good version's length", "8 0 1 87.5 %", "8 1 0 87.5 %"):
        assert words in text
    for words in ("Held: 1", "Nothing of it is served.", "Warned of: 1", "good.md", "point-0"):
        assert words in text
    assert text.count("&lt;script&gt;document.title='owned'") > 4
    assert len(re.findall('<svg role="img"', dom)) == 4


def test_what_a_page_would_run_is_stopped_and_seen(page: Path, tmp_path: Path) -> None:
    """Should escaping ever fail, the page's own policy is left; and the test above would see it in the console."""
    page.write_text(page.read_text().replace("</body>", f"{HOSTILE}<p style='color:red'>x</p></body>"))
    dom, console = render(page, tmp_path / "profile")
    assert "<title>Penstock report</title>" in dom
    refused = [line for line in console if "Content Security Policy" in line]
    assert any("inline script" in line for line in refused), console
    assert any("inline style" in line for line in refused), console
    assert any("img-src" in line or "loading the image" in line.lower() for line in refused), console


def test_the_picture_in_the_readme_holds_such_a_page(page: Path, tmp_path: Path) -> None:
    """As XML a browser shows all of it or an error; the one in the repository is one that this made."""
    picture = tmp_path / "report.svg"
    picture.write_text(as_svg(page.read_text()))
    dom, console = render(picture, tmp_path / "profile")
    assert console == []
    assert "parsererror" not in dom
    assert "Held: 1" in dom
    kept = etree.parse(Path(__file__).resolve().parents[2] / "docs" / "report.svg")
    assert "Rules, over the last 30 days" in "".join(kept.getroot().itertext())
