"""Data Docs: what Great Expectations says of the chunks that were settled last, as they are in the index now."""

from contextlib import ExitStack
from typing import Any

from infra.home import Home
from infra.ledger import Ledger
from infra.ledger.views import View
from infra.ports import Tokenizer
from infra.settings import Settings
from penstock.compose import open_index, open_model
from penstock.workshop import open_rules
from validation.chunks import ChunkRow, check_chunks
from validation.data_docs import data_docs_page

#: Most chunks that are looked at, and most documents they are of.
MOST_CHUNKS, MOST_DOCUMENTS = 5000, 1000
#: Seconds to wait for another reader to close the index.
WAIT_S = 5.0


def data_docs(settings: Settings, ledger: Ledger) -> list[bytes]:
    """Pages, one for each set of expectations: several where the rules file has some for a part of the sources only.

    Raises:
        HomeBusy: another process holds the index.
    """
    collection: str = (ledger.get("model") or {}).get("collection") or ""
    views = ledger.views.documents(collection, ids=ledger.views.latest(MOST_DOCUMENTS))
    chosen: list[View] = []
    room = MOST_CHUNKS
    for view in sorted(views.values(), key=lambda one: -(one.settled_at or 0)):
        room -= len(view.indexed.points) if view.indexed else 0
        if room < 0:
            break
        chosen += [view] if view.indexed and view.indexed.points else []
    ids = [point.id for view in chosen if view.indexed for point in view.indexed.points]
    with ExitStack() as stack:
        if settings.qdrant_url is None:
            stack.enter_context(Home(settings.folder).locked(wait_s=WAIT_S))
        index = open_index(settings)
        stack.callback(index.close)
        payloads = {point.id: point.payload for point in index.retrieve(collection, ids)} if ids else {}
    tokenizer, rules = open_model(settings)[0], open_rules(settings)
    limit = min(settings.chunk_tokens, tokenizer.limit)
    rows = [row for view in chosen for row in _rows(view, payloads, tokenizer, limit)]
    results: list[Any] = []
    check_chunks(rows, {view.document_id: rules.of(view.tenant, view.uri) for view in chosen}, keep=results.append)
    return [data_docs_page(one) for one in results]


def _rows(view: View, payloads: dict[str, dict[str, Any]], tokenizer: Tokenizer, limit: int) -> list[ChunkRow]:
    """The rows of a document; what is missing in the index has neither text nor hash."""
    points = sorted(view.indexed.points, key=lambda point: point.ordinal) if view.indexed else []
    found = [payloads.get(point.id, {}) for point in points]
    texts = [one.get("content") for one in found]
    tokens = tokenizer.token_ids([text or "" for text in texts])
    return [
        ChunkRow(
            view.document_id,
            point.id,
            point.ordinal,
            text,
            payload.get("chunk_hash"),
            len(ids) if text is not None else None,
            limit,
            " > ".join(point.headings),
            point.page,
        )
        for point, payload, text, ids in zip(points, found, texts, tokens, strict=True)
    ]
