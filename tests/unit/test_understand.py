"""A record is understood, or refused with a reason that says what is wrong and not what was in it."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ports import Record
from schemas.events import CHANGED, REMOVED, DocumentEvent
from schemas.identity import quote, s3_uri
from tests.unit.test_s3_records import ANY_KEY, aws
from workers.hearings import Owners, judge
from workers.understand import EXCERPT, Refused, Understood, Why, excerpt, happened_at, understand

URI = "s3://b/a%20b.txt"


def cloud_event(uri=URI, **fields):
    """A CloudEvent as a producer writes it."""
    event = {"specversion": "1.0", "id": "1", "source": "test", "type": CHANGED, "time": "2026-01-02T03:04:05Z"}
    return {**event, "subject": uri, "datacontenttype": "application/json", "data": {"uri": uri}, **fields}


def record(value, **fields):
    body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Record(
        **{"topic": "t", "partition": 0, "offset": 0, "key": None, "headers": (), "at": 0.0} | fields, value=body
    )


def reading(value):
    return understand(record(value))


@pytest.mark.parametrize("kind", [CHANGED, REMOVED])
def test_a_cloud_event_is_understood_on_any_topic(kind):
    for topic in ("penstock.documents.v1", "penstock.s3.v1"):
        found = understand(record(cloud_event(type=kind), topic=topic))
        assert isinstance(found, Understood)
        [event] = found.events
        assert (event.type, event.subject, event.data.uri, found.refused) == (kind, URI, URI, None)


@pytest.mark.parametrize("topic", ["penstock.documents.v1", "penstock.s3.v1"])
def test_a_buckets_notification_is_understood_on_any_topic(topic):
    [event] = understand(record({"Records": [aws("a+b.txt")]}, topic=topic)).events
    assert event.data.uri == URI


def test_an_object_whose_name_looks_like_a_cloud_event_is_still_a_notification():
    key = '{"specversion":"1.0"}'
    [event] = reading({"Records": [aws("%7B%22specversion%22%3A%221.0%22%7D")]}).events
    assert event.data.uri == s3_uri("b", key)


def test_test_events_are_understood_as_nothing():
    assert reading({"Event": "s3:TestEvent", "Bucket": "b"}) == Understood(())


def test_the_rest_of_a_message_is_heard_though_one_record_is_bad():
    found = reading({"Records": [aws("a"), {"eventName": "x"}]})
    assert [event.data.uri for event in found.events] == ["s3://b/a"]
    assert found.refused.reason == Why.INVALID


REFUSED = {
    "no value": (None, Why.NO_VALUE),
    "not UTF-8": (b'{"specversion":"1.0","id":"\xff"}', Why.NOT_UTF8),
    "nothing": (b"", Why.NOT_JSON),
    "cut off": (json.dumps(cloud_event()).encode()[:-2], Why.NOT_JSON),
    "a byte order mark": (b"\xef\xbb\xbf{}", Why.NOT_JSON),
    "a pickle": (b"\x80\x04K\x01.", Why.NOT_UTF8),
    "deep nesting": (b'{"a":' * 5000, Why.NOT_JSON),
    "a list": ([], Why.UNKNOWN_FORMAT),
    "a batch": ([cloud_event()], Why.UNKNOWN_FORMAT),
    "a number": (7, Why.UNKNOWN_FORMAT),
    "some object": ({"hello": "world"}, Why.UNKNOWN_FORMAT),
    "a later CloudEvents": (cloud_event(specversion="2.0"), Why.UNKNOWN_VERSION),
    "a number as version": (cloud_event(specversion=1), Why.UNKNOWN_VERSION),
    "a later event": (cloud_event(type="penstock.document.changed.v2"), Why.UNKNOWN_VERSION),
    "another event": (cloud_event(type="com.example.paid"), Why.UNKNOWN_TYPE),
    "no type": ({k: v for k, v in cloud_event().items() if k != "type"}, Why.INVALID),
    "no data": ({k: v for k, v in cloud_event().items() if k != "data"}, Why.INVALID),
    "no id": (cloud_event(id=""), Why.INVALID),
    "no time": (cloud_event(time="soon"), Why.INVALID),
    "other content": (cloud_event(datacontenttype="text/xml"), Why.INVALID),
    "a web page": (cloud_event("https://example.com/x"), Why.BAD_URI),
    "a relative path": (cloud_event("file://etc/passwd"), Why.BAD_URI),
    "8,193 characters": (cloud_event("s3://b/" + "k" * 8193), Why.BAD_URI),
    "a space": (cloud_event("s3://b/a b"), Why.BAD_URI),
    "a bare newline": (cloud_event("s3://b/a\nb"), Why.BAD_URI),
    "bare umlauts": (cloud_event("s3://b/ü"), Why.BAD_URI),
    "lower case": (cloud_event("s3://b/%2b"), Why.BAD_URI),
    "needless encoding": (cloud_event("s3://b/%61"), Why.BAD_URI),
    "half an encoding": (cloud_event("s3://b/100%"), Why.BAD_URI),
    "a key that is not UTF-8": (cloud_event("s3://b/%FF"), Why.BAD_URI),
    "a member": (cloud_event("s3://b/a.zip!/m"), Why.BAD_URI),
    "a file above its folder": (cloud_event("file:///srv/docs/../../etc/passwd"), Why.BAD_URI),
    "dots": (cloud_event("file:///srv/./docs"), Why.BAD_URI),
    "two slashes": (cloud_event("file:///srv//docs"), Why.BAD_URI),
    "a NUL in a path": (cloud_event("file:///srv/a%00b"), Why.BAD_URI),
    "two subjects": (cloud_event(subject="s3://b/other"), Why.BAD_URI),
}


@pytest.mark.parametrize(("value", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_understood_is_refused_with_its_reason(value, reason):
    found = reading(value)
    assert isinstance(found, Refused), found
    assert found.reason == reason
    assert 0 < len(found.detail) <= EXCERPT


POISON = "\x00\x1b[2J\n\x7f\x9b"


@pytest.mark.parametrize(
    "value",
    [
        cloud_event(POISON),
        cloud_event("s3://b/" + POISON),
        cloud_event(subject="s3://b/" + POISON),
        cloud_event(type=POISON * 30),
        cloud_event(specversion=POISON),
        cloud_event(data={"uri": URI, "metadata": {POISON: 1}}),
        {"Records": [{POISON: 1}]},
        {"Records": [{**aws("a"), "s3": {"bucket": {"name": POISON}, "object": {"key": "a"}}}]},
        {"Records": [aws("a"), {"s3": {POISON: POISON}}]},
        json.dumps(cloud_event()).replace('"1"', '"\\ud800"').encode(),
        POISON.encode(),
    ],
)
def test_what_is_said_of_poison_can_be_stored_and_shown(value):
    """PostgreSQL refuses a NUL in a text, and with it the whole batch, for ever."""
    _, refused = judge(record(value), Owners([]))
    assert refused.detail.isprintable(), ascii(refused.detail)
    assert len(refused.detail) <= EXCERPT


@given(st.text(st.characters(exclude_categories=())))
def test_an_excerpt_of_anything_is_one_line_of_utf8(text):
    found = excerpt(text)
    assert len(found) <= EXCERPT
    assert not {"Cc", "Cs"} & set(map(unicodedata.category, found))


def test_a_reason_carries_no_document_along():
    canary = "the secret recipe " * 100
    for value in (
        canary.encode(),
        {"specversion": canary},
        cloud_event(type=canary),
        cloud_event(data={"uri": URI, "metadata": {"a": [canary]}}),
        {"Records": [{"eventName": canary}] * 50},
        cloud_event(canary),
    ):
        found = reading(value)
        detail = (found if isinstance(found, Refused) else found.refused).detail
        assert len(detail) <= EXCERPT


@given(ANY_KEY)
def test_every_key_has_a_uri_that_is_understood(key):
    [event] = reading(cloud_event(s3_uri("b", key))).events
    assert event.data.uri == s3_uri("b", key)


def test_an_object_whose_key_ends_in_a_slash_is_understood():
    assert reading(cloud_event("s3://b/docs%2F")).events
    assert reading(cloud_event("s3://b/%C3%BC%2F")).events


@given(
    st.binary(min_size=1, max_size=20).filter(lambda name: not {0, ord("/")} & set(name) and name not in (b".", b".."))
)
def test_every_file_name_has_a_uri_that_is_understood(name):
    assert isinstance(reading(cloud_event("file:///srv/" + quote(name))), Understood)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text() | st.integers(), st.lists))
def test_nothing_makes_it_fall_over(value):
    assert isinstance(reading(value), Understood | Refused)


def test_the_time_of_an_event_without_a_zone_is_utc():
    [naive], [zoned] = (
        reading(cloud_event(time=time)).events for time in ("2026-01-02T03:04:05", "2026-01-02T04:04:05+01:00")
    )
    assert happened_at(naive) == happened_at(zoned) == 1767323045.0


@given(st.datetimes())
def test_any_time_that_is_accepted_has_seconds(time):
    event = DocumentEvent.model_validate(cloud_event(time=time))
    assert isinstance(happened_at(event), float)
