"""The event: what is accepted, what is refused, and what is left unread."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from schemas.events import CHANGED, REMOVED, DocumentEvent

URI = "s3://bucket/handbook/leave.md"
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "test",
    "type": CHANGED,
    "subject": URI,
    "time": "2026-11-21T08:00:00Z",
    "datacontenttype": "application/json",
    "data": {"uri": URI},
}


def event(data=None, **changes):
    return DocumentEvent.model_validate({**EVENT, **changes, "data": {**EVENT["data"], **(data or {})}})


def test_the_least_that_names_a_document_is_an_event():
    least = {name: EVENT[name] for name in ("id", "source", "type", "subject", "time", "data")}
    found = DocumentEvent.model_validate(least)
    assert (found.data.uri, found.data.tenant, found.data.acl, found.data.metadata) == (URI, None, None, None)
    assert found.time == datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_an_event_survives_the_wire():
    sent = event({"acl": ["ann"], "metadata": {"team": "red"}, "size": 3, "modified_at": "2026-11-21T07:00:00Z"})
    assert DocumentEvent.model_validate_json(sent.model_dump_json()) == sent


@pytest.mark.parametrize("type_", [CHANGED, REMOVED])
def test_both_types_are_accepted(type_):
    assert event(type=type_).type == type_


def test_fields_that_nobody_knows_yet_are_ignored():
    # CloudEvents extensions, and producers newer than this code.
    found = event({"colour": "red"}, traceparent="00-1", dataschema="x")
    assert found == event()
    assert "colour" not in found.model_dump_json()


def test_an_empty_acl_is_not_the_same_as_none():
    assert event({"acl": []}).data.acl == []


@pytest.mark.parametrize("uri", ["file:///docs/a.md", "s3://bucket/key", "s3://bucket/", "push://wiki/42"])
def test_every_kind_of_source_has_events(uri):
    assert event({"uri": uri}, subject=uri).data.uri == uri


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"id": None},
        {"source": ""},
        {"type": "penstock.document.changed.v2"},
        {"type": "com.example.changed"},
        {"subject": "leave.md"},
        {"time": "yesterday"},
        {"datacontenttype": "text/xml"},
        {"data": {"uri": None}},
        {"data": {"uri": ""}},
        {"data": {"uri": "leave.md"}},
        {"data": {"uri": "http://host/leave.md"}},
        {"data": {"uri": "file://host/leave.md"}},
        {"data": {"uri": "s3:///key"}},
        {"data": {"uri": "s3://bucket"}},
        {"data": {"uri": "file:///" + "a" * 8192}},
        {"data": {"size": -1}},
        {"data": {"acl": "everyone"}},
        {"data": {"metadata": {"level": {"deep": 1}}}},
    ],
    ids=str,
)
def test_what_is_not_understood_is_refused(changes):
    changes = dict(changes)
    with pytest.raises(ValidationError):
        event(changes.pop("data", None), **changes)


@pytest.mark.parametrize("missing", ["id", "source", "type", "subject", "time", "data"])
def test_what_every_event_needs_is_asked_for(missing):
    with pytest.raises(ValidationError, match=missing):
        DocumentEvent.model_validate({name: value for name, value in EVENT.items() if name != missing})
