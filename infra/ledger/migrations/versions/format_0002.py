"""Wake-ups, lag from end to end, crashes and re-checks; dead letters, webhooks, slots.

URIs are looked up by an index of their beginning, for PostgreSQL's entries are short; where (tenant, URI) was declared
unique it stays so, which harms nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Only adds, so that workers of the older version go on meanwhile."""
    server = op.get_bind().dialect.name == "postgresql"
    for column in (
        # SQLite adds no stored one; nobody sees the difference.
        sa.Column("due", sa.Boolean, sa.Computed("heard > settled", persisted=server)),
        sa.Column("first_heard_at", sa.Float),
        sa.Column("happened_at", sa.Float),
        sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("woken_at", sa.Float),
        sa.Column("lag_event", sa.Float),
        sa.Column("lag_claim", sa.Float),
        sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("recheck_at", sa.Float),
        sa.Column("removal_allowed", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("documents", column)
    op.create_index("documents_place", "documents", ["tenant", "uri"])
    op.drop_index("documents_due", "documents")
    due = "due = true" if server else "due = 1"
    for name, columns, condition in (
        ("documents_due", ["priority", "heard_at"], due),
        ("documents_gone", ["source_id", "gone_at"], "gone_at IS NOT NULL"),
        ("documents_recheck", ["recheck_at"], "recheck_at IS NOT NULL"),
        ("documents_refused", ["held_reason"], "held_reason IS NOT NULL OR removal_held_at IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "documents", columns, sqlite_where=where, postgresql_where=where)
    op.create_index("indexed_collection", "indexed", ["collection"])
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("position", sa.String, nullable=False),
        sa.Column("replayed_at", sa.Float),
    )
    op.create_table(
        "webhooks",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "slots",
        sa.Column("job", sa.String, primary_key=True),
        sa.Column("slot", sa.BigInteger, nullable=False),
    )
