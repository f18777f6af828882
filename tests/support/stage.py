"""A penstock on a stage: one home and two tenants' folders in this process, quick enough for hundreds of runs.

The parts are the real ones. Only the parser's child process is left out (the same parsers run in process), the clock
is ten seconds ahead, so that new files are trusted, and a crash can be put at any named place.
"""

import functools
import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, Self

import pytest
import yaml

from infra import failpoints
from infra.index_edge import EdgeIndex
from infra.ledger import Ledger, open_ledger
from infra.ledger.views import View
from infra.log import configure_logging
from infra.ports import Index
from infra.settings import Settings
from infra.stub_embedder import StubEmbedder, stub_dimension
from penstock.answers import answer_search
from penstock.compose import ledger_url, open_index, open_model
from penstock.indexing import index
from penstock.search import Query, search
from penstock.workshop import make_pipeline, workshop
from schemas.documents import Block, BlockKind
from schemas.identity import file_path, file_uri
from tests.support import oracle
from tests.support.oracle import Attributes, Recipe, Wanted
from workers.advance import collection_name
from workers.audit import Findings, audit
from workers.parsing import registry, text
from workers.pipeline import batch, embed, look, shape, write
from workers.run import Report

#: Places inside the index's own writes, besides those of infra.failpoints: half of the points, then the end.
HALVES = ("upsert.half", "delete.half")
_PASSING = (batch, embed, look, shape, write)


class Crash(BaseException):
    """The end of a process, as far as the code in it can tell: nothing may catch it."""


