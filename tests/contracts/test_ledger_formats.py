"""A ledger of an older format is brought to this one: with its documents, once, or not at all."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra.ledger import open_ledger
from infra.ledger.tables import FORMAT
from schemas.errors import Unreachable
from schemas.identity import document_id
from schemas.sources import Source
from tests.contracts.conftest import BORN
from tests.contracts.test_ledger import NOW, PARSED, claim, entry, hear, index, indexed, settle

ROOT = Path(__file__).parents[2]

#: The tables as version 1 made them, taken from a ledger of its own making.
FORMAT_1 = """
CREATE TABLE meta (key VARCHAR NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key));
CREATE TABLE sources (
    id INTEGER NOT NULL, tenant VARCHAR NOT NULL, uri VARCHAR NOT NULL, declared TEXT NOT NULL, root_identity VARCHAR,
    verified_at FLOAT, attempted_at FLOAT, error TEXT, PRIMARY KEY (id), UNIQUE (tenant, uri)
);
CREATE TABLE documents (
    document_id VARCHAR(36) NOT NULL, tenant VARCHAR NOT NULL, uri VARCHAR NOT NULL, source_id INTEGER NOT NULL,
    heard BIGINT NOT NULL, settled BIGINT NOT NULL, heard_at FLOAT NOT NULL, generation BIGINT NOT NULL,
    claimed BIGINT, claimed_at FLOAT, round VARCHAR, lease_owner VARCHAR, lease_until FLOAT, intent TEXT,
    recover BOOLEAN NOT NULL, settled_at FLOAT, lag FLOAT, attempts INTEGER NOT NULL, next_attempt_at FLOAT NOT NULL,
    last_error TEXT, identity VARCHAR NOT NULL, content_hash VARCHAR, parser VARCHAR, kind VARCHAR, modified_at FLOAT,
    verified_at FLOAT, acl TEXT, metadata TEXT, held_reason VARCHAR, held_detail TEXT, held_identity VARCHAR,
    held_hash VARCHAR, held_fingerprint VARCHAR, held_at FLOAT, removal_held_at FLOAT, gone_at FLOAT,
    PRIMARY KEY (document_id), UNIQUE (tenant, uri)
);
CREATE INDEX documents_due ON documents (heard_at) WHERE heard > settled;
CREATE INDEX documents_content ON documents (content_hash);
CREATE TABLE indexed (
    document_id VARCHAR(36) NOT NULL, collection VARCHAR NOT NULL, generation BIGINT NOT NULL,
    content_hash VARCHAR NOT NULL, fingerprint TEXT NOT NULL, attributes TEXT NOT NULL, indexed_at FLOAT NOT NULL,
    chunks INTEGER NOT NULL, points TEXT NOT NULL, PRIMARY KEY (document_id, collection)
);
CREATE TABLE history (
    id INTEGER NOT NULL, document_id VARCHAR(36) NOT NULL, at FLOAT NOT NULL, generation BIGINT NOT NULL,
    event VARCHAR NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (id)
);
CREATE INDEX ix_history_document_id ON history (document_id);
CREATE TABLE parses (
    tenant VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, parser VARCHAR NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (tenant, content_hash, parser)
);
CREATE TABLE vectors (
    tenant VARCHAR NOT NULL, model VARCHAR NOT NULL, "key" VARCHAR NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (tenant, model, "key")
);
CREATE TABLE forgotten (document_id VARCHAR(36) NOT NULL, PRIMARY KEY (document_id));
"""
BIRTH_MS = int(BORN * 1000)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def old(file):
    """A format-1 ledger's URL: a document indexed, one due, one in hand when its worker died, one gone."""
    opened = open_ledger(f"sqlite:///{file}.made", now=BORN)
    opened.sources.register(Source(uri="file:///", tenant="t"))
    for name in ("indexed", "gone"):
        index(opened, name)
    hear(opened, "claimed")
    claim(opened)
    hear(opened, "due", acl=["ann"])
    opened.parses.put([("t", "h", "p|txt", PARSED)])
    opened.put("fingerprint", "f1")
    opened.put("format", 1)
    opened.close()
    with sqlite3.connect(file) as connection:
        connection.executescript(FORMAT_1)
        connection.execute("ATTACH ? AS made", [f"{file}.made"])
        for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM made.{table}")
        connection.execute("UPDATE documents SET gone_at = ? WHERE uri = 'file:///gone'", [NOW])
    connection.close()
    Path(f"{file}.made").unlink()
    return f"sqlite:///{file}"


