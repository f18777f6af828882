"""The freshness table, row by row: what happens to the source, what it costs, what the index says afterwards.

Every row runs on real files and on a real S3 API.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest

from tests.support.plant import Plant

PARAGRAPHS = [
    f"Paragraph {n} speaks of matter number {n} and of nothing else, at some length, so that it counts."
    for n in range(60)
]
SECTIONS = [f"## Section {n}\n\n" + "\n\n".join(PARAGRAPHS[n * 6 : n * 6 + 6]) for n in range(10)]
LONG = "# Handbook\n\n" + "\n\n".join(SECTIONS) + "\n"


class World(Protocol):
    """A place documents live in, as a test changes it."""

    source: str

    def put(self, name: str, body: str | bytes) -> None: ...
    def touch(self, name: str) -> None: ...
    def delete(self, name: str) -> None: ...
    def uri(self, name: str) -> str: ...


class FolderWorld:
    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, str(folder)
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, body: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body.encode() if isinstance(body, str) else body)

    def touch(self, name: str) -> None:
        os.utime(self.folder / name)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()

    def uri(self, name: str) -> str:
        return f"file://{self.folder}/{name}"


class BucketWorld:
    def __init__(self, s3) -> None:
        self.client, self.bucket = s3.client(), s3.new_bucket()
        self.source = f"s3://{self.bucket}/docs/"

    def put(self, name: str, body: str | bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"docs/{name}", Body=body)

    def touch(self, name: str) -> None:
        """Upload the same bytes again, in parts, so that the ETag differs."""
        key = {"Bucket": self.bucket, "Key": f"docs/{name}"}
        body = self.client.get_object(**key)["Body"].read()
        upload = self.client.create_multipart_upload(**key)["UploadId"]
        part = self.client.upload_part(**key, UploadId=upload, PartNumber=1, Body=body)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.client.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"docs/{name}")

    def uri(self, name: str) -> str:
        return f"{self.source}{name}"


#: For what a setting or a version changes: no source is asked, so `make test` shows it on one of them.
WHATEVER_THE_SOURCE = pytest.mark.parametrize(
    "world", ["folder", pytest.param("bucket", marks=[pytest.mark.server, pytest.mark.chaos])], indirect=True
)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.server)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "folder":
        return FolderWorld(tmp_path / "docs")
    return BucketWorld(request.getfixturevalue("s3"))


@pytest.fixture
def plant(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    # A file younger than two seconds is not trusted unread, by design; ten seconds later it is.
    clock = SimpleNamespace(time=lambda: time.time() + 10)
    monkeypatch.setattr("penstock.compose.time", clock)
    monkeypatch.setattr("penstock.workshop.time", clock)
    environment = {}
    if "bucket" in request.node.callspec.id:
        s3 = request.getfixturevalue("s3")
        environment["PENSTOCK_S3_ENDPOINT_URL"] = s3.endpoint_url
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Plant(tmp_path / "home", **environment)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts reads of documents and parses, wherever they happen."""
    from infra import source_folder, source_s3
    from workers.parsing.sandbox import ParserProcess

    seen = {"reads": 0, "parses": 0}

    def count(name: str, real: Callable) -> Callable:
        def counted(*args, **kwargs):
            seen[name] += 1
            return real(*args, **kwargs)

        return counted

    monkeypatch.setattr(source_folder.FolderSource, "fetch", count("reads", source_folder.FolderSource.fetch))
    monkeypatch.setattr(source_s3.S3Source, "fetch", count("reads", source_s3.S3Source.fetch))
    monkeypatch.setattr(ParserProcess, "parse", count("parses", ParserProcess.parse))
    return seen


def points(plant: Plant, tenant: str = "default") -> dict[str, dict]:
    """Every point of the index, as it is stored."""
    from infra.index_edge import EdgeIndex

    index = EdgeIndex(plant.home / "index")
    try:
        return {point.id: point.payload for point in index.scroll(index.active(), tenant)}
    finally:
        index.close()


