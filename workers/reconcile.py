"""A listing compared with the ledger, in bulk. It never deletes: it makes documents due, and their work decides.

A quiet source costs one stat or listing page an object and one query; nothing is read, nothing is written but the time.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from infra.ledger import Ledger
from infra.ledger.records import Hearing, KnownDocument
from infra.ledger.sources import KnownSource
from infra.ports import SourceReader
from schemas.documents import SourceEntry
from schemas.errors import Reason, Refusal
from schemas.identity import document_id, parent_uri
from schemas.sources import owners


@dataclass
class Reconciled:
    """What a listing showed.

    seen: objects listed. heard: how many are due because of it. vanished: documents known and not listed.
    disowned: documents that belong to another tenant's source since.
    live: documents known before. unlisted: parts of the source that could not be listed, and why.
    root: the root's identity now; root_changed: another one than last seen.
    """

    source: KnownSource
    began_at: float
    root: str
    root_changed: bool
    seen: int = 0
    heard: int = 0
    live: int = 0
    vanished: list[KnownDocument] = field(default_factory=list)
    disowned: list[str] = field(default_factory=list)
    unlisted: list[tuple[str, Refusal]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the listing can vouch for the whole source."""
        return not self.unlisted


def reconcile(
    ledger: Ledger,
    source: KnownSource,
    reader: SourceReader,
    *,
    others: Iterable[KnownSource],
    now: float,
    listed: Collection[int] = (),
    recover_unknown: bool = False,
) -> Reconciled:
    """List a source and make due what differs from the ledger.

    Args:
        ledger: where documents are known.
        source: the source.
        reader: reads it.
        others: all declared sources; what lies under a longer prefix of another tenant belongs to that one.
        now: seconds since the epoch.
        listed: ids of the sources that are listed in this run; what lies in a nested one is counted there.
        recover_unknown: the index may hold points of documents the ledger has never seen.

    Raises:
        Unreachable: the source cannot be listed, or not to its end; nothing is concluded from such a listing.
    """
    root = reader.root_identity()
    result = Reconciled(source, now, root, source.root_identity not in (None, root))
    # What lies in a container is heard of by the work on that one.
    listable = (one for one in ledger.documents.known(source.tenant, source.uri) if parent_uri(one.uri) is None)
    known = {document.uri: document for document in listable}
    result.live = len(known)
    nested = [other for other in others if other.uri.startswith(source.uri) and other.uri != source.uri]
    forgotten = ledger.documents.forgotten()
    hearings: list[Hearing] = []
    back: list[str] = []
    for entry in reader.list():
        if entry.uri.endswith("/"):
            result.unlisted.append((entry.uri, entry.problem or Refusal(Reason.UNREADABLE)))
            continue
        owner = _owner(entry.uri, source, nested) if nested else source
        if owner is None:
            if (document := known.pop(entry.uri, None)) is not None:
                result.disowned.append(document.document_id)
            continue
        document = known.pop(entry.uri, None)
        if document is None and forgotten and document_id(source.tenant, entry.uri) in forgotten:
            continue
        result.seen += owner.id == source.id or owner.id not in listed
        if document is not None and document.removal_held:
            back.append(document.document_id)
        if document is None or _differs(document, entry) or document.removal_held or document.source_id != owner.id:
            hearings.append(Hearing(source.tenant, entry.uri, owner.id))
    if back:
        ledger.documents.lift_removals(back)
    if hearings:
        result.heard = len(ledger.documents.hear(hearings, at=now, recover=recover_unknown))
    result.vanished = list(known.values())
    return result


def _differs(document: KnownDocument, entry: SourceEntry) -> bool:
    """Whether cheap identity alone leaves a doubt; a document already due needs no second hearing."""
    if document.due:
        return False
    # A held document agrees by the version that is held: back at the last good one, it is to be released.
    agreed = document.identity if document.held_identity is None else document.held_identity
    return entry.identity == "" or entry.identity != agreed


def _owner(uri: str, source: KnownSource, nested: list[KnownSource]) -> KnownSource | None:
    owning = owners(uri, [source, *nested])
    return next((owner for owner in owning if owner.tenant == source.tenant), None)
