"""Folders as they are: links, odd names, odd files, permissions, and roots that vanish under a listing."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infra.source_folder import FolderSource
from schemas.documents import SourceEntry
from schemas.errors import Reason, Refusal, Unreachable
from schemas.identity import file_path, file_uri

LIMIT = 1_000_000_000


def later() -> float:
    """A clock a minute ahead: what was just written counts as settled."""
    return time.time() + 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "docs"
    path.mkdir()
    (path / "a.md").write_text("text")
    return path


def source(root: Path | bytes, **options) -> FolderSource:
    return FolderSource(os.fsencode(root) + b"/", **{"clock": later, **options})


def uri(path: Path) -> str:
    return file_uri(os.fsencode(path))


def listed(reader: FolderSource) -> dict[str, SourceEntry]:
    entries = {entry.uri: entry for entry in reader.list()}
    for entry in entries.values():
        assert str(reader.stat(entry.uri)) == str(entry), "stat and list differ"
    return entries


def problems(reader: FolderSource) -> dict[str, Reason]:
    return {entry.uri: entry.problem.reason for entry in listed(reader).values() if entry.problem}


class TestNames:
    def test_names_that_are_not_utf8_are_listed_and_read(self, root: Path) -> None:
        names = [b"caf\xe9.md", b"new\nline.md", b"100%.md", b"!bang.md", b"\xff\xfe"]
        for name in names:
            (root / os.fsdecode(name)).write_bytes(name)
        reader = source(root)
        read = {file_path(name): reader.fetch(name, max_bytes=LIMIT) for name in listed(reader)}
        prefix = os.fsencode(root) + b"/"
        assert {path: fetched.body for path, fetched in read.items() if fetched} == {
            prefix + b"a.md": b"text",
            **{prefix + name: name for name in names},
        }

    def test_hidden_names_do_not_exist_here(self, root: Path) -> None:
        for name in (".git/config", ".a.md.swp", "deep/.penstock/ledger"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("text")
        reader = source(root)
        assert set(listed(reader)) == {uri(root / "a.md")}
        for name in (".git/config", ".a.md.swp", "deep/.penstock/ledger", ".gone.md", "deep/../a.md"):
            assert reader.stat(uri(root / name)) is None

    def test_a_hidden_file_can_be_a_source_by_itself(self, root: Path) -> None:
        (root / ".notes.md").write_text("text")
        reader = FolderSource(str(root / ".notes.md"), exclude=["*"], clock=later)
        assert set(listed(reader)) == {uri(root / ".notes.md")}


class TestLinks:
    def test_a_link_to_a_file_inside_is_a_document_of_its_own(self, root: Path) -> None:
        (root / "deep").mkdir()
        (root / "deep" / "link.md").symlink_to("../a.md")
        reader = source(root)
        assert set(listed(reader)) == {uri(root / "a.md"), uri(root / "deep" / "link.md")}
        fetched = reader.fetch(uri(root / "deep" / "link.md"), max_bytes=LIMIT)
        assert fetched is not None
        assert fetched.body == b"text"

    def test_turning_a_link_to_another_file_changes_its_identity(self, root: Path) -> None:
        (root / "b.md").write_text("text")
        (root / "link.md").symlink_to("a.md")
        before = listed(source(root))[uri(root / "link.md")].identity
        (root / "link.md").unlink()
        (root / "link.md").symlink_to("b.md")
        assert listed(source(root))[uri(root / "link.md")].identity != before

    def test_a_root_that_is_itself_a_link_is_read(self, root: Path) -> None:
        (root / "link.md").symlink_to(root / "a.md")
        current = root.with_name("current")
        current.symlink_to(root)
        assert set(listed(source(current))) == {uri(current / "a.md"), uri(current / "link.md")}
        assert problems(source(current)) == {}

    @pytest.mark.parametrize(
        ("target", "reason"),
        [
            ("../secret.md", Reason.OUTSIDE_ROOT),
            ("..", Reason.OUTSIDE_ROOT),
            ("../docs-old", Reason.OUTSIDE_ROOT),
            ("nowhere.md", Reason.BROKEN_LINK),
            ("a.md/below", Reason.BROKEN_LINK),
            ("link", Reason.LINK_LOOP),
            ("../docs", Reason.LINK_LOOP),
            (".", Reason.LINK_LOOP),
        ],
    )
    def test_a_link_that_cannot_be_read_is_named_with_its_reason(self, root: Path, target: str, reason: Reason) -> None:
        (root.parent / "secret.md").write_text("secret")
        (root.parent / "docs-old").mkdir()
        (root / "link").symlink_to(target)
        assert problems(source(root)) == {uri(root / "link"): reason}
        entry = source(root).stat(uri(root / "link"))
        assert entry is not None
        assert entry.identity.startswith(f"problem:{reason}:")
        with pytest.raises(Refusal) as refusal:
            source(root).fetch(uri(root / "link"), max_bytes=LIMIT)
        assert refusal.value.reason is reason

    def test_two_links_that_point_at_each_other_are_a_loop(self, root: Path) -> None:
        (root / "one").symlink_to("two")
        (root / "two").symlink_to("one")
        assert set(problems(source(root)).values()) == {Reason.LINK_LOOP}

    def test_a_link_to_a_folder_above_itself_is_a_loop(self, root: Path) -> None:
        (root / "deep" / "er").mkdir(parents=True)
        (root / "deep" / "er" / "up").symlink_to("..")
        assert problems(source(root)) == {uri(root / "deep" / "er" / "up"): Reason.LINK_LOOP}

    def test_a_link_to_a_folder_inside_is_no_problem_and_its_content_is_listed_once(self, root: Path) -> None:
        (root / "deep").mkdir()
        (root / "deep" / "b.md").write_text("text")
        (root / "alias").symlink_to("deep")
        reader = source(root)
        assert set(listed(reader)) == {uri(root / "a.md"), uri(root / "deep" / "b.md")}
        assert reader.stat(uri(root / "alias" / "b.md")) is None
        assert reader.stat(uri(root / "alias")) is None

    def test_a_folder_that_became_a_link_leading_out_proves_nothing_about_what_was_in_it(self, root: Path) -> None:
        (root / "deep").mkdir()
        (root / "deep" / "b.md").write_text("text")
        (root / "deep").rename(root.parent / "deep")
        for target in ("../deep", "nowhere"):
            (root / "deep").symlink_to(target)
            with pytest.raises(Unreachable, match="deep"):
                source(root).stat(uri(root / "deep" / "b.md"))
            (root / "deep").unlink()


class TestOddFiles:
    def test_a_fifo_a_socket_and_a_device_are_no_documents_and_nothing_waits_for_them(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os.mkfifo(root / "fifo.md")
        (root / "null.md").symlink_to("/dev/null")
        monkeypatch.chdir(root)  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind("socket.md")
            assert problems(source(root)) == {
                uri(root / "fifo.md"): Reason.NOT_A_FILE,
                uri(root / "socket.md"): Reason.NOT_A_FILE,
                uri(root / "null.md"): Reason.OUTSIDE_ROOT,
            }
        with pytest.raises(Refusal, match="a FIFO"):
            source(root).fetch(uri(root / "fifo.md"), max_bytes=LIMIT)

    def test_a_file_that_became_a_folder_is_gone(self, root: Path) -> None:
        (root / "a.md").unlink()
        (root / "a.md").mkdir()
        assert listed(source(root)) == {}
        assert source(root).stat(uri(root / "a.md")) is None

    def test_a_huge_file_is_refused_without_being_read(self, root: Path) -> None:
        with (root / "a.md").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(Refusal) as refusal:
            source(root).fetch(uri(root / "a.md"), max_bytes=LIMIT)
        assert refusal.value.reason is Reason.TOO_LARGE


class TestReading:
    @pytest.mark.parametrize(
        ("age", "trusted"), [(-5.0, False), (0.0, False), (1.9, False), (2.1, True), (3600.0, True)]
    )
    def test_a_file_younger_than_two_seconds_is_not_trusted_next_time(
        self, root: Path, age: float, trusted: bool
    ) -> None:
        changed = (root / "a.md").stat().st_ctime
        fetched = source(root, clock=lambda: changed + age).fetch(uri(root / "a.md"), max_bytes=LIMIT)
        assert fetched is not None
        assert bool(fetched.identity) is trusted

    def test_a_modification_time_decades_ahead_does_not_cost_a_read_every_time(self, root: Path) -> None:
        os.utime(root / "a.md", (4e9, 4e9))
        fetched = source(root).fetch(uri(root / "a.md"), max_bytes=LIMIT)
        assert fetched is not None
        assert fetched.identity == listed(source(root))[uri(root / "a.md")].identity

    def test_a_file_changed_between_looking_and_opening_is_read_again(self, root: Path) -> None:
        versions = iter([b"second version"])

        def clock() -> float:  # read just before the file is opened
            for body in versions:
                (root / "a.md").write_bytes(body)
            return later()

        fetched = source(root, clock=clock).fetch(uri(root / "a.md"), max_bytes=LIMIT)
        assert fetched is not None
        assert fetched.body == b"second version"
        assert fetched.identity == listed(source(root))[uri(root / "a.md")].identity

    def test_a_file_that_never_rests_is_refused_as_changing(self, root: Path) -> None:
        path, done = root / "log.md", threading.Event()
        with path.open("wb") as file:
            file.truncate(64_000_000)  # long enough to read that the writer gets between

        def write() -> None:
            with path.open("ab", buffering=0) as file:
                while not done.wait(0.0005):
                    file.write(b"more")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            with pytest.raises(Refusal) as refusal:
                source(root).fetch(uri(path), max_bytes=LIMIT)
        finally:
            done.set()
            writer.join()
        assert refusal.value.reason is Reason.CHANGING

    def test_a_file_swapped_at_the_last_moment_is_never_read_in_its_place(self, root: Path) -> None:
        secret = root.parent / "secret.md"
        secret.write_text("secret")
        fifo = root.parent / "fifo"
        os.mkfifo(fifo)
        for thief, reason in ((secret, Reason.OUTSIDE_ROOT), (fifo, Reason.OUTSIDE_ROOT)):
            (root / "a.md").unlink(missing_ok=True)
            (root / "a.md").write_text("text")

            def clock(thief: Path = thief) -> float:
                (root / "a.md").unlink()
                (root / "a.md").symlink_to(thief)
                return later()

            with pytest.raises(Refusal) as refusal:
                source(root, clock=clock).fetch(uri(root / "a.md"), max_bytes=LIMIT)
            assert refusal.value.reason is reason


class TestRoot:
    def test_another_folder_in_its_place_has_another_identity(self, root: Path) -> None:
        before = source(root).root_identity()
        root.rename(root.with_name("moved"))
        root.mkdir()
        assert source(root).root_identity() != before

    def test_a_root_that_is_a_file_is_not_a_folder(self, root: Path) -> None:
        reader = source(root)
        (root / "a.md").rename(root.parent / "a.md")
        root.rmdir()
        (root.parent / "a.md").rename(root)
        with pytest.raises(Unreachable, match="is not a folder"):
            list(reader.list())

    def test_a_root_replaced_during_a_listing_stops_it(self, root: Path) -> None:
        (root / "deep").mkdir()
        (root / "deep" / "b.md").write_text("text")
        listing = source(root).list()
        next(listing)
        root.rename(root.with_name("moved"))
        root.mkdir()
        with pytest.raises(Unreachable, match="another folder took its place"):
            list(listing)

    def test_a_root_that_vanishes_during_a_listing_stops_it(self, root: Path) -> None:
        listing = source(root).list()
        next(listing)
        root.rename(root.with_name("moved"))
        with pytest.raises(Unreachable, match="does not exist"):
            list(listing)

    def test_a_subfolder_that_vanishes_during_a_listing_is_simply_gone(self, root: Path) -> None:
        (root / "deep").mkdir()
        listing = source(root).list()
        assert next(listing).uri == uri(root / "a.md")
        (root / "deep").rmdir()
        assert list(listing) == []

    def test_a_single_file_is_gone_only_while_its_folder_answers(self, root: Path) -> None:
        reader = FolderSource(str(root / "a.md"), clock=later)
        (root / "a.md").unlink()
        assert reader.stat(uri(root / "a.md")) is None
        root.rmdir()
        with pytest.raises(Unreachable, match="does not exist"):
            reader.stat(uri(root / "a.md"))


#: Root may read everything; this child gives that up, and is refused like any other user.
AS_ORDINARY_USER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
REPORT = """
import json, sys, time
from infra.source_folder import FolderSource
from schemas.errors import PenstockError
reader = FolderSource(sys.argv[1], clock=time.time)
def answer(ask):
    try:
        return repr(ask())
    except PenstockError as error:
        return f"{type(error).__name__} {error}"
