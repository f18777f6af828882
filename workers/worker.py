"""A worker process: what the tasks do. Its parts are opened by the first task, after the fork, once.

A task brings ids; what is due among them is claimed, worked on under a lease, and settled. Whatever goes wrong, the
documents stay due in the ledger: given back here, or taken over by somebody else when the lease has run out.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from infra.clock import running_time
from infra.ledger.records import Claim
from infra.ledger.sources import KnownSource
from schemas.errors import OtherFingerprint, PenstockError, Unreachable
from workers import scheduled
from workers.lease import Lease, LeaseLost
from workers.pipeline.batch import Outcome, work
from workers.pipeline.outcome import FIRST_RETRY_S, LONGEST_RETRY_S
from workers.pipeline.parts import Pipeline
from workers.removals import Guard, Removals
from workers.vouching import unlisted_guard
from workers.wakeups import Dispatcher

_log = structlog.get_logger("penstock.worker")

#: Rounds of one task over its documents: what is heard meanwhile is taken up at once, and a flood is left to others.
ROUNDS = 3


@dataclass
class Worker:
    """One process's parts. `observe` is told outcomes and the pipeline's tally; `stopping` asks for a quick end."""

    pipeline: Pipeline
    dispatcher: Dispatcher
    audit_cadence: float
    call: Callable[[str, object, float], None]
    stopping: Callable[[], bool] = lambda: False
    observe: Callable[[Sequence[Outcome], Pipeline], None] = lambda _outcomes, _pipeline: None

    def work(self, ids: Sequence[str]) -> None:
        """Work on those of the documents that are due and in nobody's hand.

        Raises:
            OtherFingerprint: this process has another pipeline than the ledger's current one.
            Unreachable: the ledger does not answer.
        """
        for _ in range(ROUNDS):
            began = running_time()
            members = self.pipeline.tally.counts["members_heard"]
            claims = self.pipeline.ledger.documents.claim(
                owner=self.pipeline.owner,
                now=self.pipeline.now(),
                lease_s=self.pipeline.lease_s,
                limit=len(ids),
                round_=self.pipeline.next_round(),
                collection=self.pipeline.collection,
                ids=ids,
                fingerprint=self.pipeline.fingerprint.to_json(),
            )
            goes_on = bool(claims) and self._work(claims, began)
            if self.pipeline.tally.counts["members_heard"] > members:
                self.dispatcher.wake(now=self.pipeline.now())
            if not goes_on:
                return

    def _work(self, claims: Sequence[Claim], began: float) -> bool:
        """Work on claims; False when they did not come to their end."""
        pipeline, documents = self.pipeline, self.pipeline.ledger.documents
        outcomes: list[Outcome] = []
        finished = False
        with Lease(documents, claims, seconds=pipeline.lease_s, began=began, now=pipeline.now) as lease:
            pipeline.may_write = lease.check
            try:
                # Read after the claim: what is declared anew later makes the documents due once more.
                self._read_sources()
                self._take_through(claims, lease, outcomes)
            except LeaseLost as error:
                _log.warning("lease.lost", documents=len(lease.left), error=str(error))
            except Unreachable as error:
                self._give_back(lease.left, error, crashed=False)
            except Exception as error:  # noqa: BLE001
                # A fault of ours: the document it lies in is found by working on each alone, and held in the end.
                _log.exception("work.failed", documents=[claim.uri for claim in lease.left])
                self._give_back(lease.left, error, crashed=True)
            else:
                finished = not self.stopping()
                if not finished:
                    documents.give_back(lease.left, next_attempt_at=0.0)
            finally:
                pipeline.may_write = lambda: None
                self.observe(outcomes, pipeline)
            # A process that is stopped between its look at the lease and its write writes whenever it wakes up.
            if lease.left and documents.overtaken(lease.left, at=pipeline.now()):
                _log.warning("work.overtaken", documents=len(lease.left))
        return finished

    def _take_through(self, claims: Sequence[Claim], lease: Lease, outcomes: list[Outcome]) -> None:
        with ExitStack() as stack:
            for outcome in work(self.pipeline, claims, Removals(lambda id_: self._guard(id_, stack))):
                lease.settled(outcome.claim)
                outcomes.append(outcome)
                _log.info("document.settled", uri=outcome.claim.uri, outcome=outcome.verdict)
                if self.stopping():
                    return

    def _guard(self, source_id: int, stack: ExitStack) -> Guard | None:
        # One worker at a time removes from a source: several would each count no removals but their own.
        alone = self.pipeline.ledger.exclusively(f"penstock.removals.{source_id}", wait=False)
        return unlisted_guard(self.pipeline, source_id) if stack.enter_context(alone) else None

    def _give_back(self, claims: Sequence[Claim], error: Exception, *, crashed: bool) -> None:
        attempts = max((claim.attempts for claim in claims), default=0)
        wait = min(FIRST_RETRY_S * 2 ** min(attempts, 20), LONGEST_RETRY_S) * random.uniform(0.5, 1.0)  # noqa: S311
        text = str(error) if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
        _log.warning("work.given_back", documents=len(claims), error=text, seconds=round(wait, 1))
        self.pipeline.ledger.documents.give_back(
            claims, next_attempt_at=self.pipeline.now() + wait, error=text, crashed=crashed
        )

    def tick(self, _argument: object = None) -> None:
        """Start whatever a schedule says is due by now: each slot once, however many ticks there are."""
        self._same_pipeline()
        now, ledger = self.pipeline.now(), self.pipeline.ledger
        for job in scheduled.jobs(ledger.sources.all(), audit_cadence=self.audit_cadence):
            slot = job.slot(now)
            if not ledger.slots.take(job.name, slot):
                continue
            try:
                self.call(job.task, job.argument, job.cadence)
            except Unreachable:
                ledger.slots.give_back(job.name, slot)
                raise

    def reconcile(self, source_id: object) -> None:
        """List a source and make due what differs; one at a time."""
        self._same_pipeline()
        if (source := self._source(source_id)) is None:
            return
        with self.pipeline.ledger.exclusively(f"penstock.reconcile.{source.id}", wait=False) as alone:
            if not alone:
                return  # the listing before this one is not through yet
            dispatch = lambda: self.dispatcher.wake(now=self.pipeline.now())  # noqa: E731
            scheduled.reconcile_source(self.pipeline, source, dispatch=dispatch)

    def reindex(self, _argument: object = None) -> None:
        """Make due what the current pipeline would make otherwise."""
        scheduled.reindex(self.pipeline)
        self.dispatcher.wake(now=self.pipeline.now())

    def audit(self, source_id: object) -> None:
        """Audit a sample of a source."""
        self._same_pipeline()
        if (source := self._source(source_id)) is not None:
            scheduled.audit_sample(self.pipeline, source)

    def _same_pipeline(self) -> None:
        # Another pipeline would find fault with everything, and must make nothing due.
        if self.pipeline.ledger.get("fingerprint") != self.pipeline.fingerprint.to_json():
            raise OtherFingerprint

    def _source(self, source_id: object) -> KnownSource | None:
        self._read_sources()
        return self.pipeline.sources.get(int(str(source_id)))

    def _read_sources(self) -> None:
        found = {source.id: source for source in self.pipeline.ledger.sources.all()}
        for id_, source in found.items():
            known = self.pipeline.sources.get(id_)
            if known is not None and (known.uri, known.exclude) != (source.uri, source.exclude):
                self.pipeline.readers.pop(id_, None)
        self.pipeline.sources = found
