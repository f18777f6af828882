"""Questions about all documents: what people are shown, and what runs decide by. Nothing here writes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from infra.ledger.claims import read_indexed
from infra.ledger.database import Database
from infra.ledger.records import Indexed
from infra.ledger.scopes import DUE, INSIDE, LIVE, Scope, in_scope
from infra.ledger.settling import parts
from infra.ledger.tables import documents, history, indexed, sources
from schemas.errors import TODO, Reason
from schemas.freshness import Standing, latest
from schemas.identity import containers_of, document_id
from schemas.sources import Source

#: Containers without a text of their own: their members are what counts.
_WRAPPER = sa.func.coalesce(documents.c.kind, "") == "zip"


@dataclass(frozen=True, slots=True)
class View:
    """One document as people and searches see it.

    last_hash, characters: of its last good version. released: the hash of a version that a person let pass.
    """

    document_id: str
    tenant: str
    uri: str
    standing: Standing
    identity: str
    last_hash: str | None
    parser: str | None
    kind: str | None
    modified_at: float | None
    heard_at: float
    settled_at: float | None
    lag: float | None
    held_hash: str | None
    held_reason: str | None
    characters: int | None
    released: str | None
    refusals: tuple[dict[str, Any], ...]
    indexed: Indexed | None

    @property
    def searchable(self) -> bool:
        """Whether a version of it should be in the index."""
        return not self.standing.gone and self.indexed is not None


class Views:
    """Read-only questions about all documents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(
        self, collection: str | None, *, ids: Sequence[str] | None = None, scope: Scope | None = None
    ) -> dict[str, View]:
        """Views by document id: of these ids, or of a scope (None: of all). `View.indexed` is of `collection`."""
        d = documents.c
        mine = (indexed.c.document_id == d.document_id) & (indexed.c.collection == (collection or ""))
        query = sa.select(documents, sources.c.declared, sources.c.verified_at.label("source_verified_at"))
        query = query.outerjoin(sources, sources.c.id == d.source_id)
        held_by = sa.select(indexed).join(documents, mine)
        for condition in _conditions(ids, scope):
            query, held_by = query.where(condition), held_by.where(condition)
        with self._database.connect() as connection:
            entries = {row.document_id: read_indexed(row) for row in connection.execute(held_by)}
            rows = connection.execute(query).all()
            doubt = _doubtful(connection, ((row.tenant, row.uri) for row in rows))
        return {row.document_id: _view(row, entries.get(row.document_id), doubt) for row in rows}

    def standings(self) -> list[Standing]:
        """The standing of every document: what status counts."""
        d = documents.c
        inside = sa.case((INSIDE, d.uri))
        columns = (d.gone_at, d.removal_held_at, d.held_reason, DUE, d.verified_at, d.source_id, d.tenant, inside)
        with self._database.connect() as connection:
            declared = {
                row.id: (Source.model_validate_json(row.declared).freshness, row.verified_at)
                for row in connection.execute(sa.select(sources))
            }
            # A container that is but a wrapper is no document to count, unless it is refused.
            rows = connection.execute(sa.select(*columns).where(~_WRAPPER | d.held_reason.is_not(None))).all()
            doubt = _doubtful(connection, ((row.tenant, row[-1]) for row in rows if row[-1]))
        return [
            Standing(
                gone=gone is not None,
                removal_held=parked is not None or doubt.parked(tenant, uri),
                held=reason is not None,
                due=due or doubt.due(tenant, uri),
                verified_at=latest(verified, declared.get(source, (0, None))[1]),
                target_s=declared.get(source, (0, None))[0],
            )
            for gone, parked, reason, due, verified, source, tenant, uri in rows
        ]

    def refusals(self, scope: Scope | None = None) -> list[dict[str, Any]]:
        """Every held, parked or failing document: {"uri", "tenant", "reason", "detail", "todo", "since"}."""
        d = documents.c
        held = d.held_reason.is_not(None) & d.discarded_at.is_(None)
        pressing = held | d.removal_held_at.is_not(None) | (DUE & d.last_error.is_not(None))
        query = sa.select(documents).where(LIVE, pressing).order_by(d.uri)
        if scope is not None:
            query = query.where(in_scope(scope))
        with self._database.connect() as connection:
            return [refusal for row in connection.execute(query) for refusal in _refusals(row)]

    def lags(self, *, since: float) -> dict[str, list[float]]:
        """Seconds of work settled since a moment, sorted: event -> heard, heard -> claimed, heard -> searchable."""
        d = documents.c
        columns = {"event": d.lag_event, "claim": d.lag_claim, "searchable": d.lag}
        with self._database.connect() as connection:
            rows = connection.execute(sa.select(*columns.values()).where(d.settled_at >= since, d.lag.is_not(None)))
            by_column = list(zip(*rows.all(), strict=True)) or [()] * len(columns)
        return {name: sorted(v for v in found if v is not None) for name, found in zip(columns, by_column, strict=True)}

    def oldest_due(self) -> tuple[str, float] | None:
        """(URI, heard at) of the document that has been due longest."""
        query = sa.select(documents.c.uri, documents.c.heard_at).where(DUE).order_by(documents.c.heard_at).limit(1)
        with self._database.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.uri, row.heard_at)

    def chunks(self, collection: str | None, scope: Scope | None = None) -> int:
        """Points recorded in a collection for the documents of a scope."""
        query = sa.select(sa.func.coalesce(sa.func.sum(indexed.c.chunks), 0)).select_from(
            indexed.join(documents, indexed.c.document_id == documents.c.document_id)
        )
        query = query.where(indexed.c.collection == (collection or ""))
        if scope is not None:
            query = query.where(in_scope(scope))
        with self._database.connect() as connection:
            return connection.scalar(query) or 0

    def inside(self, scope: Scope | None = None) -> int:
        """How many more documents a scope has than its sources list: live ones inside others, less mere wrappers."""
        wrappers = _WRAPPER & documents.c.held_reason.is_(None)
        query = sa.select(sa.func.sum(sa.case((INSIDE, 1), else_=0) - sa.case((wrappers, 1), else_=0))).where(LIVE)
        if scope is not None:
            query = query.where(in_scope(scope))
        with self._database.connect() as connection:
            return connection.scalar(query) or 0

    def history(self, document: str, *, limit: int = 50) -> list[dict[str, Any]]:
        """Latest lines of a document's history, newest first."""
        h = history.c
        query = sa.select(h.at, h.generation, h.event, h.detail).where(h.document_id == document)
        with self._database.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(h.id.desc()).limit(limit)).mappings()]

    def collections(self) -> set[str]:
        """Every collection that is recorded to hold a document."""
        # One look at the index for each collection, however many documents there are.
        least, name = sa.func.min(indexed.c.collection), indexed.c.collection
        found = sa.select(least.label("name")).cte("found", recursive=True)
        after = sa.select(least).where(name > found.c.name).scalar_subquery()
        found = found.union_all(sa.select(after).where(found.c.name.is_not(None)))
        with self._database.connect() as connection:
            return {one for one in connection.scalars(sa.select(found.c.name)) if one is not None}

    def refused(self) -> int:
        """How many documents are held, parked or failing."""
        held = documents.c.held_reason.is_not(None) & documents.c.discarded_at.is_(None)
        held |= documents.c.removal_held_at.is_not(None)
        count = sa.select(sa.func.count()).select_from(documents)
        with self._database.connect() as connection:
            stopped = connection.scalar(count.where(held, LIVE)) or 0
            return stopped + (connection.scalar(count.where(DUE, ~held, documents.c.last_error.is_not(None))) or 0)

    def behind(self, old: str, new: str) -> int:
        """How many live documents a collection holds that another one does not hold yet."""
        theirs = indexed.alias()
        there = sa.exists().where(theirs.c.document_id == indexed.c.document_id, theirs.c.collection == new)
        query = sa.select(sa.func.count()).select_from(
            indexed.join(documents, indexed.c.document_id == documents.c.document_id)
        )
        query = query.where(LIVE, indexed.c.collection == old, ~there)
        with self._database.connect() as connection:
            return connection.scalar(query) or 0

    def live(self, source_id: int) -> int:
        """How many documents of a source are not gone, what is inside others not counted. Reads them all."""
        where = (documents.c.source_id == source_id) & LIVE & ~INSIDE
        with self._database.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(documents).where(where)) or 0

    def pending(self, source_id: int) -> int:
        """How many documents of a source are due."""
        where = (documents.c.source_id == source_id) & DUE
        with self._database.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(documents).where(where)) or 0

    def added_since(self, tenant: str, hashes: Sequence[str], moment: float) -> dict[str, str]:
        """The live documents of these contents that were first heard of since a moment: id -> content hash."""
        d = documents.c
        found: dict[str, str] = {}
        with self._database.connect() as connection:
            for part in parts(sorted(set(hashes))):
                where = (d.tenant == tenant) & d.content_hash.in_(part) & (d.first_heard_at >= moment) & LIVE
                rows = connection.execute(sa.select(d.document_id, d.content_hash).where(where))
                found |= {row.document_id: row.content_hash for row in rows}
        return found

    def latest(self, size: int) -> list[str]:
        """Ids of the live documents with a good version that were settled last, the latest first."""
        d = documents.c
        query = sa.select(d.document_id).where(LIVE, d.content_hash.is_not(None), d.settled_at.is_not(None))
        with self._database.connect() as connection:
            return list(connection.scalars(query.order_by(d.settled_at.desc(), d.document_id).limit(size)))

    def sample(self, source_id: int, size: int, *, seed: str) -> list[str]:
        """URIs of some live documents of a source, others for another seed (an id to begin at)."""
        d = documents.c
        of_source = sa.select(d.uri).where(d.source_id == source_id, LIVE, ~DUE).order_by(d.document_id).limit(size)
        with self._database.connect() as connection:
            uris = list(connection.scalars(of_source.where(d.document_id >= seed)))
            if len(uris) < size:
                uris += connection.scalars(of_source.where(d.document_id < seed)).all()
        return uris[:size]

    def twin(self, tenant: str, content_hash: str, *, other_than: str) -> str | None:
        """URI of another live document of a tenant with these very bytes."""
        d = documents.c
        where = (d.content_hash == content_hash) & (d.tenant == tenant) & (d.document_id != other_than) & LIVE
        with self._database.connect() as connection:
            return connection.scalar(sa.select(d.uri).where(where).order_by(d.uri).limit(1))

    def removed_since(self, source_id: int, moment: float) -> int:
        """How many documents of a source were removed since a moment."""
        where = (documents.c.source_id == source_id) & (documents.c.gone_at >= moment)
        with self._database.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(documents).where(where)) or 0


