"""The ledger: the SQL record of every document. SQLite embedded; the same SQLAlchemy Core code is meant for PostgreSQL.

tables.py     what is recorded
database.py   transactions, and what SQLite needs
engine.py     opening it, its format and its birth
sources.py    declared sources and when each was last verified
documents.py  hear, claim, intend, settle: the life of a document
texts.py      parsed documents and vectors already computed
views.py      what status, search and audit read
"""

from infra.ledger.engine import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
