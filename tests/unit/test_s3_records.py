"""A bucket's notifications become events of the objects they are about, whichever store wrote them."""

import json
import unicodedata
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import CHANGED, REMOVED, DocumentEvent, DocumentEventData
from schemas.identity import s3_location, s3_uri
from schemas.s3_records import later, read_notification

#: Keys that have been misread before, by one program or another.
KEYS = [
    "a b.txt",
    "a+b.txt",
    "100%.txt",
    "a%2Bb.txt",
    "a%20b+c.txt",
    "%",
    unicodedata.normalize("NFC", "Ünïcödé.txt"),
    unicodedata.normalize("NFD", "Ünïcödé.txt"),
    "😀/🏔️.md",
    "k" * 1024,
    "é" * 512,
    "/leading",
    "a/../b",
    "..",
    "line\nbreak",
    'quo"te\\',
    "a!/b",
    "double//slash",
]
ANY_KEY = st.one_of(
    st.sampled_from(KEYS), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
).filter(lambda key: not key.endswith("/"))


def aws(key, *, name="ObjectCreated:Put", source="aws:s3", configuration="rule", **found):
    """One record in AWS's form; the key as given."""
    record = {"eventVersion": "2.1", "eventSource": source, "awsRegion": "eu-west-1", "eventName": name}
    place = {"configurationId": configuration, "bucket": {"name": "b"}, "object": {"key": key, **found}}
    return {**record, "eventTime": "2026-01-02T03:04:05.678Z", "s3": place}


def minio(key, **more):
    return aws(key, name="s3:ObjectCreated:Put", source="minio:s3", configuration="Config", **more)


def versitygw(key, *, name="s3:ObjectCreated:Put", **found):
    return aws(key, name=name, configuration="webhook-global", **found)


def read(*records, **around):
    return read_notification(json.dumps({"Records": records, **around}))


def uris(notification):
    return [event.data.uri for event in notification.events]


@given(ANY_KEY)
def test_a_key_is_the_one_that_was_written_whoever_says_it(key):
    bridge = {"detail-type": "Object Created", "time": "2026-01-02T03:04:05Z"}
    bridge["detail"] = {"bucket": {"name": "b"}, "object": {"key": key}}
    told = [
        read(aws(quote_plus(key, safe="/"))),
        read(aws(quote_plus(key))),
        read(minio(quote_plus(key)), EventName="s3:ObjectCreated:Put", Key="b/" + key),
        read(versitygw(key)),
        read_notification(json.dumps(bridge)),
    ]
    assert [uris(notification) for notification in told] == [[s3_uri("b", key)]] * 5
    assert s3_location(uris(told[0])[0]) == ("b", key)


@given(ANY_KEY, st.sampled_from(["ceph:s3", "", "aws:s3"]))
def test_of_an_unknown_store_the_right_key_is_among_those_heard(key, source):
    name = "s3:ObjectCreated:Put"
    for written in (key, quote_plus(key, safe="/")):
        found = uris(read(aws(written, source=source, name=name)))
        assert s3_uri("b", key) in found
        assert len(found) <= 2


@given(ANY_KEY, ANY_KEY)
def test_different_keys_have_different_uris(one, other):
    assert (one == other) == (uris(read(aws(quote_plus(one)))) == uris(read(aws(quote_plus(other)))))


def test_a_plus_is_a_space_and_is_decoded_once():
    assert uris(read(aws("red+flower%252B1.jpg"))) == [s3_uri("b", "red flower%2B1.jpg")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ObjectCreated:Put", CHANGED),
        ("ObjectCreated:CompleteMultipartUpload", CHANGED),
        ("ObjectRemoved:Delete", REMOVED),
        ("ObjectRemoved:DeleteMarkerCreated", REMOVED),
        ("LifecycleExpiration:Delete", REMOVED),
        ("LifecycleExpiration:DeleteMarkerCreated", REMOVED),
        ("ObjectTagging:Put", CHANGED),
        ("ObjectAcl:Put", CHANGED),
        ("ObjectRestore:Completed", CHANGED),
        ("s3:ObjectRemoved:DeleteObjects", REMOVED),
        ("s3:ObjectCreated:Copy", CHANGED),
        ("SomethingNew:Tomorrow", CHANGED),
    ],
)
def test_removals_are_removals_and_everything_else_is_a_hint_of_a_change(name, kind):
    assert [event.type for event in read(aws("k", name=name)).events] == [kind]


