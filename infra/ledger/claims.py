"""Claims: one worker at a time has a document in hand. Each step is a transaction fenced by the generation."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from infra.ledger.database import Database
from infra.ledger.records import Attributes, Claim, Held, Indexed, PlacedPoint, Settlement, Waiting
from infra.ledger.scopes import DUE, Scope, in_scope
from infra.ledger.settling import parts, record_intents, record_outcomes, standing
from infra.ledger.tables import documents, indexed, meta
from schemas.errors import OtherFingerprint
from schemas.fingerprint import Fingerprint

#: Seconds after which nothing a worker sent to the index before it lost its lease can still arrive: well over the
#: index client's time limit (infra.index_qdrant), for the slowest of its retries.
LATE_WRITES_S = 90.0

_RELEASED: Mapping[str, Any] = {"claimed": None, "lease_owner": None, "lease_until": None}


class Claims:
    """Hands documents to workers, and takes back what became of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def break_leases(self) -> int:
        """Open claims belong to the dead, once the home's lock is held: they start in recovery. Returns how many."""
        with self._database.begin() as connection:
            return connection.execute(
                sa.update(documents).where(documents.c.claimed.is_not(None)).values(recover=True, **_RELEASED)
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
        scope: Scope | None = None,
        ids: Sequence[str] | None = None,
        fingerprint: str | None = None,
    ) -> list[Claim]:
        """Take up to `limit` due documents, the pressing and the oldest first.

        Args:
            owner: who takes them.
            lease_s: seconds until others may take them over.
            round_: names this round of work; a document is claimed at most once in it. Not a time: clocks step back.
            collection: the collection that `Claim.indexed` speaks of.
            scope: only these documents; None: all.
            ids: only these documents; None: all.
            fingerprint: the pipeline of whoever asks; None: not compared.

        Raises:
            OtherFingerprint: the ledger's current one is another. Nothing is claimed.
        """
        d = documents.c
        free = d.lease_until.is_(None) | (d.lease_until < now)
        untried = d.round.is_distinct_from(round_)
        query = sa.select(documents).where(DUE, free, untried, d.next_attempt_at <= now)
        if scope is not None:
            query = query.where(in_scope(scope))
        if ids is not None:
            query = query.where(d.document_id.in_(ids))
        query = query.order_by(d.priority, d.heard_at).limit(limit).with_for_update(skip_locked=True)
        abandoned = d.claimed.is_not(None)
        with self._database.begin() as connection:
            self._same_pipeline(connection, fingerprint)
            rows = connection.execute(query).all()
            claimed = [row.document_id for row in rows]
            change = {
                "generation": d.generation + 1,
                "claimed": d.heard,
                "claimed_at": now,
                "woken_at": None,  # the wake-up had its effect: if this worker dies, nobody waits for that one
                "round": round_,
                "lease_owner": owner,
                "lease_until": now + lease_s,
                "recover": d.recover | abandoned,
                "crashes": d.crashes + sa.case((abandoned, 1), else_=0),
                "recheck_at": sa.case((abandoned, now + LATE_WRITES_S), else_=d.recheck_at),
            }
            for part in parts(claimed):
                connection.execute(sa.update(documents).where(d.document_id.in_(part)).values(**change))
            held_by = self._indexed(connection, claimed)
        return [_claim(row, held_by.get(row.document_id, []), collection, now) for row in rows]

    def renew(self, claims: Sequence[Claim], *, until: float) -> set[str]:
        """Lengthen leases; returns the documents whose claim still stands."""
        with self._database.begin() as connection:
            mine = standing(connection, {claim.document_id: claim.generation for claim in claims})
            for part in parts(sorted(mine)):
                statement = sa.update(documents).where(documents.c.document_id.in_(part))
                connection.execute(statement.values(lease_until=until))
        return mine

    def give_back(
        self, claims: Sequence[Claim], *, next_attempt_at: float, error: str | None = None, crashed: bool = False
    ) -> None:
        """End claims whose work did not come to its end; they stay due, and start in recovery.

        After an error they are checked again once whatever was sent to the index, and not answered, has arrived.

        Args:
            claims: those still standing are given back, the others are somebody else's by now.
            next_attempt_at: seconds since the epoch.
            error: what stood in the way; None: nothing, the worker is stopping.
            crashed: the work itself failed, in a way nobody foresaw.
        """
        d = documents.c
        change: dict[str, Any] = {**_RELEASED, "recover": True, "round": None, "woken_at": None}
        change |= {"next_attempt_at": next_attempt_at, "crashes": d.crashes + int(crashed)}
        if error is not None:
            change |= {"attempts": d.attempts + 1, "last_error": error, "recheck_at": next_attempt_at + LATE_WRITES_S}
        with self._database.begin() as connection:
            mine = standing(connection, {claim.document_id: claim.generation for claim in claims})
            for part in parts(sorted(mine)):
                connection.execute(sa.update(documents).where(d.document_id.in_(part)).values(**change))

    def overtaken(self, claims: Sequence[Claim], *, at: float) -> int:
        """Have documents checked again that a worker found in other hands by now: it may have written after them.

        Args:
            claims: those that have not moved on are left alone.
            at: seconds since the epoch; from then on the worker writes nothing more.

        Returns:
            How many had moved on.
        """
        d, found = documents.c, 0
        generations = {claim.document_id: claim.generation for claim in claims}
        with self._database.begin() as connection:
            for id_ in sorted(generations):
                statement = sa.update(documents).where(d.document_id == id_, d.generation > generations[id_])
                found += connection.execute(statement.values(recheck_at=at + LATE_WRITES_S)).rowcount
        return found

    def in_hand(self, ids: Sequence[str]) -> int:
        """How many of these documents a worker has in hand."""
        d = documents.c
        with self._database.connect() as connection:
            counts = [
                connection.scalar(sa.select(sa.func.count()).where(d.document_id.in_(part), d.claimed.is_not(None)))
                for part in parts(ids)
            ]
        return sum(count or 0 for count in counts)

    def waiting(self, *, now: float, woken_before: float, limit: int) -> list[Waiting]:
        """Due documents that nobody has in hand and that no wake-up was sent for lately, the pressing ones first."""
        d = documents.c
        free = d.lease_until.is_(None) | (d.lease_until < now)
        unheard = d.woken_at.is_(None) | (d.woken_at < woken_before)
        abandoned = d.crashes + sa.case((d.claimed.is_not(None), 1), else_=0) > 0
        query = sa.select(d.document_id, d.priority, abandoned).where(DUE, free, unheard, d.next_attempt_at <= now)
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(d.priority, d.heard_at).limit(limit)).all()
        return [Waiting(row[0], row[1], bool(row[2])) for row in rows]

    def woken(self, ids: Sequence[str], *, at: float | None) -> None:
        """Record that wake-ups are sent; None: that they were not."""
        with self._database.begin() as connection:
            for part in parts(sorted(ids)):
                statement = sa.update(documents).where(documents.c.document_id.in_(part))
                connection.execute(statement.values(woken_at=at))

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

    @staticmethod
    def _same_pipeline(connection: sa.Connection, fingerprint: str | None) -> None:
        if fingerprint is None:
            return
        # Locked until the claim is made: whoever advances the pipeline waits for it, and finds it in hand.
        query = sa.select(meta.c.value).where(meta.c.key == "fingerprint").with_for_update(read=True)
        recorded = connection.scalar(query)
        if recorded is None or json.loads(recorded) != fingerprint:
            raise OtherFingerprint

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


def _claim(row: sa.Row[Any], held_by: Sequence[Indexed], collection: str, now: float) -> Claim:
    held = None
    if row.held_reason is not None:
        held = Held(row.held_reason, row.held_detail, row.held_identity, row.held_hash, row.held_fingerprint or "")
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
        claimed_at=now,
        happened_at=row.happened_at,
        crashes=row.crashes + (row.claimed is not None),
        removal_held=row.removal_held_at is not None,
        removal_allowed=row.removal_allowed,
        characters=row.characters,
        released=json.loads(row.released)["hash"] if row.released else None,
    )
