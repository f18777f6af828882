"""The parts of one scaled composition: each the one an environment variable names, or started when first asked for."""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.support.s3 import Store
from tests.support.services import kafka, postgres, qdrant, redis, s3
from tests.support.services.server import Server, Unavailable

#: A server under such an address is used instead of started. It is emptied: name none whose contents matter.
GIVEN = {
    "kafka": "PENSTOCK_TEST_KAFKA_BOOTSTRAP_SERVERS",
    "redis": "PENSTOCK_TEST_CELERY_BROKER_URL",
    "postgres": "PENSTOCK_TEST_DATABASE_URL",
    "s3": "PENSTOCK_TEST_S3_ENDPOINT_URL",
    "qdrant": "PENSTOCK_TEST_QDRANT_URL",
}


class Services:
    """Kafka, Redis, PostgreSQL, an S3 store that publishes to Kafka, and Qdrant.

    `kafka`, `redis`, `postgres`, `s3`, `qdrant` are the servers, to be killed, paused and started again: Unavailable
    where the part is given. `fresh_*` are addresses of parts without content, given or started.

    Args:
        folder: Where their data is.
        given: Addresses by the variables of `GIVEN`; the environment, unless handed in.
        outlives: They go on after this process.
    """

    def __init__(self, folder: Path, *, given: Mapping[str, str] | None = None, outlives: bool = False) -> None:
        self._folder, self._outlives = folder, outlives
        self._given = os.environ if given is None else given

    @functools.cached_property
    def kafka(self) -> kafka.Kafka:
        return self._server("kafka", kafka.Kafka)

    @functools.cached_property
    def redis(self) -> redis.Redis:
        return self._server("redis", redis.Redis)

    @functools.cached_property
    def postgres(self) -> postgres.Postgres:
        return self._server("postgres", postgres.Postgres)

    @functools.cached_property
    def qdrant(self) -> qdrant.Qdrant:
        return self._server("qdrant", qdrant.Qdrant)

    @functools.cached_property
    def s3(self) -> s3.S3:
        return self._server("s3", functools.partial(s3.S3, kafka=self.bootstrap_servers))

    @property
    def servers(self) -> list[Server]:
        """Those that are started here, not given."""
        return [getattr(self, name) for name in GIVEN if not self._address(name)]

    @property
    def bootstrap_servers(self) -> str:
        """Kafka, as it stands."""
        return self._address("kafka") or self.kafka.address

    def start(self) -> Self:
        """Start all that are not given: Kafka and those that need none at once, then the store that publishes to it."""
        first = [server for server in self.servers if not isinstance(server, s3.S3)]
        with ThreadPoolExecutor(len(GIVEN)) as pool:
            list(pool.map(lambda server: server.start(), first))
        if not self._address("s3"):
            kafka.create_topics(self.bootstrap_servers)  # the store's first event is a test event
            self.s3.start()
        return self

    def stop(self) -> None:
        """End what was started here, those that need others first."""
        for name in reversed(GIVEN):
            if name in vars(self):
                getattr(self, name).stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fresh_topics(self) -> str:
        """Kafka's bootstrap servers: the three topics without a record, and no consumer group."""
        given = self._address("kafka")
        servers = given or self.kafka.start().address
        kafka.fresh_topics(servers)
        return servers

    def fresh_broker(self) -> str:
        """Celery's broker: an empty Redis database."""
        given = self._address("redis")
        return redis.emptied(given) if given else self.redis.start().fresh_database()

    def fresh_database(self) -> str:
        """SQLAlchemy's address of an empty PostgreSQL database that is nobody else's."""
        given = self._address("postgres")
        return postgres.fresh_database(given or self.postgres.start().url("postgres"))

    def fresh_qdrant(self) -> str:
        """Qdrant's address: no collection, no alias."""
        given = self._address("qdrant")
        return qdrant.emptied(given or self.qdrant.start().url)

    @property
    def store(self) -> Store:
        """The S3 API. A new bucket is as good as a new store."""
        given = self._address("s3")
        if given:
            return Store("given", given, self._given.get("AWS_ACCESS_KEY_ID"), self._given.get("AWS_SECRET_ACCESS_KEY"))
        self._start_kafka()
        return self.s3.start().store

    def environment(self) -> dict[str, str]:
        """Settings of a composition that shares servers with those before it, and nothing else. One at a time."""
        self.start()
        return {
            "PENSTOCK_KAFKA_BOOTSTRAP_SERVERS": self.fresh_topics(),
            "PENSTOCK_CELERY_BROKER_URL": self.fresh_broker(),
            "PENSTOCK_DATABASE_URL": self.fresh_database(),
            "PENSTOCK_QDRANT_URL": self.fresh_qdrant(),
            **self.store.environment(),
        }

    def _start_kafka(self) -> None:
        if not self._address("kafka"):
            self.kafka.start()
        kafka.create_topics(self.bootstrap_servers)

    def _address(self, name: str) -> str | None:
        return self._given.get(GIVEN[name])

    def _server(self, name: str, make):
        if self._address(name):
            raise Unavailable(f"{GIVEN[name]} is somebody else's server: it is used, not started or killed")
        return make(self._folder / name, outlives=self._outlives)


@contextmanager
def temporary_services() -> Iterator[Services]:
    """Services over a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-services-"))
    folder.chmod(0o711)  # PostgreSQL, when root starts it, runs as a user of its own
    try:
        with Services(folder) as services:
            yield services
    finally:
        shutil.rmtree(folder, ignore_errors=True)
