"""A watched folder's changes as events, by the system's own notifications (inotify, FSEvents, ...)."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from schemas.events import CHANGED, REMOVED, DocumentEvent, DocumentEventData
from schemas.identity import file_path, file_uri

#: Milliseconds within which changes are taken together.
DEBOUNCE_MS = 200
#: Milliseconds after which a watch that saw nothing says so: by then it stands.
QUIET_MS = 500


def watch_folder(
    folder: Path,
    *,
    stop: threading.Event,
    begin: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Iterator[DocumentEvent]:
    """Events for every file changed or removed under a folder, until `stop` is set or the folder goes away.

    begin: a URI that counts as changed once the watch stands, for what happened to it until then was not seen.
    """
    from watchfiles import Change, watch  #  loads a native library that only this needs

    rounds = watch(folder, stop_event=stop, debounce=DEBOUNCE_MS, step=50, rust_timeout=QUIET_MS, yield_on_timeout=True)
    try:
        for changes in rounds:
            if begin:
                yield _event(begin, removed=False, time=now(), id_=new_id())
                begin = ""
            for change, path in sorted(changes, key=lambda item: item[1]):
                if not _hidden(path, folder):
                    removed = change is Change.deleted
                    yield _event(_uri(path, removed=removed), removed=removed, time=now(), id_=new_id())
    except FileNotFoundError:
        return  # the next listing says what became of the folder


def each_file(
    event: DocumentEvent, *, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
) -> Iterator[DocumentEvent]:
    """The events an event stands for: that of a folder, moved here with all it holds, is one for each file in it."""
    if not event.subject.endswith("/"):
        yield event
        return
    for folder, _, names in os.walk(file_path(event.subject)):
        for name in sorted(names):
            uri = file_uri(os.path.join(folder, name))  # noqa: PTH118  raw bytes, which pathlib does not take
            yield event.model_copy(
                update={"id": new_id(), "subject": uri, "data": event.data.model_copy(update={"uri": uri})}
            )


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