class ParserInProcess:
    """`ParserProcess` without the process."""

    def __init__(self, **_: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    parse = staticmethod(registry.parse)

    def extract(self, body: bytes, name: str, members: Sequence[str]) -> list[registry.Taken]:
        return registry.extract(body, name, members)


class Folder:
    """A tenant's source, as a test changes it. Every change gives a file a time it never had."""

    _ticks = itertools.count(1)

    def __init__(self, path: Path, tenant: str) -> None:
        self.path, self.tenant, self.attributes = path, tenant, Attributes()
        self.registered = self.attributes  # a declaration counts from the next run over this folder
        self._aside = path.with_name(path.name + ".away")
        path.mkdir(parents=True)

    def __repr__(self) -> str:
        return f"Folder({self.tenant})"

    @property
    def uri(self) -> str:
        return file_uri(os.fsencode(self.path)) + "/"

    @property
    def answers(self) -> bool:
        return self.path.exists()

    def unplug(self) -> None:
        self.path.rename(self._aside)

    def plug(self) -> None:
        self._aside.rename(self.path)

    def uri_of(self, name: str) -> str:
        return file_uri(os.fsencode(self.path / name))

    def names(self) -> list[str]:
        found = (path for path in self.path.rglob("*") if path.is_symlink() or path.is_file())
        return sorted(str(path.relative_to(self.path)) for path in found)

    def read(self, uri: str) -> bytes | None:
        """The bytes there now, b"" where there is something that cannot be read, None where there is nothing."""
        path = Path(os.fsdecode(file_path(uri)))
        if path.is_symlink():
            return b""
        return path.read_bytes() if path.is_file() else None

    def put(self, name: str, body: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.write_bytes(body)
        self.touch(name)

    def break_link(self, name: str) -> None:
        self.delete(name)
        (self.path / name).symlink_to("nowhere")

    def touch(self, name: str) -> None:
        if not (self.path / name).is_symlink():
            os.utime(self.path / name, ns=(0, 1_700_000_000_000_000_000 + next(self._ticks)))

    def move(self, old: str, new: str) -> None:
        (self.path / new).parent.mkdir(parents=True, exist_ok=True)
        (self.path / old).replace(self.path / new)

    def delete(self, name: str) -> None:
        (self.path / name).unlink()


class Stored(NamedTuple):
    """What an index holds: the collection that searches use, all there are, and the points of the first by tenant."""

    active: str | None
    collections: list[str]
    points: dict[str, dict[str, Wanted]]


class Stage:
    """The home, its folders, and what a person can do with them. `changed`: settings other than the usual ones."""

    def __init__(self, room: Path, **changed: Any) -> None:
        self.room, self.recipe, self.edition, self.changed = room, Recipe(), 0, changed
        self.folders = [Folder(room / "north", "north"), Folder(room / "south", "south")]
        self._patch = pytest.MonkeyPatch()
        ahead = SimpleNamespace(time=lambda: time.time() + 10)
        for module in ("penstock.compose", "penstock.workshop"):
            self._patch.setattr(f"{module}.time", ahead)
        self._patch.setattr("penstock.workshop.ParserProcess", ParserInProcess)
        self._patch.setattr(text, "parse", functools.partial(_edition, self, text.parse))
        configure_logging(verbose=False, as_json=True)

    def close(self) -> None:
        self._patch.undo()
        shutil.rmtree(self.room)

    @property
    def collection(self) -> str:
        """The collection of the model that is set."""
        return collection_name(StubEmbedder(stub_dimension(self.recipe.model) or 0).info)

    @property
    def settings(self) -> Settings:
        # Small batches: a run passes every place several times.
        usual = {"batch_documents": 4, "batch_bytes": 400, "rule_shrink": "off"}
        return Settings(
            home=self.room / "home",
            sources=self.room / "sources.yaml",
            model=self.recipe.model,
            chunk_tokens=self.recipe.chunk_tokens,
            **(usual | self.changed),
        )

    def index(self, folder: Folder, *, crash: tuple[str, int] | None = None, insist: bool = False) -> Report | None:
        """One index run over one folder, as a new process would do it; None when it crashed."""
        self._declare()
        folder.registered = folder.attributes
        with self._parser(self.recipe.edition), crashing(crash):
            try:
                with workshop(self.settings) as shop:
                    return index(shop, [folder.uri], tenant=folder.tenant, insist=insist)
            except Crash:
                return None

    def index_all(self) -> None:
        for folder in self.folders:
            self.index(folder)

    @contextmanager
    def reading(self) -> Iterator["Reader"]:
        """The home as another process would read it; the settings are those of now."""
        settings = self.settings
        ledger = open_ledger(ledger_url(settings), now=0.0)
        index = open_index(settings)
        try:
            with self._parser(self.recipe.edition):
                yield Reader(self, settings, ledger, index)
        finally:
            index.close()
            ledger.close()

    def search(self, words: str, folder: Folder) -> list[dict[str, Any]]:
        """The hits of `penstock search`, by its own way through the home."""
        hits: list[dict[str, Any]] = answer_search(self.settings, Query(words, 100, folder.tenant))["hits"]
        return hits

    def wanted(self, folder: Folder, uri: str, body: bytes, edition: int) -> dict[str, Wanted]:
        """The points of one version, by the settings of now and the parser of then."""
        with self._parser(edition):
            recipe = Recipe(self.recipe.model, self.recipe.chunk_tokens, edition)
            return dict(oracle.points(folder.tenant, uri, body, recipe, folder.registered))

    @contextmanager
    def _parser(self, edition: int) -> Iterator[None]:
        """The parser of plain text in one of its versions: each says something else of the same bytes."""
        before, self.edition = self.edition, edition
        version = f"text-1.{edition}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(registry.FORMATS, "text", registry.FORMATS["text"]._replace(version=version))
            yield
        self.edition = before

    def _declare(self) -> None:
        entries = [
            {
                "uri": folder.uri,
                "tenant": folder.tenant,
                "acl": list(folder.attributes.acl),
                "metadata": dict(folder.attributes.metadata),
            }
            for folder in self.folders
        ]
        (self.room / "sources.yaml").write_text(yaml.safe_dump({"sources": entries}))


class Reader:
    """What can be read of a home, all of it opened once."""

    def __init__(self, stage: Stage, settings: Settings, ledger: Ledger, index: Index) -> None:
        self._stage, self._settings, self._ledger, self._index = stage, settings, ledger, index

    def views(self) -> dict[tuple[str, str], View]:
        """What the ledger says of every document, by tenant and URI."""
        found = self._ledger.views.documents(self._index.active())
        return {(view.tenant, view.uri): view for view in found.values()}

    def stored(self) -> Stored:
        """What the index holds."""
        active = self._index.active()
        tenants = [folder.tenant for folder in self._stage.folders]
        found = {tenant: oracle.stored(self._index, active, tenant) if active else {} for tenant in tenants}
        return Stored(active, self._index.collections(), found)

    def search(self, words: str, folder: Folder, *, limit: int = 100) -> list[dict[str, Any]]:
        """The hits of a search, with the model that the ledger names."""
        name = (self._ledger.get("model") or {}).get("name", self._settings.model)
        parts = {"ledger": self._ledger, "index": self._index, "embedder": open_model(self._settings, name)[1]}
        hits: list[dict[str, Any]] = search(Query(words, limit, folder.tenant), **parts, now=time.time())["hits"]
        return hits

    def audit(self, folder: Folder) -> Findings:
        """What an audit finds in one source."""
        pipeline = make_pipeline(self._settings, self._ledger, self._index, ParserInProcess())
        sources = [source for source in self._ledger.sources.all() if source.tenant == folder.tenant]
        return audit(pipeline, self._index.active() or "", sources)


def _edition(stage: Stage, parse: Any, body: bytes) -> Any:
    content = parse(body)
    note = [Block(BlockKind.PARAGRAPH, f"Edition {stage.edition}.")] if stage.edition else []
    return content._replace(blocks=[*content.blocks, *note])


@contextmanager
def crashing(crash: tuple[str, int] | None) -> Iterator[None]:
    """Crash at the nth passing of a place, if it comes to that."""
    if crash is None:
        yield
        return
    place, left = crash

    def reach(name: str) -> None:
        nonlocal left
        left -= name == place
        if name == place and left == 0:
            raise Crash(name)

    with pytest.MonkeyPatch.context() as patch:
        for module in _PASSING:
            assert module.reach is failpoints.reach
            patch.setattr(module, "reach", reach)
        for name in HALVES:
            method = name.removesuffix(".half")
            patch.setattr(EdgeIndex, method, _halved(name, getattr(EdgeIndex, method), reach))
        yield


def _halved(name: str, real: Any, reach: Any) -> Any:
    """A write of the index that does half of its work, passes a place, and does the rest."""

    def method(opened: EdgeIndex, collection: str, items: Any) -> None:
        items = list(items)
        real(opened, collection, items[: len(items) // 2])
        if items:
            reach(name)
        real(opened, collection, items[len(items) // 2 :])

    return method
