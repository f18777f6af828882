"""A room for homes that are made and killed by the dozen: in memory where there is enough of it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")
#: Bytes. A home takes some fifty megabytes, and the index wants space left over.
_ENOUGH = 2 << 30


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, gone after the test. Where it is changes no promise: a kill takes no written page with it."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ENOUGH:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="penstock-test-", dir=_MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
