"""A server that is away, too old, too new or not prepared: a clear line, exit status 2; no traceback, no password."""

import re

import pytest

from infra.kafka_topics import DOCUMENTS
from penstock.scaled import NEEDS
from tests.support.bucket import SOON, Bucket, commands
from tests.support.plant import Plant
from tests.support.plant_scaled import scaled
from tests.support.processes import Penstock
from tests.support.qdrant import QdrantServer
from tests.support.services import postgres
from tests.support.services.kafka import admin, create_topics

pytestmark = pytest.mark.server

SECRET = "hunter2hunter2"
#: Addresses where nobody listens, each with a password where there can be one.
NOWHERE = {
    "PENSTOCK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "PENSTOCK_CELERY_BROKER_URL": f"redis://:{SECRET}@127.0.0.1:9/0",
    "PENSTOCK_DATABASE_URL": f"postgresql+psycopg://penstock:{SECRET}@127.0.0.1:9/penstock",
    "PENSTOCK_QDRANT_URL": "http://127.0.0.1:9",
}
#: The part that doctor's line begins with, by the setting that leads nowhere.
PARTS = dict(zip(NOWHERE, ("kafka", "broker", "ledger", "index"), strict=True))


@pytest.fixture(scope="module")
def settings(services, tmp_path_factory):
    """A whole composition that was set up, as environment variables."""
    found = services.environment()
    assert Penstock(tmp_path_factory.mktemp("first") / "home", **found).json("doctor", "--fix")["healthy"]
    return found


def refused(penstock: Penstock | Plant, *command: str, **environment: str) -> str:
    """What a command says on stderr when it gives up, which it must."""
    done = penstock.run(*command, **environment)
    assert done.status == 2, done
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    assert SECRET not in done.err + done.out
    return " ".join(done.err.split())


@pytest.mark.parametrize("command", [command for command in NEEDS if command != "serve"])
def test_a_command_without_its_settings_names_them(command, tmp_path):
    said = refused(Penstock(tmp_path / "home"), *command.split())
    assert all(f"PENSTOCK_{name.upper()}" in said for name in NEEDS[command])
    assert "make services" in said


@pytest.mark.parametrize("setting", NOWHERE)
def test_doctor_names_the_part_that_is_away_and_what_to_do(settings, setting, tmp_path):
    done = Plant(tmp_path / "home", **settings).run("doctor", "--json", **{setting: NOWHERE[setting]})
    assert done.status == 2, done
    assert SECRET not in done.out + done.err
    assert "Traceback" not in done.err
    failing = {one["part"]: one["detail"] for one in done.json["checks"] if one["state"] == "fail"}
    assert PARTS[setting] in failing, failing
    others = set(PARTS.values()) - {PARTS[setting]}
    # Without the ledger nothing is known of sources and pipeline either.
    assert not failing.keys() & others, failing
    assert re.search(r"\(.{10,}\)$", failing[PARTS[setting]]), "it says what to do"


@pytest.mark.parametrize(
    ("command", "setting"),
    [
        ("intake", "PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"),
        pytest.param("intake", "PENSTOCK_DATABASE_URL", marks=pytest.mark.chaos),
        pytest.param("worker", "PENSTOCK_CELERY_BROKER_URL", marks=pytest.mark.chaos),
        ("worker", "PENSTOCK_DATABASE_URL"),
        ("worker", "PENSTOCK_QDRANT_URL"),
        ("beat", "PENSTOCK_CELERY_BROKER_URL"),
    ],
)
def test_a_process_whose_server_is_away_says_so_and_ends(settings, command, setting, tmp_path):
    said = refused(Penstock(tmp_path / "home", **settings), command, **{setting: NOWHERE[setting]})
    assert "127.0.0.1:9" in said or "broker" in said


def test_intake_without_its_topics_says_how_they_are_made(settings, services, tmp_path):
    with admin(settings["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"]) as client:
        client.delete_topics([DOCUMENTS])
    penstock = Penstock(tmp_path / "home", **settings)
    try:
        said = refused(penstock, "intake")
        assert DOCUMENTS in said
        assert "penstock doctor --fix" in said
        assert penstock.json("doctor", "--fix")["healthy"]
    finally:
        create_topics(settings["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"])


def test_a_ledger_of_a_newer_penstock_is_left_alone(settings, services, tmp_path):
    settings = {**settings, "PENSTOCK_DATABASE_URL": services.fresh_database()}
    penstock, here = Penstock(tmp_path / "home", **settings), Plant(tmp_path / "home", **settings)
    here.json("doctor", "--fix")
    with postgres.connected(settings["PENSTOCK_DATABASE_URL"]) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    password = re.search(r":([^:@]+)@", settings["PENSTOCK_DATABASE_URL"])[1]
    started = (refused(penstock, *command) for command in (["intake"], ["worker"]))
    asked = (refused(here, *command) for command in (["status"], ["doctor", "--fix"], ["search", "x"]))
    for said in (*started, *asked):
        assert "99" in said
        assert password not in said


def test_a_qdrant_that_is_too_old_is_refused(settings, tmp_path):
    with QdrantServer(version="1.9.0") as old:
        penstock = Penstock(tmp_path / "home", **{**settings, "PENSTOCK_QDRANT_URL": old.url})
        done = penstock.run("doctor", "--json")
        assert done.status == 2
        failing = {one["part"]: one["detail"] for one in done.json["checks"] if one["state"] == "fail"}
        assert "1.9.0" in failing["index"]
        assert "1.9.0" in refused(penstock, "worker")


@pytest.mark.chaos
@pytest.mark.parametrize("part", ["kafka", "redis", "postgres", "qdrant"])
def test_a_server_that_goes_while_all_runs_is_waited_for(services, tmp_path, part):
    """No process ends, nothing is printed that a person cannot read, and the work goes on when it is back."""
    with scaled(services, tmp_path / "plant", intakes=1, workers=1, **SOON) as plant:
        plant.beat()
        bucket = Bucket(plant)
        bucket.put("before.md", "# Before\n\nThe policy is before.\n")
        bucket.converges()
        server = getattr(services, part)
        server.kill()
        try:
            if part != "kafka":
                bucket.put("meanwhile.md", "# Meanwhile\n\nThe policy is meanwhile.\n")
            doctor = commands(plant).run("doctor")
            assert doctor.status == 2
            assert "Traceback" not in doctor.err + doctor.out
        finally:
            server.start()
        bucket.put("after.md", "# After\n\nThe policy is after.\n")
        bucket.converges()
        assert all(one.alive for one in plant.running)
        password = re.search(r":([^:@]+)@", plant.given["PENSTOCK_DATABASE_URL"])[1]
        for one in plant.running:
            said = one.log.read_text(errors="replace")
            assert "Traceback" not in said, one
            assert password not in said, one
        bucket.close()
