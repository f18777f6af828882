"""Our sparse vectors are fastembed's `Qdrant/bm25`, so that any reader's sparse query matches what is stored."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.sparse import document_vectors, query_vector
from infra.stop_words import ENGLISH

TEXTS = [
    "",
    " \t\n",
    "the and of",
    "Employees may carry over five days of annual leave.",
    "policy policies POLICY Policy's policy-holder",
    "snake_case __dunder__ _ __ a_b",
    "12.5 and 3,4 x2 B-52's 1e-9",
    "don't can't won't it's you'll o'clock",
    "naïve café ÜBER Straße ẞ ǅ ﬁne",
    "İstanbul ıIiİ",
    "ΣΊΣΥΦΟΣ ΑΣ'Α ΑΣ\u00ad\u0391",
    "e\u0301clair and é",
    "日本語のテキスト 한국어 العربية हिन्दी ١٢٣ ½ ² Ⅷ",
    "🍕 zero\u200bwidth no\u00a0break \u2028 line \x1c separators \x00 nul",
    "a" * 40 + " " + "b" * 41,
    "İ" * 30 + "x",
    "lone \ud800 surrogate",
    "https://example.org/a?b=c#d e-mail@example.org",
    "leave policy " * 3000,
    " ".join(f"word{number}" for number in range(5000)),
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """fastembed's own model, its stop words given from disk: nothing is downloaded."""
    from fastembed.sparse.bm25 import Bm25

    folder = tmp_path_factory.mktemp("bm25")
    (folder / "english.txt").write_text("\n".join(sorted(ENGLISH)) + "\n")
    return Bm25("Qdrant/bm25", cache_dir=str(folder / "cache"), specific_model_path=str(folder), local_files_only=True)


def assert_same(reference, text):
    (document,) = document_vectors([text])
    (expected,) = reference.embed([text])
    assert dict(zip(document.indices, document.values, strict=True)) == expected.as_dict()
    assert len(set(document.indices)) == len(document.indices)
    query = query_vector(text)
    (expected,) = reference.query_embed(text)
    assert dict(zip(query.indices, query.values, strict=True)) == expected.as_dict()


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_vectors_equal_fastembeds_to_the_last_bit(reference, text):
    assert_same(reference, text)


ALPHABET = st.one_of(st.characters(), st.sampled_from("aeiStyΣσς'_-. İ\u0307\n"))


@settings(max_examples=300, deadline=None)
@given(text=st.text(ALPHABET, max_size=80))
def test_vectors_equal_fastembeds_on_any_text(reference, text):
    assert_same(reference, text)


def test_the_stop_words_are_those_the_qdrant_engine_drops():
    # The engine carries its own copy of the list: a second opinion on ours.
    from qdrant_edge import Bm25

    engine = Bm25()
    letters = "abcdefghijklmnopqrstuvwxyz"
    short = {a + b + c for a in ["", *letters] for b in ["", *letters] for c in letters}
    longer = "below between because while during before themselves ourselves policy leave could might must shall would"
    words = short | set(longer.split()) | {word for word in ENGLISH if "'" not in word}
    assert {word for word in words if not engine.embed_query(word).indices} == {w for w in ENGLISH if "'" not in w}
