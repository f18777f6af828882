"""Sources within sources, tenants' folders within each other's, and what is lost: stories a review told us."""

import shutil
from pathlib import Path

import pytest

from infra.index_edge import EdgeIndex
from tests.support.plant import Plant


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for name in ("a.md", "b.md", "inner/c.md", "inner/d.md"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\nThe salary canary sings of {name}.\n")
    return tmp_path / "docs"


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path / "home")


def acls(plant: Plant, tenant: str = "default") -> dict[str, list[str]]:
    index = EdgeIndex(plant.home / "index")
    try:
        found = [point.payload for point in index.scroll(str(index.active()), tenant)]
    finally:
        index.close()
    return {payload["uri"].rpartition("docs/")[2]: payload["acl"] for payload in found}


def uris(plant: Plant, tenant: str = "default") -> set[str]:
    return set(acls(plant, tenant))


def test_a_listing_around_it_does_not_delete_from_a_source_whose_root_was_replaced(plant: Plant, docs: Path) -> None:
    """Unmounting docs/inner leaves an empty folder: indexing docs deleted what indexing docs/inner had parked."""
    plant.index(docs, docs / "inner")
    shutil.move(docs / "inner", docs.parent / "away")
    (docs / "inner").mkdir()
    report = plant.index(docs, status=1)
    assert report["documents"]["removed"] == 0
    assert uris(plant) == {"a.md", "b.md", "inner/c.md", "inner/d.md"}


def test_a_folder_given_to_another_tenant_leaves_the_first_one(plant: Plant, docs: Path) -> None:
    """It stayed indexed, searchable and updated for the first tenant, and audit agreed."""
    plant.index(docs, "--tenant", "a")
    plant.index(docs / "inner", "--tenant", "b")
    assert plant.index(docs, "--tenant", "a")["documents"]["removed"] == 2
    assert uris(plant, "a") == {"a.md", "b.md"}
    assert uris(plant, "b") == {"inner/c.md", "inner/d.md"}
    plant.audit()


def test_a_nested_source_declared_later_restricts_what_was_indexed_before(plant: Plant, docs: Path) -> None:
    """Unchanged documents kept the attributes of the source around them: an `acl` declared for them did nothing."""
    plant.index(docs)
    declared = docs.parent / "sources.yaml"
    declared.write_text(f"sources:\n  - uri: {docs}/inner/\n    acl: [hr]\n")
    plant.environment["PENSTOCK_SOURCES"] = str(declared)
    assert plant.index(docs / "inner")["chunks"]["embedded"] == 0
    assert acls(plant) == {"a.md": [], "b.md": [], "inner/c.md": ["hr"], "inner/d.md": ["hr"]}


def test_a_document_in_two_listed_sources_is_seen_once(plant: Plant, docs: Path) -> None:
    documents = plant.index(docs, docs / "inner")["documents"]
    assert (documents["seen"], documents["added"], documents["unchanged"]) == (4, 4, 0)


def test_a_link_that_points_at_its_old_target_again_is_released(plant: Plant, docs: Path) -> None:
    """It agreed with the last good version, and so was never looked at: held, on every run."""
    link = docs / "link.md"
    link.symlink_to("inner/c.md")
    plant.index(docs)
    link.unlink()
    link.symlink_to("nowhere")
    assert plant.index(docs, status=1)["documents"]["held"] == 1
    link.unlink()
    link.symlink_to("inner/c.md")
    assert plant.index(docs)["documents"]["held"] == 0


def test_a_lost_index_is_said_not_searched(plant: Plant, docs: Path) -> None:
    plant.index(docs)
    shutil.rmtree(plant.home / "index")
    assert "index" in plant.json("search", "canary", status=2)["error"]
    plant.index(docs)
    assert plant.search("canary")


def test_points_that_no_source_owns_are_orphans(plant: Plant, docs: Path) -> None:
    """A ledger that was lost knows nothing of a source that is not named again; audit did not look there."""
    plant.index(docs / "a.md", docs / "inner")
    for path in plant.home.glob("ledger.sqlite*"):
        path.unlink()
    plant.index(docs / "a.md")
    assert len(plant.audit(status=1)["orphaned"]) == 2
    plant.audit("--repair")
    assert uris(plant) == {"a.md"}


def test_doctor_and_errors_show_no_password(plant: Plant) -> None:
    addresses = {
        "PENSTOCK_QDRANT_URL": "http://k:hunter2@127.0.0.1:9",
        "PENSTOCK_S3_ENDPOINT_URL": "http://k:hunter2@x",
    }
    shown = plant.run("doctor", "--json", **addresses)
    assert "PENSTOCK_QDRANT_URL" in shown.out
    assert "hunter2" not in shown.out + shown.err
    failed = plant.run("search", "x", **addresses)
    assert "hunter2" not in failed.out + failed.err
