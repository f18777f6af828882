"""A client of `penstock serve`: signs what it sends, over plain sockets, so that paths go out as they are written."""

import http.client
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from producers.webhook import payload, sign
from tests.support.processes import Penstock, finish


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Sends requests to `address`, signed with `key`."""

    address: str
    key: bytes

    @property
    def port(self) -> int:
        port = urlsplit(self.address).port
        assert port
        return port

    def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        key: bytes | None = None,
        id_: str = "",
        at: float | None = None,
        signed: bytes | None = None,
        **headers: str,
    ) -> Reply:
        """Send a request; `signed`: what to sign instead of what is sent."""
        id_, timestamp = id_ or f"msg_{uuid.uuid4().hex}", int(time.time() if at is None else at)
        text = payload(method, target, body) if signed is None else signed
        given = {
            "webhook-id": id_,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(key or self.key, id_, timestamp, text),
        }
        return self.plain(method, target, body, **{**given, **headers})

    def plain(self, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
        """Send a request with these headers only."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, target, skip_host="host" in headers, skip_accept_encoding=True)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Reply(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})
        finally:
            connection.close()


@contextmanager
def serving(process: Penstock, key: bytes, **environment: str) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    """A `serve` that answers; it is killed with its children afterwards if the test has not ended it."""
    started = process.start("serve", **{"PENSTOCK_HTTP_PORT": "0", **environment})
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line.startswith("Serving http"), (line, finish(started))
        yield Client(line.split()[1].rstrip(";"), key), started
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        if started.stdout is not None and not started.stdout.closed:
            finish(started)
