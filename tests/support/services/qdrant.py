"""The Qdrant stand-in: the REST calls Penstock uses, served to many processes from qdrant-client's local mode."""

import json
import sys
import urllib.request
from typing import Any

from tests.support.services.server import ROOT, Server


class Qdrant(Server):
    """`python -m tests.support.qdrant_server` over a folder."""

    name = "Qdrant stand-in"

    @property
    def url(self) -> str:
        """Its REST address."""
        return f"http://{self.address}"

    def command(self) -> list[str]:
        server = ["-m", "tests.support.qdrant_server"]
        return [sys.executable, *server, "--port", str(self.port), "--path", str(self.folder / "data")]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT)}

    def answers(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
            return answer.status == 200


def emptied(url: str) -> str:
    """The same address, without a collection or an alias now."""
    for alias in _call("GET", f"{url}/aliases")["aliases"]:
        gone = {"actions": [{"delete_alias": {"alias_name": alias["alias_name"]}}]}
        _call("POST", f"{url}/collections/aliases", gone)
    for collection in _call("GET", f"{url}/collections")["collections"]:
        _call("DELETE", f"{url}/collections/{collection['name']}")
    return url


def _call(method: str, url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["result"]
