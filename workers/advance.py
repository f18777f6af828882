"""The pipeline's fingerprint, and what moves when it changes: from the first stage that differs on, and only that."""

import re

from infra.ledger import Ledger
from infra.ports import Index, ModelInfo, Tokenizer
from schemas.documents import HiddenText
from schemas.fingerprint import PipelineFingerprint
from schemas.payload import PAYLOAD_VERSION
from validation.ruleset import Rules
from workers.chunking import chunker_version
from workers.parsing.registry import FORMATS, parser_version

#: Of the collections that are Penstock's; a server may hold others, and they are nobody's business here.
PREFIX = "penstock-"


def ours(index: Index) -> set[str]:
    """The collections of an index that Penstock made."""
    return {name for name in index.collections() if name.startswith(PREFIX)}


def current_fingerprint(
    tokenizer: Tokenizer,
    model: ModelInfo,
    *,
    rules: Rules,
    chunk_tokens: int,
    hidden_text: HiddenText = "skip",
    ocr: bool = True,
) -> PipelineFingerprint:
    """The fingerprint of this code with these settings."""
    return PipelineFingerprint(
        parsers={kind: parser_version(kind, ocr=ocr) for kind in FORMATS},
        chunker=f"{chunker_version(tokenizer, min(chunk_tokens, tokenizer.limit))}/hidden-{hidden_text}",
        model=f"{model.name}/{model.dimension}",
        rules=rules.version,
        payload=PAYLOAD_VERSION,
    )


def collection_name(model: ModelInfo) -> str:
    """The collection of a model: readable, and different for different models."""
    return f"{PREFIX}{re.sub(r'[^A-Za-z0-9.-]+', '-', model.name)}-{model.dimension}"


def advance(ledger: Ledger, index: Index, fingerprint: PipelineFingerprint, model: ModelInfo, *, now: float) -> str:
    """Make this fingerprint the current one: prepare its collection, and make due every document it changes.

    Returns:
        The collection to write to. It is the active one unless the model changed; then both stay until `finish`.
    """
    target = collection_name(model)
    for lost in ledger.views.collections() - ours(index):
        # The index was lost, or restored from before it had this: what the ledger says of it is not so.
        ledger.documents.hear_indexed(lost, at=now)
        ledger.documents.forget_collection(lost)
    index.create(target, model.dimension)
    if index.active() is None:
        _activate(ledger, index, target, model.name)
    for leftover in ours(index) - {target, index.active()}:
        ledger.documents.hear_ahead(leftover, collection=target, at=now)
        _drop(ledger, index, leftover)
    if index.active() == target and (ledger.get("model") or {}).get("collection") != target:
        _activate(ledger, index, target, model.name)  # killed between the two halves of a switch
    mine = fingerprint.to_json()
    advanced = ledger.get("fingerprint") == ledger.get("advanced") == mine
    if advanced and index.active() == target:
        return target
    if not advanced:
        # From now on no other pipeline claims anything, and what one has in hand is done once more after it.
        ledger.put("fingerprint", mine)
        ledger.documents.hear_in_hand(at=now)
    for kind in fingerprint.parsers:
        ledger.documents.hear_outdated(kind, fingerprint.of_kind(kind), collection=target, at=now)
    ledger.documents.hear_refused(fingerprint.digest, at=now)
    ledger.put("advanced", mine)  # killed before this, the next run does it all again, which harms nothing
    return target


def migrating(index: Index, target: str) -> bool:
    """Whether searches still use another collection than the one being written."""
    return index.active() != target


def finish(ledger: Ledger, index: Index, target: str, model: ModelInfo) -> bool:
    """Switch searches to the new collection once it holds every document the old one does. True when switched."""
    old = index.active()
    if old == target or old is None:
        return False
    if ledger.views.behind(old, target):
        return False
    _activate(ledger, index, target, model.name)
    _drop(ledger, index, old)
    return True


def _activate(ledger: Ledger, index: Index, collection: str, model: str) -> None:
    # Told to the ledger as well, for whoever must know the model before the index is open.
    index.activate(collection)
    ledger.put("model", {"name": model, "collection": collection})


def _drop(ledger: Ledger, index: Index, collection: str) -> None:
    index.drop(collection)
    ledger.documents.forget_collection(collection)
