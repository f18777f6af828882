"""SQS: a queue that a bucket of AWS sends its notifications to. At-least-once: what is not deleted comes again."""

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import structlog

from infra.s3_errors import error_code, unreachable
from schemas.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = structlog.get_logger("penstock.sqs")

#: Seconds. How long one request may take beyond the wait it asks for, and how long a taken message stays invisible:
#: long enough for any confirmed write, short enough that a killed relay's messages are not missed for long.
ANSWER_S, INVISIBLE_S = 10, 60
#: Most messages of one answer, and of one deletion: SQS allows no more.
BATCH = 10


class Parcel(NamedTuple):
    """A message taken from a queue. `receipt` deletes it."""

    receipt: str
    body: str


class SqsQueue:
    """One queue. Connects on first use; credentials are those boto3 finds.

    `endpoint_url`: any SQS-compatible service; None: AWS.
    """

    def __init__(self, url: str, *, endpoint_url: str | None = None) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        self.url = url
        config = Config(connect_timeout=ANSWER_S, read_timeout=ANSWER_S + 20, retries={"total_max_attempts": 3})
        try:
            session = boto3.session.Session()
            region = session.region_name or _region(url)
            self._client = session.client("sqs", region_name=region, endpoint_url=endpoint_url, config=config)
        except (BotoCoreError, ValueError) as error:
            raise _unreachable(url, error) from None

    def check(self) -> None:
        """Ask whether the queue answers; takes nothing from it.

        Raises:
            Unreachable: it does not.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        except (BotoCoreError, ClientError) as error:
            raise _unreachable(self.url, error) from None

    def take(self, wait_s: int = 20) -> "list[Parcel]":
        """The next messages, at most 10; waits up to `wait_s` (20 at the most) for the first.

        Raises:
            Unreachable: the queue does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=wait_s, VisibilityTimeout=INVISIBLE_S
            )
        except (BotoCoreError, ClientError) as error:
            raise _unreachable(self.url, error) from None
        return [Parcel(one["ReceiptHandle"], one["Body"]) for one in answer.get("Messages", ())]

    def delete(self, parcels: "Sequence[Parcel]") -> None:
        """Delete messages. One that cannot be deleted comes again, which is harmless.

        Raises:
            Unreachable: the queue does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        entries = [{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(parcels)]
        try:
            answer = self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            raise _unreachable(self.url, error) from None
        for failed in answer.get("Failed", ()):
            _log.info("message.not_deleted", code=failed.get("Code"))


def _unreachable(url: str, error: Exception) -> Unreachable:
    """The driver's error as ours: credentials and clocks fail as they do with S3, the rest is the queue's."""
    code = error_code(error)
    if code.endswith(("NonExistentQueue", "QueueDoesNotExist")):
        return Unreachable(url, "the queue does not exist", "create it, or correct PENSTOCK_SQS_QUEUE_URL")
    if code.startswith("AccessDenied"):
        needed = "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes"
        return Unreachable(url, "access is denied", f"allow {needed} on the queue for this user")
    ours = unreachable(url, error, "SQS")
    if "S3" in ours.todo or "S3" in ours.what:
        return Unreachable(url, "SQS does not answer", "check PENSTOCK_SQS_QUEUE_URL and PENSTOCK_SQS_ENDPOINT_URL")
    return Unreachable(url, ours.what.replace("the store", "SQS"), ours.todo)


def _region(url: str) -> str:
    """The region in a queue's own URL (https://sqs.REGION.amazonaws.com/...)."""
    parts = (urlsplit(url).hostname or "").split(".")
    return parts[1] if len(parts) > 3 and parts[0] == "sqs" else "us-east-1"
