"""Bytes to text: the encoding is found or the text refused; nothing is replaced."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Reason, Refusal
from workers.parsing.decoding import decode

GERMAN = "Die Geschäftsführung vergütet Überstunden, soweit sie nötig und größer als 10 € sind. Déjà vu."


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")).filter(lambda t: t[:1] != "\ufeff"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_any_unicode_text_comes_back_from_its_encodings(text, encoding):
    # NUL, which no text has, would make UTF-16's mark UTF-32's, or other UTF-8 UTF-16 without a mark.
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
        ("Сотрудники ездят вторым классом.", "koi8_r"),
        ("Příliš žluouèký".replace("è", "č") + " kůň", "cp1250"),
        ("A gyors róka átugorja a lusta kutyát, az őrült nő pedig füttyent egyet.", "cp1250"),
        ("Çalışanlar ikinci sınıf seyahat eder; öğrenci de şöyle der.", "cp1254"),
        ("Οι υπάλληλοι ταξιδεύουν στη δεύτερη θέση.", "cp1253"),
        ("يسافر الموظفون في الدرجة الثانية دائما", "cp1256"),
        ("Müller, Señor Muñoz et Mme Lefèvre: © 2026, 20 °C, “naïve”, 5 €", "cp1252"),
        ("It’s “fine” – really…", "cp1252"),
        ("출장 규정을 준수하고 사전에 신청서를 제출하십시오. 모든 비용은 회사가 지급합니다.", "euc_kr"),
        ("公司規定員工出差需要提前申請,費用由公司負擔。", "big5"),
        ("出張の際は事前に申請してください。", "shift_jis"),
        ("出張の際は事前に申請してください。", "euc_jp"),
        ("公司规定出差需要提前申请。", "gb18030"),
    ],
)
def test_text_in_an_older_encoding_is_not_turned_into_mojibake(text, encoding):
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", [GERMAN, "a", "Oslo\t180\n", "出張\u3000規程\n申請してください。\n次 2\n", "Сотрудники ездят."]
)
def test_utf_16_needs_no_mark(text, encoding):
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("body", [b"ab\x00\x00", b"a\x00\x02\x00" * 20, b"\x00\x01\x00\x02" * 20])
def test_bytes_with_nul_are_not_taken_for_utf_16(body):
    assert "\x00" in decode(body)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("承認", "shift_jis"),
        ("東京都港区", "shift_jis"),
        ("出差", "gb18030"),
        ("台北市", "big5"),
        ("회사", "euc_kr"),
        ("출장 규정을 준수하십시오.", "euc_kr"),
        ("Привет", "cp1251"),
        ("ПРАВИЛА ПОЕЗДОК", "cp1251"),
        ("העובדים נוסעים במחלקה שנייה", "cp1255"),
        ("Le café est fermé l’été.", "mac_roman"),
        ("Le café est fermé, señor", "cp437"),
        ("Łódź", "cp1250"),
    ],
)
def test_what_cannot_be_told_is_refused_and_not_turned_into_mojibake(text, encoding):
    with pytest.raises(Refusal, match="cannot be told") as refused:
        decode(text.encode(encoding))
    assert refused.value.reason is Reason.UNSUPPORTED


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_text_or_refused(body):
    try:
        text = decode(body)
    except Refusal as refusal:
        text = refusal.detail
    assert "\ufffd" not in text or "\ufffd".encode() in body or "\ufffd".encode("utf-16-le") in body + body


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
