"""The embedding model behind the `Embedder` port, by sentence-transformers. Heavy imports wait until they are needed.

`open_model` is the one place that turns a model's name into its tokenizer and its embedder.
"""

import gc
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from infra.model_files import ModelFiles, find_model
from infra.ports import Embedder, ModelInfo, Tokenizer, Vectors
from infra.stub_embedder import StubTokenizer, stub_dimension, stub_embedder
from infra.tokenizer import ModelTokenizer, readable
from schemas.errors import Unreachable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Dtype = Literal["float32", "bfloat16"]

#: Texts per call of the model: 16 to 64 are equally fast, and a search query waits for one such batch at most.
BATCH = 32
#: Read by the libraries when they are imported: never the network, never a progress bar.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def open_model(name: str, *, dtype: str = "auto", threads: int | None = None) -> tuple[Tokenizer, Embedder]:
    """Tokenizer and embedder of the model called `name`; no weights are read before `warm` or `encode`.

    Args:
        name: as `find_model` takes it, or `stub-64` and the like for the deterministic stand-in.
        dtype: float32, bfloat16, or auto for what is fastest here.
        threads: that the model computes on; None for what this process may use.

    Raises:
        UsageError: there is no such model on this machine.
    """
    if stub_dimension(name):
        return StubTokenizer(), stub_embedder(name)
    files = find_model(name)
    tokenizer = ModelTokenizer(files)
    info = ModelInfo(files.name, files.dimension(), tokenizer.limit)
    return tokenizer, SentenceTransformerEmbedder(files, info, tokenizer, dtype=resolve_dtype(dtype), threads=threads)


def resolve_dtype(setting: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> Dtype:
    """The arithmetic a setting stands for: auto is bfloat16 where the processor has it, without importing torch."""
    if setting == "auto":
        flags = cpuinfo.read_text() if cpuinfo.is_file() else ""
        return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"
    return "bfloat16" if setting == "bfloat16" else "float32"


def available_cpus() -> int:
    """Processors this process may use: its affinity, and in a container no more than its quota."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cpus = len(os.sched_getaffinity(0))
    quota = Path("/sys/fs/cgroup/cpu.max")
    granted, _, period = quota.read_text().partition(" ") if quota.is_file() else ("max", "", "")
    return cpus if granted == "max" else max(1, min(cpus, round(int(granted) / int(period))))


class SentenceTransformerEmbedder:
    """A sentence-transformers model on this machine's processors, loaded at the first use. Thread-safe.

    The vectors are the model's own for the texts as they are: prompts that a model may define are not added.
    """

    def __init__(
        self, files: ModelFiles, info: ModelInfo, tokenizer: Tokenizer, *, dtype: Dtype = "float32", threads: int | None
    ) -> None:
        self.info = info
        self._files, self._tokenizer, self._dtype = files, tokenizer, dtype
        self._threads = threads or available_cpus()
        self._model: Future[SentenceTransformer] | None = None
        self._starting = threading.Lock()
        # Whoever waits for its turn stands at the gate: a long `encode` cannot overtake a query between two batches.
        self._gate, self._turn = threading.Lock(), threading.Lock()

    def warm(self) -> None:
        """Begin to load the model in a thread of its own; returns at once. `encode` waits for it."""
        self._load()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit-norm float32 vectors, shape (len(texts), info.dimension), in the order of the texts.

        Raises:
            Unreachable: the model cannot be loaded.
        """
        vectors = np.empty((len(texts), self.info.dimension), np.float32)
        if not texts:
            return vectors
        model = self._load().result()
        sizes = [len(ids) for ids in self._tokenizer.token_ids(texts)]
        longest_first = sorted(range(len(texts)), key=lambda at: -sizes[at])
        for start in range(0, len(texts), BATCH):
            batch = longest_first[start : start + BATCH]
            with self._gate:
                self._turn.acquire()
            try:
                vectors[batch] = model.encode(
                    [readable(texts[at]) for at in batch], batch_size=BATCH, prompt="", show_progress_bar=False
                )
            finally:
                self._turn.release()
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # half precision leaves them up to 0.4 % off one
        return vectors

    def _load(self) -> "Future[SentenceTransformer]":
        with self._starting:
            if self._model is None:
                self._model = Future()
                arguments = (self._model, self._files, self._dtype, self._threads)
                threading.Thread(target=_load_into, args=arguments, name="model-loading", daemon=True).start()
            return self._model


def _load_into(model: "Future[SentenceTransformer]", files: ModelFiles, dtype: Dtype, threads: int) -> None:
    try:
        files.check_weights()
        with _collector_paused():
            model.set_result(_load(files.folder, dtype, threads))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        todo = "check the model's files and the installation of sentence-transformers"
        model.set_exception(Unreachable(str(files.folder), f"cannot load the model: {error}", todo))
    except BaseException as error:  # noqa: BLE001 - whoever waits for the model is told, whatever it is
        model.set_exception(error)


def _load(folder: Path, dtype: Dtype, threads: int) -> "SentenceTransformer":
    os.environ.update(_ENVIRONMENT)
    import torch  # seconds
    from sentence_transformers import SentenceTransformer  # seconds
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
    return SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)}
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: the imports make a million objects that stay; looking at them takes 15 %."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
