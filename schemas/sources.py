"""A source: a place documents live in, declared once. The longest matching prefix owns a URI."""

import re
from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.identity import DEFAULT_TENANT, lies_in

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

#: How long a source may go unverified before its documents count as stale, where nothing else is declared: a day,
#: because the commonest set-up is one nightly `index`.
DEFAULT_FRESHNESS_S = 86_400
#: How often a watched source is listed again, where nothing else is declared. Events are hints; this is the net.
DEFAULT_CADENCE_S = 60


def seconds(value: object) -> object:
    """Turn "90s", "15m", "1h", "2d" into seconds; anything else is left for validation to judge."""
    match = re.fullmatch(r"(\d+)\s*([smhd])", value) if isinstance(value, str) else None
    return int(match[1]) * _UNITS[match[2]] if match else value


Duration = Annotated[int, BeforeValidator(seconds), Field(gt=0)]


class Source(BaseModel):
    """One declared source. A `uri` that ends in "/" is a folder or prefix, any other is a single document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(description="file:///abs/folder/, s3://bucket/prefix/ or a path; a single file is a source too")
    tenant: str = DEFAULT_TENANT
    freshness: Duration = Field(DEFAULT_FRESHNESS_S, description="Older than this since last verified is stale")
    cadence: Duration = Field(DEFAULT_CADENCE_S, description="How often `watch` lists it again")
    exclude: tuple[str, ...] = Field((), description="Glob patterns of names or relative paths to leave out")
    acl: tuple[str, ...] = Field((), description="Principals who may read its documents")
    metadata: dict[str, str] = Field({}, description="Goes into the payload of its documents")

    def owns(self, uri: str) -> bool:
        """Whether this URI lies in the source."""
        return lies_in(uri, self.uri)


S = TypeVar("S", bound=Source)


def owners(uri: str, sources: Iterable[S]) -> list[S]:
    """The sources that own a URI: those with the longest matching prefix (one for each tenant that declared it)."""
    matching = [source for source in sources if source.owns(uri)]
    longest = max((len(source.uri) for source in matching), default=0)
    return [source for source in matching if len(source.uri) == longest]
