"""The contract of the `Tokenizer` and `Embedder` ports, on the stub and on the real model."""

import os
import shutil
import threading
import time
from functools import cache

import numpy as np
import pytest

from infra.embedder import SentenceTransformerEmbedder, available_cpus, open_model, resolve_dtype
from infra.model_files import DEFAULT_MODEL, ModelFiles, find_model
from infra.ports import ModelInfo
from infra.stub_embedder import StubTokenizer
from schemas.errors import Unreachable

TEXTS = [
    "Employees get thirty days of paid leave a year.",
    "Rail travel is booked in second class.",
    "Laptop",
    "The fire drill is on the first Monday of every month; leave by the nearest exit. " * 4,
    "",
    "def main():\n    return 0",
    "漢字 and naïve words 🎉",
    "a lone \ud800 surrogate",
]


@cache
def opened(name, dtype="float32"):
    return open_model(name, dtype=dtype)


@pytest.fixture(params=["stub-32", "stub-64", pytest.param(DEFAULT_MODEL, marks=pytest.mark.model)])
def model(request):
    return opened(request.param)


@pytest.fixture
def tokenizer(model):
    return model[0]


@pytest.fixture
def embedder(model):
    return model[1]


def cosines(one, other):
    return (one * other).sum(axis=1)


def test_a_vector_is_float32_of_unit_norm_and_the_stated_dimension(embedder):
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.info.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)


def test_no_texts_give_no_vectors(embedder):
    assert embedder.encode([]).shape == (0, embedder.info.dimension)


def test_vectors_come_in_the_order_of_the_texts_whatever_their_lengths(embedder):
    alone = np.concatenate([embedder.encode([text]) for text in TEXTS])
    many = embedder.encode(TEXTS * 5)
    assert cosines(many, np.tile(alone, (5, 1))).min() >= 0.9999


def test_encoding_again_gives_the_same_vectors(embedder):
    assert np.array_equal(embedder.encode(TEXTS), embedder.encode(TEXTS))


def test_texts_with_the_same_tokens_have_the_same_vector(tokenizer, embedder):
    one, other = "paid leave\n\nrules", "paid  leave rules "
    assert tokenizer.token_ids([one]) == tokenizer.token_ids([other])
    assert cosines(embedder.encode([one]), embedder.encode([other])).min() >= 0.9999


def test_nothing_is_cut_off_a_text_of_the_full_length(tokenizer, embedder):
    """The last of `limit` tokens still counts."""
    words = ["word"] * (tokenizer.limit - 1)
    one, other = " ".join([*words, "leave"]), " ".join([*words, "hotel"])
    assert [len(ids) for ids in tokenizer.token_ids([one, other])] == [tokenizer.limit] * 2
    assert cosines(embedder.encode([one]), embedder.encode([other]))[0] < 0.99999


def test_the_embedder_and_the_tokenizer_state_the_same_limit(tokenizer, embedder):
    assert embedder.info.max_tokens == tokenizer.limit


def test_offsets_point_at_the_tokens_in_order(tokenizer):
    text = "Paid leave: thirty days."
    spans = tokenizer.offsets(text)
    assert [text[start:end] for start, end in spans] == ["Paid", "leave", ":", "thirty", "days", "."]
    assert len(spans) == len(tokenizer.token_ids([text])[0])


def test_a_question_is_nearest_to_the_text_that_shares_its_words(embedder):
    texts = [
        "Employees get thirty days of paid leave.",
        "Rail travel is booked in second class.",
        "Visitors wear a badge.",
    ]
    scores = embedder.encode(texts) @ embedder.encode(["how many days of paid leave do employees get"])[0]
    assert scores.argmax() == 0


def test_two_threads_get_the_vectors_that_one_would(embedder):
    texts = [f"{text} {n}" for n in range(8) for text in TEXTS]
    expected = embedder.encode(texts)
    results = {}

    def work(half):
        results[half] = embedder.encode(texts[half::2])

    threads = [threading.Thread(target=work, args=(half,)) for half in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for half in (0, 1):
        assert cosines(results[half], expected[half::2]).min() >= 0.9999


def test_warming_twice_changes_nothing(embedder):
    embedder.warm()
    embedder.warm()
    assert len(embedder.encode(["text"])) == 1


@pytest.mark.model
def test_a_query_slips_in_between_two_batches_of_a_long_encode():
    _, embedder = opened(DEFAULT_MODEL)
    embedder.warm()
    embedder.encode(["ready"])
    finished = {}

    def load():
        embedder.encode(["The fire drill is on the first Monday of every month."] * 32 * 8)
        finished["load"] = time.monotonic()

    long = threading.Thread(target=load)
    long.start()
    time.sleep(0.1)
    embedder.encode(["query"])
    finished["query"] = time.monotonic()
    long.join()
    assert finished["query"] < finished["load"]


@pytest.mark.model
def test_half_precision_gives_nearly_the_same_unit_vectors():
    whole, half = opened(DEFAULT_MODEL)[1].encode(TEXTS), opened(DEFAULT_MODEL, "bfloat16")[1].encode(TEXTS)
    assert half.dtype == np.float32
    assert np.linalg.norm(half, axis=1) == pytest.approx(1, abs=1e-6)
    assert cosines(whole, half).min() >= 0.997


def test_weights_that_were_tampered_with_are_never_loaded(tmp_path):
    good = find_model(DEFAULT_MODEL)
    folder = tmp_path / "model"
    shutil.copytree(good.folder, folder)
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"!")
    files = ModelFiles(good.name, folder, good.weights_sha256)
    embedder = SentenceTransformerEmbedder(files, ModelInfo(good.name, 384, 254), StubTokenizer(), threads=1)
    embedder.warm()
    for _ in range(2):
        with pytest.raises(Unreachable, match="they are not loaded"):
            embedder.encode(["text"])


@pytest.mark.parametrize(
    ("setting", "flags", "dtype"),
    [
        ("auto", "fpu avx2 avx512_bf16", "bfloat16"),
        ("auto", "fpu amx_bf16 amx_tile", "bfloat16"),
        ("auto", "fpu avx2 avx512f", "float32"),
        ("auto", None, "float32"),
        ("float32", "amx_bf16", "float32"),
        ("bfloat16", "fpu", "bfloat16"),
    ],
)
def test_auto_is_half_precision_only_where_the_processor_has_it(tmp_path, setting, flags, dtype):
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"flags\t\t: {flags}\n")
    assert resolve_dtype(setting, cpuinfo) == dtype


def test_the_model_computes_on_no_more_processors_than_the_process_has():
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)
