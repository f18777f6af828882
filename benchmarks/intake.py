"""Intake: events per second through its real loop on real Kafka and PostgreSQL, beside kafka-python's bare consuming.

    python -m benchmarks.intake [--events 20000] [--rounds 3] [--documents 1000000]

No wake-ups are sent and nothing is worked on. All read the same records, in turn, each in a group of its own; the clock
starts with the first records, when joining the group is over. The ledgers of 1,000 and of many documents hear of as
many different documents in each batch, so that their ratio is what the number of documents costs; "spread" is the large
one hearing of documents from anywhere in it, so that caches have their part.
"""

import argparse
import contextlib
import json
import random
import time
import uuid
from statistics import median

from benchmarks._verdict import ratio, rows, verdict
from infra.kafka import KafkaPublisher, KafkaStream
from infra.kafka_topics import DEAD_LETTERS, DOCUMENTS
from infra.ledger import open_ledger
from infra.log import configure_logging
from infra.ports import Message
from infra.settings import Settings
from schemas.events import CHANGED, DocumentEvent, DocumentEventData
from schemas.identity import document_id, s3_uri
from schemas.sources import Source
from tests.support.services import temporary_services
from tests.support.services.postgres import connected, fresh_database
from workers.intake import BATCH, Intake

BUCKET, TENANT, FEW = "bench", "default", 1000
NATIVE = Settings.model_fields["kafka_s3_topic"].default
COLUMNS = (
    "document_id, tenant, uri, source_id, heard, settled, heard_at, first_heard_at, happened_at, generation, round,"
    " recover, settled_at, lag_event, lag_claim, lag, attempts, next_attempt_at, identity, content_hash, parser, kind,"
    " modified_at, verified_at"
)


def uri(number):
    return s3_uri(BUCKET, f"handbook/chapter-{number % 997}/page-{number}.md")


def filled(server, documents):
    """A ledger with so many documents, none of them due: (ledger, address)."""
    address = fresh_database(server)
    ledger = open_ledger(address, now=time.time())
    source = ledger.sources.register(Source(uri=f"s3://{BUCKET}/", tenant=TENANT))
    source_id = source.id
    now = time.time() - 86_400
    with connected(address) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY documents ({COLUMNS}) FROM STDIN") as copy:
            for number in range(documents):
                id_, name = document_id(TENANT, uri(number)), uri(number)
                hash_ = f"{number:064x}"
                before = (now, now, now, ledger.birth_ms + 3, f"worker:{number // 32}", False, now, 0.1, 0.1, 0.3, 0, 0)
                after = (f"{hash_[:32]}|v1|2000", hash_, "markdown/1", "markdown", now, now)
                copy.write_row((id_, TENANT, name, source_id, 3, 3, *before, *after))
        cursor.execute("VACUUM ANALYZE documents")
    return ledger, address


def cloud_event(number, at):
    data = DocumentEventData(uri=uri(number), etag=uuid.uuid4().hex, size=2000, sequencer=f"{number:016X}")
    known = {"id": str(uuid.uuid4()), "source": "penstock/bench", "type": CHANGED, "subject": uri(number), "time": at}
    value = DocumentEvent.model_validate({**known, "data": data}).model_dump_json(exclude_none=True)
    return Message(DOCUMENTS, document_id(TENANT, uri(number)).encode(), value.encode())


def native_event(number, _at):
    """As versitygw writes it: the key as it is."""
    key = uri(number).removeprefix(f"s3://{BUCKET}/")
    thing = {"key": key, "size": 2000, "eTag": uuid.uuid4().hex, "versionId": None, "sequencer": f"{number:016X}"}
    record = {
        "eventVersion": "2.2",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-21T06:26:43Z",
        "eventName": "s3:ObjectCreated:Put",
        "userIdentity": {"PrincipalId": "bench"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "", "x-amz-id-2": ""},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "webhook-global",
            "bucket": {"name": BUCKET, "ownerIdentity": {"PrincipalId": "bench"}, "arn": f"arn:aws:s3:::{BUCKET}"},
            "object": thing,
        },
    }
    return Message(NATIVE, None, json.dumps({"Records": [record]}).encode())


