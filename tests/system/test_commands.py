"""Every command's contract (design.md, section 5): the keys of its one JSON object, its exit status, its promises."""

import json
import os
import signal
import sqlite3
import sys
import time
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from schemas.identity import file_uri
from tests.support.plant import Plant
from tests.support.processes import Penstock, eventually, finish
from tests.system.contents import assert_same, contents, fresh_contents, texts

CANARY = "zanzibarine"
DOCUMENTS = {"seen", "added", "updated", "moved", "unchanged", "removed", "held", "failed"}
KEYS = {
    "index": {"documents", "chunks", "characters_embedded", "seconds", "refused"},
    "search": {"query", "hits"},
    "status": {
        *("home", "model", "documents", "sources", "oldest_due", "lag_seconds", "lag_stages_seconds"),
        *("dead_letters", "refused", "held"),
    },
    "audit": {"consistent", "documents", "chunks", "stale", "missing", "orphaned", "duplicate", "held", "repaired"},
    "plan": {"documents", "chunks", "tokens_to_embed", "characters_to_embed", "refused"},
    "report": {"report", "rules", "held", "warned"},
    "forget": {"tenant", "documents", "points", "vectors", "proved", "out_of_reach"},
    "doctor": {"healthy", "checks", "settings", "fixed"},
}
HIT = {
    *("uri", "score", "text", "title", "headings", "page", "ordinal", "tenant", "content_hash"),
    *("source_modified_at", "indexed_at", "verified_at", "fresh"),
}
STATES = {"gone", "removal-held", "held", "due", "unverified", "fresh"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "docs"
    path.mkdir()
    (path / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at noon.\n")
    (path / "tram.md").write_text("# Tram\n\nThe tram runs all night.\n")
    return path


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path / "home")


def uri(path: Path) -> str:
    return file_uri(os.fsencode(path))


# --- the shape of answers -------------------------------------------------------------------------------------------


def test_every_command_prints_exactly_one_object_of_exactly_its_keys(folder: Path, plant: Plant) -> None:
    process = Penstock(plant.home)
    assert process.json("search", "ferry") == {"query": "ferry", "hits": []}, "an empty home answers, with nothing"
    assert not plant.home.exists()

    report = process.json("index", folder)
    assert report.keys() == KEYS["index"]
    assert report["documents"].keys() == DOCUMENTS
    assert report["chunks"].keys() == {"embedded", "reused", "deleted", "total"}
    counts = [*report["documents"].values(), *report["chunks"].values(), report["characters_embedded"]]
    assert all(type(count) is int for count in counts)
    assert report["documents"] | {"seen": 2, "added": 2} == report["documents"]

    (folder / "empty.md").touch()
    report = plant.json("index", folder, status=1)
    assert [one.keys() for one in report["refused"]] == [{"uri", "reason", "detail"}]
    assert report["documents"]["held"] == 1

    found = plant.json("search", "when does the ferry leave", "--limit", 1)
    assert found.keys() == KEYS["search"]
    [hit] = found["hits"]
    assert hit.keys() == HIT
    assert (hit["uri"], hit["fresh"], hit["tenant"]) == (uri(folder / "ferry.md"), True, "default")
    [wide] = plant.json("search", "when does the ferry leave", "--limit", 1, "--context")["hits"]
    assert wide.keys() == HIT | {"section", "anchor"}
    assert hit["text"] in wide["section"]

    status = process.json("status")
    assert status.keys() == KEYS["status"]
    assert status["documents"].keys() == STATES
    assert (status["documents"]["fresh"], status["documents"]["held"]) == (2, 1)
    history = plant.json("status", uri(folder / "ferry.md"))
    assert [line["event"] for line in history["history"]] == ["added"]

    audit = plant.json("audit", folder)
    assert audit.keys() == KEYS["audit"]
    assert (audit["consistent"], audit["documents"], audit["chunks"]) == (True, 3, 2)
    assert audit["held"] == [uri(folder / "empty.md")]

    assert plant.json("plan", folder, status=1).keys() == KEYS["plan"]
    assert plant.json("reindex", folder, "--force", status=1).keys() == KEYS["index"]
    doctor = process.json("doctor")
    assert doctor.keys() == KEYS["doctor"]
    assert all(check.keys() == {"part", "state", "detail"} for check in doctor["checks"])
    assert plant.json("report").keys() == KEYS["report"]
    forgotten = process.json("forget", uri(folder / "tram.md"))
    assert forgotten.keys() == KEYS["forget"]
    assert (forgotten["documents"], forgotten["points"], forgotten["proved"]) == ([uri(folder / "tram.md")], 1, True)


def test_an_audit_that_finds_differences_exits_1_and_repair_mends_them(folder: Path, plant: Plant) -> None:
    plant.index(folder)
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at dusk.\n")
    (folder / "tram.md").unlink()
    (folder / "new.md").write_text("# New\n\nA bus.\n")
    process = Penstock(plant.home)
    found = process.json("audit", status=1)
    assert (found["consistent"], found["stale"], found["orphaned"]) == (
        False,
        [uri(folder / "ferry.md")],
        [uri(folder / "tram.md")],
    )
    assert found["missing"] == [uri(folder / "new.md")]
    mended = plant.audit("--repair", status=None)
    assert mended["stale"] == []
    assert set(mended["repaired"]) >= {uri(folder / "ferry.md")}
    plant.index(folder)
    assert plant.audit()["consistent"]
    assert_same(contents(plant.home), fresh_contents(plant.home.with_name("fresh"), folder))


def test_penstock_alone_shows_help_with_examples(tmp_path: Path) -> None:
    done = Penstock(tmp_path / "home").run()
    assert done.status == 0
    assert "Examples:" in done.out
    assert "penstock index ./docs" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("index",), ("Missing argument", "SOURCE")),
        (("index", "http://example.org/docs"), ("is not a source", "s3://bucket/prefix")),
        (("index", "gopher"), ("does not exist", "mount it or put it back")),
        (("search", " "), ("the query is empty",)),
        (("search", "x", "--limit", "0"), ("--limit",)),
        (("status", "gopher"), ("is not known to tenant default",)),
        (("audit", "gopher"), ("is not a source of tenant default",)),
        (("reindex", "gopher"), ("is not a source of tenant default", "penstock index")),
        (("forget",), ("nothing to forget",)),
        (("forget", "gopher"), ("is not a document of tenant default",)),
        (("index", "docs", "--remember", "file:///never"), ("was not forgotten",)),
        (("fly",), ("No such command",)),
    ],
)
def test_wrong_usage_exits_2_with_one_line_that_says_what_to_do(
    folder: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder.parent)
    plant.index("docs")
    # A name that lies below no folder that answers stands for a source that is away.
    result = plant.run(*(str(folder / "no" / "such") if one == "gopher" else one for one in arguments))
    assert result.status == 2, result
    assert all(word in result.err for word in words), result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("name", "value"), [("PENSTOCK_CHUNK_TOKENS", "many"), ("PENSTOCK_INDEX", "paper"), ("PENSTOCK_MODEL", "no-such")]
)
def test_a_wrong_setting_is_named(folder: Path, plant: Plant, name: str, value: str) -> None:
    result = plant.run("index", folder, **{name: value})
    assert result.status == 2
    assert name.removeprefix("PENSTOCK_").lower() in result.err.lower() or value in result.err
    assert len(result.err.splitlines()) == 1, result.err


