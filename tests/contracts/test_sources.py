"""What every source promises, on a folder, on real S3 APIs, and on pushed content in either."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from infra.ports import SourceReader
from infra.push_store import FolderPushStore, PushStore, S3PushStore
from infra.source_folder import FolderSource
from infra.source_push import PushSource
from infra.source_s3 import S3Source
from schemas.documents import SourceEntry
from schemas.errors import Reason, Refusal, Unreachable
from schemas.identity import file_path, file_uri, push_uri, s3_uri
from tests.support.s3 import Store, moto

LIMIT = 1_000_000
NAMES = [
    "a.md",
    "deep/er/b.md",
    "a space+plus%41&more.md",
    "caf\u00e9.md",
    "cafe\u0301.md",
    "\u65e5\u672c!.md",
    "q?#.md",
    "~.md",
]


class World(Protocol):
    """A place with documents under "docs/", and the same few verbs for each kind of source."""

    def write(self, name: str, body: bytes) -> None: ...
    def delete(self, name: str) -> None: ...
    def uri(self, name: str) -> str: ...
    def source(self, name: str = "docs/", *, exclude: Sequence[str] = ()) -> SourceReader: ...
    def destroy(self) -> None: ...


class FolderWorld:
    def __init__(self, path: Path) -> None:
        self.path = path / "place"
        (self.path / "docs").mkdir(parents=True)

    def write(self, name: str, body: bytes) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(".saving")
        fresh.write_bytes(body)
        fresh.replace(target)

    def delete(self, name: str) -> None:
        (self.path / name).unlink()

    def uri(self, name: str) -> str:
        return file_uri(os.fsencode(self.path / name)) + ("/" if name.endswith("/") else "")

    def source(self, name: str = "docs/", *, exclude: Sequence[str] = ()) -> SourceReader:
        # A minute ahead: what was just written counts as settled.
        return FolderSource(f"{self.path}/{name}", exclude=exclude, clock=lambda: time.time() + 60)

    def destroy(self) -> None:
        self.path.rename(self.path.with_name("elsewhere"))


class S3World:
    def __init__(self, store: Store) -> None:
        self.client, self.bucket = store.shared_client, store.new_bucket()

    def write(self, name: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=name, Body=body)

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=name)

    def uri(self, name: str) -> str:
        return s3_uri(self.bucket, name)

    def source(self, name: str = "docs/", *, exclude: Sequence[str] = ()) -> SourceReader:
        return S3Source(self.uri(name), client=self.client, exclude=exclude)

    def destroy(self) -> None:
        for found in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            self.client.delete_object(Bucket=self.bucket, Key=found["Key"])
        self.client.delete_bucket(Bucket=self.bucket)


class PushWorld:
    """Documents pushed under `push://docs/`, kept in a folder or in a bucket, between those of other tenants."""

    def __init__(self, kept: FolderWorld | S3World) -> None:
        self.kept = kept
        self.store: PushStore = (
            FolderPushStore(kept.path / "push")
            if isinstance(kept, FolderWorld)
            else S3PushStore(s3_uri(kept.bucket, "push/"), client=kept.client)
        )
        self.store.prepare("t/1", "push://docs/")
        for tenant, body in (("t", b"t"), ("t/1/docs", b"below")):
            self.store.put(tenant, "push://docs/of-another.md", body)

    def write(self, name: str, body: bytes) -> None:
        self.store.put("t/1", self.uri(name), body)

    def delete(self, name: str) -> None:
        self.store.delete("t/1", self.uri(name))

    def uri(self, name: str) -> str:
        source, _, id_ = name.encode().partition(b"/")
        return push_uri(source, id_) if id_ else f"push://{name}"

    def source(self, name: str = "docs/", *, exclude: Sequence[str] = ()) -> SourceReader:
        uri, base = self.uri(name), self.store.where("t/1")
        place = base + uri.removeprefix("push://")
        if isinstance(self.kept, S3World):
            return PushSource(uri, S3Source(place, client=self.kept.client, exclude=exclude), base=base)
        stored = FolderSource(file_path(place), exclude=exclude, clock=lambda: time.time() + 60)
        return PushSource(uri, stored, base=base)

    def destroy(self) -> None:
        self.kept.destroy()


@pytest.fixture(scope="module")
def moto_store() -> Iterator[Store]:
    with moto() as store:
        yield store


@pytest.fixture(params=["folder", "s3", "moto", "push-folder", "push-s3"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "folder":
        return FolderWorld(tmp_path)
    if request.param == "push-folder":
        return PushWorld(FolderWorld(tmp_path))
    place = S3World(request.getfixturevalue("moto_store" if request.param == "moto" else "s3"))
    return PushWorld(place) if request.param == "push-s3" else place


def listed(source: SourceReader) -> dict[str, SourceEntry]:
    entries = list(source.list())
    by_uri = {entry.uri: entry for entry in entries}
    assert len(by_uri) == len(entries), "a URI is listed twice"
    return by_uri


def test_a_listing_names_every_document_and_nothing_else(world: World) -> None:
    bodies = {f"docs/{name}": b"x" * number for number, name in enumerate(NAMES)}
    for name, body in bodies.items():
        world.write(name, body)
    entries = listed(world.source())
    assert {uri: entry.size for uri, entry in entries.items()} == {
        world.uri(name): len(body) for name, body in bodies.items()
    }
    assert all(entry.problem is None and entry.identity for entry in entries.values())
    assert all(abs(entry.modified_at - time.time()) < 60 for entry in entries.values())


def test_every_name_comes_back_from_its_uri_byte_for_byte(world: World) -> None:
    for name in NAMES:
        world.write(f"docs/{name}", name.encode())
    source = world.source()
    bodies = {uri: source.fetch(uri, max_bytes=LIMIT) for uri in listed(source)}
    assert sorted(fetched.body.decode() for fetched in bodies.values() if fetched) == sorted(NAMES)


def test_stat_says_what_the_listing_says(world: World) -> None:
    for name in NAMES:
        world.write(f"docs/{name}", b"text")
    source = world.source()
    assert {uri: source.stat(uri) for uri in listed(source)} == listed(source)


def test_the_identity_a_document_is_read_under_is_the_one_listed_while_it_stays_unchanged(world: World) -> None:
    world.write("docs/a.md", b"text")
    source = world.source()
    fetched = source.fetch(world.uri("docs/a.md"), max_bytes=LIMIT)
    entry = listed(source)[world.uri("docs/a.md")]
    assert fetched is not None
    assert (fetched.uri, fetched.body) == (entry.uri, b"text")
    assert (fetched.identity, fetched.modified_at) == (entry.identity, entry.modified_at)
    assert listed(world.source()) == {entry.uri: entry}


def test_new_bytes_of_the_same_length_give_another_identity(world: World) -> None:
    world.write("docs/a.md", b"old!")
    source = world.source()
    before = listed(source)[world.uri("docs/a.md")]
    world.write("docs/a.md", b"new!")
    after = listed(source)[world.uri("docs/a.md")]
    assert before.identity != after.identity


def test_a_deleted_document_is_gone_for_list_stat_and_fetch(world: World) -> None:
    world.write("docs/a.md", b"text")
    world.write("docs/b.md", b"text")
    source = world.source()
    world.delete("docs/a.md")
    assert set(listed(source)) == {world.uri("docs/b.md")}
    assert source.stat(world.uri("docs/a.md")) is None
    assert source.fetch(world.uri("docs/a.md"), max_bytes=LIMIT) is None


def test_what_never_was_is_gone_too_also_below_a_document(world: World) -> None:
    world.write("docs/a.md", b"text")
    source = world.source()
    for name in ("docs/never.md", "docs/no/such/folder.md", "docs/a.md/below.md"):
        assert source.stat(world.uri(name)) is None
        assert source.fetch(world.uri(name), max_bytes=LIMIT) is None


def test_a_document_over_the_limit_is_refused_and_one_at_the_limit_is_read(world: World) -> None:
    world.write("docs/a.md", b"x" * 101)
    with pytest.raises(Refusal) as refusal:
        world.source().fetch(world.uri("docs/a.md"), max_bytes=100)
    assert refusal.value.reason is Reason.TOO_LARGE
    assert "101" in refusal.value.detail
    fetched = world.source().fetch(world.uri("docs/a.md"), max_bytes=101)
    assert fetched is not None
    assert len(fetched.body) == 101


def test_an_empty_document_is_a_document(world: World) -> None:
    world.write("docs/a.md", b"")
    fetched = world.source().fetch(world.uri("docs/a.md"), max_bytes=LIMIT)
    assert fetched is not None
    assert fetched.body == b""
    assert listed(world.source())[world.uri("docs/a.md")].size == 0


def test_excluded_names_and_folders_are_not_listed_and_are_gone_from_the_source(world: World) -> None:
    """They once were "unreachable": a document excluded after it was indexed stayed, and failed on every run."""
    for name in ("keep.md", "draft.tmp", "deep/x.tmp", "old/a.md", "old/deep/b.md", "older/c.md"):
        world.write(f"docs/{name}", b"text")
    source = world.source(exclude=["*.tmp", "old/"])
    assert set(listed(source)) == {world.uri("docs/keep.md"), world.uri("docs/older/c.md")}
    for name in ("draft.tmp", "never.tmp", "old/a.md", "old/deep/b.md"):
        assert source.stat(world.uri(f"docs/{name}")) is None
        assert source.fetch(world.uri(f"docs/{name}"), max_bytes=LIMIT) is None


def test_a_neighbour_whose_name_begins_alike_belongs_to_another_source(world: World) -> None:
    world.write("docs/a.md", b"text")
    world.write("docs-old/a.md", b"text")
    source = world.source()
    assert set(listed(source)) == {world.uri("docs/a.md")}
    for foreign in (
        world.uri("docs-old/a.md"),
        "push://name/id",
        "push://docs-/a.md",
        "s3://other-bucket/docs/a.md",
        "file:///docs/a.md",
    ):
        with pytest.raises(Unreachable, match="not in the source"):
            source.stat(foreign)
        with pytest.raises(Unreachable, match="not in the source"):
            source.fetch(foreign, max_bytes=LIMIT)


def test_a_uri_spelt_in_another_way_is_no_document_of_the_source(world: World) -> None:
    world.write("docs/a.md", b"text")
    with pytest.raises(Unreachable, match="not in the source"):
        world.source().stat(world.uri("docs/a.md").replace("a.md", "%61.md"))


def test_a_source_can_be_one_document(world: World) -> None:
    world.write("docs/a.md", b"text")
    world.write("docs/b.md", b"text")
    source = world.source("docs/a.md", exclude=["*.md"])
    uri = world.uri("docs/a.md")
    assert set(listed(source)) == {uri}
    assert source.stat(uri) == listed(source)[uri]
    with pytest.raises(Unreachable):
        source.stat(world.uri("docs/b.md"))
    world.delete("docs/a.md")
    assert listed(source) == {}
    assert source.stat(uri) is None
    assert source.fetch(uri, max_bytes=LIMIT) is None


def test_the_root_keeps_its_identity_while_documents_come_and_go(world: World) -> None:
    world.write("docs/a.md", b"text")
    before = world.source().root_identity()
    world.write("docs/b.md", b"text")
    world.delete("docs/a.md")
    assert world.source().root_identity() == before


@pytest.mark.parametrize("name", ["docs/", "docs/a.md"])
def test_a_root_that_is_gone_says_so_and_proves_nothing_about_its_documents(world: World, name: str) -> None:
    world.write("docs/a.md", b"text")
    source = world.source(name)
    world.destroy()
    uri = world.uri("docs/a.md")
    for ask in (
        source.root_identity,
        lambda: list(source.list()),
        lambda: source.stat(uri),
        lambda: source.fetch(uri, max_bytes=LIMIT),
    ):
        with pytest.raises(Unreachable) as unreachable:
            ask()
        assert "does not exist" in unreachable.value.what
        assert unreachable.value.todo


def test_a_listing_of_many_parts_is_complete(world: World) -> None:
    names = [f"docs/{folder}/{number}.md" for folder in "abc" for number in range(3)]
    for name in names:
        world.write(name, b"")
    with pages_of_two(world):
        assert set(listed(world.source())) == {world.uri(name) for name in names}


@contextmanager
def pages_of_two(world: World) -> Iterator[None]:
    """Let the store give two keys a page, where it would give a thousand; a folder has no pages."""
    world = world.kept if isinstance(world, PushWorld) else world
    if isinstance(world, FolderWorld):
        yield
        return
    assert isinstance(world, S3World)
    hook = ("provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 2})
    world.client.meta.events.register(*hook)
    yield
    world.client.meta.events.unregister(*hook)
