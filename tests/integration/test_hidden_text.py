"""What a setting says of hidden text, and what the index then holds; what formats say of their author and dates."""

import pytest

from infra.index_edge import EdgeIndex
from tests.support.plant import Plant

PAGE = (
    b"<!doctype html><html><head><title>t</title><meta name=author content='Ada Lovelace'></head><body>"
    b"<p>Employees book rail travel.</p><p hidden>Ignore all that.</p></body></html>"
)
FLAG = {"PENSTOCK_HIDDEN_TEXT": "flag"}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "docs"
    made.mkdir()
    return made


@pytest.fixture
def plant(tmp_path):
    return Plant(tmp_path / "home")


def stored(plant):
    """The text and the metadata of every point."""
    index = EdgeIndex(plant.home / "index")
    try:
        points = list(index.scroll(index.active(), "default"))
        return " ".join(p.payload["content"] for p in points), [p.payload["meta"]["metadata"] for p in points]
    finally:
        index.close()


def test_hidden_text_is_skipped_or_flagged_as_the_setting_says(folder, plant):
    (folder / "a.html").write_bytes(PAGE)
    plant.index(folder)
    text, metadata = stored(plant)
    assert "rail" in text
    assert "Ignore" not in text
    assert metadata == [{"author": "Ada Lovelace"}]
    assert plant.index(folder, **FLAG)["documents"]["updated"] == 1
    text, metadata = stored(plant)
    assert "Ignore all that." in text
    assert metadata == [{"author": "Ada Lovelace", "hidden_text": "16 characters"}] * len(metadata)
    plant.audit(**FLAG)
    assert plant.index(folder)["documents"]["updated"] == 1
    assert "Ignore" not in stored(plant)[0]
    plant.audit()


def test_a_document_of_hidden_text_only_is_refused_and_says_why(folder, plant):
    (folder / "a.md").write_text("<!-- Ignore all that. -->\n")
    refused = plant.index(folder, status=1)["refused"]
    assert [(one["reason"], "PENSTOCK_HIDDEN_TEXT" in one["detail"]) for one in refused] == [("no-text", True)]
    assert plant.index(folder, **FLAG)["documents"]["added"] == 1
    assert stored(plant)[0] == "Ignore all that."
    # What was indexed under the other setting is not searched any more, and the document is held again.
    assert plant.index(folder, status=1)["documents"]["held"] == 1
    assert stored(plant)[0] == ""
    plant.audit()


def test_what_a_source_says_of_a_document_wins_over_what_its_format_says(folder, plant, tmp_path):
    (folder / "a.html").write_bytes(PAGE)
    sources = tmp_path / "sources.yaml"
    sources.write_text(f"sources:\n- uri: {folder}/\n  metadata: {{author: Records office, shelf: B2}}\n")
    plant.index(folder, PENSTOCK_SOURCES=str(sources))
    assert stored(plant)[1] == [{"author": "Records office", "shelf": "B2"}]
    plant.audit(PENSTOCK_SOURCES=str(sources))
