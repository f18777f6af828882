"""`serve` takes in signed events and pushed content, and what it answered 202 to is never lost."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from infra.kafka import KafkaStream
from schemas.events import DocumentEvent
from schemas.identity import document_id, file_uri
from tests.support.plant import Plant
from tests.support.processes import Done, Penstock, eventually, finish
from tests.support.services.composition import Services
from tests.support.webhooks import Client, serving

ACME, ACME_NEXT, GLOBEX = b"acme-first-secret-0123456789", b"acme-next-secret-0123456789", b"globex-secret-0123456789"
SECRETS = json.dumps({"acme": [ACME.decode(), ACME_NEXT.decode()], "globex": [GLOBEX.decode()]})
LIMIT = 20_000
DOCUMENTS = "/v1/documents/handbook/"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "docs").mkdir()
    declared = tmp_path / "sources.yaml"
    declared.write_text(
        "sources:\n"
        "  - {uri: 'push://handbook/', tenant: acme}\n"
        "  - {uri: 'push://handbook/', tenant: globex}\n"
        f"  - {{uri: '{tmp_path}/docs/', tenant: acme, cadence: 1h}}\n"
    )
    return {
        "PENSTOCK_SOURCES": str(declared),
        "PENSTOCK_WEBHOOK_SECRETS": SECRETS,
        "PENSTOCK_MAX_DOCUMENT_BYTES": str(LIMIT),
    }


@pytest.fixture
def process(tmp_path: Path, environment: dict[str, str]) -> Penstock:
    return Penstock(tmp_path / "home", **environment)


def texts(client: Client, query: str, key: bytes = ACME) -> dict[str, str]:
    """What a signed search finds: URI -> text."""
    reply = client.send("GET", f"/v1/search?q={quote(query)}&limit=50", key=key)
    assert reply.status == 200, reply
    return {hit["uri"]: hit["text"] for hit in reply.json["hits"]}


def ended(started) -> Done:
    started.send_signal(signal.SIGTERM)
    done = finish(started)
    assert done.status == 0, done
    assert "Traceback" not in done.err
    for secret in (ACME, ACME_NEXT, GLOBEX):
        assert secret.decode() not in done.out + done.err
    return done


def test_what_is_pushed_is_searchable_overwritten_and_deleted_for_its_tenant_only(
    process: Penstock, tmp_path: Path, environment: dict[str, str]
) -> None:
    uri, attributes = "push://handbook/deep/leave.md", quote('["hr"]')
    target = DOCUMENTS + "deep/leave.md"
    with serving(process, ACME) as (client, started):
        first = client.send("PUT", f"{target}?acl={attributes}", b"# Leave\n\nParental leave is ten weeks.\n")
        assert first.status == 202, first
        assert first.json["uri"] == uri
        assert first.json["id"]
        eventually(lambda: "ten weeks" in texts(client, "leave").get(uri, ""))
        assert texts(client, "leave", GLOBEX) == {}
        theirs = client.send("PUT", target, b"# Leave\n\nNone at all.\n", key=GLOBEX)
        assert theirs.status == 202, theirs
        eventually(lambda: "None at all" in texts(client, "leave", GLOBEX).get(uri, ""))
        assert client.send("PUT", target, b"# Leave\n\nTwelve weeks.\n", key=ACME_NEXT).status == 202
        eventually(lambda: "Twelve" in texts(client, "leave").get(uri, ""))
        assert client.send("DELETE", target).status == 202
        eventually(lambda: texts(client, "leave") == {})
        assert "None at all" in texts(client, "leave", GLOBEX)[uri]
        assert not (tmp_path / "home/push/acme/handbook/deep").exists()
        ended(started)
    assert Plant(tmp_path / "home", **environment).audit(status=0)["consistent"]


def test_the_example_of_the_readme_runs_as_printed(client: Client) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    [code] = re.findall(r"```python\n(# push\.py.*?)```", readme, re.DOTALL)
    environment = {**os.environ, "PENSTOCK": client.address, "KEY": client.key.decode()}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert json.loads(ran.stdout)["uri"] == "push://handbook/leave.md", ran.stderr


def test_content_may_be_posted_with_its_uri_in_the_signed_body(client: Client) -> None:
    """As any sender of webhooks can: nothing but the body, and its id and time, is signed."""
    one = {"uri": "push://handbook/posted.md", "content": "# Parrots\n\nParrots are posted.\n"}
    reply = client.send("POST", "/v1/documents", json.dumps(one).encode())
    assert (reply.status, reply.json["uri"]) == (202, one["uri"])
    for wrong, status in (
        ({**one, "uri": "push://handbook/../x"}, 400),
        ({**one, "uri": "push://handbook/a b"}, 422),
        ({**one, "uri": "https://example.org/x"}, 422),
        ({**one, "uri": "push://elsewhere/x.md"}, 422),
        ({**one, "tenant": "other"}, 403),
        ({**one, "encoding": "base64", "content": "!"}, 400),
        ({"uri": one["uri"]}, 400),
    ):
        assert client.send("POST", "/v1/documents", json.dumps(wrong).encode()).status == status, wrong


def test_an_event_of_a_declared_folder_is_followed_and_all_others_are_refused(
    process: Penstock, tmp_path: Path
) -> None:
    saved = tmp_path / "docs" / "tram.md"
    uri = file_uri(os.fsencode(saved))
    with serving(process, ACME) as (client, started):
        saved.write_text("# Tram\n\nThe tram runs all night.\n")
        assert client.send("POST", "/v1/events", json.dumps({"uri": uri}).encode()).status == 202
        eventually(lambda: uri in texts(client, "tram"))
        saved.unlink()
        assert client.send("POST", "/v1/events", json.dumps({"uri": uri, "removed": True}).encode()).status == 202
        eventually(lambda: texts(client, "tram") == {})
        for status, body, key in (
            (422, {"uri": uri}, GLOBEX),
            (422, {"uri": "http://169.254.169.254/"}, ACME),
            (422, {"uri": "file:///etc/passwd"}, ACME),
            (422, {"uri": uri.replace("/docs/", "/docs/../docs/")}, ACME),
            (403, {"uri": uri, "tenant": "globex"}, ACME),
            (400, {"url": uri}, ACME),
        ):
            reply = client.send("POST", "/v1/events", json.dumps(body).encode(), key=key)
            assert (reply.status, set(reply.json)) == (status, {"error", "todo"}), (body, reply)
        ended(started)


def test_what_was_answered_202_survives_a_kill_at_once_after(process: Penstock, tmp_path: Path) -> None:
    """The first may have been worked on, the last has hardly been heard; a deletion too must not come back."""
    with serving(process, ACME) as (client, started):
        assert client.send("PUT", DOCUMENTS + "gone.md", b"# Gone\n\nThis goes.\n").status == 202
        eventually(lambda: texts(client, "goes"))
        for number in range(20):
            assert client.send("PUT", f"{DOCUMENTS}{number}.md", f"# Ferry\n\nFerry {number}.\n".encode()).status == 202
        assert client.send("DELETE", DOCUMENTS + "gone.md").status == 202
        os.killpg(started.pid, signal.SIGKILL)
        assert finish(started).status == -signal.SIGKILL
    wanted = {f"push://handbook/{number}.md" for number in range(20)}
    with serving(process, ACME) as (client, started):
        eventually(lambda: set(texts(client, "ferry")) == wanted)
        ended(started)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One service for the many requests that are refused."""
    folder = tmp_path_factory.mktemp("serve")
    declared = folder / "sources.yaml"
    declared.write_text("sources:\n  - {uri: 'push://handbook/', tenant: acme}\n")
    environment = {
        "PENSTOCK_SOURCES": str(declared),
        "PENSTOCK_WEBHOOK_SECRETS": SECRETS,
        "PENSTOCK_MAX_DOCUMENT_BYTES": str(LIMIT),
    }
    with serving(Penstock(folder / "home", **environment), ACME) as (client, started):
        yield client
        ended(started)


