"""HTTP: routes with synchronous handlers, served by uvicorn on a thread of this process.

Invariant: whatever a client sends or does not send costs a bounded time and memory. Nothing of a request is logged.
"""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route as HttpRoute
from uvicorn.protocols.http.h11_impl import H11Protocol

from schemas.errors import UsageError

_log = structlog.get_logger("penstock.http")

#: Seconds a client has to send its headers, and to send its body.
HEADERS_S, BODY_S = 10.0, 60.0
#: Bytes of a request's line and headers together.
MAX_HEAD = 32_768
#: Connections at once; one more is answered 503.
MAX_CONNECTIONS = 256
#: Bodies of the largest size that may be in memory together; what does not fit is answered 503.
BODIES_AT_ONCE = 4
#: Seconds that requests under way are given when the process stops.
GRACE_S = 10
#: Seconds after which a client may try again what was answered 503.
RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` and `target` (path and query) are as sent; header names are lower-case.

    `client` is the address of the peer, None behind a proxy: only the proxy knows then.
    """

    method: str
    path: str
    target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client: str | None


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(status: int, found: Mapping[str, Any], **headers: str) -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(found, ensure_ascii=False).encode(), headers=headers)


def failure(status: int, what: str, todo: str) -> Response:
    """An error: what is wrong, and what the client can do about it."""
    retry = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return answer(status, {"error": what, "todo": todo}, **retry)


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path (`{rest:anything}` stands for what it says), and who answers; handlers run in a thread pool.

    max_body: bytes. admit: asked before the body is read, with an empty one; what it answers is sent instead.
    """

    method: str
    path: str
    handle: Callable[[Request], Response]
    max_body: int = 0
    admit: Callable[[Request], Response | None] = lambda _request: None


@contextmanager
def serving(routes: Sequence[Route], *, host: str, port: int) -> Iterator[str]:
    """Serve while the body runs; yields the address as a URL. Requests under way are finished at the end.

    Args:
        port: 0 for any that is free.

    Raises:
        UsageError: the address cannot be listened on.
    """
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        todo = "set PENSTOCK_HTTP_HOST and PENSTOCK_HTTP_PORT to an address of this machine that is free"
        raise UsageError(f"{host} port {port} cannot be listened on: {error.strerror or error}", todo) from None
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it would tell of every client's mistake
    server = uvicorn.Server(_config(routes))
    thread = threading.Thread(target=server.run, args=([listener],), name="http")
    thread.start()
    try:
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _config(routes: Sequence[Route]) -> uvicorn.Config:
    return uvicorn.Config(
        _application(routes),
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MAX_HEAD,
    )


class _Protocol(H11Protocol):
    """uvicorn's own, and a limit of time for headers, which it waits for without end."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_request(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEADERS_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def _application(routes: Sequence[Route]) -> Starlette:
    register_url_convertor("anything", _Anything())
    bodies = _Bodies(BODIES_AT_ONCE * max(route.max_body for route in routes))
    by_path: dict[str, dict[str, Route]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    table = [HttpRoute(path, _endpoint(methods, bodies), methods=list(methods)) for path, methods in by_path.items()]
    return Starlette(routes=table, exception_handlers={HTTPException: _no_route})


async def _no_route(_request: HttpRequest, error: Exception) -> HttpResponse:
    assert isinstance(error, HTTPException)
    response = _sent(failure(error.status_code, error.detail, "see README, Webhook, for the paths there are"))
    response.headers.update(error.headers or {})
    return response


def _endpoint(methods: Mapping[str, Route], bodies: "_Bodies") -> Callable[[HttpRequest], Awaitable[HttpResponse]]:
    async def endpoint(http: HttpRequest) -> HttpResponse:
        route = methods["GET" if http.method == "HEAD" else http.method]
        try:
            return _sent(await _answer(route, http, bodies))
        except ClientDisconnect:
            return HttpResponse(status_code=400)
        except Exception:  # noqa: BLE001 - the others' requests must go on
            _log.exception("request.failed", path=route.path)
            return _sent(failure(500, "unexpected: a bug of penstock", "look into its log; sending again is safe"))

    return endpoint


async def _answer(route: Route, http: HttpRequest, bodies: "_Bodies") -> Response:
    request = _request(http, b"")
    refused = await run_in_threadpool(route.admit, request)
    if refused is not None:
        return refused
    with bodies.room() as room:
        try:
            async with asyncio.timeout(BODY_S):
                body = await _read(http, route.max_body, room)
        except TimeoutError:
            return failure(408, f"the body did not arrive within {BODY_S:.0f} s", "send it faster, or split it")
        if isinstance(body, Response):
            return body
        return await run_in_threadpool(route.handle, _request(http, body))


async def _read(http: HttpRequest, most: int, room: Callable[[int], bool]) -> bytes | Response:
    """The body, or why it is not read on."""
    too_large = failure(413, f"the body has more than {most} bytes", "send less at once")
    declared = http.headers.get("content-length", "0")
    if int(declared) > most:  # h11 has seen to it that it is a number
        return too_large
    body = bytearray()
    async for part in http.stream():
        if len(body) + len(part) > most:
            return too_large
        if not room(len(part)):
            return failure(503, "too much is being sent at once", "send it again in a few seconds")
        body += part
    return bytes(body)


class _Anything(StringConvertor):
    """Starlette's own `path` stops at a line feed, which a name may hold."""

    regex = r"[\s\S]*"


class _Bodies:
    """Counts the bytes of bodies in memory, of all requests together. Used on the event loop's thread only."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def room(self) -> Iterator[Callable[[int], bool]]:
        """A function that takes room for so many bytes, or says that there is none; given back at the end."""
        taken = 0

        def take(size: int) -> bool:
            nonlocal taken
            if size > self._left:
                return False
            self._left -= size
            taken += size
            return True

        try:
            yield take
        finally:
            self._left += taken


def _request(http: HttpRequest, body: bytes) -> Request:
    path = http.scope["raw_path"].decode("ascii")
    query = http.scope["query_string"].decode("latin-1")
    proxied = "forwarded" in http.headers or any(name.startswith("x-forwarded") for name in http.headers)
    return Request(
        method=http.method,
        path=path,
        target=f"{path}?{query}" if query else path,
        query=dict(http.query_params),
        headers=dict(http.headers),
        body=body,
        client=None if proxied or http.client is None else http.client.host,
    )


def _sent(response: Response) -> HttpResponse:
    safe = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HttpResponse(
        response.body, response.status, {**safe, **response.headers, "Content-Type": response.content_type}
    )
