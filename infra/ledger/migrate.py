"""Bringing an older ledger to this version's tables, by Alembic. Imported only where there is something to do.

A migration only adds what older code does not mind (columns with a default, tables, indexes): during a rolling deploy
workers of both versions use one ledger.
"""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(connection: sa.Connection, found: int) -> None:
    """Run the migrations that follow format `found`, in the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", "infra.ledger:migrations")
    config.attributes["connection"] = connection
    if not sa.inspect(connection).has_table("alembic_version"):
        command.stamp(config, revision(found))
    command.upgrade(config, "head")


def revision(format_: int) -> str:
    """Alembic's name of a format."""
    return f"{format_:04d}"
