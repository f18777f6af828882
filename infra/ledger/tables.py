"""What the ledger records. Times are seconds since the epoch by the clock of the process that wrote them."""

import sqlalchemy as sa

#: Raise it with every change of these tables; a home of a higher format is refused.
FORMAT = 1

metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("uri", sa.String, nullable=False),
    sa.Column("declared", sa.Text, nullable=False),  # schemas.sources.Source as JSON
    sa.Column("root_identity", sa.String),
    sa.Column("verified_at", sa.Float),  # start of the last complete listing
    sa.Column("attempted_at", sa.Float),
    sa.Column("error", sa.Text),  # why the last attempt was not complete
    sa.UniqueConstraint("tenant", "uri"),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("document_id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("uri", sa.String, nullable=False),
    sa.Column("source_id", sa.Integer, nullable=False),
    # What was heard, what is proved, and who is at work.
    sa.Column("heard", sa.BigInteger, nullable=False),
    sa.Column("settled", sa.BigInteger, nullable=False),
    sa.Column("heard_at", sa.Float, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("claimed", sa.BigInteger),  # the value of `heard` the claim began from; null: nobody is at work
    sa.Column("claimed_at", sa.Float),
    sa.Column("round", sa.String),  # the round of work that claimed it last
    sa.Column("lease_owner", sa.String),
    sa.Column("lease_until", sa.Float),
    sa.Column("intent", sa.Text),  # {"collection", "ids"}: the points this claim may have written
    sa.Column("recover", sa.Boolean, nullable=False),  # diff against the index, not against this record
    sa.Column("settled_at", sa.Float),
    sa.Column("lag", sa.Float),  # seconds from heard to searchable, of the last piece of work that wrote
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", sa.Float, nullable=False),
    sa.Column("last_error", sa.Text),
    # The last good version.
    sa.Column("identity", sa.String, nullable=False),  # cheap identity it was read under; "": not to be trusted
    sa.Column("content_hash", sa.String),
    sa.Column("parser", sa.String),  # which parser version made the stored parse
    sa.Column("kind", sa.String),
    sa.Column("modified_at", sa.Float),
    sa.Column("verified_at", sa.Float),
    # What events said of it; null: nothing was said, the source's declaration counts.
    sa.Column("acl", sa.Text),
    sa.Column("metadata", sa.Text),
    # A newer version that was refused.
    sa.Column("held_reason", sa.String),
    sa.Column("held_detail", sa.Text),
    sa.Column("held_identity", sa.String),
    sa.Column("held_hash", sa.String),
    sa.Column("held_fingerprint", sa.String),
    sa.Column("held_at", sa.Float),
    sa.Column("removal_held_at", sa.Float),
    sa.Column("gone_at", sa.Float),  # a tombstone: it keeps the generation
    sa.UniqueConstraint("tenant", "uri"),
)
# The cost of an event must not grow with the number of documents: only due ones are in this index.
sa.Index(
    "documents_due",
    documents.c.heard_at,
    sqlite_where=documents.c.heard > documents.c.settled,
    postgresql_where=documents.c.heard > documents.c.settled,
)
sa.Index("documents_content", documents.c.content_hash)

#: What was proved to be in a collection, one row for each document and collection.
indexed = sa.Table(
    "indexed",
    metadata,
    sa.Column("document_id", sa.String(36), primary_key=True),
    sa.Column("collection", sa.String, primary_key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("content_hash", sa.String, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("attributes", sa.Text, nullable=False),
    sa.Column("indexed_at", sa.Float, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),
    sa.Column("points", sa.Text, nullable=False),  # [[point id, vector key, ordinal, page, headings], ...]
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("document_id", sa.String(36), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("event", sa.String, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)

#: Last good parses, by content: a change of chunker or model starts from here, also while the source is away.
parses = sa.Table(
    "parses",
    metadata,
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("content_hash", sa.String, primary_key=True),
    sa.Column("parser", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

vectors = sa.Table(
    "vectors",
    metadata,
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),  # float32, little-endian
)

#: Content-free marks of documents that were forgotten: hashes of tenant and URI.
forgotten = sa.Table("forgotten", metadata, sa.Column("document_id", sa.String(36), primary_key=True))
