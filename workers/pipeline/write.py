"""The index, in the order that leaves no hole: intent to the ledger, upserts, restamps, deletes; then proof by reading.

During a write a reader may see chunks of both versions, never fewer than both share. Everything is by point id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.failpoints import reach
from infra.ports import Point, Restamp, Vectors
from infra.sparse import document_vectors
from schemas.errors import Unreachable
from schemas.payload import PointMeta, PointPayload, rfc3339
from workers.pipeline.changes import Changes
from workers.pipeline.parts import Pipeline, Shaped

#: Points written between two looks at the lease.
PART = 256


@dataclass(frozen=True, slots=True)
class Draft:
    """A version ready to be written. `keys`: the vector cache key of each chunk."""

    shaped: Shaped
    changes: Changes
    keys: tuple[str, ...]


def write(pipeline: Pipeline, drafts: Sequence[Draft], vectors: Mapping[str, Mapping[str, Vectors]]) -> list[Draft]:
    """Write drafts to the target collection, and prove it.

    Args:
        pipeline: the parts.
        drafts: what to write.
        vectors: tenant -> cache key -> vector, for every chunk to be written.

    Returns:
        Those whose claim still stood; nothing was written for the others.

    Raises:
        Unreachable: the index did not confirm, or does not hold what was confirmed.
        PenstockError: from `pipeline.may_write`, when the claims have passed to another worker.
    """
    intents = {
        draft.shaped.claim.document_id: (draft.shaped.claim.generation, pipeline.collection, draft.changes.ids)
        for draft in drafts
    }
    standing = pipeline.ledger.documents.intend(intents)
    drafts = [draft for draft in drafts if draft.shaped.claim.document_id in standing]
    reach("intent.after")
    now = pipeline.now()
    collection, index = pipeline.collection, pipeline.index
    with pipeline.tally.stage("index"):
        points = [point for draft in drafts for point in _points(pipeline, draft, vectors, now)]
        for start in range(0, len(points), PART):
            pipeline.may_write()
            index.upsert(collection, points[start : start + PART])
        reach("upsert.after")
        pipeline.may_write()
        index.restamp(collection, [change for draft in drafts for change in _restamps(pipeline, draft, now)])
        reach("restamp.after")
        pipeline.may_write()
        gone = [one for draft in drafts for one in draft.changes.delete]
        index.delete(collection, gone)
        reach("delete.after")
        _prove(pipeline, drafts, gone)
        reach("prove.after")
    counts = pipeline.tally.counts
    counts["deleted"] += len(gone)
    counts["written"] += sum(len(draft.changes.ids) for draft in drafts)
    return drafts


def _points(pipeline: Pipeline, draft: Draft, vectors: Mapping[str, Mapping[str, Vectors]], now: float) -> list[Point]:
    shaped, changes = draft.shaped, draft.changes
    of_tenant = vectors.get(shaped.claim.tenant, {})
    texts = [shaped.chunks[i].text for i in changes.write]
    with pipeline.tally.stage("sparse"):
        sparse = document_vectors(texts)
    return [
        Point(changes.ids[i], of_tenant[draft.keys[i]], sparse[n], _payload(pipeline, draft, i, now))
        for n, i in enumerate(changes.write)
    ]


def _restamps(pipeline: Pipeline, draft: Draft, now: float) -> list[Restamp]:
    changes, chunks = draft.changes, draft.shaped.chunks
    if not changes.keep:
        return []
    # One write for what all kept points share, and one for each that moved.
    whole = _payload(pipeline, draft, changes.keep[0], now)
    flat = {key: whole[key] for key in ("content_hash", "generation", "source_modified_at", "acl")}
    per_chunk = ("headings", "page", "ordinal")
    meta = {key: value for key, value in whole["meta"].items() if key not in per_chunk}
    moved = [
        Restamp(
            [changes.ids[i]],
            {},
            {"headings": list(chunks[i].headings), "page": chunks[i].page, "ordinal": chunks[i].ordinal},
        )
        for i in changes.moved
    ]
    return [Restamp([changes.ids[i] for i in changes.keep], flat, meta), *moved]


def _payload(pipeline: Pipeline, draft: Draft, position: int, now: float) -> dict[str, Any]:
    shaped, chunk = draft.shaped, draft.shaped.chunks[position]
    claim, parsed = shaped.claim, shaped.shown
    modified_at = rfc3339(shaped.modified_at)
    meta = PointMeta(
        uri=claim.uri,
        title=parsed.title,
        content_type=parsed.content_type,
        language=parsed.language,
        headings=list(chunk.headings),
        page=chunk.page,
        ordinal=chunk.ordinal,
        embedding_model=pipeline.embedder.info.name,
        fingerprint=shaped.fingerprint.digest,
        source_modified_at=modified_at,
        indexed_at=rfc3339(now),
        metadata={**parsed.metadata, **shaped.attributes.metadata},
    )
    return PointPayload(
        id=draft.changes.ids[position],
        content=chunk.text,
        meta=meta,
        tenant=claim.tenant,
        document_id=claim.document_id,
        uri=claim.uri,
        chunk_hash=chunk.hash,
        content_hash=shaped.content_hash,
        generation=claim.generation,
        source_modified_at=modified_at,
        acl=list(shaped.attributes.acl),
    ).to_dict()


def _prove(pipeline: Pipeline, drafts: Sequence[Draft], gone: Sequence[str]) -> None:
    generations = {one: draft.shaped.claim.generation for draft in drafts for one in draft.changes.ids}
    stored = pipeline.index.retrieve(pipeline.collection, list(generations))
    proved = {point.id for point in stored if point.payload.get("generation") == generations[point.id]}
    left = pipeline.index.retrieve(pipeline.collection, gone) if gone else []
    if len(proved) != len(generations) or left:
        missing = len(generations) - len(proved)
        raise Unreachable(
            pipeline.collection,
            f"the index confirmed writes it does not hold ({missing} points missing, {len(left)} not deleted)",
            "run again; if it happens again, run `penstock audit --repair` and check the index's storage",
        )
