"""Raising `heard`: by events, by listings, by a change of pipeline, by a person. Nothing here does any work."""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from infra.ledger.database import Database
from infra.ledger.records import Hearing, Priority
from infra.ledger.scopes import DUE, LIVE, Scope, in_scope
from infra.ledger.settling import parts
from infra.ledger.tables import documents, forgotten, indexed
from schemas.fingerprint import Fingerprint
from schemas.identity import document_id

#: What differs from one document to the next in what is heard of many at once.
_GIVEN = ("document_id", "tenant", "uri", "source_id", "happened_at", "acl", "metadata")

#: Seconds after its last work, or its first unanswered event, for which a document may be left to calm down.
BURST_S = 5.0

#: Documents heard in one transaction: no writer keeps the others waiting for longer than that takes.
PAGE = 2000


class Hearings:
    """Makes documents due."""

    def __init__(self, database: Database, *, first_generation: int) -> None:
        self._database = database
        self._first_generation = first_generation

    def hear(
        self,
        hearings: Iterable[Hearing],
        *,
        at: float,
        recover: bool = False,
        priority: Priority = Priority.EVENT,
        calm_s: float = 0.0,
    ) -> list[str]:
        """Raise `heard` of each document once, making unknown ones known; forgotten ones are skipped.

        Args:
            at: seconds since the epoch.
            recover: the index may hold points of documents this ledger has never seen.
            priority: how soon; a document already due keeps the more pressing one.
            calm_s: seconds without another hearing that a document is left alone for, up to `BURST_S`, if it is being
                worked on or was a moment ago: somebody saves it again and again.

        Returns:
            Ids of the documents that were heard.
        """
        rows = _rows(hearings)
        if not rows:
            return []
        given = {"at": at, "recover": recover, "priority": int(priority), "calm": calm_s}
        heard: list[str] = []
        for start in range(0, len(rows), PAGE):
            page = json.dumps(rows[start : start + PAGE])
            with self._database.begin() as connection:
                heard += connection.scalars(self._raise_or_add, given | {"rows": page})
        return heard

    def hear_outdated(self, kind: str, fingerprint: Fingerprint, *, collection: str, at: float) -> int:
        """Make due every document of a kind whose last version a collection does not hold under this fingerprint."""
        current = sa.exists().where(
            indexed.c.document_id == documents.c.document_id,
            indexed.c.collection == collection,
            indexed.c.fingerprint == fingerprint.to_json(),
            # While a new model's collection is built, versions go there only: it may hold a later one than this.
            indexed.c.content_hash == documents.c.content_hash,
        )
        return self._hear_where((documents.c.kind == kind) & ~current & ~DUE, at=at, priority=Priority.REINDEX)

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
        refused = documents.c.held_reason.is_not(None)
        return self._hear_where(refused & elsewhere & ~DUE, at=at, priority=Priority.REINDEX)

    def hear_again(self, scope: Scope, *, at: float, distrust: bool = False) -> int:
        """Make due every document of a scope.

        Args:
            distrust: take nothing for granted: read, parse and write each anew, and diff against the index itself.
        """
        change: dict[str, Any] = {}
        if distrust:  # what was refused is tried again, too
            change = {"recover": True, "identity": "", "crashes": 0, "held_identity": None, "held_fingerprint": None}
        return self._hear_where(in_scope(scope), at=at, **change)

    def hear_removed(self, ids: Sequence[str], *, at: float, allowed: bool = False) -> None:
        """Make documents due that a listing no longer showed; `allowed`: it was judged that they may go."""
        change: dict[str, Any] = {"removal_allowed": True, "removal_held_at": None} if allowed else {}
        for part in parts(ids):
            self._hear_where(documents.c.document_id.in_(part), at=at, **change)

    def hear_in_hand(self, *, at: float) -> int:
        """Make due again what workers have in hand: they began under a pipeline that is no longer the current one."""
        return self._hear_where(documents.c.claimed.is_not(None), at=at, live=False, priority=Priority.REINDEX)

    def hear_rechecks(self, *, at: float) -> int:
        """Make due what was taken over from a worker whose late writes must have arrived by now."""
        ripe = (documents.c.recheck_at <= at) & documents.c.claimed.is_(None)
        change = {"recover": True, "identity": "", "recheck_at": None}
        # Tombstones too: a late write may have raised the dead.
        return self._hear_where(ripe, at=at, live=False, priority=Priority.REINDEX, **change)

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

    def _hear_where(
        self,
        condition: sa.ColumnElement[bool],
        *,
        at: float,
        live: bool = True,
        priority: Priority = Priority.EVENT,
        **also: Any,
    ) -> int:
        d = documents.c
        wanted = sa.select(d.document_id).where(condition, *([LIVE] if live else []))
        wanted = wanted.order_by(d.document_id).limit(PAGE).with_for_update()
        statement = sa.update(documents).values(
            heard=d.heard + 1,
            heard_at=sa.case((DUE, d.heard_at), else_=at),
            happened_at=sa.case((DUE, d.happened_at)),  # what is due for another reason did not happen outside
            priority=_pressing(int(priority)),
            next_attempt_at=0.0,
            woken_at=None,
            **also,
        )
        # In pages, each locked in the order that all writers keep to: nobody waits for long, nor for each other.
        total, last = 0, ""
        while True:
            with self._database.begin() as connection:
                ids = connection.scalars(wanted.where(d.document_id > last)).all()
                for part in parts(ids):
                    connection.execute(statement.where(d.document_id.in_(part)))
            total += len(ids)
            if len(ids) < PAGE:
                return total
            last = ids[-1]

    @cached_property
    def _raise_or_add(self) -> Any:
        """One statement for any number of documents: what a server takes to answer is paid once."""
        d = documents.c
        given = self._database.rows(documents, _GIVEN)
        kept = ~sa.exists().where(forgotten.c.document_id == given.c.document_id)
        at = sa.bindparam("at", type_=sa.Float)
        fresh = {
            "heard": sa.literal(1),
            "settled": sa.literal(0),
            "heard_at": at,
            "first_heard_at": at,
            "priority": sa.bindparam("priority", type_=d.priority.type),
            "generation": sa.literal(self._first_generation, d.generation.type),
            "recover": sa.bindparam("recover", type_=d.recover.type),
            "attempts": sa.literal(0),
            "next_attempt_at": sa.literal(0.0),
            "identity": sa.literal(""),
        }
        # One order for all writers: two that lock the same documents in different orders would wait for each other.
        ordered = sa.select(*given.c, *fresh.values()).where(kept).order_by(given.c.document_id)
        statement = self._database.insert(documents).from_select([*_GIVEN, *fresh], ordered).returning(d.document_id)
        new, calm = statement.excluded, sa.bindparam("calm", type_=sa.Float)
        busy = (calm > sa.literal(0.0)) & (d.claimed.is_not(None) | (d.settled_at > at - BURST_S))
        return statement.on_conflict_do_update(
            index_elements=[d.document_id],
            set_={
                "heard": d.heard + 1,
                "heard_at": sa.case((DUE, d.heard_at), else_=new.heard_at),
                "happened_at": sa.case((DUE, d.happened_at), else_=new.happened_at),
                "priority": _pressing(new.priority),
                "acl": sa.func.coalesce(new.acl, d.acl),
                "metadata": sa.func.coalesce(new.metadata, d.metadata),
                "source_id": new.source_id,
                "next_attempt_at": sa.case((~busy, 0.0), (DUE & (d.heard_at < at - BURST_S), 0.0), else_=at + calm),
                "woken_at": None,
                # What has been settled once is known by what was proved then.
                "recover": d.recover | (new.recover & (d.settled == 0)),
            },
        )


def _rows(hearings: Iterable[Hearing]) -> list[tuple[str | int | float | None, ...]]:
    """The values of `_GIVEN` for each document; the latest word on each attribute counts."""
    first: dict[str, Hearing] = {}
    acl: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for hearing in hearings:
        id_ = document_id(hearing.tenant, hearing.uri)
        first.setdefault(id_, hearing)
        if hearing.acl is not None:
            acl[id_] = json.dumps(list(hearing.acl))
        if hearing.metadata is not None:
            metadata[id_] = json.dumps(dict(hearing.metadata))
    return [
        (id_, one.tenant, one.uri, one.source_id, one.happened_at, acl.get(id_), metadata.get(id_))
        for id_, one in first.items()
    ]


def _pressing(new: Any) -> sa.ColumnElement[int]:
    return sa.case((DUE & (documents.c.priority < new), documents.c.priority), else_=new)
