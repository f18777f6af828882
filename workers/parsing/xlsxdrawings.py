"""What lies over a sheet and in none of its cells: comments, text boxes, diagrams, the titles of charts.

openpyxl reads comments and charts only with the whole book in memory, and text boxes never, so the parts are read here.
The numbers of a chart are not told: they stand in the cells.
"""

import posixpath
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from schemas.documents import Block, BlockKind
from workers.parsing import drawings
from workers.parsing.drawings import A
from workers.parsing.xmltree import Element, tree
from workers.parsing.zipped import member

#: The parts under a sheet, by the ends of the names of their relations.
_NOTES, _THREADS, _DRAWING = "comments", "threadedComment", "drawing"


class _Relation(NamedTuple):
    """Where one part of a book leads to another."""

    key: str
    kind: str
    part: str


def over(archive: zipfile.ZipFile, sheet: str) -> Iterator[tuple[str, Block]]:
    """The comments on a sheet with the names of their cells, then what is drawn on it, which has none ("").

    sheet: the name of its part.
    """
    related = [*_relations(archive, sheet)]
    threads = [*_comments(archive, related, _THREADS)]
    # For programs that know no threads, each stands there again as a note that asks for a newer Excel.
    threaded = {cell for cell, _ in threads}
    notes = [one for one in _comments(archive, related, _NOTES) if one[0] not in threaded]
    yield from ((cell, Block(BlockKind.PARAGRAPH, words)) for cell, words in (*notes, *threads))
    for one in related:
        if one.kind == _DRAWING:
            yield from (("", block) for block in _drawn(archive, one.part))


def _comments(archive: zipfile.ZipFile, related: list[_Relation], kind: str) -> Iterator[tuple[str, str]]:
    for one in related:
        if one.kind == kind:
            for comment in tree(member(archive, one.part)).iter("{*}comment", "{*}threadedComment"):
                words = "".join(_texts(comment)).strip()
                if words:
                    yield comment.get("ref") or "", words


def _texts(comment: Element) -> Iterator[str]:
    """A note has runs of text, a comment of a thread one text."""
    runs = [*comment.iter("{*}t")] or [*comment.iterfind("{*}text")]
    return (run.text or "" for run in runs)


def _drawn(archive: zipfile.ZipFile, drawing: str) -> Iterator[Block]:
    root = tree(member(archive, drawing))
    drawings.unfold(root)
    for shape in root.iter("{*}sp"):
        off = drawings.is_off(shape)
        for paragraph in shape.iterfind("{*}txBody/" + A + "p"):
            for unseen, words in drawings.parted(paragraph, shape).items():
                if words.strip():
                    yield Block(BlockKind.PARAGRAPH, words.strip(), hidden=unseen or off)
    parts = {one.key: one.part for one in _relations(archive, drawing)}

    def related(key: str) -> tuple[str, bytes] | None:
        return (parts[key], member(archive, parts[key])) if key in parts else None

    yield from (block for _, block in drawings.graphics(root, related, values=False))


def _relations(archive: zipfile.ZipFile, name: str) -> Iterator[_Relation]:
    """What a part of a book leads to that is there. Not by openpyxl: 65,000 links on a sheet take it a second."""
    folder, file = posixpath.split(name)
    relations = f"{folder}/_rels/{file}.rels"
    for one in tree(member(archive, relations)) if _has(archive, relations) else ():
        part = posixpath.normpath(posixpath.join("/", folder, one.get("Target") or "")).lstrip("/")
        if one.get("TargetMode") != "External" and _has(archive, part):
            yield _Relation(one.get("Id") or "", (one.get("Type") or "").rpartition("/")[2], part)


def _has(archive: zipfile.ZipFile, name: str) -> bool:
    try:
        archive.getinfo(name)
    except KeyError:
        return False
    return True
