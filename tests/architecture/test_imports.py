"""Imports run downward, each driver has one place, and the command line starts without the heavy ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, imports

#: Where a library may be imported, as beginnings of paths. A new one needs a row: decide where it belongs.
PLACES: dict[str, tuple[str, ...]] = {
    # vocabulary, not drivers
    "numpy": ("",),
    "pydantic": ("",),
    "structlog": ("",),
    "typing_extensions": ("",),
    "yaml": ("",),
    # the world
    "boto3": ("infra/source_s3.py", "infra/sqs.py"),
    "botocore": ("infra/source_s3.py", "infra/s3_errors.py", "infra/push_store.py", "infra/sqs.py"),
    "kafka": ("infra/kafka",),
    "filelock": ("infra/home.py",),
    "pydantic_settings": ("infra/settings.py",),
    "qdrant_client": ("infra/index_qdrant.py",),
    "qdrant_edge": ("infra/index_edge.py",),
    "sqlalchemy": ("infra/ledger/",),
    "alembic": ("infra/ledger/",),
    "celery": ("infra/queue.py",),
    "kombu": ("infra/queue.py",),
    "redis": ("infra/queue.py",),
    "prometheus_client": ("infra/metrics.py",),
    "starlette": ("infra/http_server.py",),
    "uvicorn": ("infra/http_server.py",),
    "watchfiles": ("producers/folder_watch.py",),
    # the model, and the words
    "mmh3": ("infra/sparse.py",),
    "py_rust_stemmers": ("infra/sparse.py",),
    "sentence_transformers": ("infra/embedder.py",),
    "tokenizers": ("infra/tokenizer.py",),
    "torch": ("infra/embedder.py",),
    "transformers": ("infra/embedder.py",),
    # documents
    "docx": ("workers/parsing/docx.py", "workers/parsing/word"),
    "lxml": ("workers/parsing/",),
    "markdown_it": ("workers/parsing/markdown.py",),
    "olefile": ("workers/parsing/sniff.py",),
    "openpyxl": ("workers/parsing/xlsx",),
    "oxmsg": ("workers/parsing/outlook.py",),
    "PIL": ("workers/parsing/picture.py", "workers/parsing/styles.py"),
    "pptx": ("workers/parsing/pptx.py",),
    "pypdf": ("workers/parsing/pdf",),
    "pypdfium2": ("workers/parsing/scans.py",),
    "spacy": ("workers/parsing/elements.py",),
    "unstructured": ("workers/parsing/",),
    # rules
    "great_expectations": ("validation/suite.py", "validation/data_docs.py"),
    "langdetect": ("validation/documents.py",),
    "pandas": ("validation/suite.py",),
    "re2": ("validation/patterns.py",),
    # people
    "click": ("penstock/",),
    "jinja2": ("penstock/report_page.py",),
    "rich": ("penstock/view.py",),
}

HEAVY = {"torch", "transformers", "unstructured", "great_expectations", "qdrant_client", "boto3", "spacy"}


def test_imports_run_downward_only():
    """The contract is [tool.importlinter] in pyproject.toml."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_driver_is_imported_only_where_it_belongs():
    astray = [
        f"{file}:{line}: {module}"
        for module, file, line in imports()
        if not file.startswith(PLACES.get(module, ("nowhere: give it a row in PLACES",)))
    ]
    assert not astray


def test_every_row_of_the_table_is_used():
    assert not set(PLACES) - {module for module, _, _ in imports()}


@pytest.mark.parametrize("arguments", [["--help"], ["status"]], ids=" ".join)
def test_the_command_line_starts_without_the_heavy_libraries(arguments, tmp_path):
    """`penstock status` answers in well under a second only because of this."""
    code = (
        "import json, sys\n"
        "from penstock.cli import main\n"
        "sys.argv[0] = 'penstock'\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    status = end.code or 0\n"
        "else:\n    status = 0\n"
        "print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("PENSTOCK_")} | {"PENSTOCK_HOME": str(tmp_path)}
    command = [sys.executable, "-P", "-c", code, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done.stdout + done.stderr
    assert "penstock.cli" in modules
    assert not HEAVY & set(modules)
