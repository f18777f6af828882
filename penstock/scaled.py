"""The scaled composition: the same parts as a workshop's, on servers that many processes share. No home is locked."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from infra.ledger import Ledger, open_ledger
from infra.queue import WakeupQueue, make_app
from infra.settings import Settings, declared_sources
from infra.source_names import source_uri
from penstock.compose import index_was_used, open_server
from penstock.workshop import make_pipeline, open_parser
from schemas.errors import UsageError
from workers.advance import advance
from workers.pipeline.batch import Outcome
from workers.pipeline.parts import Pipeline
from workers.wakeups import Dispatcher
from workers.worker import Worker

#: What each long-running process needs of the settings.
NEEDS = {
    "intake": ("kafka_bootstrap_servers", "celery_broker_url", "database_url"),
    "worker": ("celery_broker_url", "database_url", "qdrant_url"),
    "serve": ("kafka_bootstrap_servers", "database_url"),
    "beat": ("celery_broker_url",),
    "relay": ("kafka_bootstrap_servers", "sqs_queue_url"),
    "dead-letters replay": ("kafka_bootstrap_servers", "database_url"),
}


def require(settings: Settings, command: str) -> None:
    """Check that the servers a command needs are configured.

    Raises:
        UsageError: naming the variables that are missing.
    """
    missing = [f"PENSTOCK_{name.upper()}" for name in NEEDS[command] if not getattr(settings, name)]
    if missing:
        todo = "set them; `make services` starts such servers and writes their settings to .services.env"
        raise UsageError(f"`penstock {command}` needs {', '.join(missing)}", todo)


def open_shared_ledger(settings: Settings) -> Ledger:
    """The ledger on its server, with what is declared in the sources file registered."""
    assert settings.database_url is not None
    ledger = open_ledger(settings.database_url, now=time.time(), recover_unknown=lambda: index_was_used(settings))
    declare(settings, ledger)
    return ledger


def declare(settings: Settings, ledger: Ledger) -> None:
    """Register what the sources file declares; attributes that changed make their documents due."""
    now = ledger.clock()()
    for one in declared_sources(settings.sources):
        source = one.model_copy(update={"uri": source_uri(one.uri)})
        with ledger.exclusively(f"penstock.source.{source.tenant}.{source.uri}"):
            if not ledger.sources.changes_attributes(source):
                ledger.sources.register(source)
                continue
            # Before, lest a kill in between lose it; and after, for whoever was at work by the old declaration.
            ledger.documents.hear_again([(source.tenant, source.uri)], at=now)
            ledger.sources.register(source)
            ledger.documents.hear_again([(source.tenant, source.uri)], at=now)


@contextmanager
def scaled_pipeline(settings: Settings) -> Iterator[Pipeline]:
    """A worker process's pipeline; opened after the fork, once."""
    with ExitStack() as stack:
        index = open_server(settings)
        stack.callback(index.close)
        index.check_server()
        ledger = open_shared_ledger(settings)
        stack.callback(ledger.close)
        parser = stack.enter_context(open_parser(settings, ledger))
        pipeline = make_pipeline(settings, ledger, index, parser, now=ledger.clock())
        mine = pipeline.fingerprint.to_json()
        with ledger.exclusively("penstock.advance"):
            # A ledger never used takes the pipeline of the first worker that comes. Any later change is a person's.
            if ledger.get("fingerprint") in (None, mine):
                advance(ledger, index, pipeline.fingerprint, pipeline.embedder.info, now=pipeline.now())
        yield pipeline


class WorkerTasks:
    """The tasks of a worker process by name. Their parts are opened by the first one, in the process that runs it."""

    def __init__(
        self,
        settings: Settings,
        *,
        stopping: Callable[[], bool],
        observe: Callable[[Sequence[Outcome], Pipeline], None],
    ) -> None:
        self._settings, self._stopping, self._observe = settings, stopping, observe
        self._worker: Worker | None = None
        self._pid = 0
        self._stack = ExitStack()

    def by_name(self) -> dict[str, Callable[[object], None]]:
        """What to register."""
        return {
            "penstock.work": lambda ids: self._mine().work(ids),
            "penstock.tick": lambda _: self._mine().tick(),
            "penstock.reconcile": lambda source: self._mine().reconcile(source),
            "penstock.reindex": lambda _: self._mine().reindex(),
            "penstock.audit": lambda source: self._mine().audit(source),
        }

    def _mine(self) -> Worker:
        if self._worker is None or self._pid != os.getpid():
            pipeline = self._stack.enter_context(scaled_pipeline(self._settings))
            assert self._settings.celery_broker_url is not None
            queue = WakeupQueue(make_app(self._settings.celery_broker_url))
            self._pid = os.getpid()
            self._worker = Worker(
                pipeline,
                Dispatcher(pipeline.ledger.documents, queue),
                audit_cadence=self._settings.audit_cadence,
                call=queue.job,
                stopping=self._stopping,
                observe=self._observe,
            )
        return self._worker
