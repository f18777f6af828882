"""`intake`, `worker`, `beat` and `relay`: the long-running processes of the scaled composition.

Each runs until SIGTERM or SIGINT, ends what it has in hand, and leaves the rest to the ledger.
"""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from infra.home import Home
from infra.ledger import Ledger
from infra.metrics import metrics, prepare_metrics, serve_metrics
from infra.queue import WakeupQueue, check_broker, make_app, register, run_beat, run_worker, stopping_flag
from infra.settings import Settings
from penstock.compose import open_server
from penstock.readings import readings
from penstock.scaled import WorkerTasks, open_shared_ledger, require
from penstock.workshop import open_rules
from workers.pipeline.batch import Outcome
from workers.pipeline.parts import Pipeline

_log = structlog.get_logger("penstock.processes")


def intake(settings: Settings) -> int:
    """Take Kafka's events into the ledger and wake workers, until told to stop."""
    require(settings, "intake")
    from infra.kafka import KafkaPublisher, KafkaStream
    from infra.kafka_topics import DEAD_LETTERS, DOCUMENTS, check_topics
    from workers.intake import Intake
    from workers.wakeups import Dispatcher

    assert settings.kafka_bootstrap_servers is not None
    assert settings.celery_broker_url is not None
    servers, stop = settings.kafka_bootstrap_servers, _until_signalled()
    read = sorted({DOCUMENTS, settings.kafka_s3_topic})
    check_topics(servers, read)
    prepare_metrics(_folder(settings) / "metrics")
    ledger = open_shared_ledger(settings)
    now = ledger.clock()
    _serve(settings, ledger)
    dispatcher = Dispatcher(ledger.documents, WakeupQueue(make_app(settings.celery_broker_url)))
    stream, publisher = KafkaStream(servers, read), KafkaPublisher(servers)
    loop = Intake(
        stream,
        publisher,
        ledger,
        dead_letters=DEAD_LETTERS,
        wake=lambda _ids: dispatcher.wake(now=now()),
        sweep=lambda: dispatcher.sweep(now=now()),
        now=now,
        high_water=settings.high_water,
        low_water=settings.high_water // 2 if settings.low_water is None else settings.low_water,
        rules=open_rules(settings).of("", ""),
    )
    _say("intake", settings)
    try:
        while not stop.is_set():
            if taken := loop.step():
                metrics().events.labels("taken").inc(taken)
    finally:
        stream.close()
        publisher.close()
        ledger.close()
    return 0


def worker(settings: Settings) -> int:
    """Work on what is due, in processes of its own, until told to stop."""
    require(settings, "worker")
    assert settings.celery_broker_url is not None
    prepare_metrics(_folder(settings) / "metrics")
    if settings.metrics_port is not None:
        serve_metrics(settings.metrics_port, settings.http_host)
    _look_at_servers(settings)
    app = make_app(settings.celery_broker_url)
    tasks = WorkerTasks(settings, stopping=stopping_flag(), observe=_observe)
    register(app, tasks.by_name())
    _say("worker", settings)
    return run_worker(app, concurrency=settings.concurrency, name="penstock")


def beat(settings: Settings) -> int:
    """Send a tick every few seconds, until told to stop; any number of beats does no harm."""
    require(settings, "beat")
    assert settings.celery_broker_url is not None
    check_broker(settings.celery_broker_url)
    _say("beat", settings)
    run_beat(make_app(settings.celery_broker_url), _folder(settings))
    return 0


def relay(settings: Settings) -> int:
    """Carry bucket notifications from SQS to Kafka, until told to stop."""
    require(settings, "relay")
    from infra.kafka import KafkaPublisher
    from infra.sqs import SqsQueue
    from producers.sqs import relay as carry

    assert settings.kafka_bootstrap_servers is not None
    assert settings.sqs_queue_url is not None
    publisher = KafkaPublisher(settings.kafka_bootstrap_servers)
    _say("relay", settings)
    try:
        carry(
            SqsQueue(settings.sqs_queue_url, endpoint_url=settings.sqs_endpoint_url),
            publisher,
            _until_signalled(),
            topic=settings.kafka_s3_topic,
        )
    finally:
        publisher.close()
    return 0


def _look_at_servers(settings: Settings) -> None:
    """See once that what a worker needs is there and fits; whoever starts it reads why not. Later it waits for them."""
    assert settings.celery_broker_url is not None
    check_broker(settings.celery_broker_url)
    index = open_server(settings)
    try:
        index.check_server()
    finally:
        index.close()
    open_shared_ledger(settings).close()  # a pool of connections must not be forked


def _observe(outcomes: Sequence[Outcome], pipeline: Pipeline) -> None:
    """Count what a task did."""
    counted, now = metrics(), pipeline.now()
    for one in outcomes:
        claim = one.claim
        counted.documents.labels(one.verdict).inc()
        if claim.happened_at is not None:
            counted.lag.labels("heard").observe(max(0.0, claim.heard_at - claim.happened_at))
        counted.lag.labels("claimed").observe(max(0.0, claim.claimed_at - claim.heard_at))
        if one.verdict in ("added", "updated", "removed"):
            counted.lag.labels("searchable").observe(max(0.0, now - claim.heard_at))
    for name, seconds in pipeline.tally.seconds.items():
        counted.stages.labels(name).inc(seconds)
    for name, number in pipeline.tally.counts.items():
        counted.counts.labels(name).inc(number)
    pipeline.tally.seconds.clear()
    pipeline.tally.counts.clear()


def _serve(settings: Settings, ledger: Ledger) -> None:
    if settings.metrics_port is None:
        return
    now = ledger.clock()
    serve_metrics(settings.metrics_port, settings.http_host, lambda: readings(ledger, now=now()))


def _folder(settings: Settings) -> Path:
    home = Home(settings.folder)
    home.check_format()
    home.create()
    return home.folder


def _until_signalled() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _say(command: str, settings: Settings) -> None:
    print(f"penstock {command} is running; state in {settings.folder}. Ctrl-C stops.", flush=True)  # noqa: T201
