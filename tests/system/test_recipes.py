"""The README's recipes on servers, as they are printed: each line is run by a shell, and does what its comment says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stub_embedder import StubEmbedder
from tests.support.plant import Plant
from tests.support.plant_scaled import scaled
from tests.support.processes import eventually
from workers.advance import collection_name

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
DEMO = "penstock-demo"
#: What the recipe of a deployment sets.
SET = ("PENSTOCK_CHUNK_TOKENS", "PENSTOCK_MODEL")


def section(title: str) -> str:
    """The text under a heading of the README."""
    return re.search(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^##)", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )[1]


def lines(text: str) -> list[str]:
    """The commands of the section's one shell block, without their comments."""
    [block] = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [re.sub(r"\s+# .*", "", line) for line in block.splitlines()]


class Shell:
    """Runs a recipe's lines in one folder, with `penstock` and `python` on the path; `export` lasts."""

    def __init__(self, plant, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        penstock = programs / "penstock"
        penstock.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m penstock.cli "$@"\n')
        penstock.chmod(0o755)
        (programs / "python").symlink_to(sys.executable)
        path = f"{programs}:{os.environ['PATH']}"
        self.environment = {**plant.environment, "PATH": path, "PYTHONPATH": str(ROOT), "PENSTOCK_DEMO_BUCKET": DEMO}

    def run(self, line: str) -> str:
        """Run one line; it must succeed."""
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = value
            return ""
        done = subprocess.run(
            ["sh", "-c", line], cwd=self._folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done)
        return done.stdout


@pytest.fixture(scope="module")
def plant(services, tmp_path_factory):
    """What `make services` and the first recipe start; embeds with a stub."""
    services.start()
    if DEMO not in {bucket["Name"] for bucket in services.store.shared_client.list_buckets()["Buckets"]}:
        services.store.shared_client.create_bucket(Bucket=DEMO)
    with scaled(services, tmp_path_factory.mktemp("plant")) as found:
        found.sources.write_text(f"sources:\n  - uri: s3://{DEMO}/\n    cadence: 60s\n")
        yield found


@pytest.fixture(scope="module")
def shell(plant, tmp_path_factory):
    """A shell in which the processes of the first recipe run."""
    found = Shell(plant, tmp_path_factory.mktemp("recipes") / "shell")
    settings, *commands = lines(section("On servers"))
    assert settings == ". .venv/bin/activate; set -a; . ./.services.env; set +a"
    assert commands == ["penstock doctor --fix", "penstock intake", "penstock worker", "penstock beat"]
    found.run(commands[0])
    for line in commands[1:]:
        getattr(plant, line.removeprefix("penstock "))()
    return found


def texts(shell: Shell, line: str) -> list[str]:
    """What a search finds. It is asked again and again, so by a command line in this process."""
    program, *arguments = shlex.split(line)
    assert program == "penstock"
    names = ("PENSTOCK_", "AWS_")
    settings = {name: value for name, value in shell.environment.items() if name.startswith(names)}
    return [hit["text"] for hit in Plant(Path(settings["PENSTOCK_HOME"]), **settings).json(*arguments)["hits"]]


def test_a_file_dropped_into_the_bucket_is_searchable(shell):
    recipe = section("Drop a file into the bucket and it is searchable")
    [code] = re.findall(r"```python\n# drop.py\n(.*?)```", recipe, re.DOTALL)
    (shell._folder / "drop.py").write_text(code)
    put, search, overwrite, again, delete, nothing, history = lines(recipe)
    shell.run(put)
    eventually(lambda: any("120 euros" in text for text in texts(shell, search)))
    shell.run(overwrite)
    eventually(lambda: any("150 euros" in text for text in texts(shell, again)))
    assert not any("120 euros" in text for text in texts(shell, again))
    printed = shell.run(search)
    assert "150 euros" in printed
    assert "120 euros" not in printed
    shell.run(delete)
    eventually(lambda: texts(shell, nothing) == [])
    events = [line["event"] for line in json.loads(shell.run(f"{history} --json"))["history"]]
    assert events == ["removed", "updated", "added"]


@pytest.mark.chaos
@pytest.mark.parametrize("change", ["PENSTOCK_CHUNK_TOKENS=96", "PENSTOCK_MODEL=stub-32"])
def test_a_new_setting_or_model_is_deployed_while_searches_go_on(plant, shell, change):
    """Old and new workers run side by side: the old claim nothing, the index ends as the new would make it."""
    export, fix, worker, audit = lines(section("Nightly reindex"))
    name = change.partition("=")[0]
    assert name in (ROOT / "README.md").read_text()
    export = export if name in export else f"export {change}"
    client = plant.services.store.shared_client
    for number in range(12):
        words = " ".join(f"word{n}" for n in range(300))
        body = f"# Policy {number}\n\nThe policy is number {number}: {words}\n"
        client.put_object(Bucket=DEMO, Key=f"{number}.md", Body=body.encode())
    search = "penstock search 'The policy is number' --limit 100"
    every = eventually(lambda: len({text[:12] for text in texts(shell, search)}) and indexed(plant) == 12)
    assert every
    eventually(lambda: not due(plant))
    old = [one for one in plant.running if one.name.startswith("worker")]
    before = {one.document_id: one.indexed.generation for one in documents(plant).values() if one.indexed}
    old_active = plant.index.active()
    shell.run(export)
    shell.run(fix)
    assert documents_due(plant) == 12
    seen = set()
    for _ in range(10):
        assert texts(shell, search), "searches are answered meanwhile"
        seen.add(plant.index.active())
    assert documents_due(plant) == 12, "the old workers claim nothing"
    assert worker == "penstock worker"
    new = plant.worker(**{one: shell.environment[one] for one in SET if one in shell.environment})
    while due(plant):
        assert texts(shell, search)
        seen.add(plant.index.active())
    eventually(lambda: plant.index.active() == plant_collection(shell))
    assert seen <= {old_active, plant.index.active()}
    assert texts(shell, search)
    assert json.loads(shell.run(f"{audit} --json"))["consistent"]
    after = {one.document_id: one.indexed.generation for one in documents(plant).values() if one.indexed}
    assert all(after[one] > before[one] for one in before), "each was made anew, and nobody made it back"
    heard = {uri: row.heard for uri, row in plant.rows().items()}
    for one in old:
        one.stop()
    client.put_object(Bucket=DEMO, Key="last.md", Body=b"# Last\n\nThe policy is number last.\n")
    eventually(lambda: any("number last" in text for text in texts(shell, search)))
    assert {uri: row.heard for uri, row in plant.rows().items() if uri in heard and "last" not in uri} == {
        uri: count for uri, count in heard.items() if "last" not in uri
    }
    assert new.alive


def documents(plant):
    """The live documents, as searches know them."""
    views = plant.ledger.views.documents(plant.index.active())
    return {one.uri: one for one in views.values() if not one.standing.gone}


def indexed(plant) -> int:
    """Documents that are in the collection searches use, of the twelve."""
    return sum(one.indexed is not None for uri, one in documents(plant).items() if uri.split("/")[-1][:-3].isdigit())


def documents_due(plant) -> int:
    """Of the twelve, those that are due."""
    return sum(one.standing.due for uri, one in documents(plant).items() if uri.split("/")[-1][:-3].isdigit())


def due(plant) -> bool:
    """Whether anything is."""
    return any(row.heard > row.settled for row in plant.rows().values())


def plant_collection(shell: Shell) -> str:
    """The collection of the model that is set."""
    size = int(shell.environment["PENSTOCK_MODEL"].rpartition("-")[2])
    return collection_name(StubEmbedder(size).info)