def test_forged_stale_and_changed_requests_are_refused(client: Client) -> None:
    target, body = DOCUMENTS + "a.md", b"text"
    assert client.plain("PUT", target, body).status == 401
    assert client.send("PUT", target, body, key=b"guessed").status == 401
    assert client.send("PUT", target, body, at=time.time() - 400).status == 401
    assert client.send("PUT", target, body, at=time.time() + 400).status == 401
    assert client.send("PUT", target, body, signed=b"PUT /v1/documents/handbook/a.md\nother").status == 401
    assert client.send("PUT", target, body, signed=b"PUT /v1/documents/handbook/b.md\ntext").status == 401
    assert client.send("DELETE", target, signed=b"PUT /v1/documents/handbook/a.md\n").status == 401
    assert client.plain("GET", "/v1/search?q=x").status == 401
    assert client.send("GET", "/v1/search?q=x&tenant=globex").status == 403


def test_a_replay_is_refused_and_another_tenant_may_use_the_same_id(client: Client) -> None:
    assert client.send("PUT", DOCUMENTS + "r.md", b"text", id_="once").status == 202
    replayed = client.send("PUT", DOCUMENTS + "r.md", b"text", id_="once")
    assert (replayed.status, set(replayed.json)) == (409, {"error", "todo"})
    assert client.send("PUT", DOCUMENTS + "r.md", b"text", key=GLOBEX, id_="once").status == 422


