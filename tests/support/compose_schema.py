"""The compose specification's JSON Schema, from the Go module of those who keep it.

python -m tests.support.compose_schema build       fetch it into .cache/ ahead of the tests
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE, VERSION = "github.com/compose-spec/compose-go/v2", "v2.16.2"
SCHEMA = Path(__file__).parents[2] / ".cache" / f"compose-spec-{VERSION}.json"
#: Seconds. The module is half a megabyte.
FETCH_TIMEOUT = 120


def compose_schema() -> Path | None:
    """The schema's file, fetched if it is not there; None without a Go that can fetch it."""
    if SCHEMA.exists() or shutil.which("go") is None:
        return SCHEMA if SCHEMA.exists() else None
    command = ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    with tempfile.TemporaryDirectory() as nowhere:  # no go.mod above it that could have a say
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=nowhere, timeout=FETCH_TIMEOUT)
    if done.returncode:
        print(f"the compose schema cannot be fetched: {(done.stdout + done.stderr)[-500:]}", file=sys.stderr)
        return None
    SCHEMA.parent.mkdir(exist_ok=True)
    beside = SCHEMA.with_suffix(".new")
    shutil.copyfile(Path(json.loads(done.stdout)["Dir"], "schema", "compose-spec.json"), beside)
    beside.rename(SCHEMA)
    return SCHEMA


if __name__ == "__main__":
    if sys.argv[1:] != ["build"]:
        sys.exit(__doc__)
    compose_schema()
