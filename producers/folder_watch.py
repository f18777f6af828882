"""A watched folder's changes as events, by the system's own notifications (inotify, FSEvents, ...)."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from schemas.events import CHANGED, REMOVED, DocumentEvent, DocumentEventData
from schemas.identity import file_path, file_uri

_log = structlog.get_logger("penstock.folder_watch")

#: Milliseconds within which changes are taken together.
DEBOUNCE_MS = 200
#: Milliseconds after which a watch that saw nothing says so: by then it stands.
QUIET_MS = 500
#: Seconds until a folder that went away, or cannot be watched, is tried again.
AWAY_S = 2.0


def watch_folder(
    folder: Path,
    *,
    stop: threading.Event,
    begin: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Iterator[DocumentEvent]:
    """Events for every file changed or removed under a folder, until `stop` is set; a folder that is away is awaited.

    begin: a URI that counts as changed each time a watch stands, for what happened to it until then was not seen.
    """
    while not stop.is_set():
        stands = False
        for changes in _rounds(folder, stop):
            if begin and not stands:
                yield _event(begin, removed=False, time=now(), id_=new_id())
            stands = True
            for path, removed in changes:
                if not _hidden(path, folder):
                    yield _event(_uri(path, removed=removed), removed=removed, time=now(), id_=new_id())
        stop.wait(AWAY_S)


def each_file(
    event: DocumentEvent, *, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
) -> Iterator[DocumentEvent]:
    """The events an event stands for: that of a folder, moved here with all it holds, is one for each file in it."""
    if not event.subject.endswith("/"):
        yield event
        return
    for folder, below, names in os.walk(file_path(event.subject)):
        below[:] = [name for name in below if not name.startswith(b".")]
        for name in sorted(name for name in names if not name.startswith(b".")):
            uri = file_uri(os.path.join(folder, name))  # noqa: PTH118  raw bytes, which pathlib does not take
            yield event.model_copy(
                update={"id": new_id(), "subject": uri, "data": event.data.model_copy(update={"uri": uri})}
            )


def _rounds(folder: Path, stop: threading.Event) -> Iterator[list[tuple[str, bool]]]:
    """What changes together, as paths with whether they are removed; nothing, when all was quiet for a moment.

    Ends with the folder: a watch would stay with the one that was moved away or deleted, and see nothing of another
    that takes its place.
    """
    from watchfiles import Change, watch  # loads a native library that only this needs

    try:
        watched = _identity(folder)
        rounds = watch(
            folder, stop_event=stop, debounce=DEBOUNCE_MS, step=50, rust_timeout=QUIET_MS, yield_on_timeout=True
        )
        for changes in rounds:
            yield sorted((path, change is Change.deleted) for change, path in changes)
            if (Change.deleted, str(folder)) in changes or _identity(folder) != watched:
                raise FileNotFoundError("the folder is not the one that was watched")
    except OSError as error:
        _log.warning("folder.not_watched", folder=str(folder), error=str(error), again_s=AWAY_S)


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _hidden(path: str, folder: Path) -> bool:
    return any(part.startswith(".") for part in Path(path).relative_to(folder).parts)


def _uri(path: str, *, removed: bool) -> str:
    return file_uri(os.fsencode(path)) + ("/" if not removed and Path(path).is_dir() else "")


def _event(uri: str, *, removed: bool, time: datetime, id_: str) -> DocumentEvent:
    return DocumentEvent(
        id=id_,
        source="penstock/folder-watch",
        type=REMOVED if removed else CHANGED,
        subject=uri,
        time=time,
        data=DocumentEventData(uri=uri),
    )
