"""Names of things: the same input gives the same name, everywhere, and different things have different ones."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import (
    NAMESPACE,
    content_hash,
    document_id,
    file_path,
    file_uri,
    point_id,
    quote,
    s3_location,
    s3_uri,
    text_hash,
)

paths = st.binary(max_size=40).map(lambda raw: b"/" + raw.replace(b"\0", b""))
#: Everything S3 allows in a key is UTF-8.
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(paths)
def test_every_path_comes_back_from_its_uri_byte_for_byte(path):
    assert file_path(file_uri(path)) == path


@given(paths)
def test_a_uri_is_plain_ascii_and_marks_no_member_of_a_container(path):
    assert re.fullmatch(r"file:///([A-Za-z0-9/._~-]|%[0-9A-F]{2})*", file_uri(path))


@given(paths, paths)
def test_different_paths_have_different_uris(one, other):
    assert (file_uri(one) == file_uri(other)) == (one == other)


@given(st.from_regex(r"[a-z0-9.-]{3,20}", fullmatch=True), keys)
def test_every_object_comes_back_from_its_uri(bucket, key):
    assert s3_location(s3_uri(bucket, key)) == (bucket, key)


def test_what_a_uri_looks_like():
    assert quote(b"a b!/\xff%\xc3\xa9~") == "a%20b%21/%FF%25%C3%A9~"
    assert file_uri(b"/docs/zip!/member") == "file:///docs/zip%21/member"
    assert s3_uri("bucket", "a//b?c#d") == "s3://bucket/a//b%3Fc%23d"


@pytest.mark.parametrize("uri", ["s3://bucket/key", "file://host/path", "/path", ""])
def test_a_uri_of_another_kind_is_no_path(uri):
    with pytest.raises(ValueError, match="not a file URI"):
        file_path(uri)


@pytest.mark.parametrize("uri", ["file:///bucket/key", "s3:///key", "s3://", "bucket/key", ""])
def test_a_uri_without_a_bucket_is_no_object(uri):
    with pytest.raises(ValueError, match="not an S3 URI"):
        s3_location(uri)


def test_tenant_and_uri_that_concatenate_equally_are_different_documents():
    pairs = [("a", "bc"), ("ab", "c"), ("", "abc"), ("1:a", "bc"), ("1", ":abc"), ("abc", "")]
    assert len({document_id(*pair) for pair in pairs}) == len(pairs)


@given(st.tuples(st.text(max_size=12), st.text(max_size=12)), st.tuples(st.text(max_size=12), st.text(max_size=12)))
def test_documents_are_the_same_only_if_tenant_and_uri_are(one, other):
    assert (document_id(*one) == document_id(*other)) == (one == other)


@given(st.text(max_size=20), st.integers(0, 12))
def test_where_a_text_is_split_into_tenant_and_uri_makes_a_difference(text, at):
    splits = {document_id(text[:i], text[i:]) for i in range(len(text) + 1)}
    assert len(splits) == len(text) + 1


def test_ids_never_change():
    # Every id in every index derives from these: another value here orphans all of them.
    document = document_id("default", "file:///docs/a.md")
    assert document == "a832b10a-c5eb-5730-bbd6-0538a4586af6"
    assert point_id(document, text_hash("Hello."), 0) == "dbc8a456-a807-5505-965a-b47940b0fb6c"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=3), st.integers(0, 12)), max_size=8))
def test_points_are_the_same_only_if_document_text_and_occurrence_are(chunks):
    named = {point_id(document_id("t", uri), text_hash(text), nth) for uri, text, nth in chunks}
    assert len(named) == len(set(chunks))
    assert all(uuid.UUID(name).version == 5 for name in named)


def test_hashes_are_of_the_exact_text_and_bytes():
    assert text_hash("a") != text_hash("a ")
    assert text_hash("é") == content_hash("é".encode())
    assert text_hash("\ud800")  # a lone surrogate, as a name that is not UTF-8 decodes to


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), keys)
def test_ids_are_uuids_of_version_5(tenant, key):
    uri = s3_uri("bucket", key)
    document = document_id(tenant, uri)
    assert document == str(uuid.uuid5(NAMESPACE, f"{len(tenant)}:{tenant}{uri}"))
    assert point_id(document, "h", 1) == str(uuid.uuid5(uuid.UUID(document), "h:1"))
