"""The database under the ledger: transactions, SQLite's settings, and SQL errors as `Unreachable`.

Left to itself the driver of SQLite begins no transaction for a SELECT: two claims would read the same rows before
either writes. So the driver is told to begin none, and each transaction here begins with a statement of its own.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa

from schemas.errors import Unreachable, UsageError

#: A writer waits this long for another one's commit; each commit takes milliseconds.
BUSY_TIMEOUT_S = 30
#: A server that is away, or a network that swallows everything, must not hold a process for ever.
_POSTGRESQL = {
    "connect_timeout": 5,
    "options": "-c statement_timeout=120000",
    "application_name": "penstock",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
#: The execution option with the statement that begins a transaction on SQLite; "" for none.
_BEGIN = "penstock_begin"


class Database:
    """Opens transactions: `connect` those that read, which wait for nobody, and `begin` those that write.

    SQL errors leave as `Unreachable` from here, and from nowhere else.

    Args:
        url: SQLAlchemy URL.
        keep_open: keep connections between uses.

    Raises:
        UsageError: the URL names no database, or one whose driver is not installed.
    """

    def __init__(self, url: str, *, keep_open: bool) -> None:
        try:
            server = sa.make_url(url).get_backend_name() == "postgresql"
            self._engine = sa.create_engine(
                url,
                poolclass=None if keep_open else sa.NullPool,
                # A connection that a restart of the server cut is replaced before it is used.
                pool_pre_ping=server,
                connect_args=_POSTGRESQL if server else {},
            )
        except (sa.exc.ArgumentError, ImportError):
            raise UsageError(
                "PENSTOCK_DATABASE_URL is no database that can be used from here",
                "write dialect://user:password@host/name, and install the driver of that dialect",
            ) from None
        self.url, self.dialect = self._engine.url, self._engine.dialect
        where = self.url.render_as_string(hide_password=True)
        sa.event.listen(self._engine, "handle_error", _translate(where))
        if self.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _configure_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        # A deferred transaction that reads first and writes later fails where another one has written meanwhile.
        self._writing = self._engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    def connect(self) -> sa.Connection:
        """Open a transaction that only reads: one snapshot, whatever is written meanwhile."""
        return self._engine.connect()

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """Open a transaction that writes, alone; it commits at its end."""
        return self._writing.begin()

    def bare(self) -> sa.Connection:
        """Open a connection of SQLite outside any transaction."""
        return self._engine.connect().execution_options(**{_BEGIN: ""})

    def insert(self, table: sa.Table) -> Any:
        """An INSERT that can say what to do on a conflict; the dialects each have their own."""
        if self.dialect.name == "postgresql":
            from sqlalchemy.dialects import postgresql  # 90 ms that SQLite need not pay

            return postgresql.insert(table)
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)

    def rows(self, table: sa.Table, names: Sequence[str]) -> sa.Subquery:
        """Rows to select from: the parameter `rows`, a JSON array of arrays of values of some columns of a table.

        A parameter for each value of hundreds of rows would cost the driver several times what the database takes.
        """
        given, f = sa.bindparam("rows", type_=sa.Text), sa.func
        if self.dialect.name == "postgresql":
            row = f.json_array_elements(sa.cast(given, sa.JSON)).table_valued("value").c.value
            values: list[sa.ColumnElement[Any]] = [
                row.op("->>")(sa.literal_column(str(place))) for place in range(len(names))
            ]
        else:
            row = f.json_each(given).table_valued("value").c.value
            values = [f.json_extract(row, f"$[{place}]") for place in range(len(names))]
        columns = zip((table.c[name] for name in names), values, strict=True)
        return sa.select(*(sa.cast(value, one.type).label(one.name) for one, value in columns)).subquery()

    def clock(self) -> float | None:
        """The server's time in seconds since the epoch; None where the database is a file, which has none."""
        if self.dialect.name != "postgresql":
            return None
        with self.connect() as connection:
            return float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)

    @contextmanager
    def exclusively(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Keep other processes out of what goes by this name. With SQLite the home's lock has done so.

        Yields:
            False if another process is in there, and `wait` is off.
        """
        if self.dialect.name != "postgresql":
            yield True
            return
        lock = sa.func.pg_advisory_xact_lock if wait else sa.func.pg_try_advisory_xact_lock
        with self.connect() as connection:
            yield connection.scalar(sa.select(lock(sa.func.hashtext(name)))) is not False

    def dispose(self) -> None:
        """Release every connection."""
        self._engine.dispose()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
    # WAL: status and search read while the writer writes. FULL: an intent must survive a power cut before the first
    # write to the index; batches make the sync affordable. secure_delete: what is forgotten is overwritten.
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")


def _use_wal(connection: sqlite3.Connection) -> None:
    # A new file is switched by whoever opens it first; SQLite lets nobody wait for that, it says "locked" at once.
    for _ in range(100):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: sa.Connection) -> None:
    if statement := connection.get_execution_options().get(_BEGIN, "BEGIN"):
        connection.exec_driver_sql(statement)


def _translate(where: str) -> Callable[[sa.ExceptionContext], None]:
    todo = "free disk space and check that the ledger can be read and written, then run again"

    def raise_unreachable(context: sa.ExceptionContext) -> None:
        if context.is_pre_ping:
            return  # of a connection that a restart cut: it is replaced, and nobody need know
        if isinstance(context.original_exception, context.dialect.loaded_dbapi.Error):
            raise Unreachable(where, f"the ledger failed: {context.original_exception}", todo) from None

    return raise_unreachable