def test_json_errors_are_one_object_too(plant: Plant, tmp_path: Path) -> None:
    result = plant.run("audit", tmp_path / "nowhere" / "x", "--json")
    assert result.status in (0, 2)
    assert isinstance(json.loads(result.out), dict)


# --- plan, status ---------------------------------------------------------------------------------------------------


def _tree(*folders: Path) -> dict[str, tuple[bytes, int]]:
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_plan_changes_nothing_and_says_what_index_then_does(folder: Path, plant: Plant) -> None:
    before = _tree(folder.parent)
    planned = plant.json("plan", folder)
    assert not plant.home.exists()
    assert _tree(folder.parent) == before
    report = plant.index(folder)
    assert planned["documents"]["added"] == report["documents"]["added"] == 2
    assert planned["chunks"]["embed"] == report["chunks"]["embedded"]
    assert planned["characters_to_embed"] == report["characters_embedded"]
    # The same on a home that is there: an edit, a copy, a removal.
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at dusk.\n")
    (folder / "copy.md").write_text((folder / "tram.md").read_text())
    (folder / "tram.md").unlink()
    before = _tree(folder, plant.home)
    planned = plant.json("plan", folder)
    assert _tree(folder, plant.home) == before
    report = plant.index(folder)
    assert planned["documents"]["updated"] == report["documents"]["updated"] == 1
    assert planned["documents"]["vanished"] == report["documents"]["moved"] == 1
    assert planned["chunks"]["embed"] == report["chunks"]["embedded"] == 1


