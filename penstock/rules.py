"""`rules list` and `rules check`: what is in force, and what it would hold. Reads only, changes nothing.

What `check` says of a version is what `index` would: the same parser, the same rules in the same order, batches of the
same size. Only vectors are not made, so that their rules are not asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from infra.ledger.views import View
from infra.ports import SourceReader
from infra.settings import Settings
from infra.source_names import source_uri
from penstock.compose import check_there, existing_ledger, open_model, open_reader, resolve_sources
from penstock.workshop import open_rules, reads_pictures
from schemas.documents import ParsedDocument, SourceEntry
from schemas.errors import Reason, Refusal
from schemas.identity import content_hash, document_id, member_uri
from schemas.verdicts import Finding, first_refusal
from validation.asking import Setting
from validation.chunks import ChunkRow, check_chunks, chunk_rows
from validation.ruleset import RuleSet
from validation.table import BY_NAME
from workers.chunking import chunk
from workers.parsing.sandbox import ParserProcess
from workers.pipeline.gates import length_before, let_pass, shown
from workers.pipeline.members import too_deep, wraps
from workers.pipeline.opener import Opener, fetch_if_there
from workers.pipeline.shape import document_name
from workers.pipeline.visible import ALL_HIDDEN


def list_rules(settings: Settings, tenant: str, place: str | None) -> dict[str, Any]:
    """What is in force for a document, or under a prefix; without a place, where the rules file names none.

    Returns:
        {"rules": [{"rule", "gate", "action", "parameters", "says"}], "rules_version"}, in the order they are asked.
    """
    rules = open_rules(settings).of(tenant, source_uri(place) if place else "")
    asked = [*rules.settings.values(), *rules.forbid, *rules.require, *rules.expectations]
    return {"rules": [_in_force(one) for one in asked], "rules_version": rules.version}


@dataclass
class _Judged:
    """What would become of one document: held for `refusal`, or let in; with the rows of its chunks until then."""

    uri: str
    id: str
    rules: RuleSet
    released: bool = False
    size: int = 0
    findings: list[Finding] = field(default_factory=list)
    refusal: Refusal | None = None
    rows: list[ChunkRow] = field(default_factory=list)

    def hear(self, said: Sequence[Finding]) -> None:
        """Take in what rules say of it."""
        said = let_pass(said) if self.released else said
        self.findings += said
        self.refusal = self.refusal or first_refusal(said)


class Check:
    """Asks the rules about every document of a source. `progress` is called with each URI."""

    def __init__(self, settings: Settings, *, progress: Callable[[str], None] = lambda _uri: None) -> None:
        self._settings, self._progress = settings, progress
        self._rules = open_rules(settings)
        self._ledger = existing_ledger(settings)
        self._tokenizer, _ = open_model(settings)
        self._views: dict[str, View] = {}
        self._seen: dict[str, str] = {}
        self._batch: list[_Judged] = []
        self._found: list[_Judged] = []

    def check(self, argument: str, tenant: str) -> dict[str, Any]:
        """What would be held, and what would be warned of.

        Returns:
            {"documents": how many there are, "held": [{"uri", "reason", "detail", "todo", "findings"}],
            "warned": [{"uri", "findings"}], "rules": the version of all that is in force}.

        Raises:
            Unreachable: the source does not answer.
        """
        documents = 0
        known = self._ledger.sources.all() if self._ledger else []
        [source] = resolve_sources([argument], tenant, self._settings, known)
        if self._ledger:
            self._views = self._ledger.views.documents(None, scope=[(source.tenant, source.uri)])
        reader = open_reader(self._settings, source)
        reader.root_identity()
        check_there(reader, source)
        ocr = reads_pictures(self._settings, self._ledger)
        with ParserProcess(timeout_s=self._settings.parse_timeout, ocr=ocr) as parser:
            for entry in reader.list():
                id_ = document_id(source.tenant, entry.uri)
                if not entry.uri.endswith("/") and not (self._ledger and self._ledger.documents.is_forgotten(id_)):
                    documents += self._tree(source.tenant, reader, parser, entry)
        self._ask_of_chunks()
        self._found.sort(key=lambda one: one.uri)
        return {
            "documents": documents,
            "held": [_held(one) for one in self._found if one.refusal is not None],
            "warned": [_warned(one) for one in self._found if one.refusal is None],
            "rules": self._rules.version,
        }

    def _tree(self, tenant: str, reader: SourceReader | Opener, parser: ParserProcess, entry: SourceEntry) -> int:
        """Judge one document, and what lies in it; returns how many they are."""
        one = _Judged(entry.uri, document_id(tenant, entry.uri), self._rules.of(tenant, entry.uri))
        parsed = None
        try:
            body = _body(reader, entry, max_bytes=self._settings.max_document_bytes)
            if body is None:
                return 0
            parsed = self._judge(one, tenant, parser, body)
        except Refusal as refusal:
            one.refusal = refusal
        self._progress(entry.uri)
        self._batch.append(one)
        enough = sum(judged.size for judged in self._batch) >= self._settings.batch_bytes
        if enough or len(self._batch) >= self._settings.batch_documents:
            self._ask_of_chunks()
        if parsed is None:
            return 1
        opener = reader if isinstance(reader, Opener) else Opener(reader, parser)
        members = [member_uri(entry.uri, member.name) for member in parsed.members]
        opener.announce(members)
        found = (self._tree(tenant, opener, parser, entry._replace(uri=uri)) for uri in members)
        return (not wraps(parsed)) + sum(found)

    def _judge(self, one: _Judged, tenant: str, parser: ParserProcess, body: bytes) -> ParsedDocument:
        """Ask the rules on documents, and cut what passes them."""
        view, hash_, one.size = self._views.get(one.id), content_hash(body), len(body)
        one.released = view is not None and view.released == hash_
        parsed = parser.parse(body, document_name(one.uri))
        if parsed.members and (refusal := too_deep(one.uri)):
            raise refusal
        twin = self._ledger and self._ledger.views.twin(tenant, hash_, other_than=one.id)
        before = length_before(view, hash_) if view else None
        twin = twin or self._seen.setdefault(hash_, one.uri)
        twin = None if twin == one.uri else twin
        one.hear(one.rules.document(parsed, size=len(body), last_good_characters=before, twin=twin))
        if one.refusal is not None:
            raise one.refusal
        indexed = shown(one.rules, parsed, self._settings.hidden_text)
        limit = min(self._settings.chunk_tokens, self._tokenizer.limit)
        chunks = chunk(indexed, self._tokenizer, max_tokens=limit) if indexed.blocks else ()
        if not chunks and not parsed.members:
            raise Refusal(Reason.NO_TEXT, ALL_HIDDEN)
        one.rows = chunk_rows(one.id, chunks, limit=limit)
        return parsed

    def _ask_of_chunks(self) -> None:
        """Ask the rules on chunks about the batch, and keep of it what they or others found fault with."""
        cut = {one.id: one for one in self._batch if one.rows}
        said = check_chunks([row for one in cut.values() for row in one.rows], {id_: cut[id_].rules for id_ in cut})
        for id_, findings in said.items():
            cut[id_].hear(findings)
        self._found += [replace(one, rows=[]) for one in self._batch if one.findings or one.refusal]
        self._batch = []


def _body(reader: SourceReader | Opener, entry: SourceEntry, *, max_bytes: int) -> bytes | None:
    """The bytes of a document, None where it went meanwhile."""
    if entry.problem is not None:
        raise entry.problem
    fetched = fetch_if_there(reader, entry.uri, max_bytes=max_bytes)
    return None if fetched is None else fetched.body


def _held(one: _Judged) -> dict[str, Any]:
    assert one.refusal is not None
    refused = {"reason": one.refusal.reason.value, "detail": one.refusal.detail, "todo": one.refusal.todo}
    return {"uri": one.uri, **refused, "findings": [finding.to_json() for finding in one.findings]}


def _warned(one: _Judged) -> dict[str, Any]:
    return {"uri": one.uri, "findings": [finding.to_json() for finding in one.findings]}


def _in_force(one: Setting) -> dict[str, Any]:
    row = BY_NAME.get(one.name)
    if isinstance(one.given, BaseModel):
        given = one.given.model_dump(mode="json")
    else:
        given = one.given if isinstance(one.given, dict) else {"pattern": one.given}
    says = row.says if row else one.says
    return {"rule": one.name, "gate": one.gate.value, "action": one.action.value, "parameters": given, "says": says}
