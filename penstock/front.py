"""What the HTTP service answers: signed requests of tenants, and what an operator looks at.

Invariant of everything that is taken in: written, then told (and the telling confirmed), then remembered, then 202. A
crash in between costs a second delivery, which is harmless, and never a loss.
"""

import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import structlog
from pydantic import ValidationError

from infra.http_server import Request, Response, Route, answer, failure
from infra.ledger import Ledger
from infra.push_store import PushStore
from penstock.page import CONTENT_SECURITY, status_page
from penstock.readiness import Readiness
from penstock.search import Query
from penstock.status import status
from producers.webhook import Keys, Rejected, make_event, owner_of, payload, read_event, read_headers, read_push, verify
from schemas.errors import Unreachable, UsageError
from schemas.events import DocumentEvent, DocumentEventData
from schemas.identity import push_uri
from schemas.sources import Source

_log = structlog.get_logger("penstock.front")

#: Bytes of an event; what it says of a document is short.
MAX_EVENT = 65_536
#: Most hits of one search.
MAX_HITS = 100
METRICS_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_DOCUMENTS = "/v1/documents/"

#: Does what a tenant's signed request asks.
Act = Callable[[str, Request], Response]


@dataclass(frozen=True)
class Front:
    """What the answers are made with.

    publish: returns once the event is safe, else raises Unreachable. sources: every declared one, as of now.
    search: None where this process cannot. checks: parts by name, each raises Unreachable where it does not answer.
    metrics: the text Prometheus reads. now: seconds since the epoch.
    """

    keys: Keys
    ledger: Ledger
    store: PushStore
    publish: Callable[[DocumentEvent], None]
    sources: Callable[[], Sequence[Source]]
    search: Callable[[Query], dict[str, Any]] | None
    checks: Mapping[str, Callable[[], object]]
    metrics: Callable[[], bytes]
    home: str
    max_document_bytes: int
    now: Callable[[], float]
    new_id: Callable[[], str]

    def routes(self) -> list[Route]:
        """Everything that is served."""
        encoded = self.max_document_bytes * 4 // 3 + MAX_EVENT
        taken_in = [
            Route("POST", "/v1/events", self._signed(self._take_event), MAX_EVENT, self._admit),
            Route("POST", "/v1/documents", self._signed(self._push), encoded, self._admit),
            Route("PUT", _DOCUMENTS + "{rest:anything}", self._signed(self._put), self.max_document_bytes, self._admit),
            Route("DELETE", _DOCUMENTS + "{rest:anything}", self._signed(self._delete), 0, self._admit),
        ]
        shown = [
            Route("GET", "/healthz", lambda _: answer(200, {"alive": True})),
            Route("GET", "/readyz", Readiness(self.checks)),
            Route("GET", "/v1/status", _for_operators(lambda: answer(200, self._status()))),
            Route("GET", "/metrics", _for_operators(lambda: Response(200, self.metrics(), METRICS_TEXT))),
            Route("GET", "/", _for_operators(self._page)),
        ]
        if self.search is not None:
            shown.append(Route("GET", "/v1/search", self._signed(self._search, changes=False), 0, self._admit))
        return taken_in + shown

    def _admit(self, request: Request) -> Response | None:
        """Refuse before the body is read what is not even signed, or names no document."""
        try:
            read_headers(request.headers, now=self.now())
            if request.path.startswith(_DOCUMENTS):
                _pushed(request)
        except Rejected as error:
            return failure(error.status, error.what, error.todo)
        return None

    def _signed(self, act: Act, *, changes: bool = True) -> Callable[[Request], Response]:
        """A handler for whoever's key signed the request; what changes something is done once for each id."""

        def handle(request: Request) -> Response:
            try:
                tenant, id_ = self._identify(request, new=changes)
                response = act(tenant, request)
                if changes:
                    self.ledger.webhooks.remember(tenant, id_, at=self.now())
            except Rejected as error:
                return failure(error.status, error.what, error.todo)
            except UsageError as error:
                return failure(400, error.what, error.todo)
            except Unreachable as error:
                # What is out of reach, and where, is for the operator.
                _log.warning("request.not_taken", error=str(error))
                return failure(503, "a part of penstock does not answer", "send it again in a few seconds")
            return response

        return handle

    def _identify(self, request: Request, *, new: bool) -> tuple[str, str]:
        """The tenant whose key signed the request, and its id, which must not have been taken in before if `new`."""
        claimed = read_headers(request.headers, now=self.now())
        tenant = verify(claimed, payload(request.method, request.target, request.body), self.keys)
        if request.query.get("tenant", tenant) != tenant:
            raise Rejected(403, "the request names another tenant than the key's", "use that tenant's key")
        if new and self.ledger.webhooks.seen(tenant, claimed.id):
            raise Rejected(409, "this webhook-id was taken in before", "nothing is to be done")
        return tenant, claimed.id

    def _take_event(self, tenant: str, request: Request) -> Response:
        event = read_event(request.body, tenant=tenant, time=self.now(), new_id=self.new_id())
        owner_of(event.data.uri, tenant, self.sources())
        return self._publish(event)

    def _push(self, tenant: str, request: Request) -> Response:
        data, content = read_push(request.body, tenant=tenant)
        owner_of(data.uri, tenant, self.sources())
        if len(content) > self.max_document_bytes:
            raise Rejected(413, f"longer than {self.max_document_bytes} bytes", "split the document")
        self.store.put(tenant, data.uri, content)
        return self._publish(make_event(data, removed=False, time=self.now(), new_id=self.new_id()))

    def _put(self, tenant: str, request: Request) -> Response:
        event = self._event(tenant, request, removed=False)
        self.store.put(tenant, event.subject, request.body)
        return self._publish(event)

    def _delete(self, tenant: str, request: Request) -> Response:
        event = self._event(tenant, request, removed=True)
        self.store.delete(tenant, event.subject)
        return self._publish(event)

    def _event(self, tenant: str, request: Request, *, removed: bool) -> DocumentEvent:
        """The event of a pushed document, whose source must be declared."""
        uri = _pushed(request)
        owner_of(uri, tenant, self.sources())
        given = {name: _json(request, name) for name in ("metadata", "acl") if name in request.query}
        try:
            data = DocumentEventData.model_validate({**given, "uri": uri, "tenant": tenant})
        except ValidationError as error:
            what = f"{error.errors()[0]['loc'][0]} is not what it should be"
            raise Rejected(400, what, "metadata: a JSON object of strings; acl: a JSON list of strings") from None
        return make_event(data, removed=removed, time=self.now(), new_id=self.new_id())

    def _publish(self, event: DocumentEvent) -> Response:
        self.publish(event)
        return answer(202, {"uri": event.subject, "id": event.id})

    def _search(self, tenant: str, request: Request) -> Response:
        limit = request.query.get("limit", "5")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:4]) <= MAX_HITS):
            raise Rejected(400, "limit is no number in reach", f"give 1 to {MAX_HITS}")
        assert self.search is not None
        around = request.query.get("context", "") in ("1", "true")
        return answer(200, self.search(Query(request.query.get("q", ""), int(limit), tenant, context=around)))

    def _status(self) -> dict[str, Any]:
        return status(self.ledger, home=self.home, now=self.now())

    def _page(self) -> Response:
        page = status_page(self._status())
        return Response(200, page, "text/html; charset=utf-8", {"Content-Security-Policy": CONTENT_SECURITY})


