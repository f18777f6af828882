"""Chunks against the points that are there: what to write, what to restamp, what to delete. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from infra.ledger.records import PlacedPoint
from schemas.documents import Chunk
from schemas.identity import point_id


@dataclass(frozen=True, slots=True)
class Changes:
    """What brings a document's points in line with its chunks.

    ids: the point of each chunk, in order. write: positions of chunks whose point must be written whole.
    keep: positions of those whose vector stays. moved: those of `keep` whose place changed. delete: point ids.
    """

    ids: tuple[str, ...]
    write: tuple[int, ...]
    keep: tuple[int, ...]
    moved: tuple[int, ...]
    delete: tuple[str, ...]


def changes(
    document_id: str, chunks: Sequence[Chunk], proved: Mapping[str, PlacedPoint], *, suspects: Collection[str] | None
) -> Changes:
    """Compare a document's chunks with its points.

    Args:
        document_id: the document.
        chunks: what should be there.
        proved: what the ledger proved to be there, by point id.
        suspects: in recovery, every id that may be there; nothing is taken for granted then. None otherwise.
    """
    ids = tuple(point_id(document_id, chunk.hash, chunk.occurrence) for chunk in chunks)
    trusted = proved if suspects is None else {}
    write = tuple(i for i, one in enumerate(ids) if one not in trusted)
    keep = tuple(i for i, one in enumerate(ids) if one in trusted)
    moved = tuple(i for i in keep if place(chunks[i]) != trusted[ids[i]][2:])
    wanted = set(ids)
    there = set(proved) | set(suspects or ())
    return Changes(ids, write, keep, moved, tuple(sorted(there - wanted)))


def place(chunk: Chunk) -> tuple[int, int | None, tuple[str, ...]]:
    """Where a chunk stands: ordinal, page, headings. The same order as in PlacedPoint."""
    return chunk.ordinal, chunk.page, chunk.headings
