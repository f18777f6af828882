"""The ledger: the SQL record of every document; one SQLAlchemy Core code on SQLite (embedded) and PostgreSQL (servers).

tables.py     what is recorded
migrations/   how an older ledger comes to these tables (migrate.py runs them)
database.py   transactions, and what each database needs
engine.py     opening it, its format and its birth
sources.py    declared sources and when each was last verified
documents.py  the life of a document: heard (hearing.py), in hand (claims.py), settled (settling.py)
texts.py      parsed documents and vectors already computed
letters.py    dead letters; once.py: slots and webhooks, which happen once
views.py      what status, search and audit read
"""

from infra.ledger.engine import Ledger, open_ledger

__all__ = ["Ledger", "open_ledger"]