def _for_operators(look: Callable[[], Response]) -> Callable[[Request], Response]:
    """For this machine only: it shows every tenant's URIs, and these routes are signed by nobody."""

    def handle(request: Request) -> Response:
        host = urlsplit("//" + request.headers.get("host", "")).hostname or ""
        # A page of another site cannot ask for an address as its own, only for a name that leads here.
        if not (_is_loopback(request.client or "") and (host == "localhost" or _is_address(host))):
            return failure(403, "only this machine may see it", "use `penstock status`, or a tunnel to the port")
        try:
            return look()
        except Unreachable as error:
            return failure(503, error.what, error.todo)

    return handle


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host.removeprefix("::ffff:")).is_loopback


def _pushed(request: Request) -> str:
    """The URI that the path of a document names."""
    name, _, id_ = request.path.removeprefix(_DOCUMENTS).partition("/")
    try:
        return push_uri(unquote_to_bytes(name), unquote_to_bytes(id_))
    except ValueError as error:
        raise Rejected(400, f"not a document: {error}", f"{_DOCUMENTS}NAME/ID, percent-encoded") from None


def _json(request: Request, name: str) -> object:
    try:
        return json.loads(request.query[name])
    except (ValueError, RecursionError):
        raise Rejected(400, f"{name} is not JSON", "percent-encode its JSON into the query") from None
