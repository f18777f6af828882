"""`make services` and `make services-stop`: the scaled composition on this machine, for a person to use."""

import shlex
from pathlib import Path

from filelock import FileLock

from tests.support.services import postgres
from tests.support.services.composition import Services
from tests.support.services.server import write_private

BUCKET = "penstock-demo"
#: What .services.env sets, and docker-compose.yml too.
VARIABLES = (
    "PENSTOCK_KAFKA_BOOTSTRAP_SERVERS",
    "PENSTOCK_CELERY_BROKER_URL",
    "PENSTOCK_DATABASE_URL",
    "PENSTOCK_QDRANT_URL",
    "PENSTOCK_S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "PENSTOCK_DEMO_BUCKET",
    "PENSTOCK_SOURCES",
    "PENSTOCK_HOME",
)
SOURCES = """\
# Written by `make services`.
sources:
  - uri: s3://{bucket}/
    cadence: 60s
"""
NEXT = """
Next:
  set -a; . ./.services.env; set +a
  .venv/bin/penstock intake     and, each in a terminal of its own, penstock worker, penstock beat, penstock serve
  then put an object into s3://{bucket}/ at {store}, and `penstock search` finds it.
`make services-stop` ends them; their data stays in .services/."""


def start(root: Path) -> None:
    """Start what does not run, and write .services.env anew. Prints what runs where."""
    with FileLock(_folder(root) / "lock"):
        services = all_of(root)
        services.start()
        write_private(root / ".services.env", _lines(_environment(services, root)))
        for server in services.servers:
            print(
                f"{server.name:16} {server.address:16} pid {server.process.pid:<8} log {server.log.relative_to(root)}"
            )
        print(NEXT.format(bucket=BUCKET, store=services.store.endpoint_url))


def stop(root: Path) -> None:
    """End what `start` started and still runs, and nothing else."""
    with FileLock(_folder(root) / "lock"):
        for server in reversed(all_of(root).servers):
            process = server.process
            server.stop()
            print(f"{server.name:16} {f'pid {process.pid} ended' if process else 'did not run'}")
        (root / ".services.env").unlink(missing_ok=True)


def _environment(services: Services, root: Path) -> dict[str, str]:
    """The settings of the one composition that is run here; makes its database, bucket and sources file."""
    folder, store = _folder(root), services.store
    if BUCKET not in {bucket["Name"] for bucket in store.shared_client.list_buckets()["Buckets"]}:
        store.shared_client.create_bucket(Bucket=BUCKET)
    (folder / "sources.yaml").write_text(SOURCES.format(bucket=BUCKET))
    return {
        "PENSTOCK_KAFKA_BOOTSTRAP_SERVERS": services.kafka.address,
        "PENSTOCK_CELERY_BROKER_URL": services.redis.url,
        "PENSTOCK_DATABASE_URL": postgres.create_database(services.postgres.url("postgres"), "penstock"),
        "PENSTOCK_QDRANT_URL": services.qdrant.url,
        **store.environment(),
        "PENSTOCK_DEMO_BUCKET": BUCKET,
        "PENSTOCK_SOURCES": str(folder / "sources.yaml"),
        "PENSTOCK_HOME": str(folder / "home"),
    }


def _lines(environment: dict[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items())


def all_of(root: Path) -> Services:
    """The servers of `make services`, running or not."""
    # Nothing is given: the servers of `make services` are its own.
    return Services(_folder(root), given={}, outlives=True)


def _folder(root: Path) -> Path:
    folder = root / ".services"
    folder.mkdir(exist_ok=True)
    return folder
