"""Sources: the longest matching prefix owns a URI, and durations are read as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.sources import Source, owners


def uris(found):
    return [(one.tenant, one.uri) for one in found]


def test_a_folder_owns_what_is_in_it_and_a_file_owns_itself():
    folder, file = Source(uri="file:///docs/"), Source(uri="file:///docs")
    assert [folder.owns(uri) for uri in ("file:///docs/", "file:///docs/a", "file:///docs/a/b")] == [True] * 3
    assert [folder.owns(uri) for uri in ("file:///docs", "file:///docs2/a", "file:///")] == [False] * 3
    assert [file.owns(uri) for uri in ("file:///docs", "file:///docs/a", "file:///docs2")] == [True, False, False]


def test_the_longest_prefix_owns_a_uri_whatever_the_order():
    declared = [Source(uri=uri) for uri in ("s3://b/", "s3://b/docs/", "s3://b/docs/a.md")]
    for sources in (declared, declared[::-1]):
        assert uris(owners("s3://b/docs/a.md", sources)) == [("default", "s3://b/docs/a.md")]
        assert uris(owners("s3://b/docs/b.md", sources)) == [("default", "s3://b/docs/")]
        assert uris(owners("s3://b/other", sources)) == [("default", "s3://b/")]
    assert owners("s3://other/a", declared) == []


def test_a_place_two_tenants_declared_is_owned_by_both():
    declared = [Source(uri=uri, tenant=tenant) for uri, tenant in (("s3://b/", "t"), ("s3://b/", "u"), ("s3://", "v"))]
    assert uris(owners("s3://b/a", declared)) == [("t", "s3://b/"), ("u", "s3://b/")]


segments = st.lists(st.sampled_from("ab"), max_size=4)


@given(st.lists(segments, max_size=6), segments)
def test_no_source_that_owns_a_uri_is_longer_than_its_owners(prefixes, path):
    sources = [Source(uri="file:///" + "".join(f"{part}/" for part in prefix)) for prefix in prefixes]
    uri = "file:///" + "/".join(path)
    found = owners(uri, sources)
    assert bool(found) == any(one.owns(uri) for one in sources)
    assert all(one.owns(uri) for one in found)
    assert all(len(one.uri) <= len(found[0].uri) for one in sources if one.owns(uri))


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172_800), ("5 m", 300), (7, 7), ("60", 60)]
)
def test_durations_are_read_as_people_write_them(written, seconds):
    source = Source(uri="s3://b/", freshness=written, cadence=written)
    assert (source.freshness, source.cadence) == (seconds, seconds)


@pytest.mark.parametrize("written", ["", "0s", 0, -1, "-5m", "1w", "soon", "1.5h", None, "1h30m", "5mm"])
def test_a_duration_that_is_none_is_refused(written):
    with pytest.raises(ValidationError, match="freshness"):
        Source(uri="s3://b/", freshness=written)


def test_a_declared_source_comes_back_from_its_json():
    source = Source(uri="s3://b/", tenant="t", freshness="1h", exclude=("*.tmp",), acl=("ann",), metadata={"x": "y"})
    assert Source.model_validate_json(source.model_dump_json()) == source
    assert Source.model_validate(source.model_dump(mode="json")) == source
