"""A watched folder on the machine's own file system: what happens in it is told, also after it was away."""

import queue
import shutil
import threading

import pytest

from penstock import watching
from producers import folder_watch
from producers.folder_watch import each_file, watch_folder
from schemas.identity import file_uri
from schemas.sources import Source


def uri(path):
    return file_uri(bytes(path))


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "docs"
    (found / "deeper").mkdir(parents=True)
    (found / ".git").mkdir()
    for name in ("a.md", "deeper/b.md", ".hidden", ".git/config"):
        (found / name).touch()
    return found


@pytest.fixture
def produced(folder, monkeypatch):
    """The events of a producer at work."""
    monkeypatch.setattr(folder_watch, "AWAY_S", 0.2)
    stop, events = threading.Event(), queue.Queue()
    arguments = (Source(uri=uri(folder) + "/"), events, stop)
    thread = threading.Thread(target=watching._produce, args=arguments)
    thread.start()
    yield events
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def await_uris(events, *paths):
    missing = {uri(path) for path in paths}
    while missing:
        missing.discard(events.get(timeout=10).subject)


def test_what_happened_before_the_watch_stood_is_told_of_each_file(folder, produced):
    await_uris(produced, folder / "a.md", folder / "deeper/b.md")


@pytest.mark.parametrize("goes", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("gone"))])
def test_a_folder_that_was_away_is_watched_again_and_each_file_in_it_told(folder, produced, goes):
    await_uris(produced, folder / "a.md")
    goes(folder)
    folder.mkdir()
    (folder / "new.md").touch()
    await_uris(produced, folder / "new.md")
    (folder / "later.md").touch()
    await_uris(produced, folder / "later.md")


def test_hidden_files_of_a_folder_are_not_told(folder):
    stop = threading.Event()
    first = next(iter(watch_folder(folder, stop=stop, begin=uri(folder) + "/")))
    stop.set()
    assert [event.subject for event in each_file(first)] == [uri(folder / "a.md"), uri(folder / "deeper/b.md")]
