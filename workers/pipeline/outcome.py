"""What the ledger is told of each outcome. Pure."""

import random
from collections.abc import Mapping

from infra.ledger.records import Claim, Indexed, PlacedPoint, Settlement
from schemas.identity import parent_uri
from validation.faults import characters
from workers.pipeline.changes import place
from workers.pipeline.parts import Blocked, Content, Gone, Look, Missing, Unchanged, Unreached
from workers.pipeline.write import Draft

#: Nothing is held any more.
_RELEASED: Mapping[str, object] = dict.fromkeys(
    (
        *("held_reason", "held_detail", "held_identity", "held_hash", "held_fingerprint", "held_at", "held_by"),
        *("discarded_at", "removal_held_at"),
    )
)
#: Seconds before a document that could not be reached is tried again: doubled each time, up to an hour.
FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 3600.0
#: When what nobody could have found went, say a temporary object, or what was inside a container whose own removal
#: counts: in none of the hours whose removals are counted.
UNCOUNTED = 0.0
#: The verdict on what counts as no document itself.
NOTHING = ""


def unchanged(claim: Claim, found: Unchanged, *, now: float) -> Settlement:
    """The source agrees with what is proved."""
    values = {**_RELEASED, "identity": found.identity, "modified_at": found.modified_at, "verified_at": now}
    event = "released" if claim.held else ""
    return Settlement(claim, values, event=event, detail="the source is back at the last good version" if event else "")


def gone(claim: Claim, *, now: float) -> Settlement:
    """The document is gone, and so are its points. That removes it once at most, and only if it may have been there."""
    values = {**_RELEASED, "verified_at": now, "identity": "", "content_hash": None, "parser": None}
    removed = not claim.gone and may_be_searchable(claim)
    if not claim.gone:
        values["gone_at"] = now if removed and parent_uri(claim.uri) is None else UNCOUNTED
    return Settlement(claim, values, erased=True, event="removed" if removed else "")


def removal_held(claim: Claim, *, now: float, carried: Draft | None, target: str) -> Settlement:
    """The document is missing, but not believed to be gone; its last good version stays, or is `carried` over."""
    entry = None if carried is None else _indexed(carried, target, now)
    return Settlement(claim, {"removal_held_at": now}, entry, event="removal-held")


def postponed(claim: Claim) -> Settlement:
    """The document is missing, with others: it stays due until they have been judged together."""
    return Settlement(claim, {}, done=False)


def held(
    claim: Claim, found: Blocked, *, fingerprint: str, code: str, now: float, carried: Draft | None, target: str
) -> Settlement:
    """This version is refused, by this `code`; the last good one stays, as it is or as `carried` over."""
    values: dict[str, object] = {
        "held_reason": found.refusal.reason.value,
        "held_detail": found.refusal.detail,
        "held_identity": found.identity,
        "held_hash": found.content_hash,
        "held_fingerprint": fingerprint,
        "held_by": code,
        "removal_held_at": None,
        "gone_at": None,  # it is there, and is reported, even if its first version since it was gone is refused
    }
    same = claim.held is not None and claim.held.content_hash == found.content_hash is not None
    if found.news and not same:  # the same bytes refused again, by other code or rules, are no other version
        values |= {"held_at": now, "discarded_at": None}
    entry = None if carried is None else _indexed(carried, target, now)
    event = "held" if found.news else ""
    detail = str(found.refusal) if event else ""
    return Settlement(claim, values, entry, event=event, detail=detail, findings=found.findings)


def failed(claim: Claim, found: Unreached, *, now: float, carried: Draft | None, target: str) -> Settlement:
    """The source did not answer: still due, tried again later with jitter, so that many do not come back at once."""
    wait = min(FIRST_RETRY_S * 2 ** min(claim.attempts, 20), LONGEST_RETRY_S)
    jitter = random.Random(f"{claim.document_id}{claim.generation}").uniform(0.5, 1.0)  # noqa: S311  not for secrets
    values = {"attempts": claim.attempts + 1, "next_attempt_at": now + wait * jitter, "last_error": found.error}
    entry = None if carried is None else _indexed(carried, target, now)
    return Settlement(claim, values, entry, event="unreachable", detail=found.error, done=False)


def indexed(draft: Draft, found: Content, *, target: str, now: float) -> Settlement:
    """A new version is searchable."""
    shaped = draft.shaped
    claim = shaped.claim
    values: dict[str, object] = {
        **_RELEASED,
        "gone_at": None,
        "identity": found.identity,
        "content_hash": found.content_hash,
        "parser": shaped.parse_key,
        "kind": shaped.parsed.kind,
        "characters": characters(shaped.parsed),
        "modified_at": found.modified_at,
        "verified_at": now,
        # Clocks of producers differ from ours: less than nothing is nothing.
        "lag_event": None if claim.happened_at is None else max(0.0, claim.heard_at - claim.happened_at),
        "lag_claim": max(0.0, claim.claimed_at - claim.heard_at),
        "lag": max(0.0, now - claim.heard_at),
    }
    event = "added" if is_new(claim) else "updated"
    detail = f"{len(draft.changes.write)} chunks written, {len(draft.changes.keep)} kept, "
    detail += f"{len(draft.changes.delete)} deleted"
    return Settlement(claim, values, _indexed(draft, target, now), event=event, detail=detail, findings=shaped.findings)


def is_new(claim: Claim) -> bool:
    """Whether no version of it is known to be searchable."""
    return claim.gone or claim.last_hash is None


def may_be_searchable(claim: Claim) -> bool:
    """Whether a version of it may be in the index: a dead worker's is in no record."""
    return claim.last_hash is not None or claim.recover


def verdict(claim: Claim, found: Look) -> str:
    """What an outcome counts as: a key of `index --json`'s documents."""
    if isinstance(found, Content):
        return "added" if is_new(claim) else "updated"
    if isinstance(found, Gone):
        return "unchanged" if is_new(claim) else "removed"
    return {Unchanged: "unchanged", Blocked: "held", Missing: "held", Unreached: "failed"}[type(found)]


def _indexed(draft: Draft, collection: str, now: float) -> Indexed:
    shaped = draft.shaped
    points = tuple(
        PlacedPoint(id_, key, *place(chunk))
        for id_, key, chunk in zip(draft.changes.ids, draft.keys, shaped.chunks, strict=True)
    )
    return Indexed(
        collection, shaped.claim.generation, shaped.content_hash, shaped.fingerprint, shaped.attributes, now, points
    )
