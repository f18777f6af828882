"""Plan: what `index` would do. Reads sources and the ledger, makes no home, writes nothing."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from infra.ledger import Ledger
from infra.ledger.views import View
from infra.ports import Embedder, SourceReader, Tokenizer
from infra.settings import Settings
from infra.tokenizer import vector_key
from penstock.compose import check_there, existing_ledger, open_model, open_reader, resolve_sources
from penstock.workshop import fingerprint, open_rules, reads_pictures
from schemas.documents import ParsedDocument, SourceEntry
from schemas.errors import Refusal, Unreachable
from schemas.fingerprint import PipelineFingerprint
from schemas.identity import content_hash, document_id, member_uri, point_id
from schemas.sources import Source
from workers.advance import collection_name
from workers.chunking import chunk
from workers.parsing.sandbox import ParserProcess
from workers.pipeline.gates import accepted, length_before, shown
from workers.pipeline.members import WRAPPER, inside, too_deep, wraps
from workers.pipeline.opener import Opener, fetch_if_there
from workers.pipeline.shape import document_name


class Planner:
    """Counts what an index run would do, one source after the other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ledger: Ledger | None = existing_ledger(settings)
        self._tokenizer: Tokenizer
        self._embedder: Embedder
        self._tokenizer, self._embedder = open_model(settings)
        self._rules = open_rules(settings)
        self._fingerprint: PipelineFingerprint = fingerprint(
            settings, self._rules, self._tokenizer, self._embedder, ocr=reads_pictures(settings, self._ledger)
        )
        self.documents: Counter[str] = Counter()
        self.chunks: Counter[str] = Counter()
        self.tokens = self.characters = 0
        self.refused: list[dict[str, Any]] = []
        self.unreachable: list[dict[str, Any]] = []
        self._planned: set[tuple[str, str]] = set()
        self._inside: dict[str, list[str]] = {}

    def plan(self, arguments: Sequence[str], tenant: str) -> dict[str, Any]:
        """The plan as JSON; every count is of what would happen."""
        known = self._ledger.sources.all() if self._ledger else []
        ocr = reads_pictures(self._settings, self._ledger)
        with ParserProcess(timeout_s=self._settings.parse_timeout, ocr=ocr) as parser:
            for source in resolve_sources(arguments, tenant, self._settings, known):
                try:
                    self._plan_source(source, open_reader(self._settings, source), parser)
                except Unreachable as error:
                    entry = {"uri": source.uri, "reason": "unreachable", "detail": error.what, "todo": error.todo}
                    self.unreachable.append(entry)
        names = ("seen", "added", "updated", "unchanged", "vanished", "held")
        return {
            "documents": {name: self.documents[name] for name in names},
            "chunks": {name: self.chunks[name] for name in ("embed", "reuse", "delete")},
            "tokens_to_embed": self.tokens,
            "characters_to_embed": self.characters,
            "refused": self.refused + self.unreachable,
        }

    def _plan_source(self, source: Source, reader: SourceReader, parser: ParserProcess) -> None:
        collection = collection_name(self._embedder.info)
        views = self._ledger.views.documents(collection, scope=[(source.tenant, source.uri)]) if self._ledger else {}
        self._inside = inside(views)
        reader.root_identity()
        check_there(reader, source, known=lambda: views)
        for entry in reader.list():
            id_ = document_id(source.tenant, entry.uri)
            if entry.uri.endswith("/") or (self._ledger and self._ledger.documents.is_forgotten(id_)):
                continue
            self._plan_tree(source, reader, parser, entry, views)
        gone = [view for view in views.values() if not view.standing.gone]
        self.documents["vanished"] += len(gone)
        self.chunks["delete"] += sum(len(view.indexed.points) for view in gone if view.indexed)

    def _plan_tree(
        self,
        source: Source,
        reader: SourceReader | Opener,
        parser: ParserProcess,
        entry: SourceEntry,
        views: dict[str, View],
    ) -> None:
        """Plan one document, and what lies in it."""
        view = views.pop(document_id(source.tenant, entry.uri), None)
        parsed = None
        wrapper = view is not None and view.kind == WRAPPER and not view.standing.held
        try:
            parsed = self._plan_document(source, reader, parser, entry, view)
        except Refusal as refusal:
            self.documents["held"] += 1
            detail = {"reason": refusal.reason.value, "detail": refusal.detail, "todo": refusal.todo}
            self.refused.append({"uri": entry.uri, **detail})
            wrapper = False
        self.documents["seen"] += not (wraps(parsed) if parsed else wrapper)
        opener = reader if isinstance(reader, Opener) else Opener(reader, parser)
        members = [member_uri(entry.uri, member.name) for member in parsed.members] if parsed else []
        opener.announce(members)
        for uri in members:
            self._plan_tree(source, opener, parser, entry._replace(uri=uri), views)
        if parsed is None:  # as it was, or held as it was, and what is in it with it
            known = [views.pop(id_) for id_ in self._inside.get(entry.uri, ()) if id_ in views]
            counted = sum(not one.standing.gone and one.kind != WRAPPER for one in known)
            self.documents["seen"] += counted
            self.documents["unchanged"] += counted

    def _plan_document(
        self, source: Source, reader: SourceReader | Opener, parser: ParserProcess, entry: SourceEntry, view: Any
    ) -> ParsedDocument | None:
        """Plan one document; returns its parse, None where nothing is to be parsed."""
        if entry.problem is not None:
            raise entry.problem
        indexed = view.indexed if view and not view.standing.gone else None
        current = indexed and view.kind and indexed.fingerprint == self._fingerprint.of_kind(view.kind)
        if current and entry.identity and entry.identity == view.identity and not view.standing.due:
            self.documents["unchanged"] += view.kind != WRAPPER
            return None
        fetched = fetch_if_there(reader, entry.uri, max_bytes=self._settings.max_document_bytes)
        if fetched is None:
            return None
        hash_ = content_hash(fetched.body)
        if current and hash_ == view.last_hash:
            self.documents["unchanged"] += view.kind != WRAPPER
            return None
        parsed = parser.parse(fetched.body, document_name(entry.uri))
        if parsed.members and (refusal := too_deep(entry.uri)):
            raise refusal
        rules, size = self._rules.of(source.tenant, entry.uri), len(fetched.body)
        hidden_text = self._settings.hidden_text
        if view and view.released == hash_:
            parsed = shown(rules, parsed, hidden_text)
        else:
            before = length_before(view, hash_) if view else None
            parsed = accepted(rules, parsed, size=size, hidden_text=hidden_text, last_good_characters=before)
        if wraps(parsed):
            return parsed
        limit = min(self._settings.chunk_tokens, self._tokenizer.limit)
        chunks = chunk(parsed, self._tokenizer, max_tokens=limit)
        self.documents["updated" if indexed else "added"] += 1
        there = {point.id for point in indexed.points} if indexed else set()
        id_ = document_id(source.tenant, entry.uri)
        ids = [point_id(id_, one.hash, one.occurrence) for one in chunks]
        self.chunks["delete"] += len(there - set(ids))
        new = [one for one, point in zip(chunks, ids, strict=True) if point not in there]
        self._plan_vectors(source.tenant, [one.text for one in new])
        self.chunks["reuse"] += len(chunks) - len(new)
        return parsed

    def _plan_vectors(self, tenant: str, texts: Sequence[str]) -> None:
        ids = self._tokenizer.token_ids(texts) if texts else []
        tokens = {vector_key(one): len(one) for one in ids}
        keyed = {vector_key(one): text for one, text in zip(ids, texts, strict=True)}
        cached = self._ledger.vectors.get(tenant, self._embedder.info.name, tokens) if self._ledger else {}
        missing = [key for key in tokens if key not in cached and (tenant, key) not in self._planned]
        self._planned |= {(tenant, key) for key in missing}
        self.chunks["embed"] += len(missing)
        self.chunks["reuse"] += len(texts) - len(missing)
        self.tokens += sum(tokens[key] for key in missing)
        self.characters += sum(len(keyed[key]) for key in missing)
