"""The exported JSON Schemas say what the models say, and the models take what the schemas promise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.events import DocumentEvent
from schemas.export import EXPORTED, FOLDER, exported
from schemas.payload import INDEXED_FIELDS, PointPayload

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", EXPORTED)
def test_the_exported_file_and_its_model_agree(name):
    found = (FOLDER / name).read_text(encoding="utf-8")
    assert found == exported()[name], "run `python -m schemas.export`, and mind its readers: this is a contract"


def test_nothing_else_is_exported():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(EXPORTED)


def test_files_have_sorted_keys_and_end_in_a_newline():
    for name in EXPORTED:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_exporting_again_changes_nothing_whatever_the_order_of_hashes():
    code = "from schemas.export import exported; print(exported())"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] == f"{exported()}\n"


def test_only_what_identifies_the_document_is_asked_of_an_event():
    schema = DocumentEvent.model_json_schema()
    assert sorted(schema["required"]) == ["data", "id", "source", "subject", "time", "type"]
    assert schema["$defs"]["DocumentEventData"]["required"] == ["uri"]


def test_a_reader_of_points_can_count_on_every_field():
    schema = PointPayload.model_json_schema()
    meta = schema["$defs"]["PointMeta"]
    for part in (schema, meta):
        assert sorted(part["required"]) == sorted(part["properties"])
    assert set(INDEXED_FIELDS) <= set(schema["properties"])
