"""The life of a document: heard, claimed, intended, settled. Each step is a transaction fenced by the generation."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from infra.ledger.database import Database
from infra.ledger.records import Attributes, Claim, Hearing, Held, Indexed, KnownDocument, PlacedPoint, Settlement
from infra.ledger.settling import parts, record_intents, record_outcomes, standing
from infra.ledger.tables import documents, forgotten, history, indexed
from schemas.fingerprint import Fingerprint
from schemas.identity import document_id

_DUE = documents.c.heard > documents.c.settled
_LIVE = documents.c.gone_at.is_(None)

#: (tenant, URI) pairs; a URI ending in "/" stands for everything under it.
Scope = Sequence[tuple[str, str]]


def in_scope(scope: Scope) -> sa.ColumnElement[bool]:
    """The documents of a scope, as a condition that the (tenant, uri) index answers."""
    return sa.or_(sa.false(), *(_in_prefix(tenant, uri) for tenant, uri in scope))


class Documents:
    """Reads and writes the documents table and what belongs to it."""

    def __init__(self, database: Database, *, first_generation: int) -> None:
        self._database = database
        self._first_generation = first_generation
        self._insert = database.insert

    def hear(self, hearings: Iterable[Hearing], *, at: float, recover: bool = False) -> int:
        """Raise `heard` of each document, making unknown ones known; forgotten ones are skipped.

        Args:
            at: seconds since the epoch.
            recover: the index may hold points of documents this ledger has never seen.

        Returns:
            How many were heard.
        """
        statement = self._insert(documents)
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=[documents.c.document_id],
            set_={
                "heard": documents.c.heard + 1,
                "heard_at": sa.case((_DUE, documents.c.heard_at), else_=new.heard_at),
                "acl": sa.func.coalesce(new.acl, documents.c.acl),
                "metadata": sa.func.coalesce(new.metadata, documents.c.metadata),
                "source_id": new.source_id,
                "next_attempt_at": 0.0,
                "recover": documents.c.recover | new.recover,
            },
        )
        with self._database.begin() as connection:
            skip = set(connection.scalars(sa.select(forgotten.c.document_id)))
            rows = [self._row(hearing, at, recover=recover) for hearing in hearings]
            rows = [row for row in rows if row["document_id"] not in skip]
            if rows:
                connection.execute(statement, rows)
        return len(rows)

    def hear_outdated(self, kind: str, fingerprint: Fingerprint, *, collection: str, at: float) -> int:
        """Make due every document of a kind whose last version a collection does not hold under this fingerprint."""
        current = sa.exists().where(
            indexed.c.document_id == documents.c.document_id,
            indexed.c.collection == collection,
            indexed.c.fingerprint == fingerprint.to_json(),
            # While a new model's collection is built, versions go there only: it may hold a later one than this.
            indexed.c.content_hash == documents.c.content_hash,
        )
        return self._hear_where((documents.c.kind == kind) & ~current & ~_DUE, at=at)

    def hear_ahead(self, other: str, *, collection: str, at: float) -> int:
        """Make due every document on which later work went to another collection: this one was left as it was.

        It is diffed against the index itself: a claim cut off before may have written here, and been taken up there.
        """
        theirs, ours = indexed.alias(), indexed.alias()
        caught_up = sa.exists().where(
            ours.c.document_id == theirs.c.document_id,
            ours.c.collection == collection,
            ours.c.generation >= theirs.c.generation,
        )
        later = sa.exists().where(
            theirs.c.document_id == documents.c.document_id, theirs.c.collection == other, ~caught_up
        )
        return self._hear_where(later, at=at, recover=True)

    def hear_indexed(self, collection: str, *, at: float) -> int:
        """Make due every document that is recorded to be in a collection, to be diffed against the index itself."""
        there = sa.exists().where(indexed.c.document_id == documents.c.document_id, indexed.c.collection == collection)
        return self._hear_where(there, at=at, recover=True)

    def hear_refused(self, digest: str, *, at: float) -> int:
        """Make due every held document that was refused under another pipeline than this one."""
        elsewhere = documents.c.held_fingerprint.is_distinct_from(digest)
        return self._hear_where(documents.c.held_reason.is_not(None) & elsewhere & ~_DUE, at=at)

    def hear_again(self, scope: Scope, *, at: float, distrust: bool = False) -> int:
        """Make due every document of a scope.

        Args:
            distrust: take nothing for granted: read, parse and write each anew, and diff against the index itself.
        """
        change: dict[str, object] = {"recover": True, "identity": ""} if distrust else {}
        return self._hear_where(in_scope(scope), at=at, **change)

    def hear_removed(self, ids: Sequence[str], *, at: float) -> None:
        """Make documents due that a listing no longer showed."""
        for part in parts(ids):
            self._hear_where(documents.c.document_id.in_(part), at=at)

    def hurry(self, scope: Scope | None) -> None:
        """Forget the waiting times of documents that could not be reached: a person asks now."""
        waiting = documents.c.next_attempt_at > 0
        if scope is not None:
            waiting &= in_scope(scope)
        with self._database.begin() as connection:
            connection.execute(sa.update(documents).where(waiting).values(next_attempt_at=0.0))

    def distrust(self, ids: Sequence[str], *, at: float) -> None:
        """Make documents due with nothing taken for granted."""
        for part in parts(ids):
            self._hear_where(documents.c.document_id.in_(part), at=at, recover=True, identity="")

    def _hear_where(self, condition: sa.ColumnElement[bool], *, at: float, **also: object) -> int:
        heard_at = sa.case((_DUE, documents.c.heard_at), else_=at)
        statement = sa.update(documents).where(_LIVE, condition)
        statement = statement.values(heard=documents.c.heard + 1, heard_at=heard_at, next_attempt_at=0.0, **also)
        with self._database.begin() as connection:
            return connection.execute(statement).rowcount

    def break_leases(self) -> int:
        """Open claims belong to the dead, once the home's lock is held: they start in recovery. Returns how many."""
        change = {"recover": True, "claimed": None, "lease_owner": None, "lease_until": None}
        with self._database.begin() as connection:
            return connection.execute(
                sa.update(documents).where(documents.c.claimed.is_not(None)).values(**change)
            ).rowcount

    def claim(
        self,
        *,
        owner: str,
        now: float,
        lease_s: float,
        limit: int,
        round_: str,
        collection: str,
        scope: Scope | None,
    ) -> list[Claim]:
        """Take up to `limit` due documents, oldest first.

        Args:
            owner: who takes them.
            lease_s: seconds until others may take them over.
            round_: names this round of work; a document is claimed at most once in it. Not a time: clocks step back.
            collection: the collection that `Claim.indexed` speaks of.
            scope: only these documents; None: all.
        """
        d = documents.c
        free = d.lease_until.is_(None) | (d.lease_until < now)
        untried = d.round.is_distinct_from(round_)
        query = sa.select(documents).where(_DUE, free, untried, d.next_attempt_at <= now)
        if scope is not None:
            query = query.where(in_scope(scope))
        query = query.order_by(d.heard_at).limit(limit).with_for_update(skip_locked=True)
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
            ids = [row.document_id for row in rows]
            change = {
                "generation": d.generation + 1,
                "claimed": d.heard,
                "claimed_at": now,
                "round": round_,
                "lease_owner": owner,
                "lease_until": now + lease_s,
                "recover": d.recover | d.claimed.is_not(None),
            }
            for part in parts(ids):
                connection.execute(sa.update(documents).where(d.document_id.in_(part)).values(**change))
            held_by = self._indexed(connection, ids)
        return [_claim(row, held_by.get(row.document_id, []), collection) for row in rows]

    def intend(self, intents: Mapping[str, tuple[int, str, Sequence[str]]]) -> set[str]:
        """Record what is about to be written: document id -> (generation, collection, point ids).

        Returns:
            The documents whose claim still stands; nothing may be written for the others.
        """
        with self._database.begin() as connection:
            mine = standing(connection, {id_: generation for id_, (generation, _, _) in intents.items()})
            record_intents(connection, {id_: (to, ids) for id_, (_, to, ids) in intents.items() if id_ in mine})
        return mine

    def settle(self, settlements: Sequence[Settlement], *, at: float) -> set[str]:
        """Record outcomes; those whose claim no longer stands change nothing. Returns the documents settled."""
        claims = [settlement.claim for settlement in settlements]
        with self._database.begin() as connection:
            mine = standing(connection, {claim.document_id: claim.generation for claim in claims})
            record_outcomes(connection, [one for one in settlements if one.claim.document_id in mine], at=at)
        return mine

    def known(self, tenant: str, uri: str) -> list[KnownDocument]:
        """Live documents of a tenant under a URI, as a listing is compared with them."""
        d = documents.c
        columns = (d.document_id, d.uri, d.identity, d.held_identity, d.removal_held_at.is_not(None), _DUE)
        query = sa.select(*columns, d.content_hash, d.source_id).where(_LIVE, _in_prefix(tenant, uri))
        with self._database.connect() as connection:
            return [KnownDocument._make(row) for row in connection.execute(query).all()]

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

    def due(self, *, now: float, scope: Scope | None) -> int:
        """How many documents a claim would find."""
        query = sa.select(sa.func.count()).select_from(documents).where(_DUE, documents.c.next_attempt_at <= now)
        if scope is not None:
            query = query.where(in_scope(scope))
        with self._database.connect() as connection:
            return connection.scalar(query) or 0

    def erase(self, ids: Sequence[str]) -> None:
        """Delete every trace of documents but a content-free mark."""
        with self._database.begin() as connection:
            for part in parts(ids):
                for table in (history, indexed, forgotten, documents):
                    connection.execute(sa.delete(table).where(table.c.document_id.in_(part)))
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

    def _row(self, hearing: Hearing, at: float, *, recover: bool) -> dict[str, Any]:
        return {
            "document_id": document_id(hearing.tenant, hearing.uri),
            "tenant": hearing.tenant,
            "uri": hearing.uri,
            "source_id": hearing.source_id,
            "heard": 1,
            "settled": 0,
            "heard_at": at,
            "generation": self._first_generation,
            "recover": recover,
            "attempts": 0,
            "next_attempt_at": 0.0,
            "identity": "",
            "acl": None if hearing.acl is None else json.dumps(list(hearing.acl)),
            "metadata": None if hearing.metadata is None else json.dumps(dict(hearing.metadata)),
        }

    @staticmethod
    def _indexed(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Indexed]]:
        found: dict[str, list[Indexed]] = {}
        for part in parts(ids):
            for row in connection.execute(sa.select(indexed).where(indexed.c.document_id.in_(part))):
                found.setdefault(row.document_id, []).append(read_indexed(row))
        return found


