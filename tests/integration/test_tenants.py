"""Tenants never see each other (promise P9): two of them, with the same folder names, and texts only one may see."""

from pathlib import Path

import pytest

from infra.stub_embedder import StubEmbedder
from tests.support.plant import Plant, Result

RED, BLUE = "vermilionite", "ceruleanite"
SHARED = "# Notice\n\nThe canteen closes at two.\n"


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    made = {}
    for tenant, canary in (("red", RED), ("blue", BLUE)):
        folder = tmp_path / tenant / "docs"
        folder.mkdir(parents=True)
        (folder / "payroll.md").write_text(f"# Payroll\n\nThe salary of the {canary} director is secret.\n")
        (folder / "notice.md").write_text(SHARED)
        (folder / "empty.md").touch()
        made[tenant] = folder
    return made


@pytest.fixture
def plant(tmp_path: Path, folders: dict[str, Path]) -> Plant:
    plant = Plant(tmp_path / "home")
    for tenant, folder in folders.items():
        plant.index(folder, "--tenant", tenant, status=1)
    return plant


def printed(*results: Result) -> str:
    return "\n".join(result.out + result.err for result in results)


def test_no_command_of_one_tenant_prints_what_another_one_wrote(plant: Plant, folders: dict[str, Path]) -> None:
    """Every command is asked as "red", for what "blue" has; nothing of it may be in any text, JSON or not."""
    blue, red = folders["blue"], folders["red"]
    secret = f"salary of the {BLUE} director"
    commands = [
        ("index", red),
        ("reindex", red, "--force"),
        ("reindex", blue),
        ("search", secret, "--limit", "100"),
        ("search", BLUE),
        ("status", blue / "payroll.md"),
        ("audit", red),
        ("audit", blue),
        ("audit", blue, "--repair"),
        ("plan", red),
        ("forget", blue / "payroll.md"),
    ]
    for command in commands:
        for how in ((), ("--json",)):
            result = plant.run(*command, "--tenant", "red", *how)
            said = printed(result).replace(" ".join(map(str, command)), "")
            # The question itself may come back, the answer may not.
            assert BLUE not in said.replace(secret, "").replace(f'"query": "{BLUE}"', ""), (command, result)
            assert "director is secret" not in said or RED in said, (command, result)
    assert plant.search(RED, tenant="red")[0]["tenant"] == "red"
    # What red asked of blue's documents left them as they were.
    assert BLUE in plant.search(secret, tenant="blue")[0]["text"]
    plant.audit()


def test_a_search_finds_only_the_tenants_own_however_it_asks(plant: Plant) -> None:
    for query in (RED, BLUE, "salary director secret", "canteen", "the"):
        for tenant in ("red", "blue", "default", "green", ""):
            hits = plant.search(query, tenant=tenant, limit=1000)
            assert {hit["tenant"] for hit in hits} <= {tenant}
            assert all(f"/{tenant}/docs/" in hit["uri"] for hit in hits)


def test_the_same_folder_of_two_tenants_is_searched_as_two(plant: Plant, folders: dict[str, Path]) -> None:
    plant.index(folders["red"], "--tenant", "blue", status=1)
    assert {hit["uri"] for hit in plant.search("canteen", tenant="red")} == {
        hit["uri"] for hit in plant.search("canteen", tenant="blue") if "/red/docs/" in hit["uri"]
    }
    plant.audit()


def test_the_vector_of_a_text_is_computed_once_for_each_tenant(
    tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache across tenants would tell one of them, by its speed, what another one has."""
    encode, seen = StubEmbedder.encode, []
    monkeypatch.setattr(StubEmbedder, "encode", lambda self, texts: seen.extend(texts) or encode(self, texts))
    plant = Plant(tmp_path / "home")
    reports = [plant.index(folder, "--tenant", tenant, status=1) for tenant, folder in folders.items()]
    assert [report["chunks"]["embedded"] for report in reports] == [2, 2]
    assert sum("canteen" in text for text in seen) == 2
    # Within a tenant a second copy costs nothing.
    (folders["red"] / "copy.md").write_text(SHARED)
    assert plant.index(folders["red"], "--tenant", "red", status=1)["chunks"]["embedded"] == 0
    assert sum("canteen" in text for text in seen) == 2
    # And what one tenant forgets, the other one still has.
    plant.json("forget", "--tenant", "red")
    assert plant.index(folders["blue"], "--tenant", "blue", status=1)["documents"]["updated"] == 0
    (folders["blue"] / "copy.md").write_text(SHARED)
    assert plant.index(folders["blue"], "--tenant", "blue", status=1)["chunks"]["embedded"] == 0


def test_forgetting_one_tenant_leaves_the_other_whole_and_no_trace_of_the_first(
    plant: Plant, folders: dict[str, Path]
) -> None:
    before = plant.search("salary director", tenant="blue")
    plant.json("forget", "--tenant", "red")
    for path in plant.home.rglob("*"):
        if path.is_file():
            assert RED.encode() not in path.read_bytes(), path
    assert plant.search("salary director", tenant="red") == []
    assert plant.search("salary director", tenant="blue") == before
    assert plant.audit()["documents"] == 3
    # The index of blue is still mendable, searchable and true.
    (folders["blue"] / "payroll.md").write_text("# Payroll\n\nNothing is secret any more.\n")
    assert plant.index(folders["blue"], "--tenant", "blue", status=1)["documents"]["updated"] == 1
    plant.audit()


def test_removals_of_one_tenant_do_not_count_against_another(tmp_path: Path) -> None:
    folders = {tenant: tmp_path / tenant for tenant in ("red", "blue")}
    plant = Plant(tmp_path / "home")
    for tenant, folder in folders.items():
        folder.mkdir()
        for number in range(12):
            (folder / f"{number}.md").write_text(f"# {tenant}\n\nNumber {number}.\n")
        plant.index(folder, "--tenant", tenant)
    for number in range(12):
        (folders["red"] / f"{number}.md").unlink()
    assert plant.index(folders["red"], "--tenant", "red", status=1)["documents"]["removed"] == 0
    (folders["blue"] / "0.md").unlink()
    assert plant.index(folders["blue"], "--tenant", "blue")["documents"]["removed"] == 1
