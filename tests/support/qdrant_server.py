"""A stand-in for a Qdrant server: its REST calls over qdrant-client's local mode, with faults on demand.

    python -m tests.support.qdrant_server [--port N] [--path DIR] [--api-key-env NAME] [--version V] [--while-stdin]

Listens on 127.0.0.1 and prints `listening on PORT` once it does; port 0 is a spare one. Without --path it forgets
everything when it ends; with it, what it has acknowledged is there again after a SIGKILL. Any number of
processes may call; it does one request at a time.

POST /_faults with a `Fault` as JSON makes requests go wrong until DELETE /_faults; GET /_stats counts them by route.
"""

import argparse
import os
import re
import signal
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel
from pydantic_core import from_json, to_json

#: The oldest server the index is written for.
VERSION = "1.19.0"


class Fault(BaseModel, extra="forbid"):
    """What goes wrong with requests of a method whose path matches, `times` times (None: always).

    `status`: not done, answered with that status. `after`: done, answered with it. `delay`: done after `seconds`.
    `acknowledged`: done, and answered with an update status that is not `completed`. `drop`: not done, and the
    connection closed. `kill`: the server ends by SIGKILL. `done` says otherwise whether the work is done first.
    """

    method: str = "*"
    path: str = ""
    kind: Literal["status", "after", "delay", "acknowledged", "drop", "kill"]
    status: int = 500
    seconds: float = 2.0
    update_status: str = "acknowledged"
    done: bool | None = None
    times: int | None = None

    @property
    def works(self) -> bool:
        """Whether the request is carried out."""
        return self.kind in {"after", "delay", "acknowledged"} if self.done is None else self.done

    def meets(self, method: str, path: str) -> bool:
        """Whether it is meant for this request."""
        return self.method in {"*", method} and re.search(self.path, path) is not None


class Faults:
    """The faults asked for, in the order they were."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Keep one more."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first one that meets this request; it counts as used."""
        with self._lock:
            for fault in self._faults:
                if fault.times != 0 and fault.meets(method, path):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    """One connection. Answers {"result", "status": "ok", "time"} or {"status": {"error"}, "time"}, as Qdrant does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def handle_request(self) -> None:
        """Answer whatever was asked."""
        from tests.support.qdrant_rest import Wrong

        began = time.perf_counter()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._answer(200, {"status": "ok", "result": self._result(body)}, began)
        except Wrong as wrong:
            self._answer(wrong.status, {"status": {"error": str(wrong)}}, began)
        except _Dropped:
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - a server answers 500 and goes on
            self._answer(500, {"status": {"error": f"Service internal error: {error!r}"}}, began)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_request  # noqa: N815 - http.server's names

    def _result(self, body: bytes) -> Any:
        from tests.support.qdrant_rest import Wrong, find_route

        url = urlsplit(self.path)
        match self.command, url.path:
            case "GET", "/" | "/readyz" | "/healthz" | "/livez":
                return None
            case "POST", "/_faults":
                return self.server.faults.add(Fault.model_validate(from_json(body)))
            case "DELETE", "/_faults":
                return self.server.faults.clear()
            case "GET", "/_stats":
                return self.server.counts
        if self.server.api_key and self.server.api_key not in (
            self.headers.get("api-key"),
            (self.headers.get("Authorization") or "").removeprefix("Bearer "),
        ):
            raise Wrong(401, "Must provide an API key or an Authorization bearer token")
        found, names = find_route(self.command, url.path)
        names = {name: unquote(value) for name, value in names.items()}
        with self.server.lock:
            self.server.counts[f"{found.method} {found.path}"] += 1
        fault = self.server.faults.take(self.command, url.path)
        if fault is not None and fault.kind == "delay":
            time.sleep(fault.seconds)
        works = fault is None or fault.works
        result = self.server.store.answer(found, names, body) if works else None
        if fault is not None:
            undone = {"operation_id": 0, "status": ""}
            several = url.path.endswith("/points/batch")
            result = _go_wrong(fault, result if works else [undone] if several else undone)
        if parse_qs(url.query).get("wait", ["false"]) != ["true"]:
            return _with_status(result, "acknowledged")
        return result

    def _answer(self, status: int, envelope: dict[str, Any], began: float) -> None:
        if urlsplit(self.path).path == "/":
            envelope = {"title": "qdrant - vector search engine", "version": self.server.version}
        content = to_json({**envelope, "time": time.perf_counter() - began}, exclude_none=True)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: tests read what they asked, and errors come back as answers."""


class _Dropped(Exception):
    """The connection is to be closed without an answer."""


def _go_wrong(fault: Fault, result: Any) -> Any:
    from tests.support.qdrant_rest import Wrong

    match fault.kind:
        case "status" | "after":
            raise Wrong(fault.status, "Service internal error: asked for by the test")
        case "drop":
            raise _Dropped
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "acknowledged":
            return _with_status(result, fault.update_status)
    return result


def _with_status(result: Any, status: str) -> Any:
    """The result with another status, if it is that of an update or of several."""
    if isinstance(result, list):
        return [_with_status(one, status) for one in result]
    if isinstance(result, dict) and "operation_id" in result:
        return {**result, "status": status}
    return {"operation_id": result.operation_id, "status": status} if hasattr(result, "operation_id") else result


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, location: str, api_key: str | None, version: str) -> None:
        from tests.support.qdrant_rest import Store  # after the arguments were understood: it takes a second

        self.store, self.faults, self.counts, self.lock = Store(location), Faults(), Counter[str](), Lock()
        self.api_key, self.version = api_key, version
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, *_arguments: object) -> None:
        """A client that went away is no news."""


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default=":memory:")
    parser.add_argument("--api-key-env", help="name of the variable that holds the key; empty or unset: no key asked")
    parser.add_argument("--version", default=VERSION)
    parser.add_argument("--while-stdin", action="store_true", help="end when stdin does: never outlive who started it")
    asked = parser.parse_args()
    key = os.environ.get(asked.api_key_env) if asked.api_key_env else None
    server = _Server(asked.port, asked.path, key or None, asked.version)
    print(f"listening on {server.server_port}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if asked.while_stdin:
        Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
