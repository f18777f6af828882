"""Bytes to text: the encoding is found or the text refused; nothing is replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Reason, Refusal
from workers.parsing.decoding import decode

GERMAN = "Die Geschäftsführung vergütet Überstunden, soweit sie nötig und größer als 10 € sind. Déjà vu."


@given(
    st.text().filter(lambda text: not text.startswith(("\ufeff", "\x00"))),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_any_unicode_text_comes_back_from_its_encodings(text, encoding):
    # A leading NUL, which no text has, would make UTF-16's mark UTF-32's.
    assert decode(text.encode(encoding)) == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        ("Grüße aus Köln", "latin-1"),
        ("Señor Muñoz pagará mañana.", "cp1252"),
        ("Le café est fermé l’été.", "cp1252"),
        ("出張の際は事前に申請してください。" * 10, "shift_jis"),
        ("公司规定出差需要提前申请。" * 10, "gb18030"),
        ("Le café est fermé; déjà vu à Liège où çà.", "cp1252"),
        ("Zażółć gęślą jaźń, pracownicy podróżują drugą klasą.", "iso8859-2"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
        ("Сотрудники ездят вторым классом.", "cp1251"),
    ],
)
def test_text_in_an_older_encoding_is_not_turned_into_mojibake(text, encoding):
    assert decode(text.encode(encoding)) == text


def test_the_encoding_a_document_declares_is_used():
    assert decode("Zażółć gęślą jaźń".encode("iso8859-2"), declared="iso-8859-2") == "Zażółć gęślą jaźń"


def test_a_wrong_declaration_is_not_believed():
    assert decode("Grüße".encode(), declared="latin-1") == "Grüße"
    assert decode("Grüße aus Köln".encode("cp1252"), declared="no-such-code") == "Grüße aus Köln"


@pytest.mark.parametrize("body", [(GERMAN * 3).encode()[:-40] + b"\xff tail", "Grüße".encode("utf-16")[:-1]])
def test_damaged_utf_text_is_refused_and_not_read_as_something_else(body):
    with pytest.raises(Refusal) as refused:
        decode(body)
    assert refused.value.reason is Reason.CORRUPT
