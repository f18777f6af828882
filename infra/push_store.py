"""Where pushed content lies before its event is sent: a folder in the home, or an S3 prefix. It is the source of push://.

Invariant: a document is there whole or not at all, and once `put` returns it survives a crash of the machine.

`push://NAME/ID` of a tenant lies at `where(TENANT)` + `NAME/ID`: the same percent-encoding, so that names map both ways
by exchanging the prefix. Tenants have folders of their own: the same URI of two tenants is two documents.
"""

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from infra.s3_errors import unreachable as s3_unreachable
from infra.source_s3 import open_client
from schemas.errors import Unreachable, UsageError
from schemas.identity import file_path, file_uri, quote, s3_location

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: Attempts to save into a folder that a deletion beside keeps taking away.
ATTEMPTS = 10
#: Seconds after which a file half written is that of a dead process: no request lives so long.
ABANDONED_S = 3600.0
#: Bytes. What S3 allows a key to have.
MAX_KEY = 1024
#: Where files are written before they get their name; no tenant's folder begins with a dot.
_SAVING = ".saving"


class PushStore(Protocol):
    """Keeps pushed content by (tenant, `push://` URI). Safe to use from several threads and processes."""

    def where(self, tenant: str) -> str:
        """The URI, ending in "/", under which this tenant's names lie."""

    def prepare(self, tenant: str, uri: str) -> None:
        """Make the root of a source that is declared for the first time, so that it can be listed while empty.

        Raises:
            Unreachable: it cannot be made.
        """

    def put(self, tenant: str, uri: str, body: bytes) -> None:
        """Write a document or replace it, atomically and durably.

        Raises:
            UsageError: this name cannot be written beside those that are there, or is too long for the store.
            Unreachable: the store does not confirm it.
        """

    def delete(self, tenant: str, uri: str) -> None:
        """Delete a document; nothing happens if it is not there.

        Raises:
            Unreachable: the store does not confirm it.
        """

    def check(self) -> None:
        """Ask whether the store answers.

        Raises:
            Unreachable: it does not.
        """


def tenant_folder(tenant: str) -> str:
    """A tenant as one name: never empty, never hidden, and no other tenant's.

    Raises:
        UsageError: the tenant has no name.
    """
    if not tenant:
        raise UsageError("a tenant without a name cannot push", "give the source a tenant")
    return quote(tenant.encode()).replace("/", "%2F").replace(".", "%2E")


class FolderPushStore:
    """Pushed content as files under `root`, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def where(self, tenant: str) -> str:
        """Say where this tenant's names lie."""
        return file_uri(os.fsencode(self._root / tenant_folder(tenant))) + "/"

    def prepare(self, tenant: str, uri: str) -> None:
        """Make the folder of a source."""
        with _reported(uri):
            _make_folder(self._path(tenant, uri if uri.endswith("/") else uri.rpartition("/")[0]))

    def put(self, tenant: str, uri: str, body: bytes) -> None:
        """Write beside, sync, rename, and sync the folder."""
        path, saving = self._path(tenant, uri), self._root / _SAVING / uuid.uuid4().hex
        with _reported(uri):
            _make_folder(saving.parent)
            try:
                _write_synced(saving, body)
                _rename(saving, path)
            finally:
                saving.unlink(missing_ok=True)

    def delete(self, tenant: str, uri: str) -> None:
        """Unlink, and take away the folders that are empty then, up to the source's own."""
        path, source = self._path(tenant, uri), self._path(tenant, "/".join(uri.split("/")[:3]))
        with _reported(uri):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return
            _sync(path.parent)
            with contextlib.suppress(OSError):
                for folder in path.relative_to(source).parents[:-1]:
                    (source / folder).rmdir()

    def check(self) -> None:
        """Ask whether something can be written, and take away what the dead left half written."""
        with _reported(str(self._root)):
            _make_folder(self._root / _SAVING)
            for left in (self._root / _SAVING).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - left.stat().st_mtime > ABANDONED_S:
                        left.unlink()
            probe = self._root / _SAVING / uuid.uuid4().hex
            probe.touch()
            probe.unlink()

    def _path(self, tenant: str, uri: str) -> Path:
        return Path(os.fsdecode(file_path(self.where(tenant) + uri.removeprefix("push://"))))


def _rename(saving: Path, path: Path) -> None:
    for _ in range(ATTEMPTS):
        try:
            _make_folder(path.parent)
            saving.replace(path)
        except FileNotFoundError:
            continue  # a deletion beside took the folder away as empty: make it again
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            what = "a document lies where this one needs a folder, or the other way round"
            raise UsageError(what, "choose another id, or delete that document first") from None
        _sync(path.parent)
        return
    raise FileNotFoundError


def _write_synced(path: Path, body: bytes) -> None:
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durable before the next is made."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not folder.is_dir():
        raise NotADirectoryError
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reported(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"the push store fails: {error.strerror or type(error).__name__}"
        raise Unreachable(where, what, "check the disk and the permissions of the home") from None


class S3PushStore:
    """Pushed content as objects under `s3://bucket/prefix/`. Connects on first use."""

    def __init__(self, uri: str, *, endpoint_url: str | None = None, client: "S3Client | None" = None) -> None:
        self._uri = uri.rstrip("/") + "/"
        try:
            s3_location(self._uri)
        except ValueError:
            raise UsageError("PENSTOCK_PUSH_STORE is no S3 prefix", "write s3://bucket/prefix/") from None
        self._endpoint_url, self._given = endpoint_url, client

    def where(self, tenant: str) -> str:
        """Say where this tenant's names lie."""
        return self._uri + quote(tenant_folder(tenant).encode()) + "/"

    def prepare(self, tenant: str, uri: str) -> None:
        """Do nothing: a prefix is there when its bucket is."""

    def put(self, tenant: str, uri: str, body: bytes) -> None:
        """Put the object; S3 answers once it is durable."""
        self._ask(tenant, uri, lambda client, **at: client.put_object(Body=body, **at))

    def delete(self, tenant: str, uri: str) -> None:
        """Delete the object."""
        self._ask(tenant, uri, lambda client, **at: client.delete_object(**at))

    def check(self) -> None:
        """Ask for the bucket."""
        from infra.source_s3 import S3Source

        S3Source(self._uri, endpoint_url=self._endpoint_url, client=self._given).root_identity()

    def _ask(self, tenant: str, uri: str, call: Callable[..., Any]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        bucket, key = s3_location(self.where(tenant) + uri.removeprefix("push://"))
        if len(key.encode()) > MAX_KEY:
            raise UsageError(f"with its prefix the id has more than {MAX_KEY} bytes", "choose a shorter id")
        if self._given is None:
            self._given = open_client(self._uri, self._endpoint_url)
        try:
            call(self._given, Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
            raise s3_unreachable(uri, error, "the push store") from None
