"""A ledger of each kind: SQLite in a file, PostgreSQL on a server."""

import pytest

from infra.ledger import open_ledger

BORN = 1_700_000_000.0


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.server)])
def url(request, tmp_path):
    """SQLAlchemy's address of a database without tables."""
    if request.param == "server":
        return request.getfixturevalue("services").fresh_database()
    return f"sqlite:///{tmp_path}/ledger.sqlite"


@pytest.fixture
def ledger(url):
    """A new ledger, open."""
    opened = open_ledger(url, now=BORN)
    yield opened
    opened.close()
