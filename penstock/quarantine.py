"""`quarantine list`, `show`, `release` and `discard`, in the shape of `--json`: versions that were refused, and why."""

import time
from typing import Any

from infra.ledger import Ledger
from infra.ledger.quarantine import HeldVersion
from infra.settings import Settings
from penstock.compose import existing_ledger
from schemas.errors import TODO, Reason, UsageError
from schemas.identity import document_id
from schemas.payload import rfc3339
from schemas.verdicts import Finding, Severity


def list_held(settings: Settings) -> dict[str, Any]:
    """{"held": [...]}: every refused version, the oldest first; `finding`s are left to `show`."""
    ledger = existing_ledger(settings)
    return {"held": [_summary(one) for one in ledger.quarantine.held()] if ledger else []}


def show(settings: Settings, uri: str, tenant: str) -> dict[str, Any]:
    """One of them with all that was found: `findings`, `refused_by` (the code), `releasable`, `content_hash`."""
    _, one = _held(settings, uri, tenant)
    return {
        **_summary(one),
        "document_id": one.document_id,
        "content_hash": one.content_hash,
        "refused_by": one.held_by,
        "findings": [finding.to_json() for finding in one.findings],
        "releasable": releasable(one.findings),
    }


def release(settings: Settings, uri: str, tenant: str, *, who: str, why: str) -> dict[str, Any]:
    """Let this very version pass the rules from now on, and make its document due.

    Raises:
        UsageError: it is not held, or not by a rule that can be overridden.
    """
    ledger, one = _held(settings, uri, tenant)
    if one.content_hash is None or not releasable(one.findings):
        what = f"{uri} was refused as {one.reason}, which nobody can let pass: it has no sound text to index"
        raise UsageError(what, TODO[Reason(one.reason)])
    now = time.time()
    ledger.quarantine.release(one.document_id, hash_=one.content_hash, who=who, why=why, at=now)
    ledger.documents.distrust([one.document_id], at=now)
    return {"uri": uri, "tenant": tenant, "content_hash": one.content_hash, "who": who, "why": why}


def discard(settings: Settings, uri: str, tenant: str, *, who: str) -> dict[str, Any]:
    """Report this version no more. What is served stays as it is, and stale; another version is news again."""
    ledger, one = _held(settings, uri, tenant)
    ledger.quarantine.discard(one.document_id, who=who, at=time.time())
    return {"uri": uri, "tenant": tenant, "content_hash": one.content_hash, "who": who}


def releasable(findings: tuple[Finding, ...]) -> bool:
    """Whether a person may let a version pass: only rules of a policy hold it, none that says it cannot be indexed."""
    from validation.table import BY_NAME  # what only reads the ledger need not load it

    held = [one for one in findings if one.severity is Severity.QUARANTINE]
    fixed = [one for one in held if (row := BY_NAME.get(one.rule)) is not None and row.fixed]
    return bool(held) and not fixed


def _held(settings: Settings, uri: str, tenant: str) -> tuple[Ledger, HeldVersion]:
    ledger = existing_ledger(settings)
    found = ledger.quarantine.held(ids=[document_id(tenant, uri)]) if ledger else []
    if ledger is None or not found:
        raise UsageError(f"{uri} of tenant {tenant} is not held", "`penstock quarantine list` shows what is")
    return ledger, found[0]


def _summary(one: HeldVersion) -> dict[str, Any]:
    return {
        "uri": one.uri,
        "tenant": one.tenant,
        "reason": one.reason,
        "detail": one.detail,
        "todo": TODO.get(Reason(one.reason), ""),
        "since": rfc3339(one.held_at),
        "served": one.served,
        "discarded": one.discarded_at is not None,
        "rules": sorted({finding.rule for finding in one.findings}),
    }
