"""`/readyz`: whether every part answers. Anybody may ask, so it tells nothing else, and asking often costs nothing."""

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from infra.http_server import Request, Response, answer
from schemas.errors import Unreachable

_log = structlog.get_logger("penstock.readiness")

#: Seconds for which an outcome holds.
HOLDS_S = 5.0


class Readiness:
    """Answers from what the last look at the parts found. Thread-safe.

    One request at a time looks, and only when that look is old; the others get the one before at once, so that a part
    that does not answer for long holds one thread and not all.

    Args:
        checks: parts by name; each raises Unreachable where it does not answer.
        elapsed: a monotonic clock in seconds.
    """

    def __init__(
        self, checks: Mapping[str, Callable[[], object]], *, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks, self._elapsed = checks, elapsed
        self._looking = threading.Lock()
        self._parts = dict.fromkeys(checks, "not asked yet")
        self._old_at = float("-inf")

    def __call__(self, _request: Request) -> Response:
        """200 if every part answered, else 503."""
        if self._elapsed() >= self._old_at and self._looking.acquire(blocking=False):
            try:
                self._parts = {name: _state(name, check) for name, check in self._checks.items()}
                self._old_at = self._elapsed() + HOLDS_S
            finally:
                self._looking.release()
        parts = self._parts
        ready = all(state == "ok" for state in parts.values())
        return answer(200 if ready else 503, {"ready": ready, "parts": parts})


def _state(name: str, check: Callable[[], object]) -> str:
    try:
        check()
    except Unreachable as error:
        _log.warning("part.does_not_answer", part=name, error=str(error))
        return "does not answer"
    return "ok"
