"""Celery: the only place that knows it. Carries wake-ups and scheduled jobs from Redis to worker processes.

The ledger is the queue of record, so every setting here prefers losing a message to running one twice for long, or to
a worker that stops taking any. What was measured of each is in docs/adr/0006.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import redis
import structlog
from celery import Celery, signals
from celery.exceptions import Reject
from kombu import Queue as KombuQueue
from kombu.exceptions import OperationalError
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from infra.ledger.records import Priority
from schemas.errors import OtherFingerprint, PenstockError, Unreachable

_log = structlog.get_logger("penstock.queue")

QUEUES = {Priority.EVENT: "penstock.events", Priority.REINDEX: "penstock.reindex"}
#: Seconds. Parsing one document has a limit of its own far below; the visibility timeout must be above.
SOFT_LIMIT_S, HARD_LIMIT_S, VISIBILITY_S = 540, 600, 900
#: Scheduled jobs; read before the others, for there is one a slot at most.
JOBS = "penstock.jobs"
ALL_QUEUES = (JOBS, *QUEUES.values())
#: Seconds a scheduled job may take: a listing of millions of objects. Its message comes again meanwhile, and finds that
#: the job is being done.
JOB_LIMIT_S = 6 * 3600
#: Tasks after which a process is replaced: whatever some library leaks is bounded.
CHILD_TASKS = 2000
#: How often beat looks whether a schedule's slot has come.
TICK_S = 5.0


class _Channel(kombu_redis.Channel):  # type: ignore[misc]
    """Two things that would leave a worker without work for good.

    What is no message at all is dropped: kombu would end the worker that finds it. What cannot be acknowledged while
    Redis is away is let go all the same: it would count as in hand for ever, and a worker with its hands full reads
    nothing, so that it would not even see that its connection is lost.
    """

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        with self._letting_go(delivery_tag):
            super().basic_ack(delivery_tag, multiple=multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        with self._letting_go(delivery_tag):
            super().basic_reject(delivery_tag, requeue=requeue)

    @contextmanager
    def _letting_go(self, delivery_tag: str) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError) as error:
            # Redis keeps it as not acknowledged, and gives it out again in time; what it was about is due or is not.
            _log.warning("message.not_acknowledged", error=f"{type(error).__name__}: {error}")
            virtual.QoS.ack(self.qos, delivery_tag)

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # Nothing is lost: wake-ups are sent again, slots come again.
            _log.error("message.unreadable", error=f"{type(error).__name__}: {error}")
            return True


class Transport(kombu_redis.Transport):  # type: ignore[misc]
    """Redis, with that channel."""

    Channel = _Channel


def make_app(broker_url: str) -> Celery:
    """The Celery application of a broker. JSON only: anything else on the queue is refused unread."""
    app = Celery("penstock", broker=broker_url)
    transport = {
        "visibility_timeout": VISIBILITY_S,
        # Looks for unacknowledged messages every 10 s; the default waits ten times as long.
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",  # events first
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
        # Say at once that nobody answers. Whoever asks tries again in its own time, and intake must go on polling.
        "max_retries": 0,
    }
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        # A dead child's message is not run again at once and for ever: its lease ends, and the sweeper wakes anew.
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_max_tasks_per_child=CHILD_TASKS,
        worker_soft_shutdown_timeout=30,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        task_soft_time_limit=SOFT_LIMIT_S,
        task_time_limit=HARD_LIMIT_S,
        task_queues=[KombuQueue(name) for name in ALL_QUEUES],
        task_default_queue=QUEUES[Priority.EVENT],
        task_create_missing_queues=False,
        broker_transport=f"{__name__}:{Transport.__name__}",
        broker_transport_options=transport,
        visibility_timeout=VISIBILITY_S,
        broker_connection_timeout=5,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        enable_utc=True,
    )
    return app


class WakeupQueue:
    """The queues of wake-ups (workers.wakeups.Queue)."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, ids: Sequence[str], priority: Priority) -> None:
        """Send one wake-up; fails at once where the broker does not answer."""
        self._send("penstock.work", list(ids), queue=QUEUES[priority])

    def job(self, task: str, argument: Any, expires_s: float) -> None:
        """Send a scheduled job, which is not worth doing once the next one is due."""
        self._send(task, argument, queue=JOBS, expires=expires_s)

    def _send(self, task: str, argument: Any, **options: Any) -> None:
        try:
            self._app.send_task(task, args=[argument], retry=False, **options)
        except (OperationalError, OSError) as error:
            raise self._unreachable(error) from error

    def depth(self, priority: Priority) -> int:
        """How many messages wait in the queue."""
        try:
            with self._app.connection_for_write() as connection:
                return int(connection.default_channel.client.llen(QUEUES[priority]))
        except Exception as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            "the broker of wake-ups", f"{type(error).__name__}: {error}", "start Redis, or correct its URL"
        )


