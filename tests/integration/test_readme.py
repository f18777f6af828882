"""The README's recipes for your services run as they are printed, and find what Penstock wrote."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from tests.support.plant import Plant
from tests.support.qdrant import any_qdrant, emptied

ROOT = Path(__file__).parents[2]
HOTEL = "A hotel may cost up to 120 euros a night."
LEAVE = "Everybody has thirty days of paid holiday a year."
SECRET = "A hotel may cost up to 9000 euros a night, for directors."
READERS = {
    "plain.py": "dense",
    "plain_local.py": "dense",
    "with_langchain.py": "dense",
    "with_llama_index.py": "default",
    "with_haystack.py": "dense",
}

pytestmark = [pytest.mark.model, pytest.mark.server]


def section() -> str:
    """The README's section on reading; the recipes of others are run by tests of their own."""
    return (
        (ROOT / "README.md").read_text().partition("## Reading the index from your services\n")[2].partition("\n## ")[0]
    )


def recipes() -> dict[str, str]:
    """Its Python by the file name in the first line of each block."""
    blocks = re.findall(r"```python\n(# (\w+\.py).*?)```", section(), re.DOTALL)
    found = {name: code for code, name in blocks}
    local = found["plain.py"].replace("QdrantClient(url=URL, api_key=KEY)", 'QdrantClient(path=".penstock/index")')
    return found | {"plain_local.py": local}  # as the text before them says


def write_documents(folder: Path, **texts: str) -> Path:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(f"# {name.capitalize()}\n\n{text}\n")
    return folder


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> dict[str, list[list[str]]]:
    """What each recipe printed: lines of [mode, score, URI, text]. They run in one process, for the model's sake."""
    room = tmp_path_factory.mktemp("readers")
    with any_qdrant() as server, emptied(server) as url:
        docs = write_documents(room / "docs", travel=HOTEL, leave=LEAVE)
        others = write_documents(room / "others", travel=SECRET)
        for home, index in [("scaled", {"PENSTOCK_QDRANT_URL": url}), (".penstock", {"PENSTOCK_INDEX": "local"})]:
            plant = Plant(room / home, PENSTOCK_MODEL="all-MiniLM-L6-v2", **index)
            plant.index(docs)
            plant.index(others, "--tenant", "other")
        for name, code in recipes().items():
            (room / name).write_text(code)
        run_all = "import runpy, sys\nfor name in sys.argv[1:]:\n    print(name)\n    runpy.run_path(name)\n"
        command = [sys.executable, "-c", run_all, *READERS]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False"}
        environment |= {"PENSTOCK_QDRANT_URL": url, "PYTHONPATH": str(room)}
        ran = subprocess.run(command, cwd=room, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        client = QdrantClient(url=url, check_compatibility=False)
        assert len(client.get_collections().collections) == 1, "no reader made a collection of its own"
        client.close()
    parts = re.split(r"^(\w+\.py)\n", ran.stdout, flags=re.MULTILINE)[1:]
    return {
        name: re.findall(r"^(\w+)\t(\S+)\t(\S+)\t(.*?)(?=^\w+\t|\Z)", text, re.MULTILINE | re.DOTALL)
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_recipe_of_the_readme_is_run():
    assert set(recipes()) == {"query.py", *READERS}
    assert recipes()["plain_local.py"] != recipes()["plain.py"]
    assert section().count("```python\n") == len(recipes()) - 1, "each block names its file"


@pytest.mark.parametrize("way", ["dense", "hybrid"])
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_finds_text_metadata_and_score_of_its_tenant_only(printed, reader, way):
    mode = READERS[reader] if way == "dense" else way
    hits = [(float(score), uri, text) for said, score, uri, text in printed[reader] if said == mode]
    assert len(hits) == 2, "one tenant's documents and no others"
    (best, uri, text), (other, _, _) = hits
    assert HOTEL in text
    assert uri.endswith("/docs/travel.md")
    assert best > other
    assert LEAVE in hits[1][2]
    assert "directors" not in str(printed[reader])


def test_dense_scores_are_the_same_in_every_reader(printed):
    scores = [[float(hit[1]) for hit in printed[name] if hit[0] == mode] for name, mode in READERS.items()]
    assert all(each == pytest.approx(scores[0], abs=1e-5) for each in scores)
    assert scores[0][0] > 0.5
