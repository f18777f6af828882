"""Documents inside a container (a ZIP, a mail with attachments): read through it, heard of when it changes.

A member is a document with a claim of its own. Its source is its container: cheap identity and times are the
container's, its bytes are taken out of the container's. Nobody tells of members but the work on their container, which
hears them before it settles: killed in between, it does so again. docs/adr/0008 says why.
"""

from collections.abc import Iterable, Mapping, Sequence

from infra.ledger.records import Claim, Hearing, KnownMember
from infra.ledger.views import View
from schemas.documents import Member, ParsedDocument
from schemas.errors import Reason, Refusal
from schemas.identity import containers_of, document_id, member_uri, outermost
from workers.pipeline.parts import Blocked, Content, Gone, Look, Missing, Pipeline, Shaped, Unchanged

#: Containers that may lie in one another; a ZIP can hold itself.
DEPTH = 3
#: Kinds of documents that may have members.
CONTAINERS = frozenset({"zip", "eml", "msg"})
#: The one of them that has no text of its own.
WRAPPER = "zip"


def without_container(pipeline: Pipeline, claim: Claim) -> Look:
    """What it means for a member that its outermost container is not there: what was made of that one's removal."""
    container = document_id(claim.tenant, outermost(claim.uri))
    view = pipeline.ledger.views.documents(None, ids=[container]).get(container)
    if view is None or view.standing.gone:
        return Gone()
    return Missing(judged=view.standing.removal_held)


def too_deep(uri: str) -> Refusal | None:
    """Why what is in a container is not looked at, if it lies in too many others."""
    if len(containers_of(uri)) < DEPTH:
        return None
    return Refusal(Reason.TOO_LARGE, f"a container inside {DEPTH} others is not opened")


def inside(views: Mapping[str, View]) -> dict[str, list[str]]:
    """Ids of the documents that lie in each container, at any depth, by its URI."""
    found: dict[str, list[str]] = {}
    for id_, view in views.items():
        for container in containers_of(view.uri):
            found.setdefault(container, []).append(id_)
    return found


def wraps(parsed: ParsedDocument) -> bool:
    """Whether a document is but a container: it has members, and no text of its own to be found by."""
    return bool(parsed.members) and not parsed.blocks


def hear_members(pipeline: Pipeline, found: Iterable[tuple[Claim, Look, Shaped | None]]) -> None:
    """Make due the members whose container's work has changed something for them. Before its settlement."""
    hearings: list[Hearing] = []
    for claim, look, shaped in found:
        holds = None if shaped is None else shaped.parsed.members
        if claim.kind in CONTAINERS or holds:
            known = pipeline.ledger.documents.members(claim.tenant, claim.uri)
            hearings += differing(claim, look, holds, known)
    if hearings:
        pipeline.tally.counts["members_heard"] += len(hearings)
        pipeline.ledger.documents.hear(hearings, at=pipeline.now())


def differing(claim: Claim, look: Look, holds: Sequence[Member] | None, known: Sequence[KnownMember]) -> list[Hearing]:
    """Which members to look at, after a look at their container. Pure.

    Args:
        claim: the container, gone or refused or not.
        look: what its source says.
        holds: what its new version holds; None: there is no new version.
        known: its members in the ledger.
    """
    there = {one.uri: one for one in known if not one.gone}
    match look:
        case Content() if holds is not None:
            hashes = {member_uri(claim.uri, one.name): one.hash for one in holds}
            wanted = {uri for uri in hashes.keys() | there.keys() if _differs(claim, hashes.get(uri), there.get(uri))}
        case Gone():
            wanted = set(there)
        case Blocked():  # what it holds cannot be had: they are held as well, and served as they were
            wanted = {uri for uri, one in there.items() if not one.held}
        case Unchanged():  # it was blocked or parked, perhaps, and they with it
            wanted = {uri for uri, one in there.items() if one.held or one.removal_held}
        case _:
            wanted = set()
    acl, metadata = claim.acl, claim.metadata
    return [Hearing(claim.tenant, uri, claim.source_id, acl, metadata) for uri in sorted(wanted)]


def _differs(claim: Claim, hash_: str | None, known: KnownMember | None) -> bool:
    if hash_ is None or known is None or known.removal_held:
        return True
    agreed = known.held_hash if known.held else known.content_hash
    theirs = (known.source_id, known.acl, known.metadata)
    return hash_ != agreed or theirs != (claim.source_id, claim.acl, claim.metadata)