def test_a_refused_request_may_be_sent_again_with_its_id(client: Client) -> None:
    assert client.send("PUT", "/v1/documents/undeclared/a.md", b"text", id_="again").status == 422
    assert client.send("PUT", DOCUMENTS + "again.md", b"text", id_="again").status == 202


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("..", 400),
        ("%2e%2e/%2e%2e/secret", 400),
        ("a/../b", 400),
        ("a//b", 400),
        ("a/", 400),
        ("", 400),
        (".hidden", 400),
        ("a%00b", 400),
        ("%ff", 400),
        ("x" * 201, 400),
        ("/".join(["x" * 200] * 6), 400),
        ("a%0Ab.md", 202),
        ("plus+and%2Bplus.md", 202),
        ("caf%C3%A9.md", 202),
        ("cafe%CC%81.md", 202),
        ("deep%2Fer.md", 202),
        ("/".join(["y" * 127] * 8), 202),
    ],
)
def test_hostile_ids_are_refused_or_come_back_as_one_exact_uri(client: Client, path: str, status: int) -> None:
    reply = client.send("PUT", DOCUMENTS + path, b"text")
    assert reply.status == status, reply
    if status == 202:
        exact = path.replace("%2F", "/").replace("+", "%2B")
        assert reply.json["uri"] == f"push://handbook/{exact}"
    else:
        assert set(reply.json) == {"error", "todo"}


def test_a_document_where_a_folder_is_needed_is_refused_and_harms_neither(client: Client) -> None:
    assert client.send("PUT", DOCUMENTS + "node", b"text").status == 202
    refused = client.send("PUT", DOCUMENTS + "node/below", b"text")
    assert (refused.status, "folder" in refused.json["error"]) == (400, True)
    assert client.send("PUT", DOCUMENTS + "node", b"text again").status == 202


@pytest.mark.parametrize("query", ["acl=hr", "acl=%22hr%22", "metadata=%5B1%5D", "metadata=%7B%22a%22%3A1%7D"])
def test_attributes_that_are_not_what_they_should_be_are_refused(client: Client, query: str) -> None:
    assert client.send("PUT", f"{DOCUMENTS}a.md?{query}", b"text").status == 400