def test_a_plan_for_a_file_that_never_was_says_so_and_one_that_went_is_a_removal(folder: Path, plant: Plant) -> None:
    result = plant.run("plan", folder / "trma.md")
    assert result.status == 2, result
    assert "there is no such file or folder" in result.err + result.out
    plant.index(folder / "tram.md")
    (folder / "tram.md").unlink()
    assert plant.json("plan", folder / "tram.md")["documents"]["vanished"] == 1


def test_status_loads_nothing_heavy_and_answers_at_once(folder: Path, plant: Plant) -> None:
    plant.index(folder)
    process = Penstock(plant.home)
    process.run("status")  # the bytecode is there now
    times = []
    for _ in range(3):  # other tests take the machine's time, too
        began = time.monotonic()
        assert process.json("status")["documents"]["fresh"] == 2
        times.append(time.monotonic() - began)
    took = min(times)
    print(f"penstock status answers in {took:.2f} s, process and all")
    assert took < 2
    code = "import sys; from penstock.cli import run; run(['status', '--json']); print(*sys.modules, file=sys.stderr)"
    # The same environment, another program: the shell drops the command it is given.
    done = process.run(prefix=["bash", "-c", '"$1" -P -c "$0"', code, sys.executable])
    heavy = {"torch", "unstructured", "qdrant_client", "qdrant_edge", "boto3", "sentence_transformers", "spacy"}
    assert heavy.isdisjoint(done.err.split())
    assert "sqlalchemy" in done.err.split()


# --- forget ---------------------------------------------------------------------------------------------------------


def _traces(home: Path, words: Iterable[str]) -> list[str]:
    """Files under the home that hold one of the words, in plain or in a compressed column of the ledger."""
    wanted = [word.encode() for word in words]
    found = [str(path) for path in home.rglob("*") if path.is_file() and any(w in path.read_bytes() for w in wanted)]
    ledger = sqlite3.connect(home / "ledger.sqlite")
    for (body,) in ledger.execute("SELECT body FROM parses"):
        found += ["parses"] * any(word in zlib.decompress(body) for word in wanted)
    ledger.close()
    return found


def test_what_is_forgotten_leaves_no_trace_and_stays_away(folder: Path, plant: Plant) -> None:
    secret = folder / f"{CANARY}-name.md"
    secret.write_text(f"# Payroll\n\nThe word is {CANARY}.\n" + "".join(f"\nLine {n} {CANARY}.\n" for n in range(200)))
    plant.index(folder)
    secret.write_text(secret.read_text().replace("Payroll", "Wages"))
    plant.index(folder)
    process = Penstock(plant.home)
    report = Path(process.json("report")["report"])
    assert str(report) in _traces(plant.home, [CANARY]), "the search for traces finds what is there"
    found = process.json("forget", uri(secret))
    assert found["points"] > 5
    assert found["vectors"] > 5
    assert _traces(plant.home, [CANARY]) == []
    # Sources skip it from now on, through every command.
    report = plant.index(folder)
    assert (report["documents"]["seen"], report["documents"]["added"]) == (2, 0)
    plant.json("reindex", folder, "--force")
    assert plant.audit()["documents"] == 2
    assert plant.json("plan", folder)["documents"]["seen"] == 2
    assert _traces(plant.home, [CANARY]) == []
    assert all(CANARY not in text for text in plant.texts(CANARY))
    # And --remember takes it back.
    assert plant.index(folder, "--remember", uri(secret))["documents"]["added"] == 1
    assert CANARY in plant.texts(CANARY)[0]
    plant.audit()


def test_a_held_and_a_removed_document_can_be_forgotten_too(folder: Path, plant: Plant) -> None:
    for name in (f"{CANARY}-held.md", f"{CANARY}-gone.md"):
        (folder / name).write_text(f"# Payroll\n\nThe word is {CANARY} in {name}.\n")
    plant.index(folder)
    (folder / f"{CANARY}-held.md").write_text("")
    (folder / f"{CANARY}-gone.md").unlink()
    plant.index(folder, status=1)
    for name in (f"{CANARY}-held.md", f"{CANARY}-gone.md"):
        plant.json("forget", uri(folder / name))
    assert _traces(plant.home, [CANARY]) == []
    assert plant.index(folder)["documents"]["held"] == 0


