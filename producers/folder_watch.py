"""A watched folder's changes as events, by the system's own notifications (inotify, FSEvents, ...)."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from schemas.events import CHANGED, REMOVED, DocumentEvent, DocumentEventData
from schemas.identity import file_uri

#: Milliseconds within which changes are taken together.
DEBOUNCE_MS = 200


def watch_folder(
    folder: Path,
    *,
    stop: threading.Event,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Iterator[DocumentEvent]:
    """Events for every file changed or removed under a folder, until `stop` is set or the folder goes away."""
    from watchfiles import Change, watch  #  loads a native library that only this needs

    try:
        for changes in watch(folder, stop_event=stop, debounce=DEBOUNCE_MS, step=50, recursive=True):
            for change, path in sorted(changes, key=lambda item: item[1]):
                if not _hidden(path, folder):
                    yield _event(path, removed=change is Change.deleted, time=now(), id_=new_id())
    except FileNotFoundError:
        return  # the next listing says what became of the folder


def _hidden(path: str, folder: Path) -> bool:
    return any(part.startswith(".") for part in Path(path).relative_to(folder).parts)


def _event(path: str, *, removed: bool, time: datetime, id_: str) -> DocumentEvent:
    uri = file_uri(os.fsencode(path)) + ("/" if not removed and Path(path).is_dir() else "")
    return DocumentEvent(
        id=id_,
        source="penstock/folder-watch",
        type=REMOVED if removed else CHANGED,
        subject=uri,
        time=time,
        data=DocumentEventData(uri=uri),
    )
