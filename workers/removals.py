"""Whether a removal is believed. Deletion means deletion, and refuses to be fooled (promise P7). Pure.

A mount that is away, a bucket emptied by mistake, a sync tool that failed half-way all look like "everything is gone".
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from infra.ledger.records import Claim, KnownDocument

#: Removals in one source in one run (or hour) are doubted beyond both of these.
DOUBTED_SHARE = 0.5
DOUBTED_COUNT = 10


@dataclass
class Guard:
    """The removals of one source in one run.

    live: documents known before the run, or how to count them should it matter. removed: removals already believed, in
    this run or hour. root_trusted: the root is the one last seen. insist: a person said --allow-mass-delete. awaiting:
    ids that a listing did not show, to be judged together; a worker that finds one of them gone by itself waits for
    that. doubted: ids that stay parked.
    """

    live: int | Callable[[], int]
    removed: int = 0
    root_trusted: bool = True
    insist: bool = False
    believed: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)
    awaiting: set[str] = field(default_factory=set)

    def too_many(self, removed: int) -> bool:
        """Whether so many removals are beyond belief."""
        return removed > DOUBTED_COUNT and removed > self.known() * DOUBTED_SHARE

    def known(self) -> int:
        """Documents known before the run, counted no sooner than it matters."""
        self.live = self.live() if callable(self.live) else self.live
        return self.live

    def believes(self, document_id: str) -> bool:
        """Believe one removal that a worker found by itself."""
        if document_id in self.believed:
            return True
        if document_id in self.doubted:
            return False
        if not self.insist and (not self.root_trusted or self.too_many(self.removed + 1)):
            return False
        self.removed += 1
        self.believed.add(document_id)
        return True

    def judge(self, vanished: Sequence[KnownDocument], *, moved: set[str], listed: int) -> list[KnownDocument]:
        """Judge what a complete listing did not show; returns what is not believed.

        Args:
            vanished: documents known and not listed.
            moved: ids among them whose bytes have appeared at another URI; they do not count.
            listed: objects the listing did show.
        """
        self.awaiting.clear()
        doubtful = [document for document in vanished if document.document_id not in moved]
        # What was doubted before is not believed because others have come back: only a person lifts it.
        doubted_before = [document for document in doubtful if document.removal_held]
        emptied = listed == 0 and bool(doubtful) and self.known() >= 2
        parked: Sequence[KnownDocument] = doubted_before
        if not self.root_trusted:
            parked = vanished
        elif emptied or self.too_many(self.removed + len(doubtful)):
            parked = doubtful
        if self.insist:
            parked = []
        self.doubted = {document.document_id for document in parked}
        self.removed += sum(document.document_id not in self.doubted for document in doubtful)
        self.believed |= {document.document_id for document in vanished} - self.doubted
        return list(parked)


@dataclass
class Removals:
    """The guards of a run, by source id.

    make: gives one for a source that this run did not list, or None while another worker judges removals in it.
    """

    make: Callable[[int], Guard | None]
    guards: dict[int, Guard] = field(default_factory=dict)

    def awaits(self, claim: Claim) -> bool:
        """Whether the removal of a claimed document will be judged later in this run, with all that vanished."""
        return any(claim.document_id in guard.awaiting for guard in self.guards.values())

    def believes(self, claim: Claim) -> bool | None:
        """Believe the removal of a claimed document; None: it cannot be judged now."""
        # The listing of a source judges what lies in sources within it, too.
        for listed in list(self.guards.values()):
            if claim.document_id in listed.believed:
                # Its own source must be the one last seen, whichever source's listing missed it.
                own = self._guard(claim)
                return listed.insist or own is listed or (None if own is None else own.root_trusted)
            if claim.document_id in listed.doubted:
                return False
        guard = self._guard(claim)
        if guard is None:
            return None
        if claim.removal_allowed:
            return guard.root_trusted  # judged with all that vanished, perhaps by another worker
        return (guard.insist or not claim.removal_held) and guard.believes(claim.document_id)

    def _guard(self, claim: Claim) -> Guard | None:
        if claim.source_id not in self.guards:
            made = self.make(claim.source_id)
            if made is None:
                return None
            self.guards[claim.source_id] = made
        return self.guards[claim.source_id]


def moves(vanished: Sequence[KnownDocument], added: Sequence[str]) -> set[str]:
    """Ids of vanished documents whose bytes were added elsewhere, one for one. `added`: content hashes."""
    left = Counter(added)
    moved = set()
    for document in vanished:
        if document.content_hash and left[document.content_hash] > 0:
            left[document.content_hash] -= 1
            moved.add(document.document_id)
    return moved
