"""Who signed a request, and which event it makes: everything but the right key, in time, unchanged, is refused."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.webhook import (
    MAX_SIGNATURES,
    TOLERANCE_S,
    Rejected,
    keys_of,
    owner_of,
    payload,
    read_event,
    read_headers,
    sign,
    verify,
)
from schemas.errors import UsageError
from schemas.events import CHANGED, REMOVED
from schemas.identity import push_uri
from schemas.sources import Source

NOW = 1_800_000_000
OLD, NEW, OTHER = b"the-first-key-of-acme", b"the-second-key-of-acme", b"the-key-of-globex"
KEYS = {"acme": [OLD, NEW], "globex": [OTHER]}


def headers(body: bytes, key: bytes = OLD, *, id_: str = "msg_1", at: int = NOW) -> dict[str, str]:
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": sign(key, id_, at, body)}


def tenant_of(body: bytes, given: dict[str, str], *, now: float = NOW) -> str:
    return verify(read_headers(given, now=now), body, KEYS)


def refused(status: int, *arguments, **options) -> str:
    with pytest.raises(Rejected) as rejected:
        tenant_of(*arguments, **options)
    assert rejected.value.status == status
    assert rejected.value.todo
    return str(rejected.value)


def test_the_example_of_standard_webhooks_verifies():
    """Its published test vector: other people's libraries sign what we accept."""
    keys = keys_of({"t": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]})
    signed = b'{"test": 2432232314}'
    given = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify(read_headers(given, now=1614265330), signed, keys) == "t"


@pytest.mark.parametrize(("key", "tenant"), [(OLD, "acme"), (NEW, "acme"), (OTHER, "globex")])
def test_the_tenant_is_that_of_the_key(key, tenant):
    assert tenant_of(b"body", headers(b"body", key)) == tenant


def test_one_good_signature_among_others_is_enough():
    good = headers(b"body")
    many = "v2,abc " + sign(b"unknown", "msg_1", NOW, b"body") + " " + good["webhook-signature"]
    assert tenant_of(b"body", {**good, "webhook-signature": many}) == "acme"
    flood = " ".join(["v1,AAAA"] * MAX_SIGNATURES) + " " + good["webhook-signature"]
    refused(401, b"body", {**good, "webhook-signature": flood})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_without_one_of_the_headers_a_request_is_not_signed(name):
    given = headers(b"body")
    del given[name]
    assert "not signed" in refused(401, b"body", given)


@pytest.mark.parametrize("seconds", [-TOLERANCE_S - 1, TOLERANCE_S + 1, 10**9])
def test_stale_and_future_requests_are_refused_though_well_signed(seconds):
    assert "300 s" in refused(401, b"body", headers(b"body", at=NOW + seconds))


@pytest.mark.parametrize("seconds", [-TOLERANCE_S, TOLERANCE_S])
def test_a_clock_may_differ_by_five_minutes(seconds):
    assert tenant_of(b"body", headers(b"body", at=NOW + seconds)) == "acme"


@pytest.mark.parametrize("timestamp", ["", " 1800000000", "1_800_000_000", "1.8e9", "-1", "١٨٠٠٠٠٠٠٠٠", "9" * 400])
def test_a_timestamp_is_plain_digits(timestamp):
    refused(401, b"body", {**headers(b"body"), "webhook-timestamp": timestamp})


@pytest.mark.parametrize("id_", ["a.b", "a b", "a\n", "é", "x" * 201, ""])
def test_an_id_is_short_visible_and_without_a_dot(id_):
    refused(401, b"body", headers(b"body", id_=id_))


def test_a_signature_cannot_be_read_in_two_ways():
    """With a dot in an id, "a.T1" + T2 + "rest" would sign the same bytes as "a" + T1 + "T2.rest"."""
    body = f"{NOW}.rest".encode()
    given = headers(body, id_="a", at=NOW)
    refused(401, b"rest", {**given, "webhook-id": f"a.{NOW}"})


