"""What the tests here look at: the checkout, its tracked files, and the imports in its code."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "validation", "infra", "producers", "workers", "penstock")


def tracked() -> list[Path]:
    """Every file git tracks here, as a path relative to the checkout."""
    # A checkout that belongs to another user (a container's mount) is still this one.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [Path(name) for name in names if name and (ROOT / name).exists()]


def imports() -> Iterator[tuple[str, str, int]]:
    """(top-level module, file, line) of every import of another library in our packages, at any depth of the code.

    What only the type checker reads (`if TYPE_CHECKING:`) is no import.
    """
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in _walk(ast.parse(path.read_text())):
                for name in _imported(node):
                    top = name.split(".")[0]
                    if top not in sys.stdlib_module_names and top not in PACKAGES:
                        yield top, path.relative_to(ROOT).as_posix(), node.lineno


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield from _walk(child)


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
            return [module]
    return []
