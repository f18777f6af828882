"""What may happen once: a slot of a schedule however many schedulers there are, a webhook however often it is sent."""

import sqlalchemy as sa

from infra.ledger.database import Database
from infra.ledger.tables import slots, webhooks

#: Seconds an id is remembered: many times the window in which a webhook's own time is accepted.
REMEMBER_S = 3600.0


class Slots:
    """The slots of scheduled jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, job: str, slot: int) -> bool:
        """Take a slot (a number that only grows); False when it, or a later one, has been taken."""
        statement = self._database.insert(slots).values(job=job, slot=slot)
        statement = statement.on_conflict_do_update(
            index_elements=[slots.c.job], set_={"slot": slot}, where=slots.c.slot < slot
        )
        with self._database.begin() as connection:
            return connection.execute(statement.returning(slots.c.slot)).one_or_none() is not None

    def give_back(self, job: str, slot: int) -> None:
        """Let a slot be taken once more: what it was taken for could not be started."""
        statement = sa.update(slots).where(slots.c.job == job, slots.c.slot == slot).values(slot=slot - 1)
        with self._database.begin() as connection:
            connection.execute(statement)


class Webhooks:
    """The ids of webhooks taken in lately, each tenant's own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(self, tenant: str, id_: str) -> bool:
        """Whether a webhook of this id was taken in."""
        query = sa.select(sa.exists().where(webhooks.c.tenant == tenant, webhooks.c.id == id_))
        with self._database.connect() as connection:
            return bool(connection.scalar(query))

    def remember(self, tenant: str, id_: str, *, at: float) -> None:
        """Remember an id, and forget those too old to be replayed."""
        statement = self._database.insert(webhooks).values(tenant=tenant, id=id_, at=at)
        with self._database.begin() as connection:
            connection.execute(sa.delete(webhooks).where(webhooks.c.at < at - REMEMBER_S))
            connection.execute(statement.on_conflict_do_nothing())
