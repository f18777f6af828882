"""The life of a document in the ledger: heard (hearing.py), in hand (claims.py), and what is asked about it."""

import json
from collections.abc import Sequence

import sqlalchemy as sa

from infra.ledger.claims import Claims
from infra.ledger.database import Database
from infra.ledger.hearing import Hearings
from infra.ledger.records import KnownDocument, KnownMember, Priority
from infra.ledger.scopes import DUE, LIVE, Scope, in_prefix, in_scope
from infra.ledger.settling import parts
from infra.ledger.tables import documents, findings, forgotten, history, indexed
from schemas.identity import parent_uri


class Documents(Hearings, Claims):
    """Reads and writes the documents table and what belongs to it."""

    def __init__(self, database: Database, *, first_generation: int) -> None:
        Hearings.__init__(self, database, first_generation=first_generation)
        Claims.__init__(self, database)

    def known(self, tenant: str, uri: str) -> list[KnownDocument]:
        """Live documents of a tenant under a URI, as a listing is compared with them."""
        d = documents.c
        columns = (d.document_id, d.uri, d.identity, d.held_identity, d.removal_held_at.is_not(None), DUE)
        query = sa.select(*columns, d.content_hash, d.source_id).where(LIVE, in_prefix(tenant, uri))
        with self._database.connect() as connection:
            return [KnownDocument._make(row) for row in connection.execute(query).all()]

    def members(self, tenant: str, container: str) -> list[KnownMember]:
        """What is known to lie in a container itself, not in one that lies in it; tombstones, too."""
        d = documents.c
        columns = (d.uri, d.content_hash, d.held_reason.is_not(None), d.held_hash, d.removal_held_at.is_not(None))
        query = sa.select(*columns, d.gone_at.is_not(None), d.source_id, d.acl, d.metadata)
        query = query.where(in_prefix(tenant, container + "!/"))
        with self._database.connect() as connection:
            rows = connection.execute(query).all()
        return [
            KnownMember(*row[:-2], *(None if one is None else json.loads(one) for one in row[-2:]))
            for row in rows
            if parent_uri(row.uri) == container
        ]

    def hold_removals(self, ids: Sequence[str], *, at: float) -> None:
        """Park documents whose removal was not believed."""
        self._mark_removals(ids, at)

    def lift_removals(self, ids: Sequence[str]) -> None:
        """Take documents out of parking: they are back, or their removal is allowed."""
        self._mark_removals(ids, None)

    def _mark_removals(self, ids: Sequence[str], at: float | None) -> None:
        with self._database.begin() as connection:
            for part in parts(ids):
                statement = sa.update(documents).where(documents.c.document_id.in_(part))
                connection.execute(statement.values(removal_held_at=at))

    def due(self, *, now: float, scope: Scope | None = None, limit: int | None = None, pressing: bool = False) -> int:
        """How many documents a claim would find, counting no further than `limit`.

        pressing: only those that something happened to, none that only a new pipeline changes.
        """
        found = sa.select(documents.c.document_id).where(DUE, documents.c.next_attempt_at <= now).limit(limit)
        if scope is not None:
            found = found.where(in_scope(scope))
        if pressing:
            found = found.where(documents.c.priority == int(Priority.EVENT))
        query = sa.select(sa.func.count()).select_from(found.subquery())
        with self._database.connect() as connection:
            return connection.scalar(query) or 0

    def erase(self, ids: Sequence[str], *, mark: Sequence[str] | None = None) -> None:
        """Delete every trace of documents but a content-free mark of those in `mark` (None: all of them)."""
        with self._database.begin() as connection:
            for part in parts(ids):
                for table in (findings, history, indexed, forgotten, documents):
                    connection.execute(sa.delete(table).where(table.c.document_id.in_(part)))
            for part in parts(ids if mark is None else mark):
                connection.execute(sa.insert(forgotten), [{"document_id": one} for one in part])

    def forget_collection(self, collection: str) -> None:
        """Drop what is recorded of a collection that is no more."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(indexed).where(indexed.c.collection == collection))

    def forgotten(self) -> set[str]:
        """Ids of all documents that were forgotten."""
        with self._database.connect() as connection:
            return set(connection.scalars(sa.select(forgotten.c.document_id)))

    def is_forgotten(self, document: str) -> bool:
        """Whether a document was forgotten."""
        with self._database.connect() as connection:
            query = sa.select(sa.exists().where(forgotten.c.document_id == document))
            return bool(connection.scalar(query))

    def remember(self, document: str) -> bool:
        """Lift the mark of a forgotten document; False if there was none."""
        with self._database.begin() as connection:
            statement = sa.delete(forgotten).where(forgotten.c.document_id == document)
            return bool(connection.execute(statement).rowcount)
