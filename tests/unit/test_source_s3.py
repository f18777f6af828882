"""S3 as it is: odd keys, folder markers, multipart uploads, wrong credentials, and stores that fail half-way.

Real stores answer wherever they can; what they cannot be brought to do, a small HTTP server of this test does.
"""

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from infra.source_s3 import RENEW_S, S3Source
from schemas.errors import Reason, Refusal, Unreachable
from schemas.identity import s3_location, s3_uri
from tests.support.s3 import Store, moto

LIMIT = 10_000_000


@pytest.fixture(scope="module")
def moto_store() -> Iterator[Store]:
    with moto() as store:
        yield store


@pytest.fixture(params=["s3", "moto_store"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)


def filled(store: Store, **objects: bytes) -> str:
    bucket = store.new_bucket()
    for key, body in objects.items():
        store.shared_client.put_object(Bucket=bucket, Key=key, Body=body)
    return bucket


#: Keys that every store takes; then those that a store over a file system, and that moto, cannot hold.
ODD_KEYS = ["a b+c%41&d.md", "caf\u00e9.md", "cafe\u0301.md", "q?#&=;.md", "back\\slash", "%2F", "!.md"]
ODD_KEYS_BY_KIND = {
    "moto": ["/lead.md", "//", "a//b", "x/../y.md", "./x", "..", "ctl\x01.md", "t/", "full/full", "full"],
    "versitygw": ["new\nline.md"],
}


class TestKeys:
    def test_every_key_comes_back_from_its_uri(self, store: Store) -> None:
        keys = ODD_KEYS + ODD_KEYS_BY_KIND.get(store.kind, [])
        bucket = filled(store, **{key: key.encode() for key in keys})
        reader = S3Source(f"s3://{bucket}/", client=store.shared_client)
        entries = {entry.uri: entry for entry in reader.list()}
        assert {s3_location(uri)[1] for uri in entries} == set(keys)
        for uri, entry in entries.items():
            fetched = reader.fetch(uri, max_bytes=LIMIT)
            assert fetched is not None
            assert fetched.body.decode() == s3_location(uri)[1]
            assert fetched.identity == entry.identity
            assert reader.stat(uri) == entry
            assert not uri.endswith("/"), "only a folder's URI ends so"

    def test_the_longest_key_there_is_comes_back(self, store: Store) -> None:
        key = "/".join(["k" * 204] * 5)
        assert len(key) == 1024
        bucket = filled(store, **{key: b"text"})
        reader = S3Source(f"s3://{bucket}", client=store.shared_client)
        assert [entry.uri for entry in reader.list()] == [s3_uri(bucket, key)]

    def test_the_empty_marker_of_a_folder_is_no_document(self, store: Store) -> None:
        bucket = filled(store, **{"docs/": b"", "docs/deep/": b"", "docs/a.md": b"text"})
        reader = S3Source(f"s3://{bucket}/docs/", client=store.shared_client)
        assert [entry.uri for entry in reader.list()] == [f"s3://{bucket}/docs/a.md"]
        with pytest.raises(Unreachable, match="marker"):
            reader.stat(f"s3://{bucket}/docs/deep%2F")

    def test_a_prefix_without_a_slash_is_the_key_itself_and_what_is_under_it(self, moto_store: Store) -> None:
        keys = ["docs", "docs/a.md", "docs-old/a.md", "docs.md", "other"]
        bucket = filled(moto_store, **dict.fromkeys(keys, b"text"))
        reader = S3Source(f"s3://{bucket}/docs", client=moto_store.shared_client)
        assert {entry.uri for entry in reader.list()} == {f"s3://{bucket}/docs", f"s3://{bucket}/docs/a.md"}
        with pytest.raises(Unreachable, match="not in the source"):
            reader.stat(f"s3://{bucket}/docs.md")


class TestIdentity:
    def test_the_same_bytes_uploaded_in_parts_have_another_etag_and_read_the_same(self, store: Store) -> None:
        bucket, client = filled(store, **{"a.md": b"text"}), store.shared_client
        reader = S3Source(f"s3://{bucket}/", client=client)
        uri = f"s3://{bucket}/a.md"
        before = reader.fetch(uri, max_bytes=LIMIT)
        upload = client.create_multipart_upload(Bucket=bucket, Key="a.md")["UploadId"]
        part = client.upload_part(Bucket=bucket, Key="a.md", UploadId=upload, PartNumber=1, Body=b"text")
        parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        client.complete_multipart_upload(Bucket=bucket, Key="a.md", UploadId=upload, MultipartUpload=parts)
        after = reader.fetch(uri, max_bytes=LIMIT)
        assert before is not None
        assert after is not None
        assert before.body == after.body
        assert before.identity != after.identity
        assert [entry.identity for entry in reader.list()] == [after.identity]

    def test_the_content_type_comes_along(self, store: Store) -> None:
        bucket = store.new_bucket()
        store.shared_client.put_object(Bucket=bucket, Key="a", Body=b"x", ContentType="text/markdown")
        fetched = S3Source(f"s3://{bucket}", client=store.shared_client).fetch(f"s3://{bucket}/a", max_bytes=LIMIT)
        assert fetched is not None
        assert fetched.content_type == "text/markdown"

    def test_the_root_is_the_bucket_of_one_store(self, store: Store) -> None:
        one, two = store.new_bucket(), store.new_bucket()
        roots = {S3Source(f"s3://{name}", client=store.shared_client).root_identity() for name in (one, two)}
        host = store.endpoint_url.partition("://")[2]
        assert roots == {f"{host}/{one}", f"{host}/{two}"}


def asks(reader: S3Source, uri: str) -> list[Callable[[], Any]]:
    """Everything that can be asked about a document."""
    return [
        reader.root_identity,
        lambda: list(reader.list()),
        lambda: reader.stat(uri),
        lambda: reader.fetch(uri, max_bytes=LIMIT),
    ]


class TestOutOfReach:
    def test_credentials_come_the_usual_way_and_the_endpoint_from_the_settings(
        self, s3: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket = filled(s3, **{"a.md": b"text"})
        for name, value in s3.environment().items():
            monkeypatch.setenv(name, value)
        reader = S3Source(f"s3://{bucket}/", endpoint_url=s3.endpoint_url)
        assert [entry.uri for entry in reader.list()] == [f"s3://{bucket}/a.md"]

    @pytest.mark.parametrize(
        ("wrong", "what"),
        [
            ({"aws_access_key_id": "AKIDWRONG"}, "does not know this access key"),
            ({"aws_secret_access_key": "not-the-secret"}, "the secret key does not fit"),
            ({"config": Config(signature_version=UNSIGNED)}, "access is denied"),
        ],
    )
    def test_wrong_credentials_are_told_apart_and_never_shown(
        self, s3: Store, wrong: dict[str, Any], what: str
    ) -> None:
        if s3.kind == "moto" or not s3.access_key:
            pytest.skip("moto checks no credentials; a given store's may come from elsewhere")
        bucket = filled(s3, **{"a.md": b"text"})
        reader = S3Source(f"s3://{bucket}/", client=s3.client(**wrong))
        for ask in asks(reader, f"s3://{bucket}/a.md"):
            with pytest.raises(Unreachable, match=what) as unreachable:
                ask()
            assert unreachable.value.todo
            for secret in (s3.access_key, str(s3.secret_key), "AKIDWRONG", "not-the-secret"):
                assert secret not in str(unreachable.value)

    def test_no_credentials_at_all_says_which_to_set(self, s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
        with pytest.raises(Unreachable, match=r"no credentials are found.*AWS_ACCESS_KEY_ID"):
            S3Source("s3://bucket/", endpoint_url=s3.endpoint_url).root_identity()

    def test_credentials_that_are_corrected_in_their_file_are_found_without_a_restart(
        self, s3: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The client keeps what it once read: a worker would have failed for ever."""
        if s3.kind == "moto" or not s3.access_key:
            pytest.skip("moto checks no credentials; a given store's may come from elsewhere")
        file, now = tmp_path / "credentials", [0.0]
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.setattr("infra.source_s3.running_time", lambda: now[0])

        def write(secret: object) -> None:
            file.write_text(f"[default]\naws_access_key_id={s3.access_key}\naws_secret_access_key={secret}\n")

        bucket = filled(s3, **{"a.md": b"text"})
        reader = S3Source(f"s3://{bucket}/", endpoint_url=s3.endpoint_url)
        write("wrong")
        for seconds, secret in ((0.0, "wrong"), (RENEW_S, s3.secret_key), (RENEW_S - 1, s3.secret_key)):
            now[0] += seconds
            with pytest.raises(Unreachable, match="the secret key does not fit"):
                reader.stat(f"s3://{bucket}/a.md")
            write(secret)
        now[0] += 1
        assert reader.stat(f"s3://{bucket}/a.md") is not None
        write("not read while it works")
        now[0] += RENEW_S
        assert reader.stat(f"s3://{bucket}/a.md") is not None

    def test_a_client_is_made_anew_for_the_next_question_not_after_the_last(
        self, failing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What it read an hour before the next attempt says nothing of what stands in the file by then."""
        now = [0.0]
        monkeypatch.setattr("infra.source_s3.running_time", lambda: now[0])
        reader = failing(lambda request: reply(request, 403, denied("ExpiredToken")))
        made = reader._client
        for seconds in (RENEW_S, 3600.0):
            now[0] += seconds
            with pytest.raises(Unreachable, match="have expired"):
                reader.root_identity()
            assert (reader._made is made) == (seconds == RENEW_S)

    @pytest.mark.parametrize("name", ["no-such-bucket-here", "No_Bucket!", "x"])
    def test_a_bucket_that_does_not_exist_or_cannot_is_unreachable(self, store: Store, name: str) -> None:
        for ask in asks(S3Source(f"s3://{name}/", client=store.shared_client), f"s3://{name}/a.md"):
            with pytest.raises(Unreachable, match="bucket") as unreachable:
                ask()
            assert "correct" in unreachable.value.todo

    def test_a_store_that_is_down_is_unreachable_by_name(self, credentials: None) -> None:
        reader = S3Source("s3://bucket/", endpoint_url="http://127.0.0.1:9")
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"127.0.0.1:9 refuses the connection.*PENSTOCK_S3_ENDPOINT_URL"):
            reader.root_identity()
        assert time.monotonic() - started < 30

    def test_an_endpoint_that_is_no_url_is_unreachable(self, credentials: None) -> None:
        with pytest.raises(Unreachable, match="not a URL"):
            S3Source("s3://bucket/", endpoint_url="not a url").root_identity()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-test")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


OBJECT = {"ETag": '"e"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def failing(credentials: None) -> Iterator[Callable[[Answer], S3Source]]:
    """Start a store that answers as the test says, and read `s3://bucket/` from it."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> S3Source:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def do_HEAD(self) -> None:
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return S3Source("s3://bucket/", endpoint_url=f"http://127.0.0.1:{server.server_address[1]}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def reply(request: BaseHTTPRequestHandler, status: int, body: str = "", **headers: str) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body.encode())


def page(*keys: str, token: str = "", truncated: bool = True) -> str:
    contents = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
        for key in keys
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    flag = str(truncated).lower()
    return f"<ListBucketResult><IsTruncated>{flag}</IsTruncated>{more}{contents}</ListBucketResult>"


def denied(code: str = "AccessDenied") -> str:
    return f"<Error><Code>{code}</Code><Message>the secret is secret-test</Message></Error>"


class TestFailures:
    def test_a_listing_that_fails_on_its_second_page_is_unreachable(self, failing) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            second = "continuation-token" in request.path
            reply(request, 403, denied()) if second else reply(request, 200, page("a.md", token="t"))

        listing = failing(answer).list()
        assert next(listing).uri == "s3://bucket/a.md"
        with pytest.raises(Unreachable, match="access is denied") as unreachable:
            next(listing)
        assert "secret-test" not in str(unreachable.value)

    @pytest.mark.parametrize("token", ["", "the-same-again"])
    def test_a_listing_that_says_more_but_not_how_is_unreachable(self, failing, token: str) -> None:
        listing = failing(lambda request: reply(request, 200, page("a.md", token=token))).list()
        with pytest.raises(Unreachable, match="breaks off half-way"):
            list(listing)

    def test_not_found_for_the_object_while_the_bucket_is_forbidden_is_not_gone(self, failing) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            is_object = request.path.partition("?")[0].rstrip("/") != "/bucket"
            reply(request, 404 if is_object else 403, denied("NoSuchKey" if is_object else "AccessDenied"))

        reader = failing(answer)
        for ask in asks(reader, "s3://bucket/a.md"):
            with pytest.raises(Unreachable, match="access is denied"):
                ask()

    def test_a_transfer_that_breaks_once_is_tried_again(self, failing) -> None:
        lengths = iter([100, 4])

        def answer(request: BaseHTTPRequestHandler) -> None:
            headers = {"Content-Length": str(next(lengths)), **OBJECT}
            reply(request, 200, "text", **headers)

        fetched = failing(answer).fetch("s3://bucket/a.md", max_bytes=LIMIT)
        assert fetched is not None
        assert fetched.body == b"text"

    def test_a_transfer_that_always_breaks_is_unreachable(self, failing) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            headers = {"Content-Length": "100", **OBJECT}
            reply(request, 200, "text", **headers)

        with pytest.raises(Unreachable, match=r"the connection to 127.0.0.1:[0-9]+ broke"):
            failing(answer).fetch("s3://bucket/a.md", max_bytes=LIMIT)

    def test_an_archived_object_harms_only_itself(self, failing) -> None:
        with pytest.raises(Refusal, match="archived") as refusal:
            failing(lambda request: reply(request, 403, denied("InvalidObjectState"))).fetch(
                "s3://bucket/a.md", max_bytes=LIMIT
            )
        assert refusal.value.reason is Reason.UNREADABLE

    @pytest.mark.parametrize("body", ["<!doctype html><p>Log in", "<html/>", ""])
    def test_a_web_page_in_place_of_the_store_is_not_taken_for_an_empty_bucket(self, failing, body: str) -> None:
        reader = failing(lambda request: reply(request, 200, body))
        for ask in asks(reader, "s3://bucket/a.md")[1:]:
            with pytest.raises(Unreachable, match=r"does not answer like an S3 store|is no S3 store"):
                ask()

    def test_a_store_that_does_not_answer_in_time_is_unreachable(self, failing, credentials: None) -> None:
        import boto3

        slow = failing(lambda _: time.sleep(1))
        config = Config(read_timeout=0.2, retries={"total_max_attempts": 1})
        client = boto3.session.Session().client(
            "s3", endpoint_url=slow._endpoint_url, region_name="us-east-1", config=config
        )
        with pytest.raises(Unreachable, match="does not answer in time"):
            S3Source("s3://bucket/", client=client).root_identity()
