"""From a bucket of AWS through SQS to a log: nothing is deleted from the queue before the log has it."""

import threading
import uuid
from collections.abc import Iterator

import pytest

from infra.ports import Record
from infra.sqs import Parcel, SqsQueue
from producers.sqs import relay, relay_once
from schemas.errors import Unreachable
from schemas.identity import s3_uri
from tests.support.memory_log import MemoryLog, MemoryPublisher
from workers.understand import Refused, understand

TOPIC = "penstock.s3.v1"
KEYS = ["a b+c.txt", "100%25.md", "ü/😀.md"]


class Aws:
    """moto's server, with a bucket that notifies a queue."""

    def __init__(self, endpoint_url):
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        session = boto3.session.Session(**keys)
        self.endpoint_url = endpoint_url
        self.s3 = session.client("s3", endpoint_url=endpoint_url)
        self.sqs = session.client("sqs", endpoint_url=endpoint_url)

    def new(self):
        """A bucket and the URL of its queue."""
        name = f"b-{uuid.uuid4().hex[:8]}"
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.s3.create_bucket(Bucket=name)
        rule = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        self.s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"QueueConfigurations": [rule]}
        )
        return name, url

    def left(self, url):
        """Messages in a queue, those taken and not deleted included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Aws(f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture
def queue(aws, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket, url = aws.new()
    found = SqsQueue(url, endpoint_url=aws.endpoint_url)
    found.bucket = bucket
    return found


@pytest.fixture
def log():
    return MemoryLog({TOPIC: 3})


def drain(queue, publisher):
    while relay_once(queue, publisher, topic=TOPIC, wait_s=0):
        pass


def understood(log) -> list[tuple[Record, object]]:
    return [(record, understand(record)) for record in log.all(TOPIC)]


def test_what_happens_in_the_bucket_is_understood_from_the_log(aws, queue, log):
    for key in KEYS:
        aws.s3.put_object(Bucket=queue.bucket, Key=key, Body=b"text")
    aws.s3.delete_object(Bucket=queue.bucket, Key=KEYS[0])
    drain(queue, MemoryPublisher(log))
    found = [(record, event) for record, one in understood(log) for event in one.events]
    assert {event.data.uri for _, event in found} == {s3_uri(queue.bucket, key) for key in KEYS}
    assert all(record.key == event.data.uri.encode() for record, event in found)
    assert aws.left(queue.url) == 0


def test_a_queue_can_be_asked_whether_it_is_there(aws, queue):
    aws.sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    before = aws.left(queue.url)
    queue.check()
    assert aws.left(queue.url) == before
    with pytest.raises(Unreachable, match="the queue does not exist"):
        SqsQueue(queue.url + "-not", endpoint_url=aws.endpoint_url).check()


def test_poison_goes_into_the_log_too_where_intake_refuses_it(aws, queue, log):
    bodies = ["{", "hello", '{"Event": "s3:TestEvent"}', '{"Records": [{"eventVersion": "9.0"}]}']
    for body in bodies:
        aws.sqs.send_message(QueueUrl=queue.url, MessageBody=body)
    drain(queue, MemoryPublisher(log))
    found = {record.value.decode(): one for record, one in understood(log)}
    assert set(bodies) <= found.keys()
    assert isinstance(found["{"], Refused)
    assert isinstance(found["hello"], Refused)
    assert found[bodies[3]].refused is not None
    assert aws.left(queue.url) == 0


def test_nothing_is_deleted_that_was_not_confirmed(aws, queue, log):
    aws.sqs.send_message(QueueUrl=queue.url, MessageBody="{}")
    before = aws.left(queue.url)
    publisher = MemoryPublisher(log)
    publisher.down = True
    with pytest.raises(Unreachable):
        relay_once(queue, publisher, topic=TOPIC, wait_s=0)
    assert aws.left(queue.url) == before > 0


def test_a_failed_deletion_is_a_duplicate_and_nothing_worse(aws, queue, log):
    """As after a kill between the log's confirmation and the deletion."""
    aws.sqs.send_message(QueueUrl=queue.url, MessageBody="{}")
    publisher = MemoryPublisher(log)
    parcels = queue.take(0)
    queue.delete([*parcels, parcels[0]._replace(receipt="long gone")])
    drain(queue, publisher)
    assert aws.left(queue.url) == 0


def test_the_relay_goes_on_after_a_failure_and_stops_when_told_to(aws, queue, log, monkeypatch):
    monkeypatch.setattr("producers.sqs.RETRY_S", 0.05)
    aws.sqs.send_message(QueueUrl=queue.url, MessageBody="{}")
    stop, failures, take = threading.Event(), [], queue.take

    def flaky(wait_s):
        if len(failures) < 2:
            failures.append(1)
            raise Unreachable("queue", "is away", "wait")
        parcels = take(0)
        if not parcels:
            stop.set()
        return parcels

    monkeypatch.setattr(queue, "take", flaky)
    assert relay(queue, MemoryPublisher(log), stop, topic=TOPIC) == len(log.all(TOPIC)) > 0


@pytest.mark.parametrize("call", [lambda queue: queue.take(0), lambda queue: queue.delete([Parcel("receipt", "")])])
def test_a_queue_that_is_missing_or_away_is_unreachable_and_says_what_to_do(aws, queue, call):
    with pytest.raises(Unreachable, match="PENSTOCK_SQS_QUEUE_URL"):
        call(SqsQueue(queue.url + "-gone", endpoint_url=aws.endpoint_url))
    with pytest.raises(Unreachable, match="PENSTOCK_SQS"):
        call(SqsQueue(queue.url, endpoint_url="http://127.0.0.1:9"))