def test_nothing_happens_and_nothing_is_read(plant: Plant, world: World, spied: dict[str, int]) -> None:
    world.put("a.md", LONG)
    world.put("b.txt", "Some words about boats.\n")
    plant.index(world.source)
    before, spied["reads"], spied["parses"] = points(plant), 0, 0
    report = plant.index(world.source)
    assert report["documents"]["unchanged"] == 2
    assert spied == {"reads": 0, "parses": 0}
    assert points(plant) == before


def test_touching_costs_one_read_and_the_points_stay(plant: Plant, world: World, spied: dict[str, int]) -> None:
    world.put("a.md", LONG)
    plant.index(world.source)
    before, spied["reads"], spied["parses"] = points(plant), 0, 0
    world.touch("a.md")
    report = plant.index(world.source)
    assert spied == {"reads": 1, "parses": 0}
    assert report["documents"]["unchanged"] == 1
    assert report["chunks"]["embedded"] == 0
    assert points(plant) == before
    # and the new identity is remembered: the next run reads nothing
    spied["reads"] = 0
    plant.index(world.source)
    assert spied["reads"] == 0


def test_an_edited_paragraph_embeds_only_new_text(plant: Plant, world: World) -> None:
    world.put("a.md", LONG)
    total = plant.index(world.source)["chunks"]["total"]
    world.put("a.md", LONG.replace(PARAGRAPHS[31], "Herons are counted here every spring."))
    report = plant.index(world.source)
    assert 1 <= report["chunks"]["embedded"] <= 3
    assert report["chunks"]["total"] >= total - 2
    assert any("Herons" in text for text in plant.texts("herons counted in spring"))
    assert not any(PARAGRAPHS[31] in text for text in plant.texts(PARAGRAPHS[31]))
    plant.audit()


def test_a_moved_section_costs_its_seams(plant: Plant, world: World) -> None:
    world.put("a.md", LONG)
    plant.index(world.source)
    moved = [*SECTIONS[:2], *SECTIONS[3:8], SECTIONS[2], *SECTIONS[8:]]
    world.put("a.md", "# Handbook\n\n" + "\n\n".join(moved) + "\n")
    report = plant.index(world.source)
    assert report["chunks"]["embedded"] <= 6, "at most the chunks on both sides of three seams"
    ordered = sorted(points(plant).values(), key=lambda payload: payload["meta"]["ordinal"])
    assert [payload["meta"]["ordinal"] for payload in ordered] == list(range(len(ordered)))
    text = "".join(payload["content"] for payload in ordered)
    assert text.index("matter number 43") < text.index("matter number 12") < text.index("matter number 48")
    for payload in ordered:
        if "matter number 13" in payload["content"]:
            assert payload["meta"]["headings"][-1] == "Section 2"
    plant.audit()


def test_a_move_embeds_nothing_and_only_the_new_place_is_found(
    plant: Plant, world: World, spied: dict[str, int]
) -> None:
    world.put("old/a.md", LONG)
    world.put("b.md", "# Other\n\nSomething else.\n")
    plant.index(world.source)
    world.put("new/place.md", LONG)
    world.delete("old/a.md")
    spied["parses"] = 0
    report = plant.index(world.source)
    assert report["documents"]["moved"] == 1
    assert (report["documents"]["added"], report["documents"]["removed"]) == (0, 0)
    assert report["chunks"]["embedded"] == 0
    assert spied["parses"] == 0, "the parse is known by its content"
    found = {payload["uri"] for payload in points(plant).values()}
    assert found == {world.uri("new/place.md"), world.uri("b.md")}
    plant.audit()


def test_a_copy_embeds_nothing_and_both_are_found(plant: Plant, world: World) -> None:
    world.put("a.md", LONG)
    chunks = plant.index(world.source)["chunks"]["total"]
    world.put("copy of a.md", LONG)
    report = plant.index(world.source)
    assert (report["documents"]["added"], report["chunks"]["embedded"]) == (1, 0)
    assert report["chunks"]["total"] == 2 * chunks
    found = {hit["uri"] for hit in plant.search("matter number 7")}
    assert found == {world.uri("a.md"), world.uri("copy%20of%20a.md")}
    plant.audit()