def shape(url):
    """Tables, columns and indexes of a database, as SQLAlchemy sees them."""
    engine = sa.create_engine(url)
    inspector = sa.inspect(engine)
    found = {}
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        columns = {
            one["name"]: (str(one["type"]), one["nullable"], one["default"], one["primary_key"] > 0)
            for one in inspector.get_columns(table)
        }
        indexes = {
            one["name"]: (one["column_names"], one["unique"], str(one["dialect_options"].get("sqlite_where", "")))
            for one in inspector.get_indexes(table)
        }
        found[table] = (columns, indexes)
    engine.dispose()
    return found


def dump(file):
    with sqlite3.connect(file) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


def test_an_older_ledger_is_upgraded_and_is_as_a_new_one(old, tmp_path):
    open_ledger(old, now=NOW).close()
    new = f"sqlite:///{tmp_path}/new.sqlite"
    open_ledger(new, now=NOW).close()
    upgraded, made = shape(old), shape(new)
    assert upgraded.keys() == made.keys()
    for table in made:
        assert upgraded[table] == made[table], table


def test_an_upgraded_ledger_keeps_what_it_knew_and_works(old):
    ledger = open_ledger(old, now=NOW)
    assert (ledger.get("format"), ledger.birth_ms, ledger.get("fingerprint")) == (FORMAT, BIRTH_MS, "f1")
    assert [source.uri for source in ledger.sources.all()] == ["file:///"]
    views = {view.uri.rpartition("/")[2]: view for view in ledger.views.documents("a").values()}
    assert views.keys() == {"indexed", "gone", "claimed", "due"}
    assert views["gone"].standing.gone
    assert views["indexed"].indexed.points == entry(1).points
    assert ledger.parses.get("t", "h", "p|txt") == PARSED
    assert len(ledger.documents.waiting(now=NOW + 99, woken_before=NOW, limit=9)) == 2
    by_uri = {one.uri: one for one in claim(ledger, now=NOW + 99, round_="2")}
    assert by_uri.keys() == {"file:///claimed", "file:///due"}
    assert (by_uri["file:///claimed"].recover, by_uri["file:///claimed"].crashes) == (True, 1)
    assert by_uri["file:///due"].acl == ("ann",)
    settle(ledger, *(indexed(one) for one in by_uri.values()))
    assert len(hear(ledger, "indexed", "new")) == 2
    assert ledger.documents.known("t", "file:///new")
    assert ledger.slots.take("job", 1)
    ledger.close()


def test_an_upgraded_ledger_is_opened_again_without_another_upgrade(old, file):
    open_ledger(old, now=NOW).close()
    before = dump(file)
    open_ledger(old, now=NOW).close()
    assert dump(file) == before


OPEN = "import sys; from infra.ledger import open_ledger; open_ledger(sys.argv[1], now=1.0).close(); print('opened')"


def test_processes_that_open_it_at_once_upgrade_it_once(old, file):
    children = [
        subprocess.Popen([sys.executable, "-c", OPEN, old], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [child.communicate(timeout=60) for child in children] == [(b"opened\n", b"")] * 3
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0003",)]
        assert json.loads(connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()[0]) == FORMAT
    connection.close()


def test_an_upgrade_that_fails_leaves_the_old_ledger_whole(old, file):
    """The last table of the new format is there already: the upgrade fails after all else was done."""
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE verdicts (mine TEXT)")
    connection.close()
    before = dump(file)
    with pytest.raises(Unreachable, match="verdicts"):
        open_ledger(old, now=NOW)
    assert dump(file) == before
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE verdicts")
    connection.close()
    ledger = open_ledger(old, now=NOW)
    assert document_id("t", "file:///due") in ledger.views.documents("a")
    ledger.close()