def names():
    return sorted((entry.uri, str(entry.problem or "")) for entry in reader.list())
try:
    listing = names()
except PenstockError as error:
    listing = f"{type(error).__name__} {error}"
stats = {uri: answer(lambda: reader.stat(uri)) for uri in sys.argv[2:]}
reads = {uri: answer(lambda: reader.fetch(uri, max_bytes=1000)) for uri in sys.argv[2:]}
print(json.dumps({"list": listing, "stat": stats, "fetch": reads}))
"""


def report(root: Path, *uris: str) -> dict:
    prefix = AS_ORDINARY_USER if os.geteuid() == 0 else []
    command = [*prefix, sys.executable, "-c", REPORT, f"{root}/", *uris]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return json.loads(done.stdout)


class TestPermissions:
    def test_a_file_without_read_permission_is_listed_and_refused_when_read(self, root: Path) -> None:
        (root / "a.md").chmod(0)
        seen = report(root, uri(root / "a.md"))
        assert seen["list"] == [[uri(root / "a.md"), ""]]
        assert seen["stat"][uri(root / "a.md")].startswith("SourceEntry")
        assert seen["fetch"][uri(root / "a.md")].startswith("Refusal unreadable")

    @pytest.mark.parametrize("mode", [0o000, 0o300, 0o400])
    def test_a_folder_that_cannot_be_listed_is_named_and_proves_nothing_about_what_is_in_it(
        self, root: Path, mode: int
    ) -> None:
        (root / "shut").mkdir()
        (root / "shut" / "b.md").write_text("text")
        folder, inside, never = uri(root / "shut") + "/", uri(root / "shut" / "b.md"), uri(root / "shut" / "never.md")
        (root / "shut").chmod(mode)
        try:
            seen = report(root, folder, inside, never)
        finally:
            (root / "shut").chmod(0o700)
        assert [name for name, _ in seen["list"]] == [uri(root / "a.md"), folder]
        assert seen["list"][1][1].startswith("unreadable")
        assert "UNREADABLE" in seen["stat"][folder] or "unreadable" in seen["stat"][folder]
        for name in (inside, never):
            assert seen["stat"][name].startswith("Unreachable")
            assert seen["fetch"][name].startswith("Unreachable")

    @pytest.mark.parametrize("mode", [0o000, 0o300, 0o400])
    def test_a_root_that_may_not_be_read_is_unreachable_with_what_to_do(self, root: Path, mode: int) -> None:
        root.chmod(mode)
        try:
            seen = report(root, uri(root / "a.md"), uri(root / "never.md"))
        finally:
            root.chmod(0o700)
        answers = [seen["list"], *seen["stat"].values(), *seen["fetch"].values()]
        assert all(answer.startswith("Unreachable") and "give this user permission" in answer for answer in answers)

    def test_a_folder_that_can_be_listed_again_is_no_entry_any_more(self, root: Path) -> None:
        (root / "open").mkdir()
        assert source(root).stat(uri(root / "open") + "/") is None
        assert source(root).stat(uri(root / "gone") + "/") is None
