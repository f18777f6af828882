"""Apache Kafka: one KRaft node from its jars, which Maven copies once into .cache/."""

import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.support.services.server import CACHE, ROOT, Server, Unavailable, found, spare_port

POM = ROOT / "infra" / "deploy" / "kafka" / "pom.xml"
VERSION = re.findall(r"<artifactId>kafka_2.13</artifactId>\s*<version>([^<]+)", POM.read_text())[0]
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
#: Seconds. 43 MB to fetch where Maven's own cache is empty; and for topics to be gone or there.
BUILD_TIMEOUT, TOPICS_TIMEOUT = 600, 30

#: Name: (partitions, settings). A dead letter holds the largest record in base64, its headers and the reason.
TOPICS: dict[str, tuple[int, dict[str, str]]] = {
    "penstock.documents.v1": (6, {"max.message.bytes": "1048588"}),
    "penstock.s3.v1": (6, {"max.message.bytes": "1048588"}),
    "penstock.dead-letters.v1": (1, {"max.message.bytes": "4194304", "retention.ms": "-1"}),
}

#: A broker alone on one machine: what others keep three times is there once, a group waits for no more members, and
#: a broker that was killed is let in again after two seconds, not nine.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
controller.quorum.bootstrap.servers={controller}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes=4194304
replica.fetch.max.bytes=4194304
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
"""
#: Java that starts quickly and stays small rather than runs fast for weeks.
JAVA = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


class Kafka(Server):
    """A broker; it has no topics before `create_topics`."""

    name = "Apache Kafka"

    def prepare(self) -> None:
        self._java = [found("java", package="default-jre-headless"), *JAVA, "-cp", f"{build_kafka()}/*"]
        data, properties = self.folder / "data", self.folder / "server.properties"
        controller = f"127.0.0.1:{self.remembered('controller_port', spare_port)}"
        properties.write_text(PROPERTIES.format(address=self.address, controller=controller, data=data))
        if not data.exists():
            # Any 16 bytes in base64 name a cluster.
            command = [*self._java, "kafka.tools.StorageTool", "format", "--standalone", "--cluster-id"]
            run(
                [*command, "cGVuc3RvY2tzLWthZmthMQ", "--config", str(properties)], "Kafka's storage cannot be formatted"
            )

    def command(self) -> list[str]:
        return [*self._java, "kafka.Kafka", str(self.folder / "server.properties")]

    def answers(self) -> bool:
        # kafka-python leaves a refused socket open, and a warning is an error in tests: first see whether one listens.
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        with admin(self.address, bootstrap_timeout_ms=1000) as client:
            return bool(client.describe_cluster()["brokers"])


def admin(bootstrap_servers: str, **options: Any) -> Any:
    """kafka-python's admin client; close it."""
    from kafka import KafkaAdminClient

    return KafkaAdminClient(bootstrap_servers=bootstrap_servers, **options)


def create_topics(bootstrap_servers: str) -> None:
    """Create the topics that are not there."""
    from kafka.admin import NewTopic

    with admin(bootstrap_servers) as client:
        missing = TOPICS.keys() - set(client.list_topics())
        if not missing:
            return
        client.create_topics(
            [
                NewTopic(name, num_partitions=TOPICS[name][0], replication_factor=1, topic_configs=TOPICS[name][1])
                for name in sorted(missing)
            ]
        )
        client.wait_for_topics(sorted(missing), timeout_ms=TOPICS_TIMEOUT * 1000)


def fresh_topics(bootstrap_servers: str) -> None:
    """Empty the broker: no consumer group, no member that a killed process left behind, topics without a record."""
    with admin(bootstrap_servers) as client:
        _delete_groups(client)
        client.delete_topics(sorted(TOPICS.keys() & set(client.list_topics())))
        deadline = time.monotonic() + TOPICS_TIMEOUT
        while TOPICS.keys() & set(client.list_topics()) and time.monotonic() < deadline:
            time.sleep(0.02)
    create_topics(bootstrap_servers)


def _delete_groups(client: Any) -> None:
    from kafka.admin import MemberToRemove

    names = [group["group_id"] for group in client.list_groups()]
    for name, group in client.describe_groups(names).items() if names else ():
        # The dead hold their partitions for a session's length, and the next test's consumer would wait for them.
        members = [MemberToRemove(member_id=member["member_id"]) for member in group["members"]]
        if members:
            client.remove_group_members(name, members)
    if names:
        client.delete_groups(names)


def build_kafka() -> Path:
    """The folder with Kafka's jars, filled if it is not there.

    Raises:
        Unavailable: Maven is not here, or does not reach what it needs.
    """
    jars = CACHE / f"kafka-{VERSION}"
    if jars.exists():
        return jars
    maven = found("mvn", package="maven")
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / "kafka.lock", timeout=BUILD_TIMEOUT), tempfile.TemporaryDirectory(dir=CACHE) as building:
        if not jars.exists():
            output = Path(building, "jars")
            command = [maven, "-q", "-B", "-f", str(POM), COPY, "-DincludeScope=runtime", f"-DoutputDirectory={output}"]
            run(command, "Kafka's jars cannot be fetched")
            output.rename(jars)
    return jars


def run(command: Sequence[str], failure: str) -> None:
    """Run a program to its end.

    Raises:
        Unavailable: it fails; with the end of what it said.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=BUILD_TIMEOUT)
    if done.returncode:
        raise Unavailable(f"{failure}: {(done.stdout + done.stderr)[-1000:]}")
