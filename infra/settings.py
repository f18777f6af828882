"""Settings: read once at the edge into one frozen object. `penstock doctor` prints them, secrets masked."""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.documents import HiddenText
from schemas.errors import UsageError
from schemas.sources import Duration, Source

_Optional = BeforeValidator(lambda value: value or None)

_BEFORE_HOST = re.compile(r"://\S*@")
_IN_QUERY = re.compile(r"(password|api_key|secret)=[^&\s]*", re.IGNORECASE)


class Settings(BaseSettings):
    """Every `PENSTOCK_*` variable. An empty variable counts as not set."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_", frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(Path(".penstock"), description="Where state lives unless servers are configured")
    sources: Path | None = Field(None, description="YAML file that declares sources")
    model: str = Field("all-MiniLM-L6-v2", description="Embedding model: a name in the hub cache, or a folder")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic of the model; auto: bfloat16 where the processor has it, decided once per home"
    )
    chunk_tokens: int = Field(80, ge=16, description="Most tokens of a chunk; never more than the model reads")
    hidden_text: HiddenText = Field(
        "skip", description="Text no reader sees (white on white, comments): skip it, or index it and flag the document"
    )
    ocr: Literal["auto", "on", "off"] = Field(
        "auto", description="Read pictures and scans by tesseract; auto: if it is installed, decided once per home"
    )
    index: Literal["edge", "local"] = Field(
        "edge", description="Embedded index: Qdrant Edge, or qdrant-client's local mode, which stock readers can open"
    )
    qdrant_url: Annotated[str | None, _Optional] = Field(None, description="A Qdrant server, instead of embedded")
    qdrant_api_key: SecretStr | None = Field(None, description="Its key")
    database_url: Annotated[str | None, _Optional] = Field(None, description="SQLAlchemy URL of the ledger")
    s3_endpoint_url: Annotated[str | None, _Optional] = Field(None, description="Any S3-compatible store")
    kafka_bootstrap_servers: Annotated[str | None, _Optional] = Field(
        None, description="Kafka, host:port separated by commas; events go through it instead of within the process"
    )
    kafka_s3_topic: str = Field("penstock.s3.v1", description="Topic to which a bucket publishes its own notifications")
    celery_broker_url: Annotated[str | None, _Optional] = Field(None, description="Redis that carries wake-ups")
    sqs_queue_url: Annotated[str | None, _Optional] = Field(None, description="AWS queue with bucket notifications")
    sqs_endpoint_url: Annotated[str | None, _Optional] = Field(None, description="Any SQS-compatible service")
    push_store: Annotated[str | None, _Optional] = Field(
        None, description="s3://bucket/prefix/ for pushed content; else the folder `push` in the home"
    )
    webhook_secrets: dict[str, list[SecretStr]] = Field(
        {}, description='JSON: keys that sign webhooks, by tenant: {"default": ["whsec_..."]}'
    )
    http_host: str = Field("127.0.0.1", description="Where `penstock serve` listens")
    http_port: int = Field(8080, ge=0, le=65535, description="Its port")
    metrics_port: int | None = Field(None, ge=0, le=65535, description="Port of each process's Prometheus metrics")
    lease: float = Field(60.0, gt=0, description="Seconds a worker's claim lasts unless renewed; it renews while alive")
    high_water: int = Field(10_000, gt=0, description="Due documents at which intake pauses Kafka")
    low_water: int | None = Field(None, ge=0, description="Due documents at which it goes on; default: half of that")
    concurrency: int = Field(1, gt=0, description="Processes of one `penstock worker`, each with a model of its own")
    audit_cadence: Duration = Field(86_400, description="How often beat has a sample of each source audited")
    log: Literal["text", "json"] = Field("text", description="How log lines are written to stderr")
    rules: Path | None = Field(None, description="YAML file with rules of your own, over the default ones")
    rule_shrink: Literal["on", "off"] = Field(
        "on", description="off: a version may have less than a tenth of the text of the last one"
    )
    max_document_bytes: int = Field(100_000_000, gt=0, description="Larger documents are refused unread")
    parse_timeout: float = Field(30.0, gt=0, description="Seconds one document may take to parse")
    batch_documents: int = Field(256, gt=0, description="Most documents worked on together")
    batch_bytes: int = Field(1_000_000, gt=0, description="Most bytes of documents worked on together")

    @property
    def folder(self) -> Path:
        """The home as an absolute path."""
        return self.home.absolute()


def without_passwords(text: str) -> str:
    """A text with the credentials in its URLs masked; a password may hold "/" and "@", or stand in the query."""
    return _IN_QUERY.sub(r"\1=***", _BEFORE_HOST.sub("://***@", text))


def load_settings(**overrides: object) -> Settings:
    """Read the environment; overrides (from the command line) win.

    Raises:
        UsageError: naming the variable and what is wrong with it.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "PENSTOCK_" + "_".join(str(part) for part in first["loc"]).upper()
        raise UsageError(f"{name}: {first['msg']}", "correct or unset it") from None
    if settings.low_water is not None and settings.low_water >= settings.high_water:
        what = f"PENSTOCK_LOW_WATER ({settings.low_water}) is not below PENSTOCK_HIGH_WATER ({settings.high_water})"
        raise UsageError(what, "set both: what pauses intake, and, lower, what lets it go on")
    return settings


def declared_sources(path: Path | None) -> list[Source]:
    """The sources a YAML file declares: a list under `sources`, each with `uri` and what schemas.sources.Source has.

    Raises:
        UsageError: the file cannot be read, or an entry is wrong (which, and why).
    """
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"PENSTOCK_SOURCES {path}: {error.strerror}", "correct the path or unset it") from None
    except UnicodeDecodeError:
        raise UsageError(f"PENSTOCK_SOURCES {path}: not UTF-8 text", "save it as UTF-8") from None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{where}: not YAML: {problem or 'unreadable'}", "correct the file") from None
    entries = document.get("sources") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UsageError(f"{path}: expected a list under `sources`", "see README, Sources")
    return [_source(path, number, entry) for number, entry in enumerate(entries, 1)]


def _source(path: Path, number: int, entry: object) -> Source:
    try:
        return Source.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "entry"
        raise UsageError(f"{path}: source {number}: {where}: {first['msg']}", "correct the file") from None