def _conditions(ids: Sequence[str] | None, scope: Scope | None) -> list[sa.ColumnElement[bool]]:
    by_id = [] if ids is None else [documents.c.document_id.in_(ids)]
    return by_id + ([] if scope is None else [in_scope(scope)])


class _Doubt(NamedTuple):
    """Containers that cast doubt on what lies in them, as (tenant, URI): due ones, and ones whose removal is parked."""

    due_ones: set[tuple[str, str]]
    parked_ones: set[tuple[str, str]]

    def due(self, tenant: str, uri: str | None) -> bool:
        return bool(self.due_ones) and any((tenant, one) in self.due_ones for one in containers_of(uri or ""))

    def parked(self, tenant: str, uri: str | None) -> bool:
        return bool(self.parked_ones) and any((tenant, one) in self.parked_ones for one in containers_of(uri or ""))


def _doubtful(connection: sa.Connection, places: Iterable[tuple[str, str]]) -> _Doubt:
    """Those of the containers these (tenant, URI) lie in that cast doubt on them."""
    ids = {document_id(tenant, uri) for tenant, place in places for uri in containers_of(place)}
    d, parked = documents.c, documents.c.removal_held_at.is_not(None)
    found = _Doubt(set(), set())
    for part in parts(sorted(ids)):
        query = sa.select(d.tenant, d.uri, DUE, parked).where(d.document_id.in_(part), DUE | parked)
        for tenant, uri, due, held_back in connection.execute(query):
            found.due_ones.update([(tenant, uri)] if due else [])
            found.parked_ones.update([(tenant, uri)] if held_back else [])
    return found


