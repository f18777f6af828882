"""The payload of a point: what downstream services read. Its layout is a contract (version it before changing it).

One layout serves stock LangChain, LlamaIndex and Haystack readers: the text under `content`, what describes it under
`meta`, and flat copies of everything that is filtered on.
"""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

#: Part of the fingerprint: raise it when the layout changes.
PAYLOAD_VERSION = "payload-2"

DENSE = "text-dense"
SPARSE = "text-sparse"

#: Flat fields an index is kept on, with their Qdrant type.
INDEXED_FIELDS = {
    "tenant": "keyword",
    "document_id": "keyword",
    "uri": "keyword",
    "chunk_hash": "keyword",
    "generation": "integer",
    "source_modified_at": "datetime",
    "acl": "keyword",
}


class PointMeta(BaseModel):
    """What describes the text; the readers' `metadata`."""

    model_config = ConfigDict(frozen=True)

    uri: str = Field(description="Where the document lives")
    title: str | None = Field(description="Title of the document, where the format has one")
    content_type: str
    language: str | None
    headings: list[str] = Field(description="Headings the text stands under, outermost first")
    page: int | None = Field(description="Page it begins on, from 1, where the format has pages")
    ordinal: int = Field(description="Position among the document's chunks, from 0")
    embedding_model: str
    fingerprint: str = Field(description="What besides the bytes shaped this point")
    source_modified_at: str = Field(description="RFC 3339, UTC")
    indexed_at: str = Field(description="RFC 3339, UTC: when this document was last written")
    metadata: dict[str, str] = Field(
        description="What the source says of it; what the format says, where the source is silent"
    )


class PointPayload(BaseModel):
    """Everything a point carries besides its vectors."""

    model_config = ConfigDict(frozen=True)

    id: str
    content: str = Field(description="The text of the chunk")
    meta: PointMeta
    tenant: str
    document_id: str
    uri: str
    chunk_hash: str = Field(description="SHA-256 of the chunk's exact text")
    content_hash: str = Field(description="SHA-256 of the document's bytes")
    generation: int = Field(description="Raised by every claim on the document; higher is newer")
    source_modified_at: str
    acl: list[str] = Field(description="Principals who may read it; empty: no restriction recorded")

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary that is stored."""
        return self.model_dump()


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
