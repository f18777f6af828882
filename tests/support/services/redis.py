"""Redis as a Celery broker must be: forgets nothing when full (noeviction), little when killed (AOF every second)."""

import itertools
import secrets

from tests.support.services.server import Server, found, write_private

DATABASES = 4096
SETTINGS = """\
port {port}
bind 127.0.0.1
dir "{folder}"
requirepass {password}
databases {databases}
maxmemory-policy noeviction
appendonly yes
appendfsync everysec
save ""
"""


class Redis(Server):
    """A Redis whose numbered databases are handed out one by one."""

    name = "Redis"
    _numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """redis:// with its password, database 0."""
        return self.database(0)

    def database(self, number: int) -> str:
        """redis:// of one of its databases, password included."""
        return f"redis://:{self._password}@{self.address}/{number}"

    def fresh_database(self) -> str:
        """An empty database that this process has not used before."""
        return emptied(self.database(next(self._numbers)))

    def prepare(self) -> None:
        self._program = found("redis-server", package="redis-server")
        known = {"port": self.port, "folder": self.folder, "password": self._password, "databases": DATABASES}
        write_private(self.folder / "redis.conf", SETTINGS.format(**known))

    def command(self) -> list[str]:
        return [self._program, str(self.folder / "redis.conf")]

    def answers(self) -> bool:
        with _client(self.url) as client:
            return bool(client.ping())

    @property
    def _password(self) -> str:
        return self.remembered("password", lambda: secrets.token_hex(20))


def emptied(url: str) -> str:
    """The same address, its database empty now."""
    with _client(url) as client:
        client.flushdb()
    return url


def _client(url: str):
    import redis

    return redis.Redis.from_url(url, socket_timeout=5)