def test_forgetting_a_text_that_another_document_has_too_keeps_that_one(folder: Path, plant: Plant) -> None:
    (folder / "copy.md").write_text((folder / "tram.md").read_text())
    plant.index(folder)
    plant.json("forget", uri(folder / "copy.md"))
    assert plant.search("tram all night")[0]["uri"] == uri(folder / "tram.md")
    plant.audit()
    # The copy that stays can still be carried to another model without being parsed again.
    assert plant.index(folder, PENSTOCK_MODEL="stub-32")["chunks"]["total"] == 2


def test_an_archive_is_planned_and_forgotten_with_what_is_in_it(folder: Path, plant: Plant) -> None:
    def telling() -> list[str]:
        return [text for text in plant.texts(CANARY) if CANARY in text]

    archive = folder / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.md", f"# Payroll\n\nThe word is {CANARY}.\n")
        file.writestr("b.md", f"# Wages\n\nNot {CANARY} again.\n")
    planned = plant.json("plan", archive)["documents"]
    assert (planned["seen"], planned["added"]) == (2, 2)
    report = plant.index(archive)["documents"]  # a source of its own, with all that is in it
    assert (report["seen"], report["added"]) == (2, 2)
    assert plant.json("plan", folder)["documents"]["unchanged"] == 2
    assert plant.index(folder)["documents"]["added"] == 2
    assert plant.json("status")["documents"]["fresh"] == 4
    member = uri(archive) + "!/b.md"
    assert plant.json("status", member)["uri"] == member
    plant.json("forget", member)
    assert len(telling()) == 1
    plant.json("reindex", folder, "--force")
    assert len(telling()) == 1, "a member that was forgotten stays away"
    assert plant.audit()["documents"] == 3
    assert plant.json("forget", uri(archive))["documents"] == [uri(archive), uri(archive) + "!/a.md"]
    assert _traces(plant.home, [CANARY]) == []
    plant.index(folder)
    assert telling() == []
    # Remembered, it comes back, but for the member that was forgotten by itself.
    plant.index(folder, "--remember", uri(archive))
    assert len(telling()) == 1
    plant.audit()


def test_a_tenant_is_forgotten_whole_and_others_are_left_alone(folder: Path, plant: Plant) -> None:
    (folder / "secret.md").write_text(f"# Payroll\n\nThe word is {CANARY}.\n")
    other = folder.with_name("other")
    other.mkdir()
    (other / "a.md").write_text("# Bus\n\nThe bus is late.\n")
    plant.index(folder, "--tenant", "red")
    plant.index(other, "--tenant", "blue")
    found = Penstock(plant.home).json("forget", "--tenant", "red")
    assert len(found["documents"]) == 3
    assert _traces(plant.home, [CANARY, "Payroll", "ferry leaves"]) == []
    assert [source["tenant"] for source in plant.json("status")["sources"]] == ["blue"]
    assert plant.search("bus", tenant="blue")[0]["fresh"]
    assert plant.search("bus", tenant="red") == []
    assert plant.index(folder, "--tenant", "red")["documents"]["added"] == 0
    plant.audit()


def test_forget_killed_half_way_is_finished_by_the_next_one(folder: Path, plant: Plant) -> None:
    for number in range(30):
        (folder / f"{number}.md").write_text(f"# Payroll {number}\n\nThe word is {CANARY} {number}.\n")
    plant.index(folder)
    process = Penstock(plant.home)
    ledger, before = plant.home / "ledger.sqlite-wal", (0, 0)

    def stirred() -> bool:
        return ledger.exists() and (ledger.stat().st_size, ledger.stat().st_mtime_ns) != before

    for _ in range(3):
        before = (ledger.stat().st_size, ledger.stat().st_mtime_ns) if ledger.exists() else (0, 0)
        running = process.start("forget", "--tenant", "default")
        eventually(lambda running=running: stirred() or running.poll() is not None)
        running.kill()
        finish(running)
        plant.audit(status=None)
    plant.run("forget", "--tenant", "default")
    assert _traces(plant.home, [CANARY]) == []


# --- index ----------------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_is_done_and_leaves_a_consistent_home(folder: Path, plant: Plant) -> None:
    for number in range(150):
        (folder / f"{number}.md").write_text(f"# Number {number}\n\n" + f"Boat {number} is at sea. " * 60)
    process = Penstock(plant.home, PENSTOCK_BATCH_BYTES="5000")
    running = process.start("index", folder)
    eventually(lambda: plant.home.joinpath("ledger.sqlite").exists() and _settled(plant.home) > 5)
    running.send_signal(signal.SIGINT)
    done = finish(running)
    assert done.status == 130, done
    assert "Interrupted" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not (plant.home / "penstock.sock").exists()
    kept = _settled(plant.home)
    assert 5 < kept < 152
    assert plant.index(folder)["documents"]["added"] == 152 - kept
    plant.audit()


