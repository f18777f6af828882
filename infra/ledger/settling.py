"""Intents and outcomes, written for a whole batch at once: one statement a kind of change, whatever their number."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from infra.ledger.records import Indexed, Settlement
from infra.ledger.tables import documents, findings, history, indexed

_BY_ID = documents.c.document_id == sa.bindparam("_id")


def standing(connection: sa.Connection, generations: Mapping[str, int]) -> set[str]:
    """Those of the documents whose claim still stands: same generation, and not broken since."""
    d = documents.c
    found = set()
    for part in parts(sorted(generations)):
        query = sa.select(d.document_id, d.generation).where(d.document_id.in_(part), d.claimed.is_not(None))
        # Locked until the transaction's end, in one order for all: nobody can claim between this and what follows.
        query = query.order_by(d.document_id).with_for_update()
        found |= {id_ for id_, generation in connection.execute(query).all() if generations[id_] == generation}
    return found


def record_intents(connection: sa.Connection, intents: Mapping[str, tuple[str, Sequence[str]]]) -> None:
    """Record the points each document is about to be written as: document id -> (collection, point ids)."""
    statement = sa.update(documents).where(_BY_ID).values(intent=sa.bindparam("_intent"))
    rows = [
        {"_id": id_, "_intent": json.dumps({"collection": collection, "ids": list(ids)})}
        for id_, (collection, ids) in intents.items()
    ]
    if rows:
        connection.execute(statement, rows)


def record_outcomes(connection: sa.Connection, settlements: Sequence[Settlement], *, at: float) -> None:
    """Record outcomes of claims that stand."""
    # Outcomes of one kind set the same columns: one statement for all of them.
    by_columns: dict[tuple[bool, tuple[str, ...]], list[dict[str, object]]] = defaultdict(list)
    for settlement in settlements:
        values = settlement.values
        row = {"_id": settlement.claim.document_id} | {f"_{name}": value for name, value in values.items()}
        by_columns[settlement.done, tuple(sorted(values))].append(row)
    for (done, columns), rows in by_columns.items():
        connection.execute(_update(columns, done=done, at=at), rows)
    erased = [{"_id": one.claim.document_id} for one in settlements if one.erased]
    if erased:
        connection.execute(sa.delete(indexed).where(indexed.c.document_id == sa.bindparam("_id")), erased)
    entries = [(one.claim.document_id, one.indexed) for one in settlements if one.indexed]
    if entries:
        same = (indexed.c.document_id == sa.bindparam("_id")) & (indexed.c.collection == sa.bindparam("_collection"))
        stale = [{"_id": id_, "_collection": entry.collection} for id_, entry in entries]
        connection.execute(sa.delete(indexed).where(same), stale)
        connection.execute(sa.insert(indexed), [_indexed_row(id_, entry) for id_, entry in entries])
    _record_findings(connection, settlements, at=at)
    lines = [
        {
            "document_id": one.claim.document_id,
            "at": at,
            "generation": one.claim.generation,
            "event": one.event,
            "detail": one.detail,
        }
        for one in settlements
        if one.event
    ]
    if lines:
        connection.execute(sa.insert(history), lines)


def _record_findings(connection: sa.Connection, settlements: Sequence[Settlement], *, at: float) -> None:
    """Keep what was said last of the good version and of the held one; what is held no longer is not spoken of."""
    f = findings.c
    stale: list[dict[str, object]] = []
    rows = []
    for one in settlements:
        id_, said = one.claim.document_id, one.findings
        holds, decides = one.values.get("held_reason") is not None, "held_reason" in one.values
        if one.erased or (said is not None if holds else decides):
            stale.append({"_id": id_, "_held": True})
        if one.erased or (said is not None and not holds):
            stale.append({"_id": id_, "_held": False})
        for number, finding in enumerate(said or ()):
            row = {"rule": finding.rule, "severity": finding.severity.value, "finding": json.dumps(finding.to_json())}
            rows.append({"document_id": id_, "held": holds, "number": number, "at": at, **row})
    if stale:
        where = (f.document_id == sa.bindparam("_id")) & (f.held == sa.bindparam("_held"))
        connection.execute(sa.delete(findings).where(where), stale)
    if rows:
        connection.execute(sa.insert(findings), rows)


def _update(columns: Sequence[str], *, done: bool, at: float) -> sa.Update:
    values: dict[str, Any] = {"claimed": None, "lease_owner": None, "lease_until": None}
    values |= {name: sa.bindparam(f"_{name}") for name in columns}
    if done:
        values |= {"settled": documents.c.claimed, "settled_at": at, "intent": None, "recover": False}
        # What was heard meanwhile may have been given a moment to calm down.
        next_ = sa.case((documents.c.heard > documents.c.claimed, documents.c.next_attempt_at), else_=0.0)
        values |= {"attempts": 0, "crashes": 0, "next_attempt_at": next_, "last_error": None}
        # Still due, it is so because of what was heard after the claim, not since the first event of a busy day.
        later = documents.c.heard > documents.c.claimed
        allowed = sa.case((later, documents.c.removal_allowed), else_=sa.false())
        values |= {"removal_allowed": allowed, "woken_at": None}
        values["heard_at"] = sa.case((later, documents.c.claimed_at), else_=documents.c.heard_at)
        values["happened_at"] = sa.case((~later, documents.c.happened_at))
    return sa.update(documents).where(_BY_ID).values(**values)


def _indexed_row(document: str, entry: Indexed) -> dict[str, Any]:
    return {
        "document_id": document,
        "collection": entry.collection,
        "generation": entry.generation,
        "content_hash": entry.content_hash,
        "fingerprint": entry.fingerprint.to_json(),
        "attributes": entry.attributes.to_json(),
        "indexed_at": entry.indexed_at,
        "chunks": len(entry.points),
        "points": json.dumps(entry.points, separators=(",", ":")),
    }


def parts(items: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    """Slices that fit a statement's parameters."""
    return (items[start : start + size] for start in range(0, len(items), size))
