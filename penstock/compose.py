"""The composition root: settings become parts. The only place that chooses adapters."""

import time
from collections.abc import Sequence

from infra.home import Home
from infra.ledger import Ledger, open_ledger
from infra.ledger.sources import KnownSource
from infra.ports import Embedder, Index, SourceReader, Tokenizer
from infra.settings import Settings, declared_sources
from infra.source_names import source_uri
from schemas.errors import Unreachable
from schemas.sources import Source


def ledger_url(settings: Settings) -> str:
    """Where the ledger is."""
    return settings.database_url or f"sqlite:///{Home(settings.folder).ledger}"


def existing_ledger(settings: Settings) -> Ledger | None:
    """The ledger for reading, or None where nothing was ever indexed."""
    home = Home(settings.folder)
    home.check_format()
    if settings.database_url is None and not home.exists:
        return None
    return open_ledger(ledger_url(settings), now=time.time())


def open_index(settings: Settings) -> Index:
    """The configured index."""
    if settings.qdrant_url is None and settings.index == "edge":
        from infra.index_edge import EdgeIndex

        return EdgeIndex(Home(settings.folder).index)
    from infra.index_qdrant import QdrantIndex

    if settings.qdrant_url is not None:
        key = settings.qdrant_api_key
        return QdrantIndex(settings.qdrant_url, api_key=key.get_secret_value() if key else None)
    return QdrantIndex(str(Home(settings.folder).index))


def open_model(settings: Settings, name: str | None = None, *, dtype: str = "auto") -> tuple[Tokenizer, Embedder]:
    """The tokenizer and embedder of a model, by default the configured one. Loads neither torch nor weights."""
    from infra.embedder import open_model as open_by_name

    return open_by_name(name or settings.model, dtype=dtype)


def open_reader(settings: Settings, source: Source) -> SourceReader:
    """The reader of a source."""
    if source.uri.startswith("s3://"):
        from infra.source_s3 import S3Source

        return S3Source(source.uri, endpoint_url=settings.s3_endpoint_url, exclude=source.exclude)
    from infra.source_folder import FolderSource
    from schemas.identity import file_path

    return FolderSource(file_path(source.uri), exclude=source.exclude, clock=time.time)


def resolve_sources(
    arguments: Sequence[str], tenant: str, settings: Settings, known: Sequence[KnownSource]
) -> list[Source]:
    """Command-line arguments as sources: as declared in the sources file, as known, or new with the defaults."""
    declared = declared_sources(settings.sources)
    declared = [one.model_copy(update={"uri": source_uri(one.uri)}) for one in declared]
    return [_resolve(argument, tenant, settings, declared, known) for argument in arguments]


def _resolve(
    argument: str, tenant: str, settings: Settings, declared: Sequence[Source], known: Sequence[KnownSource]
) -> Source:
    uri = source_uri(argument)
    candidates = [uri, uri + "/"] if not uri.endswith("/") else [uri]
    for candidate in candidates:
        for source in declared:
            if (source.tenant, source.uri) == (tenant, candidate):
                return source
    for candidate in candidates:
        for one in known:
            if (one.tenant, one.uri) == (tenant, candidate):
                # No longer in the sources file, or never: what was declared last still holds.
                return Source(**one.model_dump(include=set(Source.model_fields)))
    if uri.startswith("s3://") and not uri.endswith("/"):
        return Source(uri=uri if _is_object(settings, uri) else uri + "/", tenant=tenant)
    return Source(uri=uri, tenant=tenant)


def _is_object(settings: Settings, uri: str) -> bool:
    """Whether an S3 argument without a closing slash names an object rather than a prefix."""
    if uri.count("/") == 2:
        return False  # a bucket
    try:
        return open_reader(settings, Source(uri=uri)).stat(uri) is not None
    except Unreachable:
        return False  # the listing will say what is wrong