@given(body=st.binary(max_size=200), position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_changed_bit_of_the_body_is_noticed(body, position, bit):
    changed = bytearray(body or b"\0")
    changed[position % len(changed)] ^= 1 << bit
    refused(401, bytes(changed), headers(body or b"\0"))


@given(body=st.binary(max_size=200), id_=st.from_regex(r"[a-zA-Z0-9_-]{1,50}", fullmatch=True), at=st.integers(0, 600))
def test_what_is_signed_with_a_key_verifies_and_with_another_id_or_time_does_not(body, id_, at):
    given = headers(body, id_=id_, at=NOW - 300 + at)
    assert tenant_of(body, given) == "acme"
    refused(401, body, {**given, "webhook-id": id_ + "x"})
    other = NOW - 300 + (at + 1) % 601
    refused(401, body, {**given, "webhook-timestamp": str(other)})


@given(signature=st.text(max_size=100))
def test_no_made_up_signature_passes_or_breaks_anything(signature):
    refused(401, b"body", {**headers(b"body"), "webhook-signature": signature})


def test_a_signature_holds_for_one_method_and_path_only():
    signed = payload("PUT", "/v1/documents/a/b", b"text")
    given = headers(signed)
    assert tenant_of(signed, given) == "acme"
    for method, target in (("DELETE", "/v1/documents/a/b"), ("PUT", "/v1/documents/a/c"), ("POST", "/v1/events")):
        refused(401, payload(method, target, b"text"), given)


@pytest.mark.parametrize(
    "secrets",
    [{"t": [""]}, {"t": ["whsec_"]}, {"t": ["whsec_not base64!"]}, {"": ["key"]}, {"a": ["same"], "b": ["x", "same"]}],
)
def test_keys_that_prove_nothing_are_refused_without_being_shown(secrets):
    with pytest.raises(UsageError) as error:
        keys_of(secrets)
    assert "WEBHOOK_SECRETS" in str(error.value)
    assert not re.search("same key.*same|not base64!", str(error.value).replace("the same key", ""))


def test_a_key_in_base64_and_the_same_key_in_plain_text_are_one():
    encoded = "whsec_" + base64.b64encode(OLD).decode()
    assert keys_of({"acme": [encoded]}) == keys_of({"acme": [OLD.decode()]})


# ---- events ----------------------------------------------------------------------------------------------------------


def event(found: object, tenant: str = "acme"):
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    return read_event(body, tenant=tenant, time=NOW, new_id="new")


def cloud(**changes):
    whole = {
        "specversion": "1.0",
        "id": "e1",
        "source": "crm",
        "type": CHANGED,
        "subject": "file:///docs/a.md",
        "time": "2026-01-01T00:00:00Z",
        "data": {"uri": "file:///docs/a.md"},
    }
    return {**whole, **changes}


def test_the_short_form_makes_an_event_of_the_keys_tenant():
    made = event({"uri": "s3://bucket/a.md", "removed": True, "acl": ["hr"]})
    assert (made.type, made.subject, made.data.tenant, made.data.acl, made.id) == (
        REMOVED,
        "s3://bucket/a.md",
        "acme",
        ["hr"],
        "new",
    )
    assert event({"uri": "s3://bucket/a.md"}).type == CHANGED


def test_a_cloud_event_keeps_its_own_id_and_gets_the_keys_tenant():
    made = event(cloud())
    assert (made.id, made.source, made.data.tenant) == ("e1", "crm", "acme")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (400, b""),
        (400, b"\xff\xfe"),
        (400, b"[" * 100_000),
        (400, [1]),
        (400, {"uri": 7}),
        (400, {"uri": "file:///a", "removed": "no"}),
        (400, {"uri": "file:///a", "unknown": 1}),
        (400, b'{"uri": "file:///\\ud800"}'),
        (400, cloud(specversion="2.0")),
        (400, cloud(type="penstock.document.changed.v2")),
        (400, cloud(subject="file:///docs/b.md")),
        (400, cloud(data=None)),
        (403, {"uri": "file:///a", "tenant": "globex"}),
        (403, cloud(data={"uri": "file:///docs/a.md", "tenant": "globex"})),
        (422, {"uri": "http://169.254.169.254/latest"}),
        (422, {"uri": "ftp://host/a"}),
        (422, {"uri": "file://host/a"}),
        (422, {"uri": "gopher://x"}),
        (422, cloud(subject="https://x/", data={"uri": "https://x/"})),
    ],
)
def test_what_is_no_event_of_this_tenant_is_refused_with_the_status_that_fits(status, found):
    with pytest.raises(Rejected) as rejected:
        event(found)
    assert rejected.value.status == status


SOURCES = [
    Source(uri="file:///docs/", tenant="acme"),
    Source(uri="file:///docs/globex/", tenant="globex"),
    Source(uri="s3://bucket/docs/", tenant="acme"),
    Source(uri="push://handbook/", tenant="globex"),
]


def test_a_uri_belongs_to_the_longest_declared_source_of_its_tenant():
    assert owner_of("file:///docs/a.md", "acme", SOURCES).uri == "file:///docs/"
    assert owner_of("s3://bucket/docs/../a.md", "acme", SOURCES).uri == "s3://bucket/docs/"
    assert owner_of("push://handbook/a", "globex", SOURCES).uri == "push://handbook/"


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "file:///docs/../etc/passwd",
        "file:///docs/%2e%2e/etc/passwd",
        "file:///docs/a%20b%2fc",
        "file:///docs/caf\u00e9",
        "file:///docs/a.zip!/member",
        "file:///docs/globex/a.md",
        "s3://bucket/docs-old/a.md",
        "push://handbook/a",
    ],
)
def test_a_uri_outside_the_tenants_sources_or_in_another_spelling_is_refused(uri):
    with pytest.raises(Rejected) as rejected:
        owner_of(uri, "acme", SOURCES)
    assert rejected.value.status == 422


# ---- names of pushed documents ---------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=60), st.binary(max_size=60))
def test_a_pushed_name_is_refused_or_stays_inside_its_source(name, id_):
    try:
        uri = push_uri(name, id_)
    except ValueError:
        return
    assert re.fullmatch(r"push://[A-Za-z0-9._~%-]+(/[A-Za-z0-9._~%-]+)+", uri)
    assert not any(part.startswith(".") for part in uri.removeprefix("push://").split("/"))


def test_composed_and_decomposed_names_are_two_documents():
    assert push_uri(b"n", "caf\u00e9".encode()) != push_uri(b"n", "cafe\u0301".encode())


@pytest.mark.parametrize(
    ("id_", "fits"),
    [(b"x" * 200, True), (b"x" * 201, False), (b"/".join([b"x" * 127] * 8) + b"y", True), (b"x/" * 512 + b"y", False)],
)
def test_names_have_limits_that_every_store_can_keep(id_, fits):
    if fits:
        assert push_uri(b"n", id_)
    else:
        with pytest.raises(ValueError, match="at most"):
            push_uri(b"n", id_)
