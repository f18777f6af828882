"""Doctor: can every configured part be reached, does it fit, what is missing, and what to do about it."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import SecretStr

from infra.home import Home
from infra.settings import Settings, declared_sources, without_passwords
from penstock.compose import existing_ledger, open_index, open_model, open_reader, open_server
from penstock.indexing import advance_to_current
from penstock.scaled import declare
from penstock.workshop import can_read_pictures, fingerprint, open_rules, reads_pictures
from schemas.errors import HomeBusy, PenstockError

OK, WARN, FAIL = "ok", "warn", "fail"

#: Rooms a home should have before a run is likely to fail half-way.
MIN_FREE_BYTES = 500_000_000


def doctor(settings: Settings) -> dict[str, Any]:
    """Check every part: {"checks": [{"part", "state", "detail"}], "settings": {...}, "healthy"}."""
    checks = [
        {"part": part, "state": state, "detail": without_passwords(detail)}
        for check in (
            _home,
            _model,
            _ledger,
            _index,
            _kafka,
            _broker,
            _sqs,
            _webhooks,
            _fingerprint,
            _sources,
            _parsers,
        )
        for part, state, detail in _contained(check, settings)
    ]
    return {
        "healthy": all(check["state"] != FAIL for check in checks),
        "checks": checks,
        "settings": masked(settings),
    }


def masked(settings: Settings) -> dict[str, Any]:
    """The settings, secrets masked."""
    shown = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        plain = value and without_passwords(str(value))
        shown[f"PENSTOCK_{name.upper()}"] = "**********" if isinstance(value, SecretStr) else plain
    return shown


def fix(settings: Settings, shop: Any) -> list[str]:
    """What `--fix` does: migrate the ledger and take back claims (done by opening), topics, sources, fingerprint."""
    done = ["the ledger's tables are this version's"]
    if not shop.ledger.shared:
        done.append("claims of dead processes were taken back")
    if settings.kafka_bootstrap_servers:
        from infra.kafka_topics import DOCUMENTS, create_topics

        made = create_topics(settings.kafka_bootstrap_servers, [DOCUMENTS, settings.kafka_s3_topic])
        done += [f"Kafka topic {name} was made or widened" for name in made]
    declare(settings, shop.ledger)
    if settings.ocr == "auto" and shop.ledger.get("ocr") != can_read_pictures():
        shop.ledger.put("ocr", can_read_pictures())
        pipeline = shop.pipeline
        pipeline.fingerprint = fingerprint(
            settings, pipeline.rules, pipeline.tokenizer, pipeline.embedder, ocr=can_read_pictures()
        )
        done.append(f"pictures and scanned pages are {'read' if can_read_pictures() else 'not read'} from now on")
    advance_to_current(shop)
    return [*done, "the fingerprint is the current one"]


Checked = Iterator[tuple[str, str, str]]


def _contained(check: Callable[[Settings], Checked], settings: Settings) -> Checked:
    try:
        yield from check(settings)
    except PenstockError as error:
        yield check.__name__.strip("_"), FAIL, str(error)


def _home(settings: Settings) -> Checked:
    home = Home(settings.folder)
    home.check_format()
    existing = next(folder for folder in (home.folder, *home.folder.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    state = OK if free > MIN_FREE_BYTES else WARN
    made = "" if home.exists else " (not made yet: `penstock index` makes it)"
    yield "home", state, f"{home.folder}{made}, {free / 1e9:.1f} GB free"
    if home.exists:
        try:
            with home.locked():
                yield "lock", OK, "nobody writes to the home"
        except HomeBusy as busy:
            yield "lock", OK, f"held by process {busy.pid} ({busy.command})"


def _model(settings: Settings) -> Checked:
    tokenizer, embedder = open_model(settings)
    info = embedder.info
    chunk = min(settings.chunk_tokens, tokenizer.limit)
    yield "model", OK, f"{info.name}: {info.dimension} dimensions, reads {info.max_tokens} tokens, chunks of {chunk}"


def _ledger(settings: Settings) -> Checked:
    ledger = existing_ledger(settings)
    if ledger is None:
        yield "ledger", OK, "none yet"
        return
    count = sum(1 for standing in ledger.views.standings() if not standing.gone)
    yield "ledger", OK, f"{settings.database_url or 'embedded'}: {count} documents"
    if letters := ledger.letters.count():
        yield "dead letters", WARN, f"{letters} events were not understood: see `penstock dead-letters list`"


def _index(settings: Settings) -> Checked:
    home = Home(settings.folder)
    if settings.qdrant_url is not None:
        server = open_server(settings)
        try:
            version, used = server.check_server(), server.active() or "nothing yet"
            yield "index", OK, f"{settings.qdrant_url}: Qdrant {version}, searches use {used}"
        finally:
            server.close()
        return
    if not home.exists:
        yield "index", OK, f"embedded ({settings.index}), none yet"
        return
    try:
        with home.locked():
            index = open_index(settings)
            try:
                yield (
                    "index",
                    OK,
                    f"{settings.index}: searches use {index.active() or 'nothing yet'}",
                )
            finally:
                index.close()
    except HomeBusy:
        yield "index", OK, "open in the process that holds the home"


def _kafka(settings: Settings) -> Checked:
    if settings.kafka_bootstrap_servers is None:
        return
    from infra.kafka_topics import DOCUMENTS, check_topics

    check_topics(settings.kafka_bootstrap_servers, [DOCUMENTS, settings.kafka_s3_topic])
    yield "kafka", OK, f"{settings.kafka_bootstrap_servers}: every topic is there, and dead letters fit"


def _broker(settings: Settings) -> Checked:
    if settings.celery_broker_url is None:
        return
    from infra.queue import check_broker

    for fits, detail in check_broker(settings.celery_broker_url):
        yield "broker", OK if fits else WARN, detail


def _sqs(settings: Settings) -> Checked:
    if settings.sqs_queue_url is None:
        return
    from infra.sqs import SqsQueue

    SqsQueue(settings.sqs_queue_url, endpoint_url=settings.sqs_endpoint_url).check()
    yield "sqs", OK, f"{settings.sqs_queue_url} answers"


def _webhooks(settings: Settings) -> Checked:
    tenants = sum(1 for keys in settings.webhook_secrets.values() if keys)
    if tenants:
        yield "webhooks", OK, f"tenants with keys: {tenants}"
    if settings.kafka_bootstrap_servers is None or settings.push_store is not None:
        return
    declared = any(source.uri.startswith("push://") for source in declared_sources(settings.sources))
    if tenants or declared:
        todo = "set PENSTOCK_PUSH_STORE=s3://bucket/prefix/ unless all run on this one"
        yield "push store", WARN, f"a folder of this machine, which no other machine's workers can read: {todo}"


def _fingerprint(settings: Settings) -> Checked:
    ledger = existing_ledger(settings)
    recorded = ledger and ledger.get("fingerprint")
    if recorded is None:
        return
    current = fingerprint(
        settings, open_rules(settings), *open_model(settings), ocr=reads_pictures(settings, ledger)
    ).to_json()
    if recorded == current:
        yield "fingerprint", OK, "the index is as this version makes it"
    else:
        yield "fingerprint", WARN, "code or settings changed: run `penstock reindex SOURCE`, or `penstock doctor --fix`"


def _sources(settings: Settings) -> Checked:
    ledger = existing_ledger(settings)
    for source in ledger.sources.all() if ledger else []:
        try:
            open_reader(settings, source).root_identity()
            yield "source", OK, f"{source.uri} ({source.tenant}) answers"
        except PenstockError as error:
            yield "source", FAIL, str(error)


def _parsers(settings: Settings) -> Checked:
    missing = [name for name in ("unstructured", "pypdf") if importlib.util.find_spec(name) is None]
    if missing:
        yield "parsers", FAIL, f"not installed: {', '.join(missing)}; install penstock's locked dependencies"
    else:
        from workers.parsing.registry import FORMATS  # the kinds' names only: no parser is loaded

        yield "parsers", OK, f"{len(FORMATS)} kinds: {', '.join(FORMATS)}"
    if importlib.util.find_spec("en_core_web_sm") is None:
        yield "parsers", OK, "en_core_web_sm is not installed: a rule-based sentence splitter stands in for it"
    from workers.parsing import ocr

    reads = reads_pictures(settings, existing_ledger(settings))
    if settings.ocr == "off":
        yield "ocr", OK, "pictures and scanned pages are not read, as PENSTOCK_OCR says"
    elif (said := ocr.missing()) is None and not reads:
        yield "ocr", WARN, "tesseract is installed, but was not when this was decided: run `penstock doctor --fix`"
    elif said is None:
        yield "ocr", OK, f"tesseract {ocr.version()} reads pictures and scanned pages"
    else:
        todo = "on Debian or Ubuntu: apt-get install tesseract-ocr"
        yield "ocr", WARN, f"{said}: pictures and scanned pages are refused as needs-ocr ({todo})"