def check_broker(url: str) -> list[tuple[bool, str]]:
    """Whether a broker answers, and whether it would ever throw messages away: (fits, what was found).

    Raises:
        Unreachable: it does not answer.
    """
    where = "PENSTOCK_CELERY_BROKER_URL"
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
        with client:
            memory, persistence = client.info("memory"), client.info("persistence")
    except (redis.RedisError, ValueError, OSError) as error:
        todo = f"start Redis, or correct {where}"
        raise Unreachable("the broker of wake-ups", f"{type(error).__name__}: {error}", todo) from error
    policy, aof = memory.get("maxmemory_policy"), bool(persistence.get("aof_enabled"))
    return [
        (policy == "noeviction", f"maxmemory-policy is {policy} (any other than noeviction drops wake-ups)"),
        (aof, f"appendonly is {'on' if aof else 'off: a restart loses what is queued, which is then sent again'}"),
    ]


def register(app: Celery, tasks: dict[str, Callable[[Any], None]]) -> None:
    """Make functions of one JSON argument the tasks of these names.

    A worker whose pipeline is not the ledger's current one hands its message back, for one that has it. Where a part
    does not answer, the message is done with all the same: what it was about is due, and is sent again.
    """

    def bound(function: Callable[[Any], None]) -> Callable[[Any], None]:
        def run(argument: Any = None) -> None:
            try:
                function(argument)
            except OtherFingerprint as error:
                _log.warning("task.handed_back", error=str(error))
                time.sleep(1)  # so that it is not handed to and fro at full speed
                raise Reject(str(error), requeue=True) from error
            except PenstockError as error:
                _log.warning("task.failed", error=str(error))

        return run

    for name, function in tasks.items():
        limits = {} if name == "penstock.work" else {"soft_time_limit": JOB_LIMIT_S, "time_limit": JOB_LIMIT_S + 60}
        app.task(bound(function), name=name, **limits)


def run_worker(app: Celery, *, concurrency: int, name: str) -> int:
    """Work until told to stop: SIGTERM lets tasks in hand finish or give back. Returns the exit status."""
    # They warn of a message that is handed back, and of a connection lost, with a traceback each; a line is enough.
    for logger in ("celery.app.trace", "celery.worker.consumer.consumer"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    worker = app.Worker(
        pool="prefork",
        concurrency=concurrency,
        hostname=f"{name}@{os.uname().nodename}",
        queues=list(ALL_QUEUES),
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        optimization="fair",
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def stopping_flag() -> Callable[[], bool]:
    """Whether the worker was told to stop; made before the children are forked, and seen by them."""
    flag = get_context("fork").Event()
    signals.worker_shutting_down.connect(lambda **_: flag.set(), weak=False)
    return flag.is_set


def run_beat(app: Celery, folder: Path) -> None:
    """Send a tick every few seconds until told to stop. What a tick leads to is decided by workers, from the ledger."""
    app.conf.beat_schedule = {
        "tick": {
            "task": "penstock.tick",
            "schedule": TICK_S,
            "args": [None],
            "options": {"expires": 6 * TICK_S, "queue": JOBS},
        }
    }
    app.Beat(loglevel="WARNING", quiet=True, schedule=str(folder / "beat")).run()
