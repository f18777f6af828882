"""Opening the ledger: its format and its birth."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from infra.ledger import tables
from infra.ledger.database import Database
from infra.ledger.documents import Documents
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

    def get(self, key: str) -> Any:
        """A recorded setting, or None."""
        with self._database.connect() as connection:
            value = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
        return None if value is None else json.loads(value)

    def put(self, key: str, value: Any) -> None:
        """Record a setting."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(tables.meta).where(tables.meta.c.key == key))
            connection.execute(sa.insert(tables.meta).values(key=key, value=json.dumps(value)))

    def scrub(self) -> None:
        """Overwrite what was deleted, so that erased text is not left in free pages or in the log."""
        if self._database.dialect.name == "sqlite":
            with self._database.bare() as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Release every connection."""
        self._database.dispose()


def open_ledger(url: str, *, now: float, keep_open: bool = True, recover_unknown: bool = False) -> Ledger:
    """Open the ledger, creating it where there is none.

    Args:
        url: SQLAlchemy URL.
        now: seconds since the epoch; a new ledger's birth.
        recover_unknown: recorded at a new ledger's birth: the index may hold points of documents it never heard of.
        keep_open: keep connections between uses. A reader that does not leaves no file behind beside the ledger.

    Raises:
        HomeTooNew: a newer penstock wrote it.
        Unreachable: the database does not answer.
    """
    database = Database(url, keep_open=keep_open)
    with database.connect() as connection:
        known = _read_meta(connection)
    if known is None:
        with database.begin() as connection:
            known = _read_meta(connection) or _make(connection, now, recover_unknown=recover_unknown)
    if known["format"] > tables.FORMAT:
        database.dispose()
        raise HomeTooNew(str(Path(database.url.database or "").parent), known["format"], tables.FORMAT)
    return Ledger(database, birth_ms=known["birth_ms"])


def _make(connection: sa.Connection, now: float, *, recover_unknown: bool) -> Mapping[str, Any]:
    tables.metadata.create_all(connection)
    birth = {"format": tables.FORMAT, "birth_ms": int(now * 1000), "recover_unknown": recover_unknown}
    rows = [{"key": key, "value": json.dumps(value)} for key, value in birth.items()]
    connection.execute(sa.insert(tables.meta), rows)
    return birth


def _read_meta(connection: sa.Connection) -> Mapping[str, Any] | None:
    if not sa.inspect(connection).has_table(tables.meta.name):
        return None
    rows: Iterable[sa.Row[Any]] = connection.execute(sa.select(tables.meta))
    # Killed while it was being made, a ledger has tables and no birth: it is made again.
    return {row.key: json.loads(row.value) for row in rows} or None
