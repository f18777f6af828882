"""PostgreSQL, from Debian's package or the path, over a cluster of its own; Debian's own cluster is left alone."""

import os
import pwd
import re
import secrets
import shutil
import subprocess
import uuid
from pathlib import Path

from tests.support.services.server import Server, Unavailable, write_private

#: What a ledger under load needs; all else as it comes.
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
wal_compression = on
"""
WALK = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")


class Postgres(Server):
    """A cluster with the one user `penstock`; tests make databases of their own in it."""

    name = "PostgreSQL"

    def url(self, database: str) -> str:
        """SQLAlchemy's address of a database, password included."""
        return f"postgresql+psycopg://penstock:{self._password}@{self.address}/{database}"

    def prepare(self) -> None:
        self._programs = _programs()
        data = self.folder / "data"
        if data.exists():
            return
        owner = _owner()
        self.folder.chmod(0o711)  # the owner walks through; what is in it is closed by its own modes
        password = self.folder / "password"
        write_private(password, self._password)
        beside = self.folder / "data.new"  # renamed when whole: a killed initdb leaves no half cluster behind
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        if owner:
            shutil.chown(beside, owner)
            shutil.chown(password, owner)
        command = [str(self._programs / "initdb"), "--pgdata", str(beside), "--username=penstock", "--encoding=UTF8"]
        command += ["--locale=C.UTF-8", "--auth=scram-sha-256", "--pwfile", str(password), "--no-sync"]
        if owner:
            command = ["setpriv", *self.privileges(), *command]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
        password.unlink()
        if done.returncode:
            raise Unavailable(f"PostgreSQL's initdb fails: {done.stderr[-1000:]}")
        with (beside / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS.format(port=self.port))
        beside.rename(data)

    def command(self) -> list[str]:
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data")]

    def privileges(self) -> list[str]:
        owner = _owner()
        if owner is None:
            return []
        become = ["--reuid", owner, "--regid", str(pwd.getpwnam(owner).pw_gid), "--clear-groups"]
        walk = subprocess.run(["setpriv", *become, "test", "-x", str(self.folder)], check=False, cwd="/")
        # A checkout below a closed home: the right to walk through it, and no other.
        return become if walk.returncode == 0 else [*become, *WALK]

    def answers(self) -> bool:
        with connected(self.url("postgres")) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)

    @property
    def _password(self) -> str:
        return self.remembered("password", lambda: secrets.token_hex(20))


def fresh_database(url: str) -> str:
    """Create an empty database beside the one of `url`, and return its address."""
    return create_database(url, f"penstock_{uuid.uuid4().hex}")


def create_database(url: str, name: str) -> str:
    """Create a database unless it is there, and return its address."""
    with connected(url) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')
    return re.sub(r"/[^/]*$", f"/{name}", url)


def connected(url: str):
    """A psycopg connection that commits each statement, to SQLAlchemy's address."""
    import psycopg

    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=5)


def _programs() -> Path:
    """The folder of `postgres` and `initdb`. Debian keeps them off the path, one folder per version."""
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not on_path and not debian:
        raise Unavailable("PostgreSQL is not here; on Debian: apt-get install postgresql")
    return Path(on_path).resolve().parent if on_path else debian[-1].parent


def _owner() -> str | None:
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"
