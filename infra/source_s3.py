"""A bucket under a prefix, or one object, as a source.

Invariant: "gone" is said only when the store answers exactly "not found" and the bucket itself still answers.

Cheap identity is "etag:size:last-modified" (whole seconds), which a listing, a HEAD and a GET all give; a listing gives
no version id. The ETag alone would do for honest stores; the time is there because an ETag may be an MD5, for which two
texts can be forged, and because some stores give one fixed ETag to files put under them by hand. The price is
one read when the same bytes are uploaded again.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.clock import running_time
from infra.s3_errors import credentials_refused, error_code, unreachable
from infra.source_names import Exclusions
from schemas.documents import Fetched, SourceEntry
from schemas.errors import Reason, Refusal, Unreachable
from schemas.identity import s3_location, s3_uri

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3.client import S3Client

#: Seconds. A store that is there accepts at once; a read may wait for a cold disk.
CONNECT_TIMEOUT, READ_TIMEOUT = 5, 60
#: Of every request, and of reading one body. Longer outages are the worker's to wait for.
ATTEMPTS = 3
#: Seconds that a client is kept whose credentials are refused: making one takes a tenth of one.
RENEW_S = 10.0

_NOT_FOUND = ("404", "NoSuchKey")
#: Codes of a HEAD that failed: it has no body to say more.
_WITHOUT_BODY = ("400", "403")


class S3Source:
    """Reads the objects under `s3://bucket/prefix`. Thread-safe; connects on first use.

    A client reads a file of credentials once: where they are refused it is made anew, so that whoever corrects the
    file need not start us again.

    A prefix that ends in "/" (or is empty) is a folder: keys that begin with it. Any other is the object of exactly
    that key, and the keys under "prefix/"; "docs" never takes in "docs-old/a.md".
    `endpoint_url`: an S3-compatible store; None: what boto3 finds, by default AWS.
    """

    def __init__(
        self,
        uri: str,
        *,
        endpoint_url: str | None = None,
        client: "S3Client | None" = None,
        exclude: Sequence[str] = (),
    ) -> None:
        self.uri = uri
        self._bucket, self._prefix = s3_location(uri)
        self._folder = self._prefix if self._prefix.endswith("/") or not self._prefix else self._prefix + "/"
        self._endpoint_url = endpoint_url
        self._made, self._made_at, self._refused = client, inf, False
        self._exclude = Exclusions(exclude)

    def root_identity(self) -> str:
        """The store and the bucket: "host[:port]/bucket", or "aws/bucket"."""
        if self._ask(self._client.head_bucket) is None:
            # Some stores answer so to a wrong access key; a listing says which it is.
            self._page("")
            raise self._no_bucket()
        return f"{self._endpoint}/{self._bucket}"

    def list(self) -> Iterator[SourceEntry]:
        """Every object under the prefix, as infra.ports says. One request for each 1,000 keys."""
        if self._prefix != self._folder:
            own = self.stat(s3_uri(self._bucket, self._prefix))
            if own is not None:
                yield own
        token = ""
        while True:
            page = self._page(token)
            for found in page.get("Contents", ()):
                key = found["Key"]
                if not _is_marker(key, found["Size"]) and not self._exclude.cover(key[len(self._folder) :]):
                    yield _entry(_uri(self._bucket, key), found["ETag"], found["Size"], found["LastModified"])
            if not page["IsTruncated"]:
                return
            last, token = token, page.get("NextContinuationToken", "")
            if token in ("", last):
                raise Unreachable(self.uri, "the store's listing breaks off half-way", "run again")

    def stat(self, uri: str) -> SourceEntry | None:
        """What `list` gives for this URI, or None when it is gone, which includes: left out by declaration."""
        key = self._key(uri)
        head = None if self._leaves_out(key) else self._ask(self._client.head_object, Key=key)
        if head is None:
            self.root_identity()
            return None
        if _is_marker(key, head["ContentLength"]):
            raise Unreachable(uri, "is the empty marker of a folder, so it is not read", "nothing is to be done")
        return _entry(uri, head["ETag"], head["ContentLength"], head["LastModified"])

    def fetch(self, uri: str, *, max_bytes: int) -> Fetched | None:
        """The bytes of one version: one GET, with the identity that this GET itself names."""
        from botocore.exceptions import BotoCoreError

        key = self._key(uri)
        broken: Exception = TimeoutError()
        for _ in range(ATTEMPTS):
            answer = None if self._leaves_out(key) else self._ask(self._client.get_object, Key=key)
            if answer is None:
                self.root_identity()
                return None
            with closing(answer["Body"]) as stream:
                if answer["ContentLength"] > max_bytes:
                    raise Refusal(Reason.TOO_LARGE, f"{answer['ContentLength']} bytes, the limit is {max_bytes}")
                try:
                    body = stream.read()
                except BotoCoreError as error:
                    broken = error
                    continue
            entry = _entry(uri, answer["ETag"], len(body), answer["LastModified"])
            return Fetched(uri, body, entry.identity, entry.modified_at, answer.get("ContentType"))
        raise unreachable(uri, broken, self._endpoint)

    def _page(self, token: str) -> Any:
        """One page of the listing."""
        more = {"ContinuationToken": token} if token else {}
        page = self._ask(self._client.list_objects_v2, Prefix=self._folder, **more)
        if page is None:
            raise self._no_bucket()
        return page

    def _key(self, uri: str) -> str:
        """The key of a URI.

        Raises:
            Unreachable: a listing never gives this URI, so its absence says nothing about it.
        """
        try:
            bucket, key = s3_location(uri)
        except ValueError:
            bucket, key = "", ""
        inside = key == self._prefix or key.startswith(self._folder)
        if bucket != self._bucket or not key or not inside or _uri(bucket, key) != uri:
            raise Unreachable(uri, f"is not in the source {self.uri}", "name a document of this source")
        return key

    def _leaves_out(self, key: str) -> bool:
        """Whether a key is excluded: a person took it out of the source, whatever lies there."""
        return self._exclude.cover(key[len(self._folder) :])

    def _ask(self, method: Callable[..., Any], **parameters: str) -> Any:
        """The store's answer, or None where that is "not found"; the caller then asks whether the bucket is there."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        where = _uri(self._bucket, parameters["Key"]) if "Key" in parameters else self.uri
        try:
            answer = method(Bucket=self._bucket, **parameters)
        except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
            code = error_code(error)
            if code in _NOT_FOUND:
                return None
            if code == "InvalidObjectState":
                raise Refusal(Reason.UNREADABLE, "the object is archived: restore it first") from None
            if code in _WITHOUT_BODY and method != self._client.list_objects_v2:
                # A HEAD cannot say why. A listing, asked the same way, can.
                self._page("")
            failure = unreachable(where, error, self._endpoint)
            self._refused = credentials_refused(error)
            raise failure from None
        missing = next((field for field in _fields(parameters) if field not in answer), None)
        if missing:
            raise unreachable(where, ResponseParserError(missing), self._endpoint)
        return answer

    def _no_bucket(self) -> Unreachable:
        return Unreachable(self.uri, "the bucket does not exist", "create the bucket or correct its name")

    @property
    def _client(self) -> "S3Client":
        client = self._made
        if client is None or (self._refused and running_time() - self._made_at >= RENEW_S):
            client = self._made = open_client(self.uri, self._endpoint_url)
            self._made_at, self._refused = running_time(), False
        return client

    @property
    def _endpoint(self) -> str:
        """Host and port, without what else a URL may hold (a password); all of AWS counts as one."""
        parts = urlsplit(self._client.meta.endpoint_url)
        host = parts.hostname or ""
        return "aws" if host.endswith(".amazonaws.com") else host + (f":{parts.port}" if parts.port else "")