def _settled(home: Path) -> int:
    ledger = sqlite3.connect(home / "ledger.sqlite")
    try:
        return ledger.execute("SELECT count(*) FROM documents WHERE content_hash IS NOT NULL").fetchone()[0]
    except sqlite3.OperationalError:  # no table yet
        return 0
    finally:
        ledger.close()


def test_a_source_that_is_one_file_is_removed_when_it_is_gone_and_its_folder_answers(
    folder: Path, plant: Plant
) -> None:
    single = folder / "ferry.md"
    report = plant.index(single)
    assert (report["documents"]["seen"], report["documents"]["added"]) == (1, 1)
    single.unlink()
    report = Penstock(plant.home).json("index", single)
    assert report["documents"]["removed"] == 1
    assert contents(plant.home) == {}
    single.write_text("# Ferry\n\nBack again.\n")
    assert plant.index(single)["documents"]["added"] == 1
    folder.rename(folder.with_name("away"))
    assert plant.index(single, status=2)["documents"]["removed"] == 0
    assert len(contents(plant.home)) == 1


def test_the_same_source_twice_and_sources_within_sources_count_each_document_once(folder: Path, plant: Plant) -> None:
    deep = folder / "deep"
    deep.mkdir()
    (deep / "bus.md").write_text("# Bus\n\nThe bus is late.\n")
    report = plant.index(folder, folder, f"{folder}/", deep, deep / "bus.md")
    assert report["documents"]["added"] == 3
    assert len(contents(plant.home)) == 3
    plant.audit()
    assert plant.index(folder, deep)["documents"]["added"] == 0
    # Removed through the inner source, through the outer one, or not at all: always the same end.
    (deep / "bus.md").unlink()
    plant.index(folder)
    assert {one["uri"] for one, _ in contents(plant.home).values()} == {
        uri(folder / "ferry.md"),
        uri(folder / "tram.md"),
    }
    plant.audit()


def test_an_inner_source_can_be_added_later_and_the_outer_one_still_counts(folder: Path, plant: Plant) -> None:
    deep = folder / "deep"
    deep.mkdir()
    (deep / "bus.md").write_text("# Bus\n\nThe bus is late.\n")
    plant.index(folder)
    plant.index(deep)
    (deep / "bus.md").write_text("# Bus\n\nThe bus is early.\n")
    plant.index(folder)
    assert "early" in texts(plant.home)
    (deep / "bus.md").unlink()
    plant.index(deep, "--allow-mass-delete")
    assert "early" not in texts(plant.home)
    plant.audit()


def test_the_same_folder_under_two_tenants_is_two_sets_of_documents(folder: Path, plant: Plant) -> None:
    for tenant in ("red", "blue"):
        assert plant.index(folder, "--tenant", tenant)["documents"]["added"] == 2
    (folder / "tram.md").unlink()
    assert plant.index(folder, "--tenant", "red")["documents"]["removed"] == 1
    assert len(contents(plant.home, "red")) == 1
    assert len(contents(plant.home, "blue")) == 2
    assert plant.index(folder, "--tenant", "blue")["documents"]["removed"] == 1
    plant.audit()


def test_while_a_new_model_is_built_search_never_answers_from_a_replaced_version(folder: Path, plant: Plant) -> None:
    """The old collection answers until the switch; an edit made meanwhile goes to the new one only. Its old text was
    found, and called fresh."""
    plant.index(folder)
    away = folder.with_name("away")
    away.mkdir()
    (away / "late.md").write_text("# Bus\n\nThe bus is late.\n")
    plant.index(away)
    ferry = (folder / "ferry.md").read_text()
    (folder / "ferry.md").write_text(ferry.replace("noon", "dusk"))
    process = Penstock(plant.home, PENSTOCK_MODEL="stub-32", PENSTOCK_BATCH_BYTES="1")
    # Killed with some of the documents done: the switch has not come.
    process.killed("index", folder, PENSTOCK_FAIL="settle.after:kill@2")
    hits = plant.search("when does the ferry leave", PENSTOCK_MODEL="stub-32")
    assert hits, "search goes on"
    for hit in hits:
        assert "noon" not in hit["text"] or not hit["fresh"]
    plant.index(folder, PENSTOCK_MODEL="stub-32")
    assert "dusk" in texts(plant.home)
    plant.audit(PENSTOCK_MODEL="stub-32")


