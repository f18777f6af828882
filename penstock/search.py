"""Search: dense and sparse, fused, one tenant's; never an answer from a version that has been replaced (P3, P5, P9)."""

from dataclasses import dataclass
from typing import Any

from infra.ledger import Ledger
from infra.ledger.views import View
from infra.ports import Embedder, Hit, Index
from infra.sparse import query_vector
from penstock.around import anchor, section
from schemas.errors import Unreachable, UsageError
from schemas.payload import rfc3339

#: Hits asked of the index for each one wanted: some are dropped because their version has been replaced.
OVERFETCH = 3


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked. `limit` hits at most, of `tenant` only. `context`: with the section around each, and an anchor."""

    text: str
    limit: int
    tenant: str
    context: bool = False


def search(query: Query, *, ledger: Ledger, index: Index, embedder: Embedder, now: float) -> dict[str, Any]:
    """Answer a query in the shape of `search --json`.

    Args:
        query: what is asked.
        ledger, index: where the answers are.
        embedder: the model of the active collection.
        now: seconds since the epoch, for `fresh`.
    """
    if not query.text.strip():
        raise UsageError("the query is empty", "give some words to search for")
    active = index.active()
    if active is None and ledger.get("model"):
        raise Unreachable("the index", "it is gone, and the ledger says it was there", "run `penstock index` again")
    hits: list[dict[str, Any]] = []
    if active is not None:
        found = index.query(
            active,
            query.tenant,
            dense=embedder.encode([query.text])[0],
            sparse=query_vector(query.text),
            limit=query.limit * OVERFETCH,
        )
        ids = sorted({hit.payload["document_id"] for hit in found})
        views = ledger.views.documents(active, ids=ids)
        current = [hit for hit in found if _current(hit, views.get(hit.payload["document_id"]))]
        for hit in current[: query.limit]:
            view = views[hit.payload["document_id"]]
            around = _around(hit, view, index, active) if query.context else {}
            hits.append(_describe(hit, view, now) | around)
    return {"query": query.text, "hits": hits}


def _current(hit: Hit, view: View | None) -> bool:
    """Whether a hit is of the latest version this collection has, of a document that is not gone."""
    if view is None or view.standing.gone or view.indexed is None:
        return False
    return int(hit.payload["generation"]) >= view.indexed.generation


def _around(hit: Hit, view: View, index: Index, collection: str) -> dict[str, str]:
    """The text of the section a hit is from, and an anchor to it."""
    points = view.indexed.points if view.indexed else ()
    ordinal = next((point.ordinal for point in points if point.id == hit.id), -1)
    ids = [point.id for point in section(points, ordinal)]
    texts = {point.id: str(point.payload["content"]) for point in index.retrieve(collection, ids)}
    meta = hit.payload["meta"]
    return {
        "section": "\n\n".join(texts[id_] for id_ in ids if id_ in texts) or str(hit.payload["content"]),
        "anchor": anchor(meta["headings"], meta["page"]),
    }


def _describe(hit: Hit, view: View, now: float) -> dict[str, Any]:
    payload, meta, verified_at = hit.payload, hit.payload["meta"], view.standing.verified_at
    return {
        "uri": payload["uri"],
        "score": round(hit.score, 6),
        "text": payload["content"],
        "title": meta["title"],
        "headings": meta["headings"],
        "page": meta["page"],
        "ordinal": meta["ordinal"],
        "tenant": payload["tenant"],
        "content_hash": payload["content_hash"],
        "source_modified_at": payload["source_modified_at"],
        "indexed_at": meta["indexed_at"],
        "verified_at": None if verified_at is None else rfc3339(verified_at),
        # While a new model's collection is built, a newer version may be in that one and not yet in the one searched.
        "fresh": view.standing.fresh(now) and payload["content_hash"] == view.last_hash,
    }
