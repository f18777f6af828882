"""The README's recipe for a service of yours runs as it is printed, and finds what Penstock wrote."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.plant import Plant

ROOT = Path(__file__).parents[2]


@pytest.mark.model
def test_plain_qdrant_client_reads_the_index_as_the_readme_says(tmp_path: Path) -> None:
    [recipe] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "travel.md").write_text("# Travel\n\nA hotel may cost up to 120 euros a night.\n")
    (docs / "leave.md").write_text("# Leave\n\nEverybody has thirty days of paid holiday a year.\n")
    plant = Plant(tmp_path / ".penstock", PENSTOCK_MODEL="all-MiniLM-L6-v2", PENSTOCK_INDEX="local")
    plant.index(docs)
    plant.index(docs, "--tenant", "other")
    (tmp_path / "recipe.py").write_text(recipe)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, "recipe.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == 2, "one tenant's documents and no others"
    assert "travel.md" in lines[0]
    assert "['Travel']" in lines[0]
