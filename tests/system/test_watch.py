"""`watch` indexes, then follows what happens; others are answered on its socket meanwhile."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from schemas.identity import file_uri
from tests.support.plant import Plant
from tests.support.processes import Penstock, eventually, finish
from tests.system.contents import assert_same, contents, fresh_contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "docs"
    path.mkdir()
    (path / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at noon.\n")
    return path


def found(plant: Plant, query: str) -> dict[str, str]:
    """What a search through the socket finds: name -> text."""
    return {hit["uri"].rpartition("/docs/")[2]: hit["text"] for hit in plant.search(query)}


def test_watch_follows_every_kind_of_change_while_search_goes_on(folder: Path, tmp_path: Path) -> None:
    plant, process = Plant(tmp_path / "home"), Penstock(tmp_path / "home")
    with process.watching(folder) as watching:
        assert set(found(plant, "ferry")) == {"ferry.md"}
        (folder / "tram.md").write_text("# Tram\n\nThe tram runs all night.\n")
        eventually(lambda: "tram.md" in found(plant, "tram"))
        (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at dusk.\n")
        eventually(lambda: "dusk" in found(plant, "ferry").get("ferry.md", ""))
        # Saved the way editors save: written beside, then renamed over.
        (folder / ".saving").write_text("# Ferry\n\nThe ferry leaves at dawn.\n")
        (folder / ".saving").rename(folder / "ferry.md")
        eventually(lambda: "dawn" in found(plant, "ferry").get("ferry.md", ""))
        (folder / "ferry.md").rename(folder / "boat.md")
        eventually(lambda: set(found(plant, "ferry")) == {"boat.md", "tram.md"})
        (folder / "tram.md").unlink()
        eventually(lambda: set(found(plant, "tram")) == {"boat.md"})
        moved = tmp_path / "moved"
        (moved / "deeper").mkdir(parents=True)
        (moved / "deeper" / "bus.md").write_text("# Bus\n\nThe bus is late.\n")
        moved.rename(folder / "moved")
        eventually(lambda: "moved/deeper/bus.md" in found(plant, "bus"))
        (folder / "moved" / "deeper" / "taxi.md").write_text("# Taxi\n\nThe taxi waits.\n")
        eventually(lambda: "moved/deeper/taxi.md" in found(plant, "taxi"))
        shutil.rmtree(folder / "moved")
        eventually(lambda: set(found(plant, "bus taxi")) == {"boat.md"})
        assert plant.audit()["consistent"]
        (folder / "empty.md").touch()
        eventually(lambda: plant.json("status")["documents"]["held"] == 1)
        assert all(hit["fresh"] for hit in plant.search("ferry"))
        watching.send_signal(signal.SIGTERM)
        done = finish(watching)
    assert done.status == 0, done
    assert "Traceback" not in done.err
    assert "empty" in done.err
    assert not (plant.home / "penstock.sock").exists()
    assert_same(contents(plant.home), fresh_contents(tmp_path / "fresh", folder, status=1))
    assert plant.index(folder, status=1)["documents"]["unchanged"] == 1, "nobody holds the lock"


def test_a_killed_watch_leaves_nothing_in_the_way(folder: Path, tmp_path: Path) -> None:
    plant, process = Plant(tmp_path / "home"), Penstock(tmp_path / "home")
    with process.watching(folder) as watching:
        watching.kill()
        assert finish(watching).status == -signal.SIGKILL
    assert (plant.home / "penstock.sock").is_socket(), "a kill leaves the socket's file"
    assert plant.search("ferry"), "search passes over the socket of the dead"
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at dusk.\n")
    assert plant.index(folder)["documents"]["updated"] == 1
    assert plant.audit()["consistent"]
    assert not (plant.home / "penstock.sock").exists()


def test_watch_keeps_what_it_has_while_its_folder_is_away_and_goes_on_when_it_is_back(
    folder: Path, tmp_path: Path
) -> None:
    declared = tmp_path / "sources.yaml"
    declared.write_text(f"sources:\n  - uri: {folder}\n    freshness: 1s\n    cadence: 1s\n")
    plant = Plant(tmp_path / "home", PENSTOCK_SOURCES=str(declared))
    process = Penstock(tmp_path / "home", PENSTOCK_SOURCES=str(declared))
    with process.watching(folder) as watching:
        assert found(plant, "ferry")
        folder.rename(tmp_path / "away")
        eventually(lambda: plant.json("status")["sources"][0]["error"])
        eventually(lambda: [hit["fresh"] for hit in plant.search("ferry")] == [False])
        (tmp_path / "away").rename(folder)
        (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at dusk.\n")
        eventually(lambda: "dusk" in found(plant, "ferry").get("ferry.md", ""))
        eventually(lambda: plant.json("status")["sources"][0]["error"] is None)
        (folder / "tram.md").write_text("# Tram\n\nThe tram runs all night.\n")
        eventually(lambda: "tram.md" in found(plant, "tram"))
        watching.send_signal(signal.SIGINT)
        assert finish(watching).status == 0
    assert plant.audit()["consistent"]


def test_watch_of_one_file_follows_it_and_no_neighbour(folder: Path, tmp_path: Path) -> None:
    plant, process = Plant(tmp_path / "home"), Penstock(tmp_path / "home")
    single = folder / "ferry.md"
    with process.watching(single) as watching:
        (folder / "tram.md").write_text("# Tram\n\nThe tram runs all night.\n")
        single.write_text("# Ferry\n\nThe ferry leaves at dusk.\n")
        eventually(lambda: "dusk" in found(plant, "ferry").get("ferry.md", ""))
        single.unlink()
        eventually(lambda: found(plant, "ferry") == {})
        watching.send_signal(signal.SIGTERM)
        assert finish(watching).status == 0
    assert plant.json("status", file_uri(os.fsencode(single)))["state"] == "gone"
