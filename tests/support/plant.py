"""A whole penstock in this process, driven through its command line: what a person types, what comes back."""

import contextlib
import io
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from penstock.cli import run
from workers.parsing import sandbox
from workers.parsing.limits import Limits
from workers.parsing.process import ServerProcess


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; a second line there is an error."""
        return json.loads(self.out)


class Plant:
    """Runs commands on one home. Embeds with the stub unless another model is set."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.environment = {"PENSTOCK_MODEL": "stub-64", "PENSTOCK_HOME": str(home), **environment}

    def run(self, *arguments: object, **environment: str) -> Result:
        """Run one command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with (
            self.surroundings(**environment),
            _parsers_kept(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = run([os.fsdecode(argument) for argument in map(_text, arguments)])
        return Result(status, out.getvalue(), err.getvalue())

    def surroundings(self, **environment: str) -> AbstractContextManager[None]:
        """This plant's environment, for a while this process's own."""
        return _environment({**self.environment, **environment})

    def json(self, *arguments: object, status: int | None = 0, **environment: str) -> dict[str, Any]:
        """Run one command with --json; its exit status must be as expected (None: whatever)."""
        result = self.run(*arguments, "--json", **environment)
        assert status is None or result.status == status, (result.status, result.out, result.err)
        return result.json

    def index(self, *arguments: object, status: int | None = 0, **environment: str) -> dict[str, Any]:
        """`penstock index ... --json`."""
        return self.json("index", *arguments, status=status, **environment)

    def texts(self, query: str, *, limit: int = 50, **environment: str) -> list[str]:
        """The texts a search finds."""
        return [hit["text"] for hit in self.search(query, limit=limit, **environment)]

    def search(
        self, query: str, *, limit: int = 50, tenant: str = "default", **environment: str
    ) -> list[dict[str, Any]]:
        """The hits of a search."""
        return self.json("search", query, "--limit", limit, "--tenant", tenant, **environment)["hits"]

    def audit(self, *arguments: object, status: int | None = 0, **environment: str) -> dict[str, Any]:
        """`penstock audit --json`; consistent unless another status is expected."""
        return self.json("audit", *arguments, status=status, **environment)


def _text(argument: object) -> str | bytes | Path:
    return argument if isinstance(argument, str | bytes | Path) else str(argument)


@contextmanager
def _parsers_kept() -> Iterator[None]:
    """The parser servers outlive the command, for the next one in this thread: most of a small run is their start."""
    with (
        mock.patch.object(sandbox.ParserProcess, "close"),
        mock.patch.object(sandbox, "ServerProcess", _server),
    ):
        yield


def _server(module: str, limits: Limits, *, without: Sequence[str] = (), **options: Any) -> ServerProcess:
    # A server dies with the thread that started it, and keeps the path to other programs that it was started with.
    key = (threading.get_ident(), os.environ.get("PATH"), module, limits, tuple(without))
    if key not in _servers:
        _servers[key] = ServerProcess(module, limits, without=without, **options)
    return _servers[key]


_servers: dict[tuple[object, ...], ServerProcess] = {}


@contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    """These variables, and none of penstock's besides; afterwards it is as it was."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("PENSTOCK_"):
            del os.environ[name]
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
