"""The status page: one HTML page of what `status` says, without a script, an image or anything from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Any

from penstock.view import SHOWN_REFUSALS

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .8rem .3rem 0;
border-bottom: 1px solid #ddd; overflow-wrap: anywhere; vertical-align: top }
.stale { color: #a33 } .fresh { color: #272 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } td, th { border-color: #444 }
.stale { color: #f88 } .fresh { color: #8d8 } }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: The browser loads and runs nothing but the one style, whatever a document is called.
CONTENT_SECURITY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; frame-ancestors 'none'"


def status_page(found: dict[str, Any]) -> bytes:
    """The page of an answer of penstock.status."""
    documents = {name: count for name, count in found["documents"].items() if count} or {"documents": 0}
    due, lag = found["oldest_due"], found["lag_seconds"]
    body = [
        "<h1>Penstock</h1>",
        _table(documents, [documents.values()]),
        f"<p>Model {escape(str(found['model'] or 'none yet'))}.",
        f"Due longest: {escape(due['uri'])}, for {due['seconds']:.0f} s." if due else "Nothing is due.",
        f"Heard to searchable, last day: p50 {lag['p50']} s, p95 {lag['p95']} s." if lag["p50"] is not None else "",
        "</p><h2>Sources</h2>",
        _table(("source", "tenant", "state", "last verified", "error"), map(_source, found["sources"])),
    ]
    if refused := found["refused"]:
        names = ("uri", "reason", "detail", "todo")
        rows = ([one.get(name) or "" for name in names] for one in refused[:SHOWN_REFUSALS])
        body += [f"<h2>Refused: {len(refused)}</h2>", _table(("document", "reason", "detail", "what to do"), rows)]
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">'
        '<meta name="viewport" content="width=device-width"><title>Penstock</title>'
        f"<style>{_STYLE}</style>{''.join(body)}</html>"
    )
    return page.encode("utf-8", "backslashreplace")


def _source(source: dict[str, Any]) -> list[Any]:
    state = "fresh" if source["fresh"] else "stale"
    return [source["uri"], source["tenant"], state, source["verified_at"] or "never", source["error"] or ""]


def _table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{lines}</table>"


def _cell(value: Any) -> str:
    mark = f' class="{value}"' if value in ("fresh", "stale") else ""
    return f"<td{mark}>{escape(str(value))}</td>"