def test_a_deleted_document_leaves_no_point(plant: Plant, world: World) -> None:
    world.put("a.md", LONG)
    world.put("b.md", "# Other\n\nSomething else.\n")
    plant.index(world.source)
    world.delete("a.md")
    report = plant.index(world.source)
    assert report["documents"]["removed"] == 1
    assert report["chunks"]["embedded"] == 0
    assert {payload["uri"] for payload in points(plant).values()} == {world.uri("b.md")}
    plant.audit()


@pytest.mark.parametrize(
    ("body", "reason"), [("", "empty"), (b"\x00\x01\x02\x03" * 500, "unsupported")], ids=["emptied", "junk"]
)
def test_a_bad_version_leaves_the_last_good_one(plant: Plant, world: World, body: str | bytes, reason: str) -> None:
    world.put("a.md", LONG)
    plant.index(world.source)
    before = points(plant)
    world.put("a.md", body)
    report = plant.index(world.source, status=1)
    assert report["documents"]["held"] == 1
    assert [one["reason"] for one in report["refused"]] == [reason]
    assert points(plant) == before
    assert all(not hit["fresh"] for hit in plant.search("matter number 7"))
    [refused] = plant.json("status")["refused"]
    assert (refused["uri"], refused["reason"]) == (world.uri("a.md"), reason)
    assert plant.audit()["held"] == [world.uri("a.md")]
    # it is reported on every run, and a good version releases it
    assert plant.index(world.source, status=1)["documents"]["held"] == 1
    world.put("a.md", LONG.replace("matter number 7", "matter number seven"))
    assert plant.index(world.source)["documents"]["updated"] == 1
    assert all(hit["fresh"] for hit in plant.search("matter number seven"))
    plant.audit()


def test_going_back_to_the_last_good_bytes_releases_without_work(plant: Plant, world: World) -> None:
    world.put("a.md", LONG)
    plant.index(world.source)
    world.put("a.md", "")
    plant.index(world.source, status=1)
    world.put("a.md", LONG)
    report = plant.index(world.source)
    assert report["documents"]["held"] == 0
    assert report["chunks"]["embedded"] == 0
    assert all(hit["fresh"] for hit in plant.search("matter number 7"))


