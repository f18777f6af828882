"""RTF: headings, lists and tables by their words, letters by the encodings of their fonts."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from workers.parsing import registry

HEAD = r"""{\rtf1\ansi\ansicpg1252\deff0
{\fonttbl{\f0\fswiss\fcharset0 Arial;}{\f1\fnil\fcharset204 Arial Cyr;}{\f2\fcharset134 SimSun;}
{\f3\fcharset128 Mincho;}}
{\colortbl;\red0\green0\blue0;}{\stylesheet{\s0 Normal;}{\s1\f1\outlinelevel0 Titel;}{\s2 heading 2;}}
{\info{\title Travel \u8364?}{\author Ada}}{\*\generator X;}
"""


def parse(source):
    return registry.parse((HEAD + source + "}").encode("latin-1"), "a.rtf")


def texts(source):
    return [block.text for block in parse(source).blocks]


def test_headings_lists_and_tables_are_kept_in_order():
    document = parse(
        r"{\pard\plain\s1 Travel policy\par}\pard\plain\s2 Booking\par\pard Employees {\b book}\line rail.\par"
        r"{\listtext\'b7\tab}\ls1 first item\par\pard "
        r"\trowd\intbl City\cell Per night\cell\row\trowd\intbl Oslo\par centre\cell 180\cell\row\pard The end"
    )
    assert document.title == "Travel €"
    assert document.blocks == (
        Block(BlockKind.HEADING, "Travel policy", 1, None, "Travel policy"),
        Block(BlockKind.HEADING, "Booking", 2, None, "Booking"),
        Block(BlockKind.PARAGRAPH, "Employees book\nrail."),
        Block(BlockKind.LIST_ITEM, "first item"),
        Block(BlockKind.TABLE, "City | Per night\nOslo centre | 180"),
        Block(BlockKind.PARAGRAPH, "The end"),
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            r"Gr\'fc\'dfe \u8364?5 \u-10179?\u-8704? \{x\\y\} a\~b\_c \emdash\ldblquote q\rdblquote",
            "Grüße €5 😀 {x\\y} a\xa0b-c —“q”",
        ),
        ("Gr\xfc\xdfe", "Grüße"),
        (r"{\f1 \'cf\'f0\'e8\'e2\'e5\'f2}, {\f2 \'b2\'ee\'c2\'c3}", "Привет, 差旅"),
        (r"{\f3 \'8fo\'92\'a3}", "出張"),  # the second byte of a character may be a letter
        (r"\uc2\u26481\'93\'8c\u20140\'8b\'9e!", "東京!"),
        (r"a{\uc0\u223 b}c\u223 d", "aßbcß"),
    ],
)
def test_letters_are_read_in_the_encoding_of_their_font(source, text):
    assert texts(source) == [text]


def test_what_is_appearance_or_deleted_is_kept_out_and_what_is_shown_is_not():
    shown = texts(
        r"{\header Page head}a{\deleted gone}b{\pict\pngblip 8950}{\*\unknown x}"
        r"{\field{\*\fldinst HYPERLINK}{\fldrslt link}}{\object{\*\objdata 01}{\result shown}}{\footnote note}\par"
        r"{\shp{\*\shpinst\shpleft1{\sp{\sn x}}{\shptxt box\par}}}{\pict\bin4 }}}}z}"
    )
    assert shown == ["Page head", "ablinkshown note", "box"]


@pytest.mark.parametrize(
    "source", [rb"{\rtf1 words {\b cut", rb"{\rtf1\ansicpg1252 bad \'81 byte}", rb"{\rtf1\ansicpg77 \'e4}"]
)
def test_what_is_cut_short_or_in_no_known_encoding_is_refused(source):
    with pytest.raises(Refusal) as refused:
        registry.parse(source, "a.rtf")
    assert refused.value.reason is Reason.CORRUPT


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1))
def test_every_character_comes_back(text):
    units = text.encode("utf-16-le")
    words = "".join(rf"\u{int.from_bytes(units[i : i + 2], 'little', signed=True)}?" for i in range(0, len(units), 2))
    assert texts("start " + words) == ["start " + text]


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [*r"{}\'a0", "\\par ", "\\u8364", "\\intbl ", "\\cell ", "\\row ", "\\*", "\\v ", "\\bin2", "\xe9"]
        )
    ).map("".join)
)
def test_whatever_it_says_it_is_read_or_refused(source):
    with contextlib.suppress(Refusal):
        registry.parse((r"{\rtf1 start " + source + "}").encode("latin-1"), "a.rtf")
