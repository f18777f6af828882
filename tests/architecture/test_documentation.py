"""What the documents name exists, and what exists for users is named."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import click
import pytest

from tests.architecture.repository import PACKAGES, ROOT

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
FOLDERS = "|".join((*PACKAGES, "tests", "examples", "benchmarks", "docs", r"\.ci"))


def commands(command: click.Command, path: str) -> Iterator[str]:
    """'penstock search', 'penstock quarantine list', ...: every command that does something."""
    if not isinstance(command, click.Group):
        yield path
        return
    for name, child in command.commands.items():
        if not child.hidden:
            yield from commands(child, f"{path} {name}")


def test_every_command_is_in_the_readme():
    import penstock.cli

    groups = [g for g in vars(penstock.cli).values() if isinstance(g, click.Group)]
    all_commands = {c for g in groups if g.name in {"penstock", "main", "cli"} for c in commands(g, "penstock")}
    assert all_commands, "penstock.cli has no click group named penstock, main or cli"
    readme = (ROOT / "README.md").read_text()
    assert not {c for c in all_commands if not re.search(rf"\b{re.escape(c)}\b", readme)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text())
    paths = [unquote(link.partition("#")[0]) for link in links if "://" not in link and not link.startswith("mailto:")]
    assert not [path for path in paths if path and not (ROOT / path).exists()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_paths_that_are_named_exist(name):
    """In backticks and from the top: `infra/ports.py`. A pattern (`infra/*.py`, `docs/adr/NNNN-x.md`) names none."""
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", (ROOT / name).read_text())
    assert not [path for path in named if "NNNN" not in path and not (ROOT / path).exists()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_verbs_of_make_that_are_named_exist(name):
    """In backticks, or at the start of a line of a code block."""
    verbs = re.findall(r"(?:`|^\$? ?)make ([a-z]+)", (ROOT / name).read_text(), re.MULTILINE)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(verbs) <= targets
