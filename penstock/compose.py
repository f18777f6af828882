"""The composition root: settings become parts. The only place that chooses adapters."""

import glob
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from infra.home import Home
from infra.ledger import Ledger, open_ledger
from infra.ledger.sources import KnownSource
from infra.ports import Embedder, Index, Publisher, SourceReader, Tokenizer
from infra.push_store import PushStore
from infra.settings import Settings, declared_sources
from infra.source_names import source_uri
from schemas.errors import Unreachable
from schemas.sources import Source, owners

if TYPE_CHECKING:
    from infra.index_qdrant import QdrantIndex


def ledger_url(settings: Settings) -> str:
    """Where the ledger is."""
    return settings.database_url or f"sqlite:///{Home(settings.folder).ledger}"


def existing_ledger(settings: Settings) -> Ledger | None:
    """The ledger for reading, or None where nothing was ever indexed."""
    home = Home(settings.folder)
    home.check_format()
    if settings.database_url is None and not home.exists:
        return None
    return open_ledger(
        ledger_url(settings), now=time.time(), keep_open=False, recover_unknown=lambda: index_was_used(settings)
    )


def index_was_used(settings: Settings) -> bool:
    """Whether a server's index holds anything of ours: a ledger made beside it was lost, and knows nothing of that."""
    if settings.qdrant_url is None:
        return False
    from workers.advance import ours  # takes parsers along, which most commands need not load

    index = open_server(settings)
    try:
        return bool(ours(index))
    finally:
        index.close()


def open_index(settings: Settings) -> Index:
    """The configured index."""
    if settings.qdrant_url is None and settings.index == "edge":
        from infra.index_edge import EdgeIndex

        return EdgeIndex(Home(settings.folder).index)
    if settings.qdrant_url is not None:
        return open_server(settings)
    from infra.index_qdrant import QdrantIndex

    return QdrantIndex(str(Home(settings.folder).index))


def open_server(settings: Settings) -> "QdrantIndex":
    """The configured Qdrant server."""
    from infra.index_qdrant import QdrantIndex

    assert settings.qdrant_url is not None
    key = settings.qdrant_api_key
    return QdrantIndex(settings.qdrant_url, api_key=key.get_secret_value() if key else None)


def open_model(settings: Settings, name: str | None = None, *, dtype: str = "auto") -> tuple[Tokenizer, Embedder]:
    """The tokenizer and embedder of a model, by default the configured one. Loads neither torch nor weights."""
    from infra.embedder import open_model as open_by_name

    return open_by_name(name or settings.model, dtype=dtype)


def open_reader(settings: Settings, source: Source) -> SourceReader:
    """The reader of a source."""
    if source.uri.startswith("s3://"):
        from infra.source_s3 import S3Source

        return S3Source(source.uri, endpoint_url=settings.s3_endpoint_url, exclude=source.exclude)
    if source.uri.startswith("push://"):
        from infra.source_push import PushSource

        base = open_push_store(settings).where(source.tenant)
        stored = source.model_copy(update={"uri": base + source.uri.removeprefix("push://")})
        return PushSource(source.uri, open_reader(settings, stored), base=base)
    from infra.source_folder import FolderSource
    from schemas.identity import file_path

    root = file_path(source.uri)
    return FolderSource(root, exclude=(*source.exclude, *_home_within(settings, root)), clock=time.time)


def check_there(reader: SourceReader, source: Source, *, known: Callable[[], object] = lambda: False) -> None:
    """Refuse a source that is one document and was never there: a slip of the hand, not a removal.

    known: says whether the ledger has it, asked only where the document is missing: of a folder it would be a scan.

    Raises:
        Unreachable: it is not there, or its root does not answer.
    """
    if not source.uri.endswith("/") and reader.stat(source.uri) is None and not known():
        raise Unreachable(source.uri, "there is no such file or folder", "check the path, and where you run this")


def open_publisher(settings: Settings) -> Publisher | None:
    """Where events are published, or None in the embedded composition."""
    if settings.kafka_bootstrap_servers is None:
        return None
    from infra.kafka import KafkaPublisher

    return KafkaPublisher(settings.kafka_bootstrap_servers)


def open_push_store(settings: Settings) -> PushStore:
    """Where pushed content lies."""
    from infra.push_store import FolderPushStore, S3PushStore

    if settings.push_store is None:
        return FolderPushStore(Home(settings.folder).push)
    return S3PushStore(settings.push_store, endpoint_url=settings.s3_endpoint_url)


def _home_within(settings: Settings, root: bytes) -> list[str]:
    """The home as a pattern to leave out, where it lies inside the source: an index must not index itself."""
    home, folder = os.path.realpath(settings.folder), os.path.realpath(os.fsdecode(root))
    inside = home.startswith(folder.rstrip("/") + "/")
    return [glob.escape(os.path.relpath(home, folder))] if inside else []


def resolve_sources(
    arguments: Sequence[str], tenant: str, settings: Settings, known: Sequence[KnownSource]
) -> list[Source]:
    """Command-line arguments as sources: as declared in the sources file, as known, or new.

    A new one inside a declared or known one of its tenant takes over what was declared there: a single file must not
    lose its folder's `acl` by being named.
    """
    declared = [
        one.model_copy(update={"uri": source_uri(one.uri)})
        for one in declared_sources(settings.sources)
        if one.tenant == tenant
    ]
    # What was declared last still holds for those that are no longer in the file, or never were.
    remembered = [Source(**one.model_dump(include=set(Source.model_fields))) for one in known if one.tenant == tenant]
    return [_resolve(source_uri(argument), tenant, settings, [*declared, *remembered]) for argument in arguments]


def _resolve(uri: str, tenant: str, settings: Settings, candidates: Sequence[Source]) -> Source:
    # A folder that is away looks like a file, and a prefix may be written without its slash.
    matching = [one for one in candidates if one.uri.rstrip("/") == uri.rstrip("/")]
    exact = matching[0] if matching else None
    if exact is not None and uri.startswith("file:") and any(one.uri.endswith("/") for one in matching):
        exact = exact.model_copy(update={"uri": exact.uri.rstrip("/") + "/"})  # as declared, for the folder it was
    if exact is not None and (exact.uri.endswith("/") or not uri.startswith("s3://")):
        return exact
    if uri.startswith("s3://") and not uri.endswith("/") and not _is_object(settings, uri):
        uri += "/"
    if exact is not None:
        return exact.model_copy(update={"uri": uri})
    around = owners(uri, candidates)
    return around[0].model_copy(update={"uri": uri}) if around else Source(uri=uri, tenant=tenant)


def _is_object(settings: Settings, uri: str) -> bool:
    """Whether an S3 argument without a closing slash names an object rather than a prefix."""
    if uri.count("/") == 2:
        return False  # a bucket
    try:
        return open_reader(settings, Source(uri=uri)).stat(uri) is not None
    except Unreachable:
        return False  # the listing will say what is wrong
