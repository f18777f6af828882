"""The model's tokenizer counts what the model reads: nothing truncated, nothing padded, no special tokens."""

import subprocess
import sys
from functools import cache

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.model_files import DEFAULT_MODEL, find_model
from infra.tokenizer import ModelTokenizer, vector_key


@cache
def tokenizer():
    return ModelTokenizer(find_model(DEFAULT_MODEL))


@cache
def library():
    made = tokenizers.Tokenizer.from_file(str(find_model(DEFAULT_MODEL).tokenizer))
    made.no_truncation()
    made.no_padding()
    return made


ODD_WORDS = ["the", "[MASK]", "[SEP]x", "\x1c", "\u0301", "é", "\u2028", "\xa0", "İ", "\0", "漢"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(ODD_WORDS)).map(" ".join))
def test_tokens_word_by_word_are_the_tokens_of_the_library(text):
    text = text.encode("utf-8", "replace").decode()
    assert tokenizer().token_ids([text]) == [library().encode(text, add_special_tokens=False).ids]


def test_a_long_text_is_counted_whole_and_a_short_one_is_not_padded():
    assert [len(ids) for ids in tokenizer().token_ids(["word " * 1000, "word", ""])] == [1000, 1, 0]


def test_the_limit_leaves_room_for_the_special_tokens():
    assert tokenizer().limit == 254


def test_the_identity_is_the_same_for_the_same_files():
    assert tokenizer().identity == ModelTokenizer(find_model(DEFAULT_MODEL)).identity
    assert tokenizer().identity.endswith("/254")


def test_offsets_are_in_characters_also_past_wide_ones():
    text = "漢字 naïve 🎉 end"
    assert [text[start:end] for start, end in tokenizer().offsets(text)][-1] == "end"


def test_a_lone_surrogate_is_read_as_a_question_mark():
    assert tokenizer().token_ids(["a \ud800 b"]) == tokenizer().token_ids(["a ? b"])


def test_texts_that_differ_in_white_space_share_a_vector_key():
    one, other, third = tokenizer().token_ids(["Paid  leave\n\nrules", "paid leave rules", "paid leave rule"])
    assert vector_key(one) == vector_key(other) != vector_key(third)


def test_the_vector_key_is_the_same_on_every_machine():
    assert vector_key([1, 2, 70000]) == "313a9de55e88265f756e61a8793c45193dade4a5b645f7f35082452e6b133604"


@pytest.mark.parametrize("module", ["torch", "transformers", "sentence_transformers"])
def test_opening_a_model_does_not_import(module):
    script = f"""
import sys
from infra.embedder import open_model
open_model("all-MiniLM-L6-v2")
sys.exit("{module}" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_tokenizer_that_joins_words_is_not_read_word_by_word(tmp_path):
    joining = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "a b": 1}, unk_token="[UNK]"))
    joining.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 64}')
    made = ModelTokenizer(find_model(str(tmp_path)))
    assert made.token_ids(["a b", "b"]) == [[1], [0]]
    assert made.limit == 64