@WHATEVER_THE_SOURCE
def test_a_new_parser_version_costs_that_kind_only(
    plant: Plant, world: World, spied: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.parsing import registry

    world.put("a.md", LONG)
    world.put("b.txt", "Some words about boats.\n")
    plant.index(world.source)
    spied["parses"] = 0
    newer = registry.FORMATS["text"]._replace(version="text-99")
    monkeypatch.setitem(registry.FORMATS, "text", newer)
    report = plant.index(world.source)
    assert report["documents"]["updated"] == 1
    assert spied["parses"] == 1
    assert report["chunks"]["embedded"] == 0
    fingerprints = {payload["uri"]: payload["meta"]["fingerprint"] for payload in points(plant).values()}
    assert len(set(fingerprints.values())) == 2
    plant.audit()
    assert plant.index(world.source)["documents"]["updated"] == 0


@WHATEVER_THE_SOURCE
def test_a_new_chunker_starts_from_stored_parses(plant: Plant, world: World, spied: dict[str, int]) -> None:
    world.put("a.md", LONG)
    world.put("b.txt", "Some words about boats.\n")
    total = plant.index(world.source)["chunks"]["total"]
    spied["reads"] = spied["parses"] = 0
    report = plant.index(world.source, PENSTOCK_CHUNK_TOKENS="48")
    assert spied == {"reads": 0, "parses": 0}
    assert report["documents"]["updated"] == 2
    assert report["chunks"]["total"] > total
    plant.audit(PENSTOCK_CHUNK_TOKENS="48")
    assert plant.index(world.source, PENSTOCK_CHUNK_TOKENS="48")["documents"]["updated"] == 0


@WHATEVER_THE_SOURCE
def test_reindex_does_the_same_and_force_does_everything(plant: Plant, world: World, spied: dict[str, int]) -> None:
    world.put("a.md", LONG)
    plant.index(world.source)
    before = set(points(plant))
    spied["reads"] = spied["parses"] = 0
    assert plant.json("reindex", world.source)["documents"]["updated"] == 0
    assert spied == {"reads": 0, "parses": 0}
    assert plant.json("reindex", world.source, "--force")["documents"]["updated"] == 1
    assert spied == {"reads": 1, "parses": 1}
    assert set(points(plant)) == before
    plant.audit()


@WHATEVER_THE_SOURCE
def test_a_new_model_is_built_beside_and_switched_to(plant: Plant, world: World, spied: dict[str, int]) -> None:
    world.put("a.md", LONG)
    world.put("b.txt", "Some words about boats.\n")
    chunks = plant.index(world.source)["chunks"]["total"]
    spied["reads"] = spied["parses"] = 0
    report = plant.index(world.source, PENSTOCK_MODEL="stub-32")
    assert report["chunks"]["embedded"] == chunks
    assert spied == {"reads": 0, "parses": 0}, "the stored parses are where it starts"
    assert {payload["meta"]["embedding_model"] for payload in points(plant).values()} == {"stub-32"}
    assert plant.search("boats", PENSTOCK_MODEL="stub-32")[0]["uri"] == world.uri("b.txt")
    plant.audit(PENSTOCK_MODEL="stub-32")


@WHATEVER_THE_SOURCE
def test_until_the_switch_search_answers_from_the_old_model(
    plant: Plant, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that is interrupted half-way leaves search on the old collection, whatever the settings say."""
    from infra.stub_embedder import StubEmbedder

    for n in range(5):
        world.put(f"{n}.txt", f"Document number {n} is about boats and harbours.\n")
    plant.index(world.source)
    before = points(plant)
    encode, calls = StubEmbedder.encode, []

    def breaks(self: StubEmbedder, texts):
        calls.append(len(texts))
        if self.info.dimension == 32:
            raise KeyboardInterrupt
        return encode(self, texts)

    with monkeypatch.context() as broken:
        broken.setattr(StubEmbedder, "encode", breaks)
        assert plant.run("index", world.source, PENSTOCK_MODEL="stub-32").status == 130
        assert points(plant) == before
        hits = plant.search("boats", PENSTOCK_MODEL="stub-32")
    assert len(hits) == 5
    plant.index(world.source, PENSTOCK_MODEL="stub-32")
    assert {payload["meta"]["embedding_model"] for payload in points(plant).values()} == {"stub-32"}
    plant.audit(PENSTOCK_MODEL="stub-32")


@WHATEVER_THE_SOURCE
def test_going_back_to_the_old_model_before_the_switch_costs_nothing(plant: Plant, world: World, monkeypatch) -> None:
    from infra.stub_embedder import StubEmbedder

    world.put("a.md", LONG)
    plant.index(world.source)
    before, encode = {id_: payload["content"] for id_, payload in points(plant).items()}, StubEmbedder.encode

    def breaks(self: StubEmbedder, texts):
        if self.info.dimension == 32:
            raise KeyboardInterrupt
        return encode(self, texts)

    monkeypatch.setattr(StubEmbedder, "encode", breaks)
    plant.run("index", world.source, PENSTOCK_MODEL="stub-32")
    assert plant.index(world.source)["chunks"]["embedded"] == 0
    assert {id_: payload["content"] for id_, payload in points(plant).items()} == before
    plant.audit()


@WHATEVER_THE_SOURCE
def test_changed_attributes_cost_one_payload_write(
    plant: Plant, world: World, spied: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from infra.index_edge import EdgeIndex

    world.put("a.md", LONG)
    declared = tmp_path / "sources.yaml"
    entry = f"sources:\n  - uri: {world.source}\n    acl: [staff]\n    metadata: {{team: legal}}\n"
    declared.write_text(entry)
    plant.environment["PENSTOCK_SOURCES"] = str(declared)
    plant.index(world.source)
    before = set(points(plant))
    declared.write_text(entry.replace("staff", "managers").replace("legal", "finance"))
    spied["reads"] = spied["parses"] = 0
    writes = {"upsert": 0, "restamp": 0}
    upsert, restamp = EdgeIndex.upsert, EdgeIndex.restamp
    monkeypatch.setattr(
        EdgeIndex,
        "upsert",
        lambda s, c, p: (writes.__setitem__("upsert", writes["upsert"] + len(p)), upsert(s, c, p))[1],
    )
    monkeypatch.setattr(
        EdgeIndex,
        "restamp",
        lambda s, c, p: (writes.__setitem__("restamp", writes["restamp"] + len(p)), restamp(s, c, p))[1],
    )
    report = plant.index(world.source)
    assert writes == {"upsert": 0, "restamp": 1}
    assert spied["parses"] == 0
    assert report["chunks"]["embedded"] == 0
    assert set(points(plant)) == before
    assert {tuple(payload["acl"]) for payload in points(plant).values()} == {("managers",)}
    assert {payload["meta"]["metadata"]["team"] for payload in points(plant).values()} == {"finance"}
    index = EdgeIndex(plant.home / "index")
    try:
        query = {"dense": np.ones(64, dtype=np.float32), "sparse": None, "limit": 100}
        assert index.query(index.active(), "default", **query, acl=["managers"])
        assert not index.query(index.active(), "default", **query, acl=["staff"])
    finally:
        index.close()
    plant.audit()


def test_more_than_half_vanished_is_not_believed_until_insisted(plant: Plant, world: World) -> None:
    for n in range(24):
        world.put(f"{n}.txt", f"Document number {n}.\n")
    plant.index(world.source)
    for n in range(13):
        world.delete(f"{n}.txt")
    world.put("new.txt", "Something new.\n")
    report = plant.index(world.source, status=1)
    assert report["documents"]["removed"] == 0
    assert report["documents"]["added"] == 1, "adds and updates go on"
    assert {one["reason"] for one in report["refused"]} == {"removal-held"}
    assert len(report["refused"]) == 13
    assert len(points(plant)) == 25
    assert plant.json("status")["documents"]["removal-held"] == 13
    [third] = [hit for hit in plant.search("Document number 3") if hit["uri"] == world.uri("3.txt")]
    assert not third["fresh"]
    # one of them comes back: it is believed
    world.put("3.txt", "Document number 3.\n")
    assert plant.index(world.source, status=1)["documents"]["removed"] == 0
    assert plant.json("status")["documents"]["removal-held"] == 12
    report = plant.index(world.source, "--allow-mass-delete")
    assert report["documents"]["removed"] == 12
    assert len(points(plant)) == 13
    plant.audit()


def test_an_empty_listing_deletes_nothing(plant: Plant, world: World) -> None:
    for n in range(3):
        world.put(f"{n}.txt", f"Document number {n}.\n")
    plant.index(world.source)
    for n in range(3):
        world.delete(f"{n}.txt")
    report = plant.index(world.source, status=1)
    assert {one["reason"] for one in report["refused"]} == {"removal-held"}
    assert len(points(plant)) == 3
    assert plant.index(world.source, "--allow-mass-delete")["documents"]["removed"] == 3
    assert points(plant) == {}
    plant.audit()


def test_moving_everything_is_a_move_not_a_mass_removal(plant: Plant, world: World) -> None:
    for n in range(24):
        world.put(f"old/{n}.txt", f"Document number {n}.\n")
    plant.index(world.source)
    for n in range(24):
        world.put(f"new/{n}.txt", f"Document number {n}.\n")
        world.delete(f"old/{n}.txt")
    report = plant.index(world.source)
    assert (report["documents"]["moved"], report["documents"]["removed"]) == (24, 0)
    assert len(points(plant)) == 24
    plant.audit()
