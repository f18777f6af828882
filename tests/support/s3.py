"""A real S3 API on this machine, for tests: versitygw where Go can build it, else moto's server.

    python -m tests.support.s3 build               build versitygw ahead of the tests
    python -m tests.support.s3 run COMMAND...      run a command with the store in its environment

PENSTOCK_TEST_S3_ENDPOINT_URL names a store that is already there; its credentials are AWS_ACCESS_KEY_ID and its secret.
Servers listen on the loopback only, keep their data in a temporary folder, and are stopped by their own pid.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.7.0"
#: The Go release that versitygw's go.mod asks for.
GO_AT_LEAST = (1, 25)
#: Seconds. A cold build on two cores takes about two minutes.
BUILD_TIMEOUT = 900

_BIN = Path(__file__).parents[2] / ".cache" / "bin"


@dataclass(frozen=True)
class Store:
    """An S3-compatible store that answers. `kind`: "given", "versitygw" or "moto"."""

    kind: str
    endpoint_url: str
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    region: str = "us-east-1"

    def client(self, **overrides: Any) -> Any:
        """A boto3 client; overrides go to `Session.client`, credentials included."""
        import boto3

        given = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        options = {"endpoint_url": self.endpoint_url, "region_name": self.region, **given, **overrides}
        return boto3.session.Session().client("s3", **options)

    @cached_property
    def shared_client(self) -> Any:
        """The one client most tests can share: making one takes half a second."""
        return self.client()

    def new_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"penstock-{uuid.uuid4().hex}"
        self.shared_client.create_bucket(Bucket=name)
        return name

    def environment(self) -> dict[str, str]:
        """What a `penstock` process needs in its environment to use this store."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        known = {name: value for name, value in keys.items() if value}
        return {"PENSTOCK_S3_ENDPOINT_URL": self.endpoint_url, "AWS_REGION": self.region, **known}


@contextmanager
def any_store() -> Iterator[Store]:
    """The store that is given, or versitygw, or moto: the first that can be had."""
    given = os.environ.get("PENSTOCK_TEST_S3_ENDPOINT_URL")
    if given:
        yield Store("given", given, os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY"))
        return
    with versitygw() if build_versitygw() else moto() as store:
        yield store


def build_versitygw() -> Path | None:
    """The versitygw binary, built if it is not there; None without a Go that can."""
    binary = _BIN / VERSITYGW.rpartition("/")[2]
    if binary.exists() or not _has_go():
        return binary if binary.exists() else None
    _BIN.mkdir(parents=True, exist_ok=True)
    with FileLock(_BIN / "versitygw.lock", timeout=BUILD_TIMEOUT), tempfile.TemporaryDirectory(dir=_BIN) as building:
        if binary.exists():
            return binary
        environment = {**os.environ, "GOBIN": building}
        command = ["go", "install", VERSITYGW]
        built = subprocess.run(
            command, check=False, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT
        )
        if built.returncode:
            print(f"versitygw does not build, using moto instead:\n{built.stderr[-500:]}", file=sys.stderr)
            return None
        (Path(building) / "versitygw").rename(binary)
    return binary


def _has_go() -> bool:
    if shutil.which("go") is None:
        return False
    version = subprocess.run(["go", "version"], check=False, capture_output=True, text=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= GO_AT_LEAST


@contextmanager
def versitygw() -> Iterator[Store]:
    """versitygw over a temporary folder."""
    from tests.support.services.s3 import S3

    with tempfile.TemporaryDirectory(prefix="penstock-s3-") as folder, S3(Path(folder)) as server:
        yield server.store


@contextmanager
def moto() -> Iterator[Store]:
    """moto's server on a thread of this process. It checks no credentials."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield Store("moto", "http://{}:{}".format(*server.get_host_and_port()), "test", "test")
    finally:
        server.stop()


def main(arguments: list[str]) -> int:
    """See the module's docstring."""
    match arguments:
        case ["build"]:
            print(build_versitygw() or "no Go that can build versitygw; tests use moto")
            return 0
        case ["run", *command] if command:
            with any_store() as store:
                return subprocess.run(command, check=False, env={**os.environ, **store.environment()}).returncode
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
