"""The tree holds what design.md's house allows: text, small, and nothing that ties it to one machine or network."""

import re
from pathlib import Path

from tests.architecture.repository import PACKAGES, ROOT, tracked

FOLDERS = {*PACKAGES, "tests", "examples", "benchmarks", "docs"}
FILES = {
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "docker-compose.yml",
    "Dockerfile",
}

# In pieces, so that this file does not name what no file may name.
REGISTRIES = [
    "".join(pieces)
    for pieces in [
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("crates", ".io"),
        ("ana", "conda.org"),
        ("proxy.go", "lang.org"),
        ("repo.maven.", "apache.org"),
        ("repo1.", "maven.org"),
    ]
]
HOMES = ["/" + pieces[0] + pieces[1] for pieces in [("ro", "ot/"), ("ho", "me/"), ("Us", "ers/"), ("wo", "rk/")]]


def test_only_the_folders_and_files_of_the_design_stand_at_the_top():
    top = {path.parts[0]: len(path.parts) > 1 for path in tracked()}
    strangers = {n for n, folder in top.items() if n not in (FOLDERS if folder else FILES) and not n.startswith(".")}
    assert not strangers


def test_no_file_is_larger_than_a_megabyte():
    assert not {str(p): size for p in tracked() if (size := (ROOT / p).stat().st_size) > 1_000_000}


def test_every_file_is_text():
    assert not [str(path) for path in tracked() if not _is_text(ROOT / path)]


def test_no_file_names_the_host_of_a_package_registry():
    assert not _naming("|".join(map(re.escape, REGISTRIES)))


def test_no_file_names_a_home_folder_of_a_machine():
    """An absolute path only: `tmp_path/home/` and `{folder}/root/` are something else."""
    assert not _naming(rf"(?<![\w)}}.-])(?:{'|'.join(map(re.escape, HOMES))})[\w.]")


def test_no_file_names_the_folder_of_this_checkout():
    assert not _naming(re.escape(f"{ROOT}/"))


def _naming(pattern: str) -> list[str]:
    """'file:line: text' wherever a tracked file matches."""
    found = []
    for path in tracked():
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    return found


def _is_text(path: Path) -> bool:
    body = path.read_bytes()
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body
