"""A worker's lease on what it claimed: renewed while the worker lives, and looked at before every write.

A stopped process (SIGSTOP, a suspended machine) wakes up believing that nothing happened. The lease is measured by a
clock that ran on meanwhile, so the next look tells it that others may be at work by now.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Self

import structlog

from infra.clock import running_time
from infra.ledger.documents import Documents
from infra.ledger.records import Claim
from schemas.errors import PenstockError, Unreachable

_log = structlog.get_logger("penstock.lease")


class LeaseLost(PenstockError):
    """The lease ran out: whatever is not written yet is another worker's business."""

    def __init__(self) -> None:
        super().__init__("the lease ran out before the work was done; another worker takes it up")


class Lease:
    """The lease on some claims, from `began` (by `running_time`, read before claiming) for `seconds` unless renewed.

    Use it as a context: a thread renews it meanwhile, three times as often as needed.
    """

    def __init__(
        self, documents: Documents, claims: Sequence[Claim], *, seconds: float, began: float, now: Callable[[], float]
    ) -> None:
        self._documents, self._seconds, self._now = documents, seconds, now
        self._open = {claim.document_id: claim for claim in claims}
        self._until = began + seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Make sure that nobody else can be at work on the claims.

        Raises:
            LeaseLost: they may have been taken over.
        """
        if running_time() >= self._until:
            raise LeaseLost

    def settled(self, claim: Claim) -> None:
        """A claim that is done needs no renewal."""
        self._open.pop(claim.document_id, None)

    @property
    def left(self) -> list[Claim]:
        """The claims that are not done."""
        return list(self._open.values())

    def _renew(self) -> None:
        while not self._stop.wait(self._seconds / 3):
            began = running_time()
            if began >= self._until:
                return  # too late: it is not this worker's any more
            try:
                self._documents.renew(self.left, until=self._now() + self._seconds)
            except Unreachable as error:
                _log.warning("lease.not_renewed", error=str(error))
            else:
                self._until = began + self._seconds
