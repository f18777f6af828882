"""versitygw: an S3 API over a folder, which publishes what happens in its buckets to Kafka."""

import functools
import os
import secrets
import socket
from pathlib import Path

from tests.support.s3 import Store, build_versitygw
from tests.support.services.server import Server, Unavailable


class S3(Server):
    """A store; with `kafka` (host:port) every bucket's events go to `topic`, from a goroutine each: in no order.

    Metadata is in extended attributes, or beside where the file system has none.
    """

    name = "versitygw"

    def __init__(
        self, folder: Path, *, kafka: str | None = None, topic: str = "penstock.s3.v1", outlives: bool = False
    ):
        super().__init__(folder, outlives=outlives)
        self._events = {"VGW_EVENT_KAFKA_URL": kafka, "VGW_EVENT_KAFKA_TOPIC": topic} if kafka else {}

    def prepare(self) -> None:
        self._binary = build_versitygw()
        if self._binary is None:
            raise Unavailable("versitygw is not here and no Go (1.25 or newer) can build it")
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "sidecar").mkdir(exist_ok=True)

    def command(self) -> list[str]:
        data, sidecar = self.folder / "data", self.folder / "sidecar"
        metadata = [] if _has_attributes(data) else ["--sidecar", str(sidecar)]
        return [str(self._binary), "--quiet", "--port", self.address, "posix", *metadata, str(data)]

    def environment(self) -> dict[str, str]:
        # Credentials go by the environment: a process list shows arguments to everyone.
        keys = {"ROOT_ACCESS_KEY_ID": self.store.access_key, "ROOT_SECRET_ACCESS_KEY": self.store.secret_key}
        return {**keys, **self._events}

    def answers(self) -> bool:
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return True

    @functools.cached_property
    def store(self) -> Store:
        """Its address and keys."""
        access = self.remembered("access_key", lambda: f"test{secrets.token_hex(8)}")
        secret = self.remembered("secret_key", lambda: secrets.token_hex(20))
        return Store("versitygw", f"http://{self.address}", access, secret)


def _has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.penstock", b"1")
    except OSError:
        return False
    return True
