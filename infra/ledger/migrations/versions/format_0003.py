"""What the rules said, versions that a person let pass or discarded, and the length of the last good one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Only adds, so that workers of the older version go on meanwhile."""
    for column in (
        sa.Column("characters", sa.BigInteger),
        sa.Column("held_by", sa.String),
        sa.Column("discarded_at", sa.Float),
        sa.Column("released", sa.Text),
    ):
        op.add_column("documents", column)
    op.create_table(
        "findings",
        sa.Column("document_id", sa.String(36), primary_key=True),
        sa.Column("held", sa.Boolean, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("finding", sa.Text, nullable=False),
    )
    op.create_table(
        "verdicts",
        sa.Column("hour", sa.BigInteger, primary_key=True),
        sa.Column("rule", sa.String, primary_key=True),
        sa.Column("checked", sa.BigInteger, nullable=False),
        sa.Column("warned", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
    )
