"""The report's page: what is on it, how much of it, and that nothing a document says runs in it."""

from html.parser import HTMLParser

import pytest

from penstock.report import SHOWN_CHUNKS, SHOWN_HELD, SHOWN_LATEST, SHOWN_WARNED, gather
from penstock.report_page import age, clip, percent, report_page
from schemas.identity import document_id
from tests.support.reported import finding, reported, warning

NOW = 1_700_000_000.0
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.tags, self.words = [], []
        self.feed(body.decode())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def home(tmp_path):
    made = reported(tmp_path / "home", now=NOW)
    yield made
    made.ledger.close()


def page(made, *, now=NOW + 60):
    body = report_page(gather(made.ledger, home="/h", place="sqlite", now=now))
    return Page(body), body


def test_it_shows_rates_offenders_and_what_became_of_documents(home):
    home.settle("good.md", chunks=2, headings=("Travel", "Hotels"))
    home.settle("hidden.md", said=(warning(),))
    home.settle("cut.md")
    home.settle("cut.md", held=True, said=(finding(excerpts=("a line",)),))
    home.ledger.quarantine.count({"shrink": 8, "hidden-text": 4, "own-rule": 2}, [finding(), warning()], at=NOW)
    shown, _ = page(home)
    assert "shrink document it kept a part of the last good version's length" in shown.text
    assert "8 0 1 87.5 %" in shown.text
    assert "4 1 0 75 %" in shown.text
    assert "own-rule of the rules file" in shown.text
    assert "Not asked in this time: event-schema, " in shown.text
    assert shown.text.index("shrink document") < shown.text.index("hidden-text document"), "in the table's order"
    assert "Held: 1 file:///docs/cut.md default shrunk . Held for 1 min" in shown.text
    assert "shrink : its text fell from 900 to 4 characters a line" in shown.text
    assert "An older version is served, marked stale." in shown.text
    assert "if most of it was meant to go, release it" in shown.text
    assert "a line" in shown.text
    assert "Warned of: 1 file:///docs/hidden.md default : 1 warning." in shown.text
    assert f"document {document_id('default', 'file:///docs/good.md')} content good" in shown.text
    assert "chunker chunks-2" in shown.text
    assert "0 Travel > Hotels 1 point-0 1 Travel > Hotels 2 point-1" in shown.text
    # What leads to a document's lineage finds it.
    ids = {attributes["id"] for _, attributes in shown.tags if "id" in attributes}
    links = {attributes["href"] for tag, attributes in shown.tags if tag == "a"}
    assert links == {f"#d-{document_id('default', home.uri(name))}" for name in ("cut.md", "hidden.md")}
    assert {link.removeprefix("#") for link in links} <= ids


def test_an_empty_ledger_has_a_page_that_says_so(home):
    shown, _ = page(home)
    for words in ("No rule was asked", "Nothing is held.", "Nothing was warned of.", "No document was settled yet."):
        assert words in shown.text


def test_nothing_that_a_document_says_runs_and_nothing_is_loaded_from_elsewhere(home):
    home.settle(
        HOSTILE, said=(warning(HOSTILE, detail=HOSTILE, excerpts=(HOSTILE,)),), headings=(HOSTILE,), tenant=HOSTILE
    )
    home.settle(HOSTILE, held=True, said=(finding(HOSTILE, detail=HOSTILE, excerpts=(HOSTILE, "\ud800\x00\x1b[2J")),))
    home.ledger.quarantine.count({HOSTILE: 3}, [], at=NOW)
    shown, body = page(home)
    assert shown.text.count("<script>alert(1)</script>") > 8
    assert "7*7 }}" in shown.text
    assert "49" not in shown.text.replace("1499", "")
    tags = {tag for tag, _ in shown.tags}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "base"}
    attributes = {name for _, given in shown.tags for name in given}
    assert not {name for name in attributes if name.startswith("on")}
    assert "style" not in attributes, "the policy lets no inline style through"
    assert attributes & {"src", "href", "action", "srcset"} == {"href"}
    assert {given["href"][0] for _, given in shown.tags if "href" in given} == {"#"}
    policy = next(given["content"] for tag, given in shown.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert b"\x00" not in body
    assert b"\x1b" not in body


def test_however_much_there_is_the_page_stays_small(home):
    """Bounds are on everything that grows with the number of documents: ten thousand more would be counted only."""
    many, long = SHOWN_HELD + SHOWN_WARNED + SHOWN_LATEST, "<&" * 200
    said = tuple(warning(f"rule-{n}", detail=long, excerpts=(long,) * 3) for n in range(12))
    home.settle(*(f"w{n}" for n in range(many)), said=said, chunks=60, headings=(long,))
    home.settle("most", said=(*said, *said))
    names = [f"h{n}-{'%3C' * 1000}" for n in range(many)]
    home.settle(
        *names, held=True, said=tuple(finding(f"rule-{n}", detail=long, excerpts=(long,) * 3) for n in range(12))
    )
    home.ledger.quarantine.count({f"rule-{n}": 1 for n in range(300)}, [], at=NOW)
    found = gather(home.ledger, home="/h", place="sqlite", now=NOW)
    assert (found["held"]["total"], found["held"]["more"]) == (many, many - SHOWN_HELD)
    assert (found["warned"]["total"], found["warned"]["more"]) == (many + 1, many + 1 - SHOWN_WARNED)
    assert found["warned"]["shown"][0]["uri"] == home.uri("most"), "the most frequent first"
    assert found["rules"]["more"] == 100
    lineage = found["lineage"]
    assert len(lineage) <= SHOWN_HELD + SHOWN_WARNED + SHOWN_LATEST
    assert max(len(one["chunks"]) for one in lineage) == SHOWN_CHUNKS
    assert max(one["more"] for one in lineage) == 60 - SHOWN_CHUNKS
    shown, body = page(home)
    assert len(body) < 3_000_000, "of hardly anything but characters that take five"
    for words in (f"and {many - SHOWN_HELD} more: penstock quarantine list", "and 100 more", "and 40 more"):
        assert words in shown.text


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, "-"), (1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50 %"), (0.0, "0 %"), (2 / 3, "66.7 %")],
)
def test_a_share_is_never_rounded_up_to_all(share, shown):
    assert percent(share) == shown


def test_ages_and_long_texts_are_short():
    assert [age(s) for s in (-1, 59, 60, 7200, 180_000)] == ["0 s", "59 s", "1 min", "2 h", "2 d"]
    assert clip("a\nb", 9) == "a\N{REPLACEMENT CHARACTER}b"
    assert clip("abcdef", 4) == "abc…"
