"""Status: what is fresh, what is not and why. Reads only the ledger, so that it answers while anything else runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from infra.ledger import Ledger
from schemas.freshness import State
from schemas.identity import document_id
from schemas.payload import rfc3339

#: Lag is reported over the work of the last day.
LAG_WINDOW_S = 86_400

#: Where time passes: until an event is heard, until the document is claimed, and from heard until it is searchable.
STAGES = ("event", "claim", "searchable")


def status(ledger: Ledger | None, *, home: str, now: float) -> dict[str, Any]:
    """Counts by state, sources and when verified, oldest due, lag percentiles, refusals, held versions."""
    if ledger is None:
        empty: dict[str, Any] = {state.value: 0 for state in State}
        return _whole(home, empty, [], None, {}, [], (0, None), None, 0)
    counts = Counter(standing.state(now).value for standing in ledger.views.standings())
    documents = {state.value: counts[state.value] for state in State}
    sources = [
        {
            "uri": source.uri,
            "tenant": source.tenant,
            "verified_at": _time(source.verified_at),
            "fresh": source.verified_at is not None and now - source.verified_at <= source.freshness,
            "freshness_s": source.freshness,
            "cadence_s": source.cadence,
            "error": source.error,
        }
        for source in ledger.sources.all()
    ]
    oldest = ledger.views.oldest_due()
    due = oldest and {"uri": oldest[0], "heard_at": rfc3339(oldest[1]), "seconds": round(now - oldest[1], 3)}
    lags = ledger.views.lags(since=now - LAG_WINDOW_S)
    refusals = [_refusal(one) for one in ledger.views.refusals()]
    held = ledger.quarantine.pressing()
    return _whole(home, documents, sources, due, lags, refusals, held, ledger.get("model"), ledger.letters.count())


def history(ledger: Ledger | None, uri: str, *, tenant: str, now: float) -> dict[str, Any] | None:
    """One document's standing and history, or None where it is not known."""
    if ledger is None:
        return None
    id_ = document_id(tenant, uri)
    model = ledger.get("model") or {}
    view = ledger.views.documents(model.get("collection"), ids=[id_]).get(id_)
    if view is None:
        return None
    lines = [{**line, "at": rfc3339(line["at"])} for line in ledger.views.history(id_)]
    return {
        "uri": view.uri,
        "tenant": view.tenant,
        "document_id": id_,
        "state": view.standing.state(now).value,
        "fresh": view.standing.fresh(now),
        "verified_at": _time(view.standing.verified_at),
        "content_hash": view.last_hash,
        "kind": view.kind,
        "chunks": len(view.indexed.points) if view.indexed else 0,
        "generation": view.indexed.generation if view.indexed else None,
        "indexed_at": rfc3339(view.indexed.indexed_at) if view.indexed else None,
        "refused": [_refusal(one) for one in view.refusals],
        "history": lines,
    }


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which a share of sorted values lies (nearest rank), None of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _whole(
    home: str,
    documents: dict[str, Any],
    sources: list[dict[str, Any]],
    oldest_due: dict[str, Any] | None,
    lags: Mapping[str, Sequence[float]],
    refused: list[dict[str, Any]],
    held: tuple[int, float | None],
    model: dict[str, Any] | None,
    dead_letters: int,
) -> dict[str, Any]:
    return {
        "home": home,
        "model": model and model["name"],
        "documents": documents,
        "sources": sources,
        "oldest_due": oldest_due,
        "lag_seconds": _percentiles(lags.get("searchable", ())),
        "lag_stages_seconds": {name: _percentiles(lags.get(name, ())) for name in STAGES},
        "dead_letters": dead_letters,
        "refused": refused,
        "held": {"count": held[0], "oldest": _time(held[1])},
    }


def _percentiles(ordered: Sequence[float]) -> dict[str, float | None]:
    shares = {name: percentile(ordered, share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return {name: value if value is None else round(value, 3) for name, value in shares.items()}


def _refusal(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "since": _time(one["since"])}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