def test_going_back_to_the_old_model_takes_edits_along_that_were_made_meanwhile(folder: Path, plant: Plant) -> None:
    """Edits made while a new model's collection was built are not in the old one. Going back trusted the old one's
    fingerprint alone and served the replaced text as fresh, for good."""
    plant.index(folder)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at dusk.\n")
    process = Penstock(plant.home, PENSTOCK_MODEL="stub-32")
    process.killed("index", folder, PENSTOCK_FAIL="settle.after:kill")
    plant.index(folder)
    assert "noon" not in texts(plant.home)
    assert "dusk" in texts(plant.home)
    plant.audit()


def test_doubted_removals_do_not_keep_a_new_model_from_being_switched_to(folder: Path, plant: Plant) -> None:
    plant.index(folder)
    for path in folder.iterdir():
        path.unlink()
    plant.index(folder, status=1)
    (folder / "bus.md").write_text("# Bus\n\nThe bus is late.\n")
    plant.index(folder, status=1, PENSTOCK_MODEL="stub-32")
    assert plant.json("status", PENSTOCK_MODEL="stub-32")["model"] == "stub-32"


# --- the sources file -----------------------------------------------------------------------------------------------


def _declare(room: Path, text: str) -> str:
    path = room / "sources.yaml"
    path.write_text(text)
    return str(path)


def test_a_source_not_seen_for_longer_than_its_target_makes_its_hits_stale(folder: Path, plant: Plant) -> None:
    declared = _declare(folder.parent, f"sources:\n  - uri: {folder}\n    freshness: 1s\n")
    plant.environment["PENSTOCK_SOURCES"] = declared
    plant.index(folder)
    verified = plant.search("ferry")[0]["verified_at"]
    folder.rename(folder.with_name("away"))
    assert plant.index(folder, status=2)["refused"][0]["reason"] == "unreachable"
    # Declared without a slash, a folder that is away was taken for another source: one file, and new.
    [source] = plant.json("status")["sources"]
    assert source["error"] == "does not exist"
    eventually(lambda: not plant.search("ferry")[0]["fresh"])
    hit = plant.search("ferry")[0]
    assert hit["verified_at"] == verified
    status = plant.json("status")
    assert status["documents"]["unverified"] == 2
    assert (status["sources"][0]["fresh"], status["sources"][0]["freshness_s"]) == (False, 1)
    folder.with_name("away").rename(folder)
    plant.environment["PENSTOCK_SOURCES"] = _declare(folder.parent, f"sources:\n  - uri: {folder}\n    freshness: 1d\n")
    plant.index(folder)
    assert plant.search("ferry")[0]["fresh"]


def test_what_is_excluded_is_not_indexed_and_goes_when_it_was(folder: Path, plant: Plant) -> None:
    (folder / "notes.tmp.md").write_text("# Draft\n\nNot yet.\n")
    plant.index(folder)
    assert len(contents(plant.home)) == 3
    plant.environment["PENSTOCK_SOURCES"] = _declare(
        folder.parent, f"sources:\n  - uri: {folder}\n    exclude: ['*.tmp.md']\n"
    )
    for _ in range(2):
        plant.index(folder, status=None)
    assert "Not yet" not in texts(plant.home)
    plant.audit()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: [", "not YAML"),
        ("- a\n- b\n", "expected a list under `sources`"),
        ("sources:\n  - uri: /x\n    fresh: 1s\n", "source 1: fresh"),
        ("sources:\n  - uri: /x\n    freshness: soon\n", "source 1: freshness"),
        ("sources:\n  - tenant: x\n", "source 1: uri"),
        ("sources:\n  - just a string\n", "source 1"),
    ],
)
def test_a_wrong_sources_file_gives_one_clear_line(folder: Path, plant: Plant, text: str, words: str) -> None:
    result = plant.run("index", folder, PENSTOCK_SOURCES=_declare(folder.parent, text))
    assert result.status == 2
    assert words in result.err
    assert "sources.yaml" in result.err
    assert len(result.err.splitlines()) == 1, result.err


def test_a_sources_file_that_is_not_there_gives_one_clear_line(folder: Path, plant: Plant) -> None:
    result = plant.run("index", folder, PENSTOCK_SOURCES=str(folder / "none.yaml"))
    assert result.status == 2
    assert len(result.err.splitlines()) == 1
    assert "none.yaml" in result.err
