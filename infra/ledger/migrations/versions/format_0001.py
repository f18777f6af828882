"""The tables as the first version made them, without Alembic; such a ledger is stamped with this."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing to do."""
