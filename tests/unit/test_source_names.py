"""What a person types becomes a source's URI; glob patterns say what stays out."""

import os
from pathlib import Path

import pytest

from infra.source_names import Exclusions, document_uri, source_uri
from schemas.errors import UsageError
from schemas.identity import file_path, file_uri


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a b.md").write_text("text")
    return file_uri(os.fsencode(tmp_path))


def test_what_is_inside_a_container_is_named_by_both(here: str, tmp_path: Path) -> None:
    assert document_uri("docs/a b.zip!/ö/x!.md") == f"{here}/docs/a%20b.zip!/%C3%B6/x%21.md"
    assert document_uri(f"{here}/docs/a%20b.zip!/%C3%B6/x%21.md") == f"{here}/docs/a%20b.zip!/%C3%B6/x%21.md"
    assert document_uri("s3://b/in.zip!/in.eml!/a.md") == "s3://b/in.zip!/in.eml!/a.md"
    # A folder may well have such a name.
    folder = tmp_path / "docs" / "hurry!"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("Now.")
    assert document_uri("docs/hurry!/a.md") == f"{here}/docs/hurry%21/a.md"


@pytest.mark.parametrize("argument", ["docs", "docs/", "./docs", "docs/../docs//"])
def test_a_folder_ends_in_a_slash_however_it_is_typed(argument: str, here: str) -> None:
    assert source_uri(argument) == f"{here}/docs/"


def test_a_file_does_not_and_its_name_is_encoded(here: str) -> None:
    assert source_uri("docs/a b.md") == f"{here}/docs/a%20b.md"
    assert source_uri(f"{here}/docs/a%20b.md") == f"{here}/docs/a%20b.md"
    assert source_uri(here.replace("file://", "file://localhost") + "/docs") == f"{here}/docs/"


def test_a_missing_path_is_a_file_unless_it_ends_in_a_slash_or_its_folder_is_missing_too(here: str) -> None:
    assert source_uri("docs/gone.md") == f"{here}/docs/gone.md"
    assert source_uri("docs/gone/") == f"{here}/docs/gone/"
    assert source_uri("gone/deep") == f"{here}/gone/deep/"


def test_the_root_folder_is_a_source() -> None:
    assert source_uri("/") == "file:///"


def test_a_name_that_is_not_utf8_comes_back_byte_for_byte(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(raw)).mkdir()
    assert file_path(source_uri(os.fsdecode(raw))) == raw + b"/"


def test_a_link_to_a_folder_keeps_its_own_name(here: str, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("docs")
    assert source_uri("current") == f"{here}/current/"


@pytest.mark.parametrize(
    ("argument", "uri"),
    [
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/", "s3://bucket/"),
        ("s3://bucket/docs", "s3://bucket/docs"),
        ("s3://bucket/my docs/", "s3://bucket/my%20docs/"),
        ("s3://bucket/my%20docs/", "s3://bucket/my%20docs/"),
        ("s3://bucket/caf\u00e9!", "s3://bucket/caf%C3%A9%21"),
        ("S3://bucket//lead", "s3://bucket//lead"),
    ],
)
def test_a_bucket_and_prefix_keep_their_ending_and_are_encoded_once(argument: str, uri: str) -> None:
    assert source_uri(argument) == uri


@pytest.mark.parametrize(
    ("argument", "uri"),
    [
        ("push://handbook", "push://handbook/"),
        ("push://handbook/", "push://handbook/"),
        ("push://handbook/deep/", "push://handbook/deep/"),
        ("push://handbook/deep/caf\u00e9 any.md", "push://handbook/deep/caf%C3%A9%20any.md"),
    ],
)
def test_pushed_content_is_a_source_as_a_whole_a_folder_of_it_or_one_document(argument: str, uri: str) -> None:
    assert source_uri(argument) == uri


@pytest.mark.parametrize(
    "argument", ["push://", "push:///id", "push://n/../m", "push://.n/", "push://n//m", "push://n/%ff"]
)
def test_a_name_that_cannot_be_pushed_is_no_source(argument: str) -> None:
    with pytest.raises(UsageError, match="is not a source"):
        source_uri(argument)


@pytest.mark.parametrize(
    "argument",
    ["", "s3://", "s3:///key", "http://host/x", "file://other-host/x", "a\0b", "s3://b/%ff"],
)
def test_anything_else_is_refused_with_what_to_give_instead(argument: str) -> None:
    with pytest.raises(UsageError, match="give a folder, a file, s3://bucket/prefix"):
        source_uri(argument)


def test_a_pattern_matches_the_name_or_the_relative_path_and_all_below() -> None:
    exclude = Exclusions(["*.tmp", "old/", "a/b?"])
    for relative in ("x.tmp", "deep/x.tmp", "old", "old/a.md", "deep/old/a.md", "a/b1/c.md"):
        assert exclude.cover(relative), relative
    for relative in ("x.tmp.md", "older/a.md", "a/b/c.md", "OLD/a.md"):
        assert not exclude.cover(relative), relative


def test_no_pattern_excludes_nothing() -> None:
    assert not Exclusions([])
    assert not Exclusions([]).cover("a.md")
