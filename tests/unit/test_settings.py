"""Settings and declared sources: an error names the variable, or the file, the entry and the field."""

from pathlib import Path

import pytest

from infra.settings import Settings, declared_sources, load_settings, without_passwords
from schemas.errors import UsageError


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    import os

    for name in [name for name in os.environ if name.startswith("PENSTOCK_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def declare(tmp_path):
    def write(text):
        path = tmp_path / "sources.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return declared_sources(path)

    return write


def test_the_environment_is_read_and_the_command_line_wins(monkeypatch):
    monkeypatch.setenv("PENSTOCK_HOME", "/from/environment")
    monkeypatch.setenv("PENSTOCK_CHUNK_TOKENS", "64")
    assert load_settings().home == Path("/from/environment")
    found = load_settings(home=Path("/from/option"), model=None)
    assert (found.home, found.chunk_tokens, found.model) == (Path("/from/option"), 64, "all-MiniLM-L6-v2")


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    for name in ("HOME", "CHUNK_TOKENS", "QDRANT_URL", "DATABASE_URL", "LOG"):
        monkeypatch.setenv(f"PENSTOCK_{name}", "")
    assert load_settings() == Settings()


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().log = "json"


def test_a_secret_is_not_shown(monkeypatch):
    monkeypatch.setenv("PENSTOCK_QDRANT_API_KEY", "hunter2")
    found = load_settings()
    assert "hunter2" not in f"{found!r} {found.model_dump_json()}"
    assert found.qdrant_api_key.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHUNK_TOKENS", "many"),
        ("CHUNK_TOKENS", "15"),
        ("PARSE_TIMEOUT", "0"),
        ("INDEX", "elastic"),
        ("LOG", "xml"),
        ("DTYPE", "int8"),
        ("MAX_DOCUMENT_BYTES", "1 GB"),
        ("BATCH_BYTES", "-1"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(monkeypatch, variable, value):
    monkeypatch.setenv(f"PENSTOCK_{variable}", value)
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"PENSTOCK_{variable}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.todo


def test_the_low_water_mark_is_below_the_high_one(monkeypatch):
    monkeypatch.setenv("PENSTOCK_HIGH_WATER", "100")
    with pytest.raises(UsageError, match=r"PENSTOCK_LOW_WATER \(100\) .* PENSTOCK_HIGH_WATER \(100\)"):
        load_settings(low_water=100)
    assert load_settings().low_water is None
    assert load_settings(low_water=99).low_water == 99


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hunter2@host:1/0 fails", "redis://***@host:1/0 fails"),
        ("postgresql+psycopg://u:hun/t@er2@host/db", "postgresql+psycopg://***@host/db"),
        ("postgresql://host/db?user=u&password=hunter2&x=1", "postgresql://host/db?user=u&password=***&x=1"),
        ("http://host/?API_KEY=hunter2 and secret=hunter2", "http://host/?API_KEY=*** and secret=***"),
        ("http://host:6333/x s3://b/a%40b", "http://host:6333/x s3://b/a%40b"),
    ],
)
def test_passwords_are_masked_wherever_a_url_holds_them(text, shown):
    assert without_passwords(text) == shown


def test_no_sources_file_declares_nothing():
    assert declared_sources(None) == []


def test_a_sources_file_declares_sources(declare):
    first_text = "- uri: s3://b/docs/\n  tenant: t\n  freshness: 1h\n  exclude: ['*.tmp']\n  acl: [ann]\n"
    first, second = declare(f"sources:\n{first_text}- uri: docs\n")
    assert (first.uri, first.tenant, first.freshness) == ("s3://b/docs/", "t", 3600)
    assert (first.exclude, first.acl) == (("*.tmp",), ("ann",))
    assert second.tenant == "default"
    assert declare("sources: []") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sources:\n- uri: s3://b/\n- tenant: t\n", "source 2: uri: Field required"),
        ("sources:\n- uri: s3://b/\n  freshness: soon\n", "source 1: freshness: "),
        ("sources:\n- uri: s3://b/\n  cadence: 0s\n", "source 1: cadence: "),
        ("sources:\n- uri: s3://b/\n  colour: red\n", "source 1: colour: Extra inputs"),
        ("sources:\n- uri: s3://b/\n  metadata: {level: [1]}\n", "source 1: metadata.level: "),
        ("sources:\n- uri: s3://b/\n  acl: ann\n", "source 1: acl: "),
        ("sources:\n- s3://b/\n", "source 1: entry: "),
        ("sources: s3://b/\n", "expected a list under `sources`"),
        ("- uri: s3://b/\n", "expected a list under `sources`"),
        ("", "expected a list under `sources`"),
        ("sources:\n- uri: [\n", "line 3: not YAML"),
        ("sources:\n\t- uri: x\n", "line 2: not YAML"),
        ("a: \x00", "not YAML"),
        (b"sources: \xff", "not UTF-8"),
    ],
)
def test_a_wrong_sources_file_is_named_with_entry_and_field(declare, tmp_path, text, says):
    with pytest.raises(UsageError) as caught:
        declare(text)
    line = str(caught.value)
    assert f"{tmp_path / 'sources.yaml'}" in line
    assert says in line
    assert "\n" not in line


def test_a_sources_file_that_cannot_be_read_is_named(tmp_path):
    for path, says in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=says) as caught:
            declared_sources(path)
        assert f"PENSTOCK_SOURCES {path}" in str(caught.value)
