"""Write the contracts that others rely on as JSON Schema: `python -m schemas.export` regenerates schemas/json/.

An edition that breaks its users is not written: it needs a file of a higher version, beside the old one.
"""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from schemas.compatibility import breaks
from schemas.events import DocumentEvent
from schemas.payload import PointPayload

FOLDER = Path(__file__).parent / "json"
#: File name -> the model it is made from. A layout that breaks its readers gets a new number.
EXPORTED: dict[str, type[BaseModel]] = {"document-event.v1.json": DocumentEvent, "point-payload.v1.json": PointPayload}

#: Those of them that we write and others read; the rest is the other way round.
PRODUCED = frozenset({"point-payload.v1.json"})


def exported() -> dict[str, str]:
    """The text of every file, by name."""
    return {
        name: json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n" for name, model in EXPORTED.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in exported().items():
        path = FOLDER / name
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if old and (broken := breaks(old, json.loads(text), produced=name in PRODUCED)):
            sys.exit(f"{name} would break its users; raise its version in schemas/export.py:\n  " + "\n  ".join(broken))
        path.write_text(text, encoding="utf-8")
