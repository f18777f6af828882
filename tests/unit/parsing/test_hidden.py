"""Text that no reader of a document sees comes as hidden blocks, where it stands; all that is seen is as it was."""

import re
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.hostile.pdfs import page as pdf_page
from tests.support.hostile.pdfs import stream
from tests.unit.parsing.archives import epub, odt
from workers.parsing import registry, webpage


def told(body, name):
    """What is seen, and what is hidden."""
    blocks = registry.parse(body, name).blocks
    return [b.text for b in blocks if not b.hidden], [b.text for b in blocks if b.hidden]


def page(inner, head=""):
    return f"<!doctype html><html><head><title>t</title>{head}</head><body>{inner}</body></html>".encode()


def words(text):
    return re.findall(r"\w+", text)


@pytest.mark.parametrize(
    "hiding",
    [
        "style='display:none'",
        "style='DISPLAY: NONE !important'",
        "style='visibility: hidden'",
        "style='opacity:0'",
        "style='opacity: 0.0'",
        "style='font-size:0'",
        "style='font-size:.5px'",
        "style='font: bold 0/0 Arial'",
        "hidden",
        "style='color:#fff'",
        "style='color:white;background:white'",
        "style='color:rgb(255,0,0);background-color:red'",
        "style='color:transparent'",
        "style='position:absolute;left:-9999px'",
        "style='position:fixed; top: -100em'",
        "style='text-indent:-9999px'",
        "style='overflow:hidden;height:0'",
    ],
)
@pytest.mark.parametrize("tag", ["p", "span", "td", "li", "h2", "tr", "table", "ul", "blockquote"])
def test_what_a_page_hides_is_apart_from_what_it_shows(hiding, tag):
    inner = {
        "tr": f"<table><tr><td>one</td></tr><tr {hiding}><td>secret</td></tr></table>",
        "td": f"<table><tr><td>one</td><td {hiding}>secret</td></tr></table>",
        "li": f"<ul><li>one<li {hiding}>secret</ul>",
        "table": f"one<table {hiding}><tr><td>secret</td></tr></table>",
        "ul": f"one<ul {hiding}><li>secret</ul>",
    }.get(tag, f"<div>one <{tag} {hiding}>secret</{tag}></div>")
    seen, hidden = told(page(f"{inner}<p>two</p>"), "a.html")
    assert (seen, hidden) == (["one", "two"], ["secret"])


@pytest.mark.parametrize(
    "shown",
    [
        "<p aria-hidden=true>words</p>",
        "<details><summary>words</summary></details>",
        "<details>words</details>",
        "<div style='visibility:hidden'><p style='visibility:visible'>words</p></div>",
        "<div style='font-size:0'><p style='font-size:12px'>words</p></div>",
        "<p hidden=until-found>words</p>",
        "<p hidden style='display:block'>words</p>",
        "<div style='background:navy'><p style='color:white'>words</p></div>",
        "<table bgcolor=black><tr><td><font color=white>words</font></td></tr></table>",
        "<div style='background:url(a.png)'><p style='color:white'>words</p></div>",
        "<img src=a.png><p style='color:white;position:absolute'>words</p>",
        "<p style='color:transparent;-webkit-background-clip:text'>words</p>",
        "<p style='opacity:0.5;left:-9999px'>words</p>",
        "<!--[if IE]>for old browsers<![endif]--><p>words</p><!-- --><!-- *** -->",
        "<style>.x{display:none} .x.on{display:block}</style><p class='x on'>words</p>",
        "<style>@media print{.x{color:red}} .x{display:none}</style><p class=x>words</p>",
        "<style>body{background:black}</style><p style='color:white'>words</p>",
        "<link rel=stylesheet href=x.css><p style='color:white'>words</p>",
    ],
)
def test_what_a_page_shows_or_may_show_is_not_hidden(shown):
    assert told(page(shown), "a.html") == (["words"], [])


@pytest.mark.parametrize(
    ("rule", "attribute"), [(".x", "class='y x'"), ("#x", "id=x"), ("p", ""), ("em, .x", "class=x")]
)
def test_a_simple_rule_of_the_page_hides(rule, attribute):
    head = f"<style>/* .z{{}} */ {rule} {{ display: none }}</style>"
    assert told(page(f"<div>one</div><p {attribute}>secret</p>", head), "a.html") == (["one"], ["secret"])