def publish(servers, messages):
    publisher = KafkaPublisher(servers)
    for start in range(0, len(messages), 1000):
        publisher.send(messages[start : start + 1000])
    publisher.close()


def bare(servers, topic, events):
    """Seconds an event that kafka-python takes to hand the records over, and to commit each batch."""
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers,
        group_id=f"bare-{uuid.uuid4()}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        metrics_enabled=False,
    )
    seen = first = 0
    began = 0.0
    while seen < events:
        read = sum(map(len, consumer.poll(timeout_ms=500, max_records=BATCH).values()))
        if read and not seen:
            first, began = read, time.perf_counter()
        seen += read
        if read:
            consumer.commit()
    took = time.perf_counter() - began
    consumer.close(autocommit=False)
    return took / (seen - first)


def ours(servers, topic, events, ledger):
    """Seconds an event through Intake's own loop."""
    publisher = KafkaPublisher(servers)
    stream = KafkaStream(servers, [topic], group=f"ours-{uuid.uuid4()}")
    loop = Intake(
        stream,
        publisher,
        ledger,
        dead_letters=DEAD_LETTERS,
        wake=lambda _ids: None,
        sweep=lambda: 0,
        now=time.time,
        high_water=10 * events,
        low_water=events,
    )
    seen = first = 0
    began = 0.0
    while seen < events:
        read = loop.step()
        if read and not seen:
            first, began = read, time.perf_counter()
        seen += read
    took = time.perf_counter() - began
    stream.close()
    publisher.close()
    return took / (seen - first)


def settle_all(address):
    """What workers would have done meanwhile."""
    with connected(address) as connection:
        connection.execute("UPDATE documents SET settled = heard WHERE heard > settled")
        connection.execute("VACUUM documents")


def measure(services, asked, make, topic, numbers, ledgers):
    """Seconds an event, round by round: {name: [...]}; the bare consumer is `bare`."""
    servers = services.fresh_topics()
    at = "2026-11-21T06:26:43Z"
    publish(servers, [make(number, at) for number in numbers])
    found = {"bare": [], **{name: [] for name in ledgers}}
    for _ in range(asked.rounds):
        found["bare"].append(bare(servers, topic, len(numbers)))
        for name, (ledger, address) in ledgers.items():
            found[name].append(ours(servers, topic, len(numbers), ledger))
            settle_all(address)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--documents", type=int, default=1_000_000)
    asked = parser.parse_args()
    configure_logging(verbose=False, as_json=True)
    rng = random.Random(7)
    few = [rng.randrange(FEW) for _ in range(asked.events)]
    anywhere = [rng.randrange(asked.documents) for _ in range(asked.events)]
    with temporary_services() as services, contextlib.ExitStack() as stack:
        services.postgres.start()
        server = services.postgres.url("postgres")
        small, large = filled(server, FEW), filled(server, asked.documents)
        stack.callback(small[0].close)
        stack.callback(large[0].close)
        cloud = measure(services, asked, cloud_event, DOCUMENTS, few, {"small": small, "large": large})
        native = measure(services, asked, native_event, NATIVE, few, {"small": small})
        spread = measure(services, asked, cloud_event, DOCUMENTS, anywhere, {"large": large})
    speed = {
        "kafka-python, bare": cloud["bare"],
        f"intake, {FEW:,} documents": cloud["small"],
        f"intake, {asked.documents:,} documents": cloud["large"],
        f"intake, {asked.documents:,} documents, spread": spread["large"],
        "kafka-python, bare, a bucket's own records": native["bare"],
        "intake, a bucket's own records": native["small"],
    }
    rows({f"{name}, events a second": f"{1 / median(taken):9,.0f}" for name, taken in speed.items()})

    def of(one, other):
        return ratio(list(zip(one, other, strict=True)))

    verdict("intake / bare kafka-python, events a second", of(cloud["bare"], cloud["small"]), ">=", 0.25)
    verdict("  the same, a bucket's own records", of(native["bare"], native["small"]), ">=", 0.25)
    verdict(f"cost of an event, {asked.documents:,} documents / {FEW:,}", of(cloud["large"], cloud["small"]), "<=", 1.2)
    print(f"  the same, documents from anywhere: {of(spread['large'], cloud['small']):.2f} (not promised)")


if __name__ == "__main__":
    main()