def test_a_body_over_the_limit_is_refused_by_its_length_before_it_is_sent(client: Client) -> None:
    signed = {"webhook-id": "m", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
        raw.sendall(f"PUT {DOCUMENTS}a HTTP/1.1\r\nhost: x\r\n{head}content-length: {LIMIT + 1}\r\n\r\n".encode())
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")
    assert client.send("PUT", DOCUMENTS + "full.md", b"x" * LIMIT).status == 202
    assert client.send("POST", "/v1/events", b" " * 65_537).status == 413


def test_an_endless_body_is_cut_off_at_the_limit(client: Client) -> None:
    signed = {"webhook-id": "m", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
        raw.sendall(f"PUT {DOCUMENTS}a HTTP/1.1\r\nhost: x\r\n{head}transfer-encoding: chunked\r\n\r\n".encode())
        for _ in range(LIMIT // 4096 + 1):
            raw.sendall(chunk)
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_client_that_never_ends_its_headers_is_hung_up_on_while_others_are_served(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nhost: ")
        began = time.monotonic()
        assert client.plain("GET", "/healthz").json == {"alive": True}
        try:
            while time.monotonic() - began < 30:
                raw.sendall(b"x")
                time.sleep(0.2)
        except OSError:
            pass
        assert time.monotonic() - began < 20


def test_endless_headers_are_cut_off(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 100_000_000:
                raw.sendall(b"x-more: " + b"x" * 60_000 + b"\r\n")
                sent += 60_000
    # What the two sides' sockets hold, and what one read takes, come on top of the limit.
    assert sent < 20_000_000


def test_ready_names_its_parts_and_unknown_paths_and_methods_say_so(client: Client) -> None:
    assert client.plain("GET", "/readyz").json == {"ready": True, "parts": {"ledger": "ok", "push store": "ok"}}
    assert (client.plain("GET", "/nowhere").status, client.plain("POST", "/healthz").status) == (404, 405)


def test_the_status_page_shows_hostile_names_as_text_and_to_this_machine_only(client: Client) -> None:
    name = quote("<script>alert(1)</script>", safe="")
    assert client.send("PUT", f"{DOCUMENTS}{name}.md", b"").status == 202
    eventually(lambda: client.plain("GET", "/v1/status", host="127.0.0.1").json["documents"]["held"])
    page = client.plain("GET", "/", host="localhost")
    assert page.status == 200
    assert b"push://handbook/" in page.body
    assert b"<script" not in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"penstock_due_documents" in client.plain("GET", "/metrics", host="localhost").body
    assert client.plain("GET", "/", host="evil.example").status == 403
    assert client.plain("GET", "/v1/status", **{"host": "localhost", "x-forwarded-for": "127.0.0.1"}).status == 403


def test_a_store_that_fails_is_answered_503_and_the_same_request_passes_later(
    process: Penstock, tmp_path: Path
) -> None:
    with serving(process, ACME) as (client, started):
        saving = tmp_path / "home/push/.saving"
        assert client.plain("GET", "/readyz").status == 200
        saving.rmdir()
        saving.write_text("in the way")
        failed = client.send("PUT", DOCUMENTS + "a.md", b"text", id_="later")
        assert (failed.status, failed.headers["retry-after"]) == (503, "5")
        assert str(tmp_path) not in failed.body.decode()
        eventually(lambda: client.plain("GET", "/readyz").status == 503)
        saving.unlink()
        assert client.send("PUT", DOCUMENTS + "a.md", b"text", id_="later").status == 202
        ended(started)


def test_a_busy_port_and_a_bad_key_are_said_at_the_start(process: Penstock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = process.run("serve", PENSTOCK_HTTP_PORT=str(taken.getsockname()[1]))
    assert (done.status, "PENSTOCK_HTTP_PORT" in done.err) == (2, True), done
    done = process.run("serve", PENSTOCK_WEBHOOK_SECRETS='{"acme": ["whsec_not-base64-at-all!"]}')
    assert (done.status, "PENSTOCK_WEBHOOK_SECRETS" in done.err) == (2, True), done
    assert "not-base64-at-all" not in done.out + done.err


def test_forget_takes_pushed_content_out_of_the_store(process: Penstock, tmp_path: Path) -> None:
    with serving(process, ACME) as (client, started):
        for name in ("a.md", "b.md"):
            assert client.send("PUT", DOCUMENTS + name, f"# Boat\n\nBoat {name}.\n".encode()).status == 202
        eventually(lambda: len(texts(client, "boat")) == 2)
        ended(started)
    store = tmp_path / "home/push/acme/handbook"
    assert process.run("forget", "push://handbook/a.md", "--tenant", "acme").status == 0
    assert [path.name for path in store.iterdir()] == ["b.md"]
    assert process.run("forget", "--tenant", "acme").status == 0
    assert not any(store.iterdir())


@pytest.mark.server
def test_scaled_the_event_is_on_kafka_before_the_answer_and_what_is_down_is_503(
    process: Penstock, tmp_path: Path, services: Services
) -> None:
    bootstrap, kept = services.fresh_topics(), "push/acme/handbook"
    stream = KafkaStream(bootstrap, ["penstock.documents.v1"], group="test-serve")
    scaled = {"PENSTOCK_KAFKA_BOOTSTRAP_SERVERS": bootstrap, "PENSTOCK_DATABASE_URL": services.fresh_database()}
    with serving(process, ACME, **scaled) as (client, started):
        sent = client.send("PUT", DOCUMENTS + "a.md", b"# A\n\nText.\n")
        assert sent.status == 202, sent
        assert (tmp_path / "home" / kept / "a.md").read_bytes() == b"# A\n\nText.\n"
        records = eventually(lambda: [one for one in stream.poll(1.0, 10) if sent.json["id"].encode() in one.value])
        assert records[0].key == document_id("acme", "push://handbook/a.md").encode()
        event = DocumentEvent.model_validate_json(records[0].value)
        assert (event.subject, event.data.tenant) == ("push://handbook/a.md", "acme")
        assert client.plain("GET", "/readyz").json["parts"]["kafka"] == "ok"
        stream.close()
        services.kafka.pause()
        try:
            down = client.send("PUT", DOCUMENTS + "b.md", b"text", id_="down")
            assert (down.status, down.headers["retry-after"]) == (503, "5")
        finally:
            services.kafka.resume()
        eventually(lambda: client.send("PUT", DOCUMENTS + "b.md", b"text", id_="down").status in (202, 409))
        ended(started)
