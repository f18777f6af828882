"""The folder of reports: a file is there as a whole, and what was read before an erasure is not written after it."""

import os
import stat
import threading

import pytest

from infra.report_folder import erase, opened, put
from schemas.errors import Unreachable


def test_a_report_replaces_the_one_before_it_and_is_for_its_user_only(tmp_path):
    path = tmp_path / "reports"
    for body in (b"long and old", b"new"):
        with opened(path) as folder:
            assert put(folder, "report.html", body)
    assert [one.name for one in path.iterdir()] == ["report.html"]
    assert (path / "report.html").read_bytes() == b"new"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path / "report.html")] == [0o700, 0o600]


def test_what_was_read_before_an_erasure_is_not_written_after_it(tmp_path):
    path = tmp_path / "reports"
    with opened(path) as folder:
        assert put(folder, "report.html", b"the first")
        erase(path)
        assert not put(folder, "report.html", b"read before it was erased")
        with opened(path) as new:  # also where another one has taken its place
            assert not put(folder, "report.html", b"read before it was erased")
            assert put(new, "report.html", b"read since")
    assert (path / "report.html").read_bytes() == b"read since"
    erase(path)
    erase(path)
    assert not path.exists()


def test_writers_do_not_keep_an_erasure_from_its_end(tmp_path):
    """A file that comes between listing the folder and removing it is erased too."""
    path, stop = tmp_path / "reports", threading.Event()
    failed = []

    def write():
        while not stop.is_set():
            with opened(path) as folder:
                try:
                    put(folder, "report.html", b"x")
                except Unreachable as error:
                    failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with opened(path) as before:
            for _ in range(50):
                erase(path)
            assert not put(before, "report.html", b"old")
    finally:
        stop.set()
        writer.join()
    assert not failed


def test_a_folder_erased_between_finding_and_opening_it_is_made_anew(tmp_path, monkeypatch):
    """CI failed on this once: pathlib looks a second time, and took the folder that had gone for a file in its way."""
    path, mkdir = tmp_path / "reports", os.mkdir
    path.mkdir()

    def overtaken(*args, **named):
        try:
            mkdir(*args, **named)
        except FileExistsError:
            erase(path)
            raise

    monkeypatch.setattr(os, "mkdir", overtaken)
    with opened(path) as folder:
        assert put(folder, "report.html", b"new")
    assert (path / "report.html").read_bytes() == b"new"


def test_a_link_to_nothing_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "reports").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Unreachable, match="reports: it cannot be made"), opened(tmp_path / "reports"):
        pass


def test_a_folder_that_cannot_be_made_or_erased_is_named(tmp_path):
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(Unreachable, match="reports"), opened(tmp_path / "reports"):
        pass
    with pytest.raises(Unreachable, match="cannot be deleted"):
        erase(tmp_path / "reports")
    assert (tmp_path / "reports").read_text() == "a file"
