"""`penstock report`: a file in the home, a path on stdout, and a browser if one is asked for."""

import re
import time
from pathlib import Path

import pytest

from infra.ledger import open_ledger
from tests.support.plant import Plant
from tests.support.processes import Penstock
from tests.support.reported import finding, reported, warning


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two documents, one of which lost its text since."""
    room = tmp_path_factory.mktemp("report")
    folder = room / "docs"
    folder.mkdir()
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at noon.\n")
    (folder / "tram.md").write_text("# Tram\n\nThe tram runs all night.\n")
    plant = Plant(room / "home")
    plant.index(folder)
    (folder / "tram.md").write_text("")
    plant.index(folder, status=1)
    ledger = open_ledger(f"sqlite:///{plant.home / 'ledger.sqlite'}", now=time.time())
    ledger.quarantine.count({"shrink": 8, "hidden-text": 4}, [finding(), warning()], at=time.time())
    ledger.close()
    return plant.home


def test_it_writes_one_file_and_says_where(home: Path) -> None:
    found = Plant(home).json("report")
    assert found["report"] == str(home / "reports" / "report.html")
    by_name = {one["rule"]: one for one in found["rules"]}
    assert by_name["shrink"]["held"] >= 1
    assert by_name["hidden-text"]["warned"] >= 1
    assert by_name["shrink"].keys() == {"rule", "gate", "checked", "warned", "held", "rate"}
    assert (found["held"], found["warned"]) == (1, 0)
    page = Path(found["report"]).read_text()
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
    assert "tram.md default empty" in text
    assert "An older version is served, marked stale." in text
    assert "ferry.md default : fresh, 1 chunks" in text
    assert "0 Ferry" in text
    assert [one.name for one in (home / "reports").iterdir()] == ["report.html"]


def test_people_read_a_line_and_the_path(home: Path) -> None:
    done = Plant(home).run("report")
    assert (done.status, done.err) == (0, "")
    said, path = done.out.splitlines()
    assert "1 versions are held, 0 documents were warned of" in said
    assert path == str(home / "reports" / "report.html")


def test_open_hands_it_to_the_browser_and_stdout_stays_json(home: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/seen"\n')
    browser.chmod(0o700)
    found = Penstock(home).json("report", "--open", BROWSER=f"{browser} %s")
    assert (tmp_path / "seen").read_text().strip() == Path(found["report"]).as_uri()


def test_without_a_browser_the_path_is_all_there_is(home: Path) -> None:
    done = Penstock(home).run("report", "--open", BROWSER="/nowhere/browser %s", PATH="/nowhere")
    assert done.status == 0
    assert done.err == "No browser was found: open the file yourself.\n"


def test_where_nothing_was_ever_indexed_there_is_no_report_and_no_home(tmp_path: Path) -> None:
    done = Plant(tmp_path / "home").run("report")
    assert done.status == 2
    assert "nothing was ever indexed there" in done.err
    assert "penstock index SOURCE" in done.err
    assert not (tmp_path / "home").exists()


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    reported(home, now=time.time()).ledger.close()
    (home / "reports").write_text("in the way")
    done = Plant(home).run("report")
    assert done.status == 2
    assert str(home / "reports") in done.err
    assert "make room in the home" in done.err
