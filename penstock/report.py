"""`penstock report`: how the rules fared, who offends, and what became of each document, as one HTML file.

Reads only the ledger, so that it answers while anything else runs. What was forgotten is in no report: forget erases
them, and one that was read before that and would be written after it is made again (infra/report_folder.py).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from infra.home import Home
from infra.ledger import Ledger
from infra.ledger.quarantine import HeldVersion
from infra.ledger.views import View
from infra.report_folder import opened, put
from infra.settings import Settings, without_passwords
from penstock.compose import existing_ledger
from penstock.rates import DAYS, HOURS, Rate, first_moment, rates
from penstock.report_page import report_page
from penstock.status import status
from schemas.errors import TODO, Reason, UsageError
from schemas.identity import document_id
from schemas.payload import rfc3339
from schemas.verdicts import Finding
from validation.table import BY_NAME, TABLE

NAME = "report.html"

#: Most sources, rules, held versions and warned documents that are shown: a page of 10,000 offenders must still open.
SHOWN_SOURCES, SHOWN_RULES, SHOWN_HELD, SHOWN_WARNED = 100, 200, 50, 50
#: Most findings of one document, and documents settled last, and chunks of a document.
SHOWN_FINDINGS, SHOWN_LATEST, SHOWN_CHUNKS = 5, 25, 20

_T = TypeVar("_T")


def write_report(settings: Settings, *, data_docs: bool = False) -> dict[str, Any]:
    """Write the report into the home. data_docs: and Great Expectations' pages, which takes seconds and the index.

    Returns:
        {"report": its path, "rules": [{"rule", "gate", "checked", "warned", "held", "rate"}], "held": versions,
        "warned": documents}.

    Raises:
        UsageError: nothing was ever indexed.
        Unreachable: it cannot be written.
        HomeBusy: Data Docs are asked for, and another process holds the index.
    """
    ledger = existing_ledger(settings)
    if ledger is None:
        what = f"there is nothing to report of {settings.folder}: nothing was ever indexed there"
        raise UsageError(what, "run `penstock index SOURCE` first, or name another home with --home")
    home = Home(settings.folder)
    home.create()  # on servers there may be none yet
    place = without_passwords(settings.database_url or str(home.ledger))
    written = False
    while not written:
        with opened(home.reports) as folder:
            pages = {f"data-docs-{n}.html": page for n, page in enumerate(_data_docs(settings, ledger, data_docs), 1)}
            found = gather(ledger, home=str(home.folder), place=place, now=time.time()) | {"data_docs": list(pages)}
            pages[NAME] = report_page(found)
            written = all(put(folder, name, page) for name, page in pages.items())
    return {
        "report": str((home.reports / NAME).absolute()),
        "rules": [
            {name: one[name] for name in ("rule", "gate", "checked", "warned", "held", "rate")}
            for one in found["rules"]["shown"]
        ],
        "held": found["held"]["total"],
        "warned": found["warned"]["total"],
    }


def _data_docs(settings: Settings, ledger: Ledger, wanted: bool) -> list[bytes]:
    if not wanted:
        return []
    from penstock.data_docs import data_docs  # loads parsers and Great Expectations

    return data_docs(settings, ledger)


def gather(ledger: Ledger, *, home: str, place: str, now: float) -> dict[str, Any]:
    """What the page shows."""
    stand = status(ledger, home=home, now=now)
    asked = sorted(rates(ledger.quarantine.rates(since=first_moment(now)), now=now), key=_place_in_table)
    held = ledger.quarantine.held()
    warned = sorted(ledger.quarantine.warnings().items(), key=lambda one: (-len(one[1]), one[0]))
    offenders = [one.document_id for one in held[:SHOWN_HELD]]
    offenders += [document_id(*where) for where, _ in warned[:SHOWN_WARNED]]
    ids = list(dict.fromkeys([*offenders, *ledger.views.latest(SHOWN_LATEST)]))
    views = ledger.views.documents((ledger.get("model") or {}).get("collection"), ids=ids)
    return {
        "at": rfc3339(now),
        "data_docs": [],
        "ledger": place,
        "hours": HOURS,
        "days": DAYS,
        "status": stand,
        "sources": _bounded(stand["sources"], SHOWN_SOURCES, dict),
        "rules": _bounded(asked, SHOWN_RULES, _rule),
        "unasked": [row.name for row in TABLE if row.name not in {one.rule for one in asked}],
        "held": _bounded(held, SHOWN_HELD, lambda one: _held(one, now, views)),
        "warned": _bounded(warned, SHOWN_WARNED, lambda one: _warned(*one[0], one[1], views)),
        "lineage": [_lineage(views[id_], now) for id_ in ids if id_ in views],
    }


def _place_in_table(one: Rate) -> tuple[int, str]:
    places = {name: number for number, name in enumerate(BY_NAME)}
    return places.get(one.rule, len(places)), one.rule


def _bounded(every: Sequence[_T], most: int, shape: Callable[[_T], Any]) -> dict[str, Any]:
    return {"total": len(every), "shown": [shape(one) for one in every[:most]], "more": max(0, len(every) - most)}


def _rule(one: Rate) -> dict[str, Any]:
    row = BY_NAME.get(one.rule)
    return {
        "rule": one.rule,
        "gate": row.gate.value if row else None,
        "says": row.says if row else "",
        **one.total._asdict(),
        "rate": one.total.rate,
        "by_hour": one.by_hour,
        "by_day": one.by_day,
    }


def _held(one: HeldVersion, now: float, views: dict[str, View]) -> dict[str, Any]:
    return {
        "document_id": one.document_id,
        "uri": one.uri,
        "tenant": one.tenant,
        "reason": one.reason,
        "detail": one.detail,
        "todo": TODO.get(Reason(one.reason), ""),
        "since": rfc3339(one.held_at),
        "age": now - one.held_at,
        "served": one.served,
        "discarded": one.discarded_at is not None,
        "in_lineage": one.document_id in views,
        **_findings(one.findings),
    }


def _warned(tenant: str, uri: str, findings: Sequence[Finding], views: dict[str, View]) -> dict[str, Any]:
    id_ = document_id(tenant, uri)
    where = {"document_id": id_, "uri": uri, "tenant": tenant, "in_lineage": id_ in views}
    return {**where, "count": len(findings), **_findings(findings)}


def _findings(findings: Sequence[Finding]) -> dict[str, Any]:
    shown = [one.to_json() for one in findings[:SHOWN_FINDINGS]]
    return {"findings": shown, "more": len(findings) - len(shown)}


def _lineage(view: View, now: float) -> dict[str, Any]:
    """A document, the fingerprint that shaped it, and the points of its chunks."""
    indexed = view.indexed
    points = sorted(indexed.points, key=lambda point: point.ordinal) if indexed else []
    return {
        "document_id": view.document_id,
        "uri": view.uri,
        "tenant": view.tenant,
        "state": view.standing.state(now).value,
        "content_hash": indexed.content_hash if indexed else view.last_hash,
        "indexed_at": rfc3339(indexed.indexed_at) if indexed else None,
        "generation": indexed.generation if indexed else None,
        "fingerprint": asdict(indexed.fingerprint) if indexed else {},
        "chunks": [
            {"ordinal": one.ordinal, "headings": one.headings, "page": one.page, "point": one.id}
            for one in points[:SHOWN_CHUNKS]
        ],
        "more": max(0, len(points) - SHOWN_CHUNKS),
    }
