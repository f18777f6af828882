"""Properties of the sparse vectors that need no reference."""

import subprocess
import sys

from infra.sparse import document_vectors, query_vector
from infra.stop_words import ENGLISH


def test_a_query_matches_the_other_forms_of_its_words():
    (document,) = document_vectors(["Employees are carrying over their holidays"])
    assert set(query_vector("employee carries HOLIDAY").indices) <= set(document.indices)


def test_stop_words_and_punctuation_leave_an_empty_vector():
    assert document_vectors(["the, and - of!"]) == [([], [])]
    assert query_vector("what is it?") == ([], [])


def test_repeating_a_word_raises_its_weight_but_less_and_less():
    once, twice, thrice = (vector.values[0] for vector in document_vectors(["leave", "leave leave", "leave " * 3]))
    assert once < twice < thrice
    assert twice - once > thrice - twice


def test_texts_get_their_vectors_in_order():
    texts = ["leave policy", "", "refund policy"]
    assert document_vectors(texts) == [document_vectors([text])[0] for text in texts]


def test_the_list_holds_the_179_known_words():
    assert len(ENGLISH) == 179


def test_fastembed_and_onnxruntime_stay_out_of_the_process():
    code = "import sys, infra.sparse; print([name for name in ('fastembed', 'onnxruntime') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
