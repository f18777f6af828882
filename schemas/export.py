"""Write the contracts that others read as JSON Schema: `python -m schemas.export` regenerates schemas/json/."""

import json
from pathlib import Path

from pydantic import BaseModel

from schemas.events import DocumentEvent
from schemas.payload import PointPayload

FOLDER = Path(__file__).parent / "json"
#: File name -> the model it is made from. A layout that breaks its readers gets a new number.
EXPORTED: dict[str, type[BaseModel]] = {"document-event.v1.json": DocumentEvent, "point-payload.v1.json": PointPayload}


def exported() -> dict[str, str]:
    """The text of every file, by name."""
    return {
        name: json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n" for name, model in EXPORTED.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in exported().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
