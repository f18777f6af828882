"""Declared sources: what was declared, the root last seen, and when each was last verified."""

from functools import lru_cache

import sqlalchemy as sa

from infra.ledger.database import Database
from infra.ledger.tables import documents, sources
from schemas.sources import Source


class KnownSource(Source):
    """A source as the ledger knows it. Times are seconds since the epoch, None: never."""

    id: int
    root_identity: str | None
    verified_at: float | None
    attempted_at: float | None
    error: str | None


class Sources:
    """Reads and writes the sources table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[KnownSource]:
        """Every source, by tenant and URI."""
        query = sa.select(sources).order_by(sources.c.tenant, sources.c.uri)
        with self._database.connect() as connection:
            return [_known(row) for row in connection.execute(query)]

    def changes_attributes(self, source: Source) -> bool:
        """Whether declaring this source anew changes what is said of its documents: they are due then."""
        known = [one for one in self.all() if (one.tenant, one.uri) == (source.tenant, source.uri)]
        return any((one.acl, one.metadata) != (source.acl, source.metadata) for one in known)

    def register(self, source: Source) -> KnownSource:
        """Declare a source, or declare it anew."""
        where = (sources.c.tenant == source.tenant) & (sources.c.uri == source.uri)
        declared = source.model_dump_json(include=set(Source.model_fields))
        with self._database.begin() as connection:
            before = connection.execute(sa.select(sources).where(where)).one_or_none()
            if before is None:
                connection.execute(sa.insert(sources).values(tenant=source.tenant, uri=source.uri, declared=declared))
            elif before.declared != declared:
                connection.execute(sa.update(sources).where(where).values(declared=declared))
            return _known(connection.execute(sa.select(sources).where(where)).one())

    def verified(self, source_id: int, *, root_identity: str, at: float) -> None:
        """Record a complete listing that began at `at`."""
        self._update(source_id, root_identity=root_identity, verified_at=at, attempted_at=at, error=None)

    def failed(self, source_id: int, *, error: str, at: float) -> None:
        """Record an attempt that could not vouch for the source."""
        self._update(source_id, attempted_at=at, error=error)

    def remove(self, tenant: str) -> int:
        """Remove a tenant's sources, and any of no tenant's documents; returns how many."""
        with self._database.begin() as connection:
            used = sa.select(documents.c.source_id)
            statement = sa.delete(sources).where(sources.c.tenant == tenant, sources.c.id.not_in(used))
            return connection.execute(statement).rowcount

    def _update(self, source_id: int, **values: object) -> None:
        with self._database.begin() as connection:
            connection.execute(sa.update(sources).where(sources.c.id == source_id).values(**values))


def _known(row: sa.Row[tuple[object, ...]]) -> KnownSource:
    return _declared(row.declared).model_copy(
        update={
            "id": row.id,
            "root_identity": row.root_identity,
            "verified_at": row.verified_at,
            "attempted_at": row.attempted_at,
            "error": row.error,
        }
    )


@lru_cache(1024)  # read with every batch of events, and declared once in a while
def _declared(text: str) -> KnownSource:
    nothing = {"id": 0, "root_identity": None, "verified_at": None, "attempted_at": None, "error": None}
    return KnownSource(**Source.model_validate_json(text).model_dump(), **nothing)
