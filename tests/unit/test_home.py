"""The home: its format, and the lock that makes its writer the only one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.home import FORMAT, Home
from schemas.errors import HomeBusy, HomeTooNew, Unreachable, UsageError

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from infra.home import Home
sys.argv = ["penstock", "watch", "--token", "secret"]
with Home(Path({folder!r})).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def holder(home):
    """Another process that holds the lock until its stdin is closed."""
    command = [sys.executable, "-c", HOLD.format(folder=str(home.folder))]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_naming_a_home_makes_nothing(tmp_path):
    home = Home(tmp_path / "home")
    home.check_format()
    assert not home.exists
    assert list(tmp_path.iterdir()) == []


def test_a_home_is_private_and_made_once(home):
    before = (home.folder / "format").stat()
    home.create()
    home.check_format()
    assert home.folder.stat().st_mode & 0o777 == 0o700
    assert (home.folder / "format").stat().st_mtime_ns == before.st_mtime_ns
    assert not home.exists  # nothing was indexed yet


def test_a_home_of_a_newer_format_is_refused(home):
    (home.folder / "format").write_text(f"{FORMAT + 1}\n")
    with pytest.raises(HomeTooNew) as caught:
        home.check_format()
    assert str(home.folder) in str(caught.value)
    assert (caught.value.found, caught.value.known) == (FORMAT + 1, FORMAT)
    assert "upgrade penstock" in caught.value.todo


@pytest.mark.parametrize("damage", [b"", b"one", b"1.5", b"\xff\xfe", b"1\n2"])
def test_a_damaged_format_is_named(home, damage):
    (home.folder / "format").write_bytes(damage)
    with pytest.raises(UsageError, match="format is damaged") as caught:
        home.check_format()
    assert not isinstance(caught.value, HomeTooNew)
    assert str(home.folder) in str(caught.value)


def test_a_format_that_cannot_be_read_is_named(home):
    # It came through as IsADirectoryError.
    (home.folder / "format").unlink()
    (home.folder / "format").mkdir()
    with pytest.raises(Unreachable, match="Is a directory"):
        home.check_format()


def test_a_home_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match="the home cannot be made: Not a directory"):
        Home(tmp_path / "file" / "home").create()


def test_a_second_writer_is_told_who_the_first_is(home, holder):
    with pytest.raises(HomeBusy) as caught, home.locked():
        pass
    assert (caught.value.pid, caught.value.command) == (holder.pid, "penstock watch")
    assert f"in use by process {holder.pid} (penstock watch)" in str(caught.value)
    assert "secret" not in (home.folder / "holder.json").read_text()


def test_the_lock_of_a_killed_holder_is_free(home, holder):
    holder.kill()
    holder.wait()
    with home.locked():
        assert home.holder()[0] == os.getpid()


def test_a_second_writer_may_wait_for_the_first(home, holder):
    holder.stdin.close()
    with home.locked(wait_s=30):
        assert home.holder()[0] == os.getpid()
    holder.stdin = None


def test_the_lock_is_free_again_after_a_failure(home):
    with pytest.raises(RuntimeError), home.locked():
        raise RuntimeError
    with home.locked():
        pass


@pytest.mark.parametrize("left", [None, "", "[]", "null", '"text"', '{"pid": "x", "command": ""}', "{}", "{"])
def test_a_holder_that_left_no_readable_name_is_unknown(home, left):
    # A list where an object belongs came through as TypeError.
    if left is not None:
        (home.folder / "holder.json").write_text(left)
    assert home.holder() == (0, "unknown")


def test_the_holder_is_written_whole_or_not_at_all(home):
    with home.locked():
        assert json.loads((home.folder / "holder.json").read_text())["pid"] == os.getpid()
        assert not list(home.folder.glob("*.tmp"))


def test_a_lock_that_cannot_be_opened_says_so(home):
    (home.folder / "lock").mkdir()
    with pytest.raises(Unreachable, match="cannot be locked"), home.locked():
        pass
