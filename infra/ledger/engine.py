"""Opening the ledger: its format and its birth. SQL errors leave as `Unreachable` from here, and nowhere else."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from infra.ledger import tables
from infra.ledger.documents import Documents
from infra.ledger.sources import Sources
from infra.ledger.texts import Parses, Vectors
from infra.ledger.views import Views
from schemas.errors import HomeTooNew, Unreachable

#: A writer waits this long for another one's commit; each commit takes milliseconds.
BUSY_TIMEOUT_S = 30


class Ledger:
    """The open ledger. Safe to use from several threads; every method is one transaction."""

    def __init__(self, engine: sa.Engine, *, birth_ms: int) -> None:
        self._engine = engine
        #: Where generations start, so that a rebuilt ledger never counts again below an old one.
        self.birth_ms = birth_ms
        self.sources = Sources(engine)
        self.documents = Documents(engine, first_generation=birth_ms)
        self.parses = Parses(engine)
        self.vectors = Vectors(engine)
        self.views = Views(engine)

    def get(self, key: str) -> Any:
        """A recorded setting, or None."""
        with self._engine.connect() as connection:
            value = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
        return None if value is None else json.loads(value)

    def put(self, key: str, value: Any) -> None:
        """Record a setting."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(tables.meta).where(tables.meta.c.key == key))
            connection.execute(sa.insert(tables.meta).values(key=key, value=json.dumps(value)))

    def scrub(self) -> None:
        """Overwrite what was deleted, so that erased text is not left in free pages or in the log."""
        if self._engine.dialect.name == "sqlite":
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Release every connection."""
        self._engine.dispose()


def open_ledger(url: str, *, now: float) -> Ledger:
    """Open the ledger, creating it where there is none.

    Args:
        url: SQLAlchemy URL.
        now: seconds since the epoch; a new ledger's birth.

    Raises:
        HomeTooNew: a newer penstock wrote it.
        Unreachable: the database does not answer.
    """
    engine = sa.create_engine(url)
    where = engine.url.render_as_string(hide_password=True)
    sa.event.listen(engine, "handle_error", _translate(where))
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
    with engine.begin() as connection:
        known = _read_meta(connection)
        if known is None:
            tables.metadata.create_all(connection)
            birth = {"format": tables.FORMAT, "birth_ms": int(now * 1000)}
            rows = [{"key": key, "value": json.dumps(value)} for key, value in birth.items()]
            connection.execute(sa.insert(tables.meta), rows)
            known = birth
    if known["format"] > tables.FORMAT:
        engine.dispose()
        raise HomeTooNew(str(Path(engine.url.database or where).parent), known["format"], tables.FORMAT)
    return Ledger(engine, birth_ms=known["birth_ms"])


def _read_meta(connection: sa.Connection) -> Mapping[str, Any] | None:
    if not sa.inspect(connection).has_table(tables.meta.name):
        return None
    rows: Iterable[sa.Row[Any]] = connection.execute(sa.select(tables.meta))
    # Killed while it was being made, a ledger has tables and no birth: it is made again.
    return {row.key: json.loads(row.value) for row in rows} or None


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # WAL: status and search read while the writer writes. FULL: an intent must survive a power cut before the first
    # write to the index; batches make the sync affordable. secure_delete: what is forgotten is overwritten.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")


def _translate(where: str) -> Any:
    todo = "free disk space and check that the ledger can be read and written, then run again"

    def raise_unreachable(context: sa.ExceptionContext) -> None:
        if isinstance(context.original_exception, context.dialect.loaded_dbapi.Error):
            raise Unreachable(where, f"the ledger failed: {context.original_exception}", todo) from None

    return raise_unreachable
