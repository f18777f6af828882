"""What the ledger records. Times are seconds since the epoch by the clock of the process that wrote them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

#: Raise it with every change of these tables, and write a migration; a ledger of a higher format is refused.
FORMAT = 3

#: Characters of a URI that an index of PostgreSQL holds: its entries may not pass 2,704 bytes, a URI may.
HEAD = 512


class head(sa.sql.expression.ColumnElement[str]):  # noqa: N801  reads as the SQL function it is
    """As much of a URI as the database indexes: on PostgreSQL its first `HEAD` characters, on SQLite all of it."""

    inherit_cache = True
    type = sa.String()
    _traverse_internals = [("column", sa.sql.visitors.InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, column: sa.ColumnElement[str]) -> None:
        self.column = column


@compiles(head)
def _whole(element: head, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.column, **options))


@compiles(head, "postgresql")
def _first(element: head, compiler: Any, **options: Any) -> str:
    return f"left({compiler.process(element.column, **options)}, {HEAD})"


# Prefixes of URIs are asked for as ranges, which only byte order answers.
_Uri = sa.String().with_variant(sa.String(collation="C"), "postgresql")

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
    sa.Column("uri", _Uri, nullable=False),
    sa.Column("source_id", sa.Integer, nullable=False),
    # What was heard, what is proved, and who is at work.
    sa.Column("heard", sa.BigInteger, nullable=False),
    sa.Column("settled", sa.BigInteger, nullable=False),
    # An index on the comparison itself would have PostgreSQL write every index anew with each event (no HOT update).
    sa.Column("due", sa.Boolean, sa.Computed("heard > settled", persisted=True)),
    sa.Column("heard_at", sa.Float, nullable=False),
    sa.Column("first_heard_at", sa.Float),
    sa.Column("happened_at", sa.Float),  # when the oldest event not yet worked on happened, as its producer says
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0"),  # see records.Priority
    sa.Column("woken_at", sa.Float),  # when a wake-up was last sent; null: none since it was heard
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("claimed", sa.BigInteger),  # the value of `heard` the claim began from; null: nobody is at work
    sa.Column("claimed_at", sa.Float),
    sa.Column("round", sa.String),  # the round of work that claimed it last
    sa.Column("lease_owner", sa.String),
    sa.Column("lease_until", sa.Float),
    sa.Column("intent", sa.Text),  # {"collection", "ids"}: the points this claim may have written
    sa.Column("recover", sa.Boolean, nullable=False),  # diff against the index, not against this record
    sa.Column("settled_at", sa.Float),
    # Of the last piece of work that wrote, in seconds: happened to heard, heard to claimed, heard to searchable.
    sa.Column("lag_event", sa.Float),
    sa.Column("lag_claim", sa.Float),
    sa.Column("lag", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column(
        "crashes", sa.Integer, nullable=False, server_default="0"
    ),  # claims whose worker was never heard of again
    sa.Column("recheck_at", sa.Float),  # when late writes of a worker that lost its lease must have arrived
    sa.Column("next_attempt_at", sa.Float, nullable=False),
    sa.Column("last_error", sa.Text),
    # The last good version.
    sa.Column("identity", sa.String, nullable=False),  # cheap identity it was read under; "": not to be trusted
    sa.Column("content_hash", sa.String),
    sa.Column("parser", sa.String),  # which parser version made the stored parse
    sa.Column("kind", sa.String),
    sa.Column("modified_at", sa.Float),
    sa.Column("characters", sa.BigInteger),  # of its text
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
    sa.Column("held_by", sa.String),  # the code that refused it
    sa.Column("discarded_at", sa.Float),  # a person has seen it and wants to hear no more of it
    # A version that a person let pass: its hash, who, why and when, as JSON.
    sa.Column("released", sa.Text),
    sa.Column("removal_held_at", sa.Float),
    sa.Column("removal_allowed", sa.Boolean, nullable=False, server_default=sa.false()),  # judged: it may go
    sa.Column("gone_at", sa.Float),  # a tombstone: it keeps the generation
)
# Unique without being declared so: the id is made of both.
sa.Index("documents_place", documents.c.tenant, head(documents.c.uri))
_DUE = documents.c.due == sa.true()
_GONE = documents.c.gone_at.is_not(None)
_RECHECK = documents.c.recheck_at.is_not(None)
_REFUSED = documents.c.held_reason.is_not(None) | documents.c.removal_held_at.is_not(None)
# The cost of an event must not grow with the number of documents: only due ones are in this index.
sa.Index(
    "documents_due",
    documents.c.priority,
    documents.c.heard_at,
    sqlite_where=_DUE,
    postgresql_where=_DUE,
)
sa.Index("documents_content", documents.c.content_hash)
sa.Index("documents_gone", documents.c.source_id, documents.c.gone_at, sqlite_where=_GONE, postgresql_where=_GONE)
sa.Index("documents_recheck", documents.c.recheck_at, sqlite_where=_RECHECK, postgresql_where=_RECHECK)
sa.Index("documents_refused", documents.c.held_reason, sqlite_where=_REFUSED, postgresql_where=_REFUSED)

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
sa.Index("indexed_collection", indexed.c.collection)

#: What the rules said of the last good version and of a refused one: of each what was said last.
findings = sa.Table(
    "findings",
    metadata,
    sa.Column("document_id", sa.String(36), primary_key=True),
    sa.Column("held", sa.Boolean, primary_key=True),  # of the version that is held
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("rule", sa.String, nullable=False),
    sa.Column("severity", sa.String, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("finding", sa.Text, nullable=False),  # schemas.verdicts.Finding as JSON
)

#: How often each rule was asked and what it answered, by the hour: pass rates over time.
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("hour", sa.BigInteger, primary_key=True),  # seconds since the epoch
    sa.Column("rule", sa.String, primary_key=True),
    sa.Column("checked", sa.BigInteger, nullable=False),
    sa.Column("warned", sa.BigInteger, nullable=False),
    sa.Column("held", sa.BigInteger, nullable=False),
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

#: Events that were not understood. Their bytes are in the dead-letter topic, at `position`.
dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", sa.String, primary_key=True),  # topic:partition:offset of the original record
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("position", sa.String, nullable=False),  # topic:partition:offset
    sa.Column("replayed_at", sa.Float),
)

#: Ids of webhooks that were taken in, while a replay could still carry a valid time.
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("tenant", sa.String, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
)

#: Which slot of a schedule ran last: one row a job, so that a slot runs once however many schedulers there are.
slots = sa.Table(
    "slots",
    metadata,
    sa.Column("job", sa.String, primary_key=True),
    sa.Column("slot", sa.BigInteger, nullable=False),
)
