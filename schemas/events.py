"""The event: a CloudEvents 1.0 message that a document may have changed or gone. A hint, never the truth.

Its JSON Schema is exported to schemas/json/ and a test holds the two together.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

CHANGED: Literal["penstock.document.changed.v1"] = "penstock.document.changed.v1"
REMOVED: Literal["penstock.document.removed.v1"] = "penstock.document.removed.v1"

DocumentUri = Annotated[str, StringConstraints(pattern=r"^(file:///|s3://[^/]+/|push://[^/]+/)", max_length=8192)]


class DocumentEventData(BaseModel):
    """What is known of the document; only `uri` is needed, the rest describes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    uri: DocumentUri
    tenant: str | None = Field(None, description="Default: the tenant of the source that owns the URI")
    etag: str | None = None
    size: int | None = Field(None, ge=0)
    content_type: str | None = None
    modified_at: datetime | None = None
    sequencer: str | None = None
    version_id: str | None = None
    metadata: dict[str, str] | None = Field(None, description="Replaces the document's metadata; null: as it was")
    acl: list[str] | None = Field(None, description="Replaces the principals who may read it; null: as it was")


class DocumentEvent(BaseModel):
    """CloudEvents 1.0, structured JSON. `subject` is the document's URI; duplicates and disorder are harmless."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, description="Unique per happening")
    source: str = Field(min_length=1, description="The producer")
    type: Literal["penstock.document.changed.v1", "penstock.document.removed.v1"]
    subject: DocumentUri
    time: datetime = Field(description="When it happened")
    datacontenttype: Literal["application/json"] = "application/json"
    data: DocumentEventData
