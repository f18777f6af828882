"""Dead letters: events that were not understood, where their bytes are, and whether they were replayed."""

from collections.abc import Iterable
from dataclasses import asdict

import sqlalchemy as sa

from infra.ledger.database import Database
from infra.ledger.records import DeadLetter
from infra.ledger.tables import dead_letters


class DeadLetters:
    """Reads and writes the dead_letters table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, letters: Iterable[DeadLetter]) -> None:
        """Remember dead letters; one that is known already (delivered again after a crash) stays as it was."""
        rows = [asdict(letter) for letter in letters]
        if rows:
            with self._database.begin() as connection:
                connection.execute(self._database.insert(dead_letters).on_conflict_do_nothing(), rows)

    def list(self, *, replayed: bool = False) -> list[DeadLetter]:
        """Dead letters, oldest first; those already replayed only where asked for."""
        query = sa.select(dead_letters).order_by(dead_letters.c.at, dead_letters.c.id)
        if not replayed:
            query = query.where(dead_letters.c.replayed_at.is_(None))
        with self._database.connect() as connection:
            return [DeadLetter(**row) for row in connection.execute(query).mappings()]

    def count(self) -> int:
        """How many wait for somebody to look at them."""
        query = sa.select(sa.func.count()).where(dead_letters.c.replayed_at.is_(None))
        with self._database.connect() as connection:
            return connection.scalar(query) or 0

    def erase(self, mentions: Iterable[str]) -> None:
        """Drop what is recorded of dead letters whose detail names one of these; their bytes are Kafka's to keep."""
        with self._database.begin() as connection:
            for mention in mentions:
                named = dead_letters.c.detail.contains(mention, autoescape=True)
                connection.execute(sa.delete(dead_letters).where(named))

    def replayed(self, id_: str, *, at: float) -> None:
        """Record that one was sent again."""
        with self._database.begin() as connection:
            statement = sa.update(dead_letters).where(dead_letters.c.id == id_)
            connection.execute(statement.values(replayed_at=at))
