"""The servers of the scaled composition: each works, comes back after a kill, and ends with its starter."""

import json
import os
import shlex
import subprocess
import sys
import uuid
from contextlib import closing

import psutil
import pytest

from tests.support.services import Services, kafka, local, postgres
from tests.support.services.server import ROOT

pytestmark = pytest.mark.server


def records(servers, topic, enough):
    """Values of the topic from its beginning, until there are `enough` or none comes for ten seconds."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic, bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None, consumer_timeout_ms=10_000
    )
    found = []
    for record in consumer:
        found.append(record.value)
        if enough(found):
            break
    consumer.close()
    return found


def produce(servers, topic, *values):
    from kafka import KafkaProducer

    with closing(KafkaProducer(bootstrap_servers=servers, max_request_size=4_000_000)) as producer:
        for value in values:
            producer.send(topic, value).get(timeout=10)


def test_a_record_survives_the_death_of_kafka_and_is_gone_from_fresh_topics(services):
    servers = services.fresh_topics()
    produce(servers, "penstock.documents.v1", b"one")
    services.kafka.kill()
    services.kafka.start()
    assert records(servers, "penstock.documents.v1", len) == [b"one"]
    services.fresh_topics()
    produce(servers, "penstock.documents.v1", b"two")
    assert records(servers, "penstock.documents.v1", len) == [b"two"]


def test_a_dead_letter_may_be_larger_than_the_largest_record(services):
    from kafka.errors import MessageSizeTooLargeError

    servers = services.fresh_topics()
    with pytest.raises(MessageSizeTooLargeError):
        produce(servers, "penstock.documents.v1", bytes(1_100_000))
    produce(servers, "penstock.dead-letters.v1", bytes(3_000_000))


def test_a_member_that_was_left_behind_does_not_hold_up_fresh_topics(services):
    from kafka import KafkaConsumer

    servers = services.fresh_topics()
    left = KafkaConsumer("penstock.documents.v1", bootstrap_servers=servers, group_id="left-behind")
    left.poll(timeout_ms=3000)
    services.fresh_topics()
    with kafka.admin(servers) as client:
        assert "left-behind" not in {group["group_id"] for group in client.list_groups()}
    left.close(autocommit=False)


def test_redis_forgets_nothing_when_full_and_keeps_its_queue_when_restarted(services):
    import redis

    with redis.Redis.from_url(services.fresh_broker()) as client:
        assert client.config_get("maxmemory-policy", "appendonly") == {
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
        }
        client.rpush("queue", "task")
        services.redis.stop()
        services.redis.start()
        assert client.lrange("queue", 0, -1) == [b"task"]


def test_databases_of_two_tests_are_two(services):
    first, second = services.fresh_database(), services.fresh_database()
    with postgres.connected(first) as connection:
        connection.execute("CREATE TABLE here (n int)")
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with postgres.connected(second) as connection:
        assert connection.execute("SELECT to_regclass('here')").fetchone() == (None,)


def test_an_object_in_a_bucket_becomes_a_record_in_kafka(services):
    servers = services.fresh_topics()
    bucket, key = services.store.new_bucket(), f"{uuid.uuid4()}.md"
    services.store.shared_client.put_object(Bucket=bucket, Key=key, Body=b"# Here\n")
    arrived = records(servers, "penstock.s3.v1", lambda found: key.encode() in found[-1])
    event = next(json.loads(value) for value in arrived if key.encode() in value)["Records"][0]
    assert event["eventName"] == "s3:ObjectCreated:Put"
    assert event["s3"]["bucket"]["name"] == bucket


def test_what_is_given_is_used_and_not_started(tmp_path):
    given = {"PENSTOCK_TEST_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    assert Services(tmp_path, given=given).bootstrap_servers == "127.0.0.1:9"
    assert "Apache Kafka" not in {
        server.name for server in Services(tmp_path, given={**given, "PENSTOCK_TEST_S3_ENDPOINT_URL": "x"}).servers
    }


def verb(name, root):
    command = [sys.executable, "-m", "tests.support.services", name]
    environment = {**os.environ, "PENSTOCK_TEST_SERVICES_ROOT": str(root)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_services_is_idempotent_and_stop_ends_exactly_what_it_started(tmp_path):
    """Its processes outlive the command; a stranger that has a recorded pid by now is left alone."""
    try:
        printed = verb("start", tmp_path)
        started = {server.name: server.process for server in local.all_of(tmp_path).servers}
        assert all(started.values()), printed
        settings = (tmp_path / ".services.env").read_text()
        verb("start", tmp_path)
        assert {server.name: server.process for server in local.all_of(tmp_path).servers} == started
        assert (tmp_path / ".services.env").read_text() == settings
        assert (tmp_path / ".services.env").stat().st_mode & 0o777 == 0o600

        shell = f"set -a; . {shlex.quote(str(tmp_path))}/.services.env; env -0"
        seen = subprocess.run(["sh", "-c", shell], env={}, capture_output=True, text=True, check=True).stdout
        variables = dict(line.split("=", 1) for line in seen.split("\0") if line)
        assert variables.keys() - {"PWD", "OLDPWD", "_", "SHLVL"} == set(local.VARIABLES)
        secrets = [variables["AWS_SECRET_ACCESS_KEY"], variables["PENSTOCK_DATABASE_URL"].split(":")[2].split("@")[0]]
        # as `attrs`, a process that ends meanwhile, or is a zombie, has None and raises nothing
        running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        arguments = "\n".join(" ".join(line) for line in running)
        assert not [secret for secret in secrets if secret in arguments or secret in printed]

        redis = local.all_of(tmp_path).redis
        redis.stop()
        with subprocess.Popen(["sleep", "60"]) as stranger:
            redis._remember(pid=stranger.pid)
            verb("stop", tmp_path)
            assert stranger.poll() is None
            stranger.kill()
    finally:
        verb("stop", tmp_path)
    assert not any(process.is_running() for process in started.values())
