"""Parsers in processes of their own: a document that hangs or crashes its parser costs its own time and nothing else.

Small servers (server.py) are started by the first document (or by `warm`) and kept: they have the parsers loaded and
fork one child for each document, under limits of time, memory, output and more (limits.py).

There are two, for a fork copies the tables of all the memory that is loaded, and their end clears them again. The light
one does without unstructured; what it cannot load, the heavy one is asked for, which has everything.
"""

import functools
import json
import threading
from collections.abc import Sequence
from typing import Any, Self

from schemas.documents import ParsedDocument
from schemas.errors import Reason, Refusal, Unreachable
from workers.parsing.child import Order, parted
from workers.parsing.limits import Limits
from workers.parsing.process import ServerProcess
from workers.parsing.registry import Taken

_LIMITS = Limits()
#: Seconds a document may take, once its parser is loaded.
TIMEOUT_S = _LIMITS.timeout_s
#: Seconds for everything before that. Loading unstructured takes 3 s, on a cold disk and a busy machine 15: no
#: document is refused for that.
START_TIMEOUT_S = 180.0

#: A hundred megabytes, and three quarters of all modules.
_HEAVY_LIBRARY = "unstructured"
#: Names of documents that need it. A hint that saves a fork, no more: only a child looks at what is in them.
_HEAVY_NAMES = (".html", ".htm", ".xhtml", ".eml", ".docx", ".pptx", ".epub", ".msg")


class ParserProcess:
    """Parses documents and opens containers, each time in a new child. Threads may share it: one document at a time.

    On Linux a server dies with the *thread* that started it: use this from one that lives as long as the work.
    `growth` and `answer` are limits in bytes, `ocr` says whether pictures are read (`limits.Limits`); `module` names
    the module whose `main` a server runs.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        start_timeout_s: float = START_TIMEOUT_S,
        growth: int = _LIMITS.growth,
        answer: int = _LIMITS.answer,
        ocr: bool = True,
        module: str = "workers.parsing.server",
    ) -> None:
        limits = Limits(timeout_s, growth, answer, ocr)
        started = functools.partial(ServerProcess, module, limits, start_timeout_s=start_timeout_s, log=self._log)
        self.light, self.heavy = started(without=[_HEAVY_LIBRARY]), started()
        self._logged: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the servers. The next document would start another."""
        with self._lock:
            self.light.stop()
            self.heavy.stop()

    def warm(self, kind: str = "markdown") -> None:
        """Start the server for this kind and the imports of its parser, without waiting for either."""
        if self._lock.acquire(blocking=False):
            try:
                self._servers("." + kind)[0].warm(kind)
            finally:
                self._lock.release()

    def parse(self, body: bytes, name: str) -> ParsedDocument:
        """The document in `body`; `name` helps where the content cannot tell its kind. Blocks.

        Raises:
            Refusal: what the parser said; PARSER_TIMEOUT, PARSER_MEMORY, PARSER_CRASH or TOO_LARGE if it was stopped.
            Unreachable: the server or this kind's parser does not start at all, which is no document's fault.
        """
        return ParsedDocument.from_json(json.loads(self._asked(body, Order(name, None))[1]))

    def extract(self, body: bytes, name: str, members: Sequence[str]) -> list[Taken]:
        """Some of the document's members, as many of the first as make `registry.TOGETHER` bytes. Blocks.

        Raises:
            Refusal, Unreachable: as `parse`.
        """
        said, found = self._asked(body, Order(name, members))
        return list(parted(said["members"], found))

    def _asked(self, body: bytes, order: Order) -> tuple[dict[str, Any], bytes]:
        said: dict[str, Any] = {}
        found = None
        with self._lock:
            for server in self._servers(order.name):
                said, found = server.ask(body, order)
                if "unreachable" not in said:
                    break
        if "unreachable" in said:
            raise Unreachable("the parser process", said["unreachable"], "run `penstock doctor`")
        if found is None:
            raise Refusal(Reason(said["refused"]), said["detail"])
        return said, found

    def _servers(self, name: str) -> Sequence[ServerProcess]:
        """Whom to ask for a document of this name, in that order."""
        return [self.heavy] if name.lower().endswith(_HEAVY_NAMES) else [self.light, self.heavy]

    def _log(self, event: str, fields: dict[str, Any]) -> None:
        """Log once what every new server would say again."""
        if event not in self._logged:
            self._logged.add(event)
            import structlog  # 100 ms, for a line that is rarely logged

            structlog.get_logger("penstock.parsing").warning(event, **fields)
