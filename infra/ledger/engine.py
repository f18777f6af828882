"""Opening the ledger: its format and its birth."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from infra.clock import running_time
from infra.ledger import tables
from infra.ledger.database import Database
from infra.ledger.documents import Documents
from infra.ledger.letters import DeadLetters
from infra.ledger.once import Slots, Webhooks
from infra.ledger.quarantine import Quarantine
from infra.ledger.sources import Sources
from infra.ledger.texts import Parses, Vectors
from infra.ledger.views import Views
from schemas.errors import HomeTooNew


class Ledger:
    """The open ledger. Safe to use from several threads; every method is one transaction."""

    def __init__(self, database: Database, *, birth_ms: int) -> None:
        self._database = database
        #: Where generations start, so that a rebuilt ledger never counts again below an old one.
        self.birth_ms = birth_ms
        self.sources = Sources(database)
        self.documents = Documents(database, first_generation=birth_ms)
        self.parses = Parses(database)
        self.vectors = Vectors(database)
        self.views = Views(database)
        self.quarantine = Quarantine(database)
        self.letters = DeadLetters(database)
        self.slots = Slots(database)
        self.webhooks = Webhooks(database)

    def get(self, key: str) -> Any:
        """A recorded setting, or None."""
        with self._database.connect() as connection:
            value = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
        return None if value is None else json.loads(value)

    def put(self, key: str, value: Any) -> None:
        """Record a setting."""
        statement = self._database.insert(tables.meta).values(key=key, value=json.dumps(value))
        new = statement.excluded.value
        with self._database.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=[tables.meta.c.key], set_={"value": new}))

    def put_new(self, key: str, value: Any) -> Any:
        """Record a setting unless it is recorded; returns what holds."""
        statement = self._database.insert(tables.meta).values(key=key, value=json.dumps(value))
        with self._database.begin() as connection:
            connection.execute(statement.on_conflict_do_nothing())
        return self.get(key)

    def exclusively(self, name: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        """Keep other users of this ledger out of what goes by this name; False where one is in there, unless `wait`."""
        return self._database.exclusively(name, wait=wait)

    @property
    def shared(self) -> bool:
        """Whether several processes may be at work on it: it is on a server, and no home's lock keeps them out."""
        return self._database.dialect.name == "postgresql"

    def clock(self) -> Callable[[], float]:
        """A clock that all who use this ledger share, in seconds since the epoch.

        On a server it is the server's, read once and carried on by a clock of this machine that never steps: leases
        must not expire early because a machine's own clock is wrong. With SQLite it is this machine's.
        """
        before = running_time()
        theirs = self._database.clock()
        if theirs is None:
            return time.time
        offset = theirs - (before + running_time()) / 2
        return lambda: running_time() + offset

    def scrub(self) -> None:
        """Overwrite what was deleted, so that erased text is not left in free pages or in the log."""
        if self._database.dialect.name == "sqlite":
            with self._database.bare() as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Release every connection."""
        self._database.dispose()


def open_ledger(
    url: str, *, now: float, keep_open: bool = True, recover_unknown: bool | Callable[[], bool] = False
) -> Ledger:
    """Open the ledger, creating it where there is none.

    Args:
        url: SQLAlchemy URL.
        now: seconds since the epoch; a new ledger's birth.
        recover_unknown: recorded at a new ledger's birth: the index may hold points of documents it never heard of.
            A function is asked only then.
        keep_open: keep connections between uses. A reader that does not leaves no file behind beside the ledger.

    Raises:
        HomeTooNew: a newer penstock wrote it.
        Unreachable: the database does not answer.
    """
    database = Database(url, keep_open=keep_open)
    with database.connect() as connection:
        known = _read_meta(connection)
    if known is None or known["format"] < tables.FORMAT:
        with database.exclusively("penstock.format"), database.begin() as connection:
            known = _read_meta(connection) or _make(connection, now, recover_unknown=recover_unknown)
            if known["format"] < tables.FORMAT:
                _upgrade(connection, known["format"])
    if known["format"] > tables.FORMAT:
        database.dispose()
        raise HomeTooNew(database.url.render_as_string(hide_password=True), known["format"], tables.FORMAT)
    return Ledger(database, birth_ms=known["birth_ms"])


def _make(connection: sa.Connection, now: float, *, recover_unknown: bool | Callable[[], bool]) -> Mapping[str, Any]:
    tables.metadata.create_all(connection)
    unknown = recover_unknown() if callable(recover_unknown) else recover_unknown
    birth = {"format": tables.FORMAT, "birth_ms": int(now * 1000), "recover_unknown": unknown}
    rows = [{"key": key, "value": json.dumps(value)} for key, value in birth.items()]
    connection.execute(sa.insert(tables.meta), rows)
    return birth


def _upgrade(connection: sa.Connection, found: int) -> None:
    from infra.ledger.migrate import upgrade  # Alembic takes 0.3 s to import

    upgrade(connection, found)
    format_ = tables.meta.c.key == "format"
    connection.execute(sa.update(tables.meta).where(format_).values(value=json.dumps(tables.FORMAT)))


def _read_meta(connection: sa.Connection) -> Mapping[str, Any] | None:
    if not sa.inspect(connection).has_table(tables.meta.name):
        return None
    rows: Iterable[sa.Row[Any]] = connection.execute(sa.select(tables.meta))
    # Killed while it was being made, a ledger has tables and no birth: it is made again.
    return {row.key: json.loads(row.value) for row in rows} or None
