"""Our package names are generic (schemas, infra, ...): each must be ours, and what they import must be declared."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.repository import PACKAGES, ROOT, imports

#: Part of another library's promise, and pinned by it: boto3's errors are botocore's.
COMES_WITH = {"botocore": "boto3"}


@pytest.fixture(scope="module")
def origins(tmp_path_factory):
    """Where each package comes from, asked in an empty folder that is not on the path (as a service would run)."""
    ask = (
        "import importlib.util as u, json, sys\n"
        "print(json.dumps({n: getattr(u.find_spec(n), 'origin', None) or '' for n in sys.argv[1:]}))"
    )
    command = [sys.executable, "-P", "-c", ask, *PACKAGES]
    empty = tmp_path_factory.mktemp("empty")
    return json.loads(subprocess.run(command, cwd=empty, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_this_checkouts_or_the_installed_penstocks(package, origins):
    origin = Path(origins[package]).resolve()
    wheel = {Path(str(file.locate())).resolve() for file in importlib.metadata.files("penstock") or []}
    assert origin.is_relative_to(ROOT / package) or origin in wheel


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_ships_a_package_of_this_name(package):
    """Measured: a second one overwrites ours in silence, and `pip check` stays clean."""
    assert set(importlib.metadata.packages_distributions().get(package, [])) <= {"penstock"}


def test_the_wheel_ships_every_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(PACKAGES)


def test_every_library_that_is_imported_is_declared():
    """One that only comes along with another library is gone the day that library drops it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {_normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in project["dependencies"]}
    ships = importlib.metadata.packages_distributions()
    undeclared = {
        f"{file}:{line}: {module}"
        for module, file, line in imports()
        if not declared & {_normal(name) for name in ships.get(COMES_WITH.get(module, module), [module])}
    }
    assert not undeclared


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
