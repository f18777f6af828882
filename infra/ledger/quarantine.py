"""Versions that are held and what the rules said: kept with each settlement, shown to people, let pass by them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from infra.ledger.database import Database
from infra.ledger.scopes import LIVE, Scope, in_scope
from infra.ledger.tables import documents, findings, history, verdicts
from schemas.errors import printable
from schemas.verdicts import Finding, Severity

#: Verdicts are counted by the hour.
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """A refused version of a document, and what is served instead.

    held_by: the code that refused it. findings: all that the rules said of it. served: the hash of the last good
    version, None where there is none. discarded_at: when a person said that nothing is to be done about it.
    """

    document_id: str
    tenant: str
    uri: str
    reason: str
    detail: str
    content_hash: str | None
    held_at: float
    held_by: str | None
    served: str | None
    discarded_at: float | None
    findings: tuple[Finding, ...]


class Quarantine:
    """Reads what is held, and records what a person decides about it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held(self, scope: Scope | None = None, *, ids: Sequence[str] | None = None) -> list[HeldVersion]:
        """Every held version of a scope (None: of all), the oldest first; those discarded, too."""
        d = documents.c
        query = sa.select(documents).where(LIVE, d.held_reason.is_not(None)).order_by(d.held_at, d.uri)
        if scope is not None:
            query = query.where(in_scope(scope))
        if ids is not None:
            query = query.where(d.document_id.in_(ids))
        said = sa.select(findings.c.document_id, findings.c.finding).where(findings.c.held)
        with self._database.connect() as connection:
            rows = connection.execute(query).all()
            by_document: dict[str, list[Finding]] = {}
            for row in connection.execute(said.order_by(findings.c.document_id, findings.c.number)):
                by_document.setdefault(row.document_id, []).append(Finding.from_json(json.loads(row.finding)))
        return [_held(row, by_document.get(row.document_id, ())) for row in rows]

    def warnings(self, scope: Scope | None = None) -> dict[tuple[str, str], list[Finding]]:
        """What the rules said of versions that passed all the same: (tenant, URI) -> findings."""
        query = sa.select(documents.c.tenant, documents.c.uri, findings.c.finding).select_from(
            findings.join(documents, documents.c.document_id == findings.c.document_id)
        )
        query = query.where(~findings.c.held, LIVE)
        if scope is not None:
            query = query.where(in_scope(scope))
        found: dict[tuple[str, str], list[Finding]] = {}
        with self._database.connect() as connection:
            for row in connection.execute(query.order_by(documents.c.uri, findings.c.number)):
                found.setdefault((row.tenant, row.uri), []).append(Finding.from_json(json.loads(row.finding)))
        return found

    def pressing(self) -> tuple[int, float | None]:
        """How many versions are held and not discarded, and when the first of them was refused; None: there is none."""
        d = documents.c
        query = sa.select(sa.func.count(), sa.func.min(d.held_at)).where(LIVE, d.held_reason.is_not(None))
        with self._database.connect() as connection:
            count, since = connection.execute(query.where(d.discarded_at.is_(None))).one()
        return count, since

    def release(self, document: str, *, hash_: str, who: str, why: str, at: float) -> None:
        """Let a held version pass from now on, as far as rules go; whoever hears the document then indexes it."""
        said = {"hash": hash_, "who": who, "why": why, "at": at}
        change = {"released": json.dumps(said), "held_fingerprint": None, "discarded_at": None}
        self._decide(document, change, "let-pass", f"by {who}: {why}" if why else f"by {who}", at)

    def discard(self, document: str, *, who: str, at: float) -> None:
        """Report a held version no more; another one is news again."""
        self._decide(document, {"discarded_at": at}, "discarded", f"by {who}", at)

    def _decide(self, document: str, change: Mapping[str, Any], event: str, detail: str, at: float) -> None:
        d = documents.c
        line = sa.select(d.document_id, sa.literal(at), d.generation, sa.literal(event), sa.literal(printable(detail)))
        with self._database.begin() as connection:
            connection.execute(sa.update(documents).where(d.document_id == document).values(**change))
            columns = ["document_id", "at", "generation", "event", "detail"]
            connection.execute(sa.insert(history).from_select(columns, line.where(d.document_id == document)))

    def count(self, asked: Mapping[str, int], said: Sequence[Finding], *, at: float) -> None:
        """Count verdicts: how many versions each rule was asked about, and what came of them."""
        hour = int(at // HOUR_S * HOUR_S)
        new = self._database.insert(verdicts)
        old, more = verdicts.c, new.excluded
        added = {name: getattr(old, name) + getattr(more, name) for name in ("checked", "warned", "held")}
        rows = [
            {
                "hour": hour,
                "rule": rule,
                "checked": checked,
                "warned": sum(one.rule == rule and one.severity is Severity.WARN for one in said),
                "held": sum(one.rule == rule and one.severity is Severity.QUARANTINE for one in said),
            }
            for rule, checked in sorted(asked.items())
        ]
        if rows:
            with self._database.begin() as connection:
                connection.execute(new.on_conflict_do_update(index_elements=[old.hour, old.rule], set_=added), rows)

    def rates(self, *, since: float) -> list[tuple[int, str, int, int, int]]:
        """(hour, rule, checked, warned, held) since a moment, by hour and rule."""
        v = verdicts.c
        query = sa.select(v.hour, v.rule, v.checked, v.warned, v.held).where(v.hour >= since - HOUR_S)
        with self._database.connect() as connection:
            return [
                (row.hour, row.rule, row.checked, row.warned, row.held)
                for row in connection.execute(query.order_by(v.hour, v.rule))
            ]


def _held(row: sa.Row[Any], said: Sequence[Finding]) -> HeldVersion:
    return HeldVersion(
        document_id=row.document_id,
        tenant=row.tenant,
        uri=row.uri,
        reason=row.held_reason,
        detail=row.held_detail or "",
        content_hash=row.held_hash,
        held_at=row.held_at or 0.0,
        held_by=row.held_by,
        served=row.content_hash,
        discarded_at=row.discarded_at,
        findings=tuple(said),
    )
