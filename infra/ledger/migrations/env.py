"""Alembic's entry: runs in the transaction that infra.ledger.migrate hands in, and in no other way."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
