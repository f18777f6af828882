"""docker-compose.yml is what `make services` is: the same servers, versions and variables. It cannot be run here."""

import json
import re

import jsonschema
import pytest
import yaml

from tests.architecture.repository import ROOT
from tests.support import s3
from tests.support.compose_schema import compose_schema
from tests.support.services import GIVEN, kafka, local, redis

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {"intake", "worker", "beat", "serve"}


@pytest.mark.server
def test_it_keeps_to_the_compose_specification():
    schema = compose_schema()
    if schema is None:
        pytest.skip("the compose specification's schema comes by Go, which is not here")
    problems = jsonschema.validators.validator_for(json.loads(schema.read_text()))(json.loads(schema.read_text()))
    assert not [problem.message for problem in problems.iter_errors(COMPOSE)]
    assert list(problems.iter_errors({**COMPOSE, "services": {"kafka": {"imagine": "x"}}}))


def test_its_servers_are_those_of_make_services_and_its_processes_are_penstocks():
    assert SERVICES.keys() == GIVEN.keys() | OURS | {"topics", "setup"}
    assert {name: SERVICES[name]["command"] for name in OURS} == {name: [name] for name in OURS}


@pytest.mark.parametrize("name", sorted(OURS | {"setup"}))
def test_a_process_of_ours_gets_every_variable_of_make_services(name):
    assert set(local.VARIABLES) <= SERVICES[name]["environment"].keys()


def test_every_server_publishes_one_port_and_on_the_loopback_only():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == GIVEN.keys() | {"serve"}
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{PENSTOCK_\w*PORT:-\d+\}:\d+", *ports) for ports in published.values())


@pytest.mark.parametrize("name", sorted(OURS))
def test_metrics_are_reached_inside_the_network_and_published_nowhere(name):
    service = SERVICES[name]
    port = service["environment"]["PENSTOCK_METRICS_PORT"]
    assert service["environment"]["PENSTOCK_HTTP_HOST"] == "0.0.0.0"
    assert not [published for published in service.get("ports", ()) if published.endswith(f":{port}")]


def test_pushed_content_lies_where_every_process_reaches_it_and_is_indexed_once():
    [source] = yaml.safe_load(COMPOSE["configs"]["sources"]["content"])["sources"]
    pushed = {SERVICES[name]["environment"]["PENSTOCK_PUSH_STORE"] for name in OURS}
    assert pushed == {source["uri"] + "".join(source["exclude"]) + "/"}


def test_the_region_is_said_to_every_reader_of_it():
    for name in OURS | {"setup"}:
        assert SERVICES[name]["environment"]["AWS_DEFAULT_REGION"] == SERVICES[name]["environment"]["AWS_REGION"]


def test_what_others_wait_for_says_when_it_is_healthy():
    waited = {
        name
        for service in SERVICES.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    assert waited == set(GIVEN)
    assert all("healthcheck" in SERVICES[name] for name in waited | {"serve"})


def test_versions_are_those_that_run_here():
    assert SERVICES["kafka"]["image"] == SERVICES["topics"]["image"] == f"apache/kafka:{kafka.VERSION}"
    assert SERVICES["s3"]["image"].rpartition(":")[2] == s3.VERSITYGW.rpartition("@")[2]
    assert tuple(map(int, re.findall(r"\d+", SERVICES["qdrant"]["image"]))) >= (1, 19)


def test_topics_are_those_that_tests_have():
    script = SERVICES["topics"]["command"][0]
    made = {}
    for name, partitions, configs in re.findall(r"^topic (\S+) --partitions (\d+)(.*)$", script, re.MULTILINE):
        made[name] = (int(partitions), dict(re.findall(r"--config (\S+)=(\S+)", configs)))
    assert made == kafka.TOPICS


def test_redis_is_a_broker_as_it_is_here():
    here = {line for line in redis.SETTINGS.splitlines() if line.startswith(("maxmemory", "append", "save"))}
    assert here <= set(COMPOSE["configs"]["redis"]["content"].splitlines())


def test_kafka_takes_what_it_takes_here_and_makes_no_topic_by_itself():
    here = dict(line.split("=", 1) for line in kafka.PROPERTIES.splitlines())
    for name in ["auto.create.topics.enable", "message.max.bytes", "replica.fetch.max.bytes"]:
        assert SERVICES["kafka"]["environment"]["KAFKA_" + name.upper().replace(".", "_")] == here[name]


def test_no_secret_has_a_default_or_stands_in_a_command_line():
    text = (ROOT / "docker-compose.yml").read_text()
    secret = r"\$\{(\w*(?:PASSWORD|KEY|KEY_ID))\b([^}]*)\}"
    assert {rest for _, rest in re.findall(secret, text)} == {":?set it"}
    for service in SERVICES.values():
        spoken = json.dumps([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
        assert not re.search(secret, spoken)
