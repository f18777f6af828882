"""Import every module of every package of ours, and fail if one of them is not under the folder given.

Run by `make wheel` on the installed wheel, so it stands alone: standard library only.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

PACKAGES = ("schemas", "validation", "infra", "producers", "workers", "penstock")


def main(site: Path) -> None:
    for name in PACKAGES:
        package = importlib.import_module(name)
        modules = [name, *(m.name for m in pkgutil.walk_packages(package.__path__, f"{name}."))]
        for module in modules:
            if module.endswith(("__main__", ".migrations.env")):
                continue  # importing it is running it; the second is Alembic's to run
            origin = Path(importlib.import_module(module).__file__ or "").resolve()
            if not origin.is_relative_to(site.resolve()):
                sys.exit(f"{module} comes from {origin}, not from {site}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