def open_client(where: str, endpoint_url: str | None) -> "S3Client":
    """A client that gives up in time. `where`: the URI that errors name; `endpoint_url`: None for what boto3 finds.

    Raises:
        Unreachable: no client can be made of these settings.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        s3={"addressing_style": "path"} if endpoint_url else {},
    )
    try:
        session = boto3.session.Session(botocore_session=_session())
        region = session.region_name or "us-east-1"
        return session.client("s3", region_name=region, endpoint_url=endpoint_url, config=config)
    except ValueError:
        raise Unreachable(where, "the endpoint is not a URL", "correct PENSTOCK_S3_ENDPOINT_URL") from None
    except BotoCoreError as error:
        raise unreachable(where, error, "the store") from None


def _session() -> "Session":
    """A session with credentials of its own, and the descriptions of services that the first one read: 0.1 s each."""
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", _service_descriptions())
    return session


@functools.cache
def _service_descriptions() -> object:
    from botocore.session import Session

    return Session().get_component("data_loader")


def _fields(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """What an answer must have. Any web server or login page in between answers 200 too, without these."""
    if "Key" in parameters:
        return "ETag", "ContentLength", "LastModified"
    return ("IsTruncated",) if "Prefix" in parameters else ()


def _entry(uri: str, etag: str, size: int, modified: datetime) -> SourceEntry:
    seconds = int(modified.timestamp())
    return SourceEntry(uri, f"{etag}:{size}:{seconds}", size, float(seconds))


def _uri(bucket: str, key: str) -> str:
    """URI of an object; a last "/" is encoded, for a URI that ends in "/" is a folder's."""
    return s3_uri(bucket, key[:-1]) + "%2F" if key.endswith("/") else s3_uri(bucket, key)


def _is_marker(key: str, size: int) -> bool:
    """Whether this is the empty object by which consoles show a folder."""
    return key.endswith("/") and size == 0