def test_hidden_text_stands_behind_the_block_it_is_in():
    inner = "<h1>A<span hidden>1</span></h1><p>b<!-- 2 -->c</p><pre>x <i hidden>3</i>  y</pre>"
    inner += "<div hidden>4<p>5</p><!-- 6 --></div><p>d</p>"
    blocks = registry.parse(b"<!-- 0 -->" + page(inner) + b"<!-- 7 -->", "a.html").blocks
    assert [(b.text, b.hidden) for b in blocks] == [
        ("0", True),
        ("A", False),
        ("1", True),
        ("bc", False),
        ("2", True),
        ("x   y", False),
        ("3", True),
        ("4\n5\n6", True),
        ("d", False),
        ("7", True),
    ]
    assert blocks[1].heading == "A"


def test_hidden_words_stay_apart():
    """The blanks between hidden elements were left in the page, and the words behind it ran together."""
    inner = "<p>one</p><p hidden><b>two</b> <i>three</i>\n<u>four</u></p>"
    assert told(page(inner), "a.html") == (["one"], ["two three\nfour"])


def test_a_hidden_picture_gives_no_text():
    assert told(page("<p>one</p><p hidden><img alt=secret src=a></p>"), "a.html")[0] == ["one"]


WORDS = st.text("abcdefgh", min_size=2, max_size=6)
TAGS = st.sampled_from(["p", "div", "span", "b", "li", "h2", "blockquote", "pre", "section"])
LOOKS = st.sampled_from(["", "", "", " hidden", " style='display:none'", " style='font-size:0'", " style='color:#FFF'"])
NODES = st.recursive(
    st.one_of(WORDS, WORDS.map("<!-- {} -->".format)),
    lambda inner: st.builds(
        lambda tag, look, parts: f"<{tag}{look}>{' '.join(parts)}</{tag}>", TAGS, LOOKS, st.lists(inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(NODES, max_size=4))
def test_no_word_of_a_page_is_lost_or_doubled(nodes):
    source = page("start " + " ".join(nodes)).decode()
    found = " ".join(block.text for block in webpage.blocks(source))
    inner = re.sub(r"<!--|-->|<[^>]*>", " ", source.partition("<body>")[2])
    assert sorted(words(found)) == sorted(words(inner))
    assert "\ufdd0" not in found


def shown_on(content, *more):
    first = b"BT /F 12 Tf 50 700 Td (seen) Tj ET\n"
    return told(pdf_page(stream(zlib.compress(first + content), b"/Filter/FlateDecode"), *more), "a.pdf")


IMAGE = stream(b"\0", b"/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8")
FORM = stream(b"0 0 1 rg 0 0 600 800 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]")


@pytest.mark.parametrize(
    "content",
    [
        b"BT 3 Tr /F 12 Tf 50 600 Td (secret) Tj ET",
        b"BT 3 Tr /F 12 Tf 50 600 Td [(sec) -10 (ret)] TJ ET",
        b"BT /F 12 Tf 50 600 Td 3 Tr 12 TL (secret) ' 0 Tr ET",
        b"q 3 Tr Q BT /F 12 Tf 1 1 1 rg 50 600 Td (secret) Tj ET",
        b"1 g BT /F 12 Tf 50 600 Td (secret) Tj ET",
        b"0 0 0 0 k BT /F 12 Tf 50 600 Td (secret) Tj ET",
        b"/DeviceRGB cs 1 1 1 sc BT /F 12 Tf 50 600 Td (secret) Tj ET",
        b"1 1 1 rg 0 0 600 800 re f BT /F 12 Tf 50 600 Td (secret) Tj ET",
        b"0 0 1 rg 300 300 9 9 re f 1 1 1 rg BT /F 12 Tf 50 600 Td (secret) Tj ET",
        b"BT /F .5 Tf 50 600 Td (secret) Tj ET",
        b"BT /F 0 Tf 50 600 Td (secret) Tj ET",
        b"BT /F 12 Tf .05 0 0 .05 50 600 Tm (secret) Tj ET",
        b"q .05 0 0 .05 0 0 cm BT /F 12 Tf 900 9000 Td (secret) Tj ET Q",
        b"(x) rg 3 Tr /None Tf Q BT /F 12 Tf 50 600 Td (secret) Tj ET",
    ],
)
def test_what_a_pdf_hides_is_apart_from_what_it_shows(content):
    seen, hidden = shown_on(content, IMAGE)
    assert (words(" ".join(seen)), words("".join(hidden))) == (["seen"], ["secret"])


@pytest.mark.parametrize(
    "content",
    [
        b"q 600 0 0 800 0 0 cm /X Do Q BT 3 Tr /F 12 Tf 50 600 Td (words) Tj ET",
        b"0 0 1 rg 40 590 200 30 re f 1 g BT /F 12 Tf 50 600 Td (words) Tj ET",
        b"0 0 1 rg 40 590 m 240 590 l 240 630 l 40 630 l h f 1 g BT /F 12 Tf 50 600 Td (words) Tj ET",
        b"q 2 0 0 2 0 0 cm .2 g 20 295 100 15 re f Q 1 1 1 rg BT /F 12 Tf 50 600 Td (words) Tj ET",
        b"q 300 0 0 90 40 590 cm /X Do Q 1 1 1 rg BT /F 12 Tf 50 600 Td (words) Tj ET",
        b"/P sh 1 1 1 rg BT /F 12 Tf 50 600 Td (words) Tj ET",
        b"/Spot cs 1 scn BT /F 12 Tf 50 600 Td (words) Tj ET",
        b"q 1 g 3 Tr Q BT /F 12 Tf 50 600 Td (words) Tj ET",
        b"BT /F 1 Tf 12 0 0 12 50 600 Tm (words) Tj ET",
        b"q .24 0 0 -.24 0 800 cm BT /F 50 Tf 1 0 0 -1 200 900 Tm (words) Tj ET Q",
    ],
)
def test_what_a_pdf_shows_or_may_show_is_not_hidden(content):
    seen, hidden = shown_on(content, IMAGE)
    assert words(" ".join(seen)) == ["seen", "words"]
    assert hidden == []


def test_a_form_that_is_drawn_may_lie_under_white_text():
    seen, hidden = shown_on(b"/X Do 1 g BT /F 12 Tf 50 600 Td (words) Tj ET", FORM)
    assert (words(" ".join(seen)), hidden) == (["seen", "words"], [])


def test_invisible_text_is_seen_where_a_page_has_no_other():
    body = pdf_page(stream(b"BT 3 Tr /F 12 Tf 50 600 Td (recognised) Tj ET"), IMAGE)
    assert told(body, "a.pdf") == (["recognised"], [])


def test_hidden_text_of_an_open_document_is_apart():
    styles = (
        '<office:document-styles xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"'
        ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
        '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>'
        '<style:style style:name="H2" style:parent-style-name="H"/>'
        '<style:style style:name="V" style:parent-style-name="H"><style:text-properties text:display="true"/>'
        "</style:style><style:style style:name='R' style:parent-style-name='R'/></office:document-styles>"
    )
    text = (
        '<text:p>a<text:span text:style-name="H2">1 <text:span>1</text:span></text:span>b</text:p>'
        '<text:p text:style-name="H">2</text:p><text:p text:style-name="V">c</text:p>'
        '<text:p text:style-name="R">d</text:p>'
        '<text:section text:display="none"><text:h>3</text:h><text:p>4</text:p></text:section>'
        "<text:p>e<text:hidden-text>5</text:hidden-text></text:p>"
        '<text:p>f<text:hidden-text text:is-hidden="false">g</text:hidden-text></text:p>'
        '<text:p>6<text:hidden-paragraph text:is-hidden="true"/></text:p>'
    )
    blocks = registry.parse(odt(text, **{"styles.xml": styles}), "a.odt").blocks
    assert [(b.text, b.hidden) for b in blocks] == [
        ("ab", False),
        ("1 1", True),
        ("2", True),
        ("c", False),
        ("d", False),
        ("3", True),
        ("4", True),
        ("e", False),
        ("5", True),
        ("fg", False),
        ("6", True),
    ]


def test_hidden_text_of_rtf_is_apart():
    source = rb"{\rtf1 a{\v one\par two}b\v \u233? \v0 c\par{\v three\par}d{\deleted gone}\par}"
    assert told(source, "a.rtf") == (["abc", "d"], ["one\ntwo\xe9", "three"])


def test_hidden_text_of_a_book_is_apart():
    chapter = "<html xmlns='http://www.w3.org/1999/xhtml'><body><p>one</p><p hidden='hidden'>secret</p></body></html>"
    assert told(epub({"a.xhtml": chapter}), "a.epub") == (["one"], ["secret"])