def read_indexed(row: sa.Row[Any]) -> Indexed:
    """An `Indexed` from its row."""
    points = tuple(PlacedPoint(i, k, o, p, tuple(h)) for i, k, o, p, h in json.loads(row.points))
    fingerprint, attributes = Fingerprint.from_json(row.fingerprint), Attributes.from_json(row.attributes)
    return Indexed(row.collection, row.generation, row.content_hash, fingerprint, attributes, row.indexed_at, points)


def _claim(row: sa.Row[Any], held_by: Sequence[Indexed], collection: str) -> Claim:
    held = None
    if row.held_reason is not None:
        held = Held(row.held_reason, row.held_detail, row.held_identity, row.held_hash, row.held_fingerprint)
    intent = json.loads(row.intent) if row.intent else {"collection": collection, "ids": []}
    return Claim(
        document_id=row.document_id,
        tenant=row.tenant,
        uri=row.uri,
        source_id=row.source_id,
        heard_at=row.heard_at,
        generation=row.generation + 1,
        recover=row.recover or row.claimed is not None,
        intended=tuple(intent["ids"]),
        identity=row.identity,
        last_hash=row.content_hash,
        parser=row.parser,
        kind=row.kind,
        modified_at=row.modified_at,
        acl=None if row.acl is None else tuple(json.loads(row.acl)),
        metadata=None if row.metadata is None else json.loads(row.metadata),
        held=held,
        gone=row.gone_at is not None,
        attempts=row.attempts,
        indexed=next((entry for entry in held_by if entry.collection == collection), None),
        elsewhere=tuple(entry.collection for entry in held_by if entry.collection != collection),
    )


def _in_prefix(tenant: str, uri: str) -> sa.ColumnElement[bool]:
    of_tenant = documents.c.tenant == tenant
    if not uri.endswith("/"):
        return of_tenant & (documents.c.uri == uri)
    # A range rather than LIKE: the index answers it, and nothing in the URI needs escaping. "0" follows "/".
    return of_tenant & (documents.c.uri >= uri) & (documents.c.uri < uri[:-1] + "0")
