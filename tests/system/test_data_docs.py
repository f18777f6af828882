"""`penstock report --data-docs`: Great Expectations' own pages, of what is in the index, with nothing alive in them."""

from pathlib import Path

import pytest

from infra.home import Home
from tests.support.browser import program, render
from tests.support.plant import Plant
from validation.data_docs import data_docs_page
from validation.suite import judge

HOSTILE = "\"'><script>document.title='owned'</script><img src=/x onerror=alert(1)> ${limit}"


def test_a_page_shows_what_failed_and_nothing_of_it_is_alive(tmp_path: Path) -> None:
    texts = [f"{HOSTILE} pay to DE89 3704 0044 0532 0130 00 now", "fine", *(f"line {n}" for n in range(100))]
    columns = {"row": list(range(len(texts))), "document": ["d"] * len(texts), "text": texts}
    expected = [
        ("expect_column_values_to_be_in_set", {"column": "text", "value_set": ["fine", HOSTILE]}),
        ("expect_column_values_to_be_in_set", {"column": "document", "value_set": ["d"]}),
    ]
    kept = []
    [failing, _] = judge(columns, expected, keep=kept.append)
    assert len(failing) == 101
    [result] = kept
    body = data_docs_page(result).decode()
    assert "&lt;script&gt;document.title=" in body
    assert "<script" not in body
    assert "<img" not in body
    assert "DE89" not in body, "personal data is masked"
    assert "line 99" not in body, "few values are shown"
    assert 'href="http' not in body
    assert "Unsuccessful Expectations" in body
    if program():
        page = tmp_path / "page.html"
        page.write_text(body)
        dom, console = render(page, tmp_path / "profile")
        assert console == []
        assert "owned</title>" not in dom
        assert "101 unexpected values found" in dom


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at noon.\n")
    (folder / "tram.md").write_text("# Tram\n\nThe tram runs all night.\n")
    plant = Plant(tmp_path / "home")
    plant.index(folder)
    return plant


def test_the_report_leads_to_pages_about_the_chunks_in_the_index(plant: Plant) -> None:
    report = Path(plant.json("report", "--data-docs")["report"])
    assert 'href="data-docs-1.html"' in report.read_text()
    assert sorted(one.name for one in report.parent.iterdir()) == ["data-docs-1.html", "report.html"]
    page = (report.parent / "data-docs-1.html").read_text()
    assert "Success Percent" in page
    assert "100%" in page
    assert "ferry leaves" not in page, "what passes is not quoted"
    # Without them a report is quick, and leads to none.
    plant.json("report")
    assert "data-docs" not in report.read_text()


def test_while_another_process_holds_the_index_there_is_a_report_without_them(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.data_docs.WAIT_S", 0.0)
    with Home(plant.home).locked():
        assert plant.run("report").status == 0
        done = plant.run("report", "--data-docs")
    assert done.status == 2
    assert "is in use by process" in done.err
