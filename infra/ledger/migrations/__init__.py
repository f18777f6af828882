"""Migrations of the ledger, one file a format; Alembic finds them by their `revision`."""