def _view(row: sa.Row[Any], entry: Indexed | None, doubt: _Doubt) -> View:
    target = Source.model_validate_json(row.declared).freshness if row.declared else 0
    standing = Standing(
        gone=row.gone_at is not None,
        removal_held=row.removal_held_at is not None or doubt.parked(row.tenant, row.uri),
        held=row.held_reason is not None,
        due=row.heard > row.settled or doubt.due(row.tenant, row.uri),
        verified_at=latest(row.verified_at, row.source_verified_at),
        target_s=target,
    )
    return View(
        document_id=row.document_id,
        tenant=row.tenant,
        uri=row.uri,
        standing=standing,
        identity=row.identity,
        last_hash=row.content_hash,
        parser=row.parser,
        kind=row.kind,
        modified_at=row.modified_at,
        heard_at=row.heard_at,
        settled_at=row.settled_at,
        lag=row.lag,
        held_hash=row.held_hash,
        held_reason=row.held_reason,
        characters=row.characters,
        released=json.loads(row.released)["hash"] if row.released else None,
        refusals=tuple(_refusals(row)),
        indexed=entry,
    )


def _refusals(row: sa.Row[Any]) -> list[dict[str, Any]]:
    found = []
    where = {"uri": row.uri, "tenant": row.tenant}
    if row.held_reason is not None and row.discarded_at is None:
        todo = TODO.get(row.held_reason, "")
        found.append(
            {**where, "reason": row.held_reason, "detail": row.held_detail, "todo": todo, "since": row.held_at}
        )
    if row.removal_held_at is not None:
        reason = Reason.REMOVAL_HELD
        detail = "missing from its source, but too many are at once to believe it"
        since = row.removal_held_at
        found.append({**where, "reason": reason.value, "detail": detail, "todo": TODO[reason], "since": since})
    if row.last_error is not None and row.heard > row.settled:
        todo = "it is tried again by itself"
        found.append({**where, "reason": "unreachable", "detail": row.last_error, "todo": todo, "since": row.heard_at})
    return found