def test_what_is_known_of_the_object_is_passed_on():
    record = aws("k", size=7, eTag='"abc-2"', versionId="v1", sequencer="00A1")
    [event] = read(record).events
    data = event.data
    assert (data.etag, data.size, data.version_id, data.sequencer) == ("abc-2", 7, "v1", "00A1")
    assert event.time.isoformat() == "2026-01-02T03:04:05.678000+00:00"
    assert DocumentEvent.model_validate_json(event.model_dump_json()) == event


def test_several_records_are_several_events_and_a_bad_one_spoils_no_other():
    found = read(aws("a"), {"eventName": "x"}, aws("b"), 7, aws("%FF"))
    assert uris(found) == ["s3://b/a", "s3://b/b"]
    assert len(found.problems) == 3
    assert not any("input" in problem for problem in found.problems)


def test_test_events_are_counted_and_ignored():
    told = [{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, {"Records": [{"Event": "s3:TestEvent"}]}]
    for message in told:
        assert read_notification(json.dumps(message)) == ((), 1, ())


def test_a_notification_inside_an_sns_envelope_is_read_once():
    inner = json.dumps({"Records": [aws("a+b")]})
    assert uris(read_notification(json.dumps({"Type": "Notification", "Message": inner}))) == ["s3://b/a%20b"]
    twice = json.dumps({"Message": json.dumps({"Message": inner})})
    assert read_notification(twice) is None


def test_removals_from_eventbridge():
    message = {"detail-type": "Object Deleted", "time": "2026-01-02T03:04:05Z"}
    message["detail"] = {"bucket": {"name": "b"}, "object": {"key": "a+b", "version-id": "v"}}
    [event] = read_notification(json.dumps(message)).events
    assert (event.type, event.data.uri, event.data.version_id) == (REMOVED, "s3://b/a%2Bb", "v")


def test_the_marker_of_a_folder_is_no_document_but_an_object_of_that_name_is():
    assert read(aws("docs/", size=0)) == ((), 1, ())
    assert read(aws("docs/", name="ObjectRemoved:Delete")) == ((), 1, ())
    assert uris(read(aws("docs/", size=3))) == ["s3://b/docs%2F"]


@pytest.mark.parametrize("body", ["", "{", "[]", "7", '{"Records": 7}', '{"Records": {"a": 1}}', "\ud800"])
def test_what_is_no_notification_at_all_raises(body):
    with pytest.raises(ValidationError):
        read_notification(body.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("wrong", [{"eventVersion": "3.0"}, {"eventTime": "yesterday"}, {"s3": {}}, {"eventName": ""}])
def test_a_record_of_another_version_or_shape_is_a_problem(wrong):
    found = read({**aws("k"), **wrong})
    assert found.events == ()
    assert len(found.problems) == 1


def test_a_later_minor_version_and_unknown_fields_are_fine():
    assert uris(read({**aws("k"), "eventVersion": "2.9", "new": {"a": 1}})) == ["s3://b/k"]


SEQUENCER = st.text("0123456789ABCDEF", min_size=1, max_size=20)


def happening(sequencer, uri="s3://b/k"):
    data = DocumentEventData(uri=uri, sequencer=sequencer)
    return DocumentEvent(id="1", source="t", type=CHANGED, subject=uri, time="2026-01-01T00:00:00Z", data=data)


@given(SEQUENCER, SEQUENCER, SEQUENCER)
def test_sequencers_are_totally_ordered(one, two, three):
    a, b, c = happening(one), happening(two), happening(three)
    assert later(a, a) is False
    assert not (later(a, b) and later(b, a))
    if not later(a, b) and not later(b, c):
        assert not later(a, c)
    # As the fractions they are, which no comparison of whole numbers or of bare text gives.
    assert later(a, b) == (int(one, 16) * 16 ** len(two) > int(two, 16) * 16 ** len(one))


@given(SEQUENCER, st.integers(0, 5))
def test_zeros_at_the_right_change_nothing(sequencer, zeros):
    padded = happening(sequencer + "0" * zeros)
    assert later(happening(sequencer), padded) is False
    assert later(padded, happening(sequencer)) is False


def test_sequencers_as_stores_write_them():
    assert later(happening("00A"), happening("00A0")) is False
    assert later(happening("00B"), happening("00A0")) is True
    # MinIO: the modification time in nanoseconds.
    assert later(happening("17D2A52F1C2B3A01"), happening("17D2A52F1C2B3A00")) is True
    assert later(happening("00b"), happening("00A")) is True


@given(SEQUENCER, SEQUENCER)
def test_they_say_nothing_across_keys_or_where_one_is_missing(one, two):
    assert later(happening(one), happening(two, "s3://b/other")) is None
    assert later(happening(None), happening(two)) is None
    assert later(happening(one), happening(None)) is None
