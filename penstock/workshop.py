"""Everything a writer works with, opened under the home's lock."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from infra.home import Home
from infra.ledger import Ledger, open_ledger
from infra.ledger.sources import KnownSource
from infra.ports import Embedder, Index, Tokenizer
from infra.settings import Settings
from penstock.compose import ledger_url, open_index, open_model, open_reader
from schemas.fingerprint import PipelineFingerprint
from validation.ruleset import Rules, load_rules
from workers.advance import collection_name, current_fingerprint, ours
from workers.parsing.registry import Parser
from workers.parsing.sandbox import ParserProcess
from workers.pipeline.parts import Limits, Pipeline


@dataclass
class Workshop:
    """Everything a writer works with, the home's lock held."""

    settings: Settings
    home: Home
    ledger: Ledger
    index: Index
    pipeline: Pipeline

    def known_sources(self) -> list[KnownSource]:
        """Every source of the ledger; the pipeline sees the same."""
        found = self.ledger.sources.all()
        self.pipeline.sources = {source.id: source for source in found}
        return found


#: Seconds a claim is exclusive where the home's lock decides anyway: longer than any document may take.
ALONE_S = 3600.0
#: A search holds the lock for a moment: a writer that meets one waits this long before it is refused.
READER_S = 2.0


@contextmanager
def workshop(settings: Settings, *, wait_s: float = READER_S) -> Iterator[Workshop]:
    """Open the home for writing: lock it, open its parts, break the claims of the dead.

    Raises:
        HomeBusy, HomeTooNew, Unreachable, UsageError: the home cannot be opened, and why.
    """
    home = Home(settings.folder)
    home.check_format()
    home.create()
    with ExitStack() as stack:
        stack.enter_context(home.locked(wait_s=wait_s))
        index = open_index(settings)
        stack.callback(index.close)
        # A ledger made anew beside an index that is there: it was lost, and knows nothing of the points.
        lost = bool(ours(index))
        ledger = open_ledger(ledger_url(settings), now=time.time(), recover_unknown=lost)
        stack.callback(ledger.close)
        if not ledger.shared:  # the lock proves that no other worker lives
            ledger.documents.break_leases()
        parser = stack.enter_context(open_parser(settings, ledger))
        pipeline = make_pipeline(settings, ledger, index, parser, now=ledger.clock())
        yield Workshop(settings, home, ledger, index, pipeline)


def make_pipeline(
    settings: Settings, ledger: Ledger, index: Index, parser: Parser, *, now: Callable[[], float] = time.time
) -> Pipeline:
    """The pipeline of the configured model; `collection` is its own, whether or not searches use it yet."""
    rules = open_rules(settings)
    tokenizer, embedder = open_model(settings, dtype=_dtype(settings, ledger))
    pipeline = Pipeline(
        ledger=ledger,
        index=index,
        tokenizer=tokenizer,
        embedder=embedder,
        parser=parser,
        fingerprint=fingerprint(settings, rules, tokenizer, embedder, ocr=_ocr(settings, ledger)),
        rules=rules,
        collection=collection_name(embedder.info),
        limits=Limits(
            settings.max_document_bytes,
            settings.batch_bytes,
            settings.batch_documents,
            settings.chunk_tokens,
            settings.hidden_text,
        ),
        owner=f"{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        now=now,
        lease_s=settings.lease if ledger.shared else ALONE_S,
        open_reader=lambda source: open_reader(settings, source),
    )
    pipeline.sources = {source.id: source for source in ledger.sources.all()}
    return pipeline


def open_rules(settings: Settings) -> Rules:
    """The rules that are in force.

    Raises:
        UsageError: the rules file is wrong: line, what, and what to do.
    """
    return load_rules(settings.rules, shrink=settings.rule_shrink == "on")


def fingerprint(
    settings: Settings, rules: Rules, tokenizer: Tokenizer, embedder: Embedder, *, ocr: bool
) -> PipelineFingerprint:
    """What besides the bytes shapes the index, with these settings."""
    return current_fingerprint(
        tokenizer,
        embedder.info,
        rules=rules,
        chunk_tokens=settings.chunk_tokens,
        hidden_text=settings.hidden_text,
        ocr=ocr,
    )


def reads_pictures(settings: Settings, ledger: Ledger | None) -> bool:
    """Whether pictures are read: as set, as recorded, or as would be decided here and now."""
    if settings.ocr != "auto":
        return settings.ocr == "on"
    recorded = ledger and ledger.get("ocr")
    return can_read_pictures() if recorded is None else bool(recorded)


def can_read_pictures() -> bool:
    """Whether what reading pictures takes is installed on this machine."""
    from workers.parsing import ocr

    return ocr.missing() is None


def open_parser(settings: Settings, ledger: Ledger) -> ParserProcess:
    """The parser of this ledger's documents; to be closed."""
    return ParserProcess(timeout_s=settings.parse_timeout, ocr=_ocr(settings, ledger))


def _ocr(settings: Settings, ledger: Ledger) -> bool:
    """Whether pictures are read: resolved once per home and recorded, so that one index is read in one way."""
    if settings.ocr == "auto" and ledger.get("ocr") is None:
        ledger.put_new("ocr", can_read_pictures())
    return reads_pictures(settings, ledger)


def _dtype(settings: Settings, ledger: Ledger) -> str:
    """The model's arithmetic: resolved once per home and recorded, so that one index holds one kind of vector."""
    if settings.dtype != "auto":
        return settings.dtype
    from infra.embedder import resolve_dtype

    recorded = ledger.get("dtype")
    if recorded is None:
        recorded = ledger.put_new("dtype", resolve_dtype("auto"))
    return str(recorded)
