"""Good and bad versions in any order, runs cut off anywhere: search answers from the last good one, and says when old.

A thousand documents, 250 for each seed (`make chaos` takes all four), each with a random sequence of versions of its
own. Bad ones fail at the parser or at the rules on documents, chunks and vectors. What is good is known here by how a
version was made, not by asking the rules.
`-s` shows what was counted.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from infra.failpoints import PLACES
from infra.ports import Vectors
from infra.stub_embedder import StubEmbedder
from schemas.identity import content_hash
from tests.support.convergence import room
from tests.support.oracle import Recipe
from tests.support.stage import HALVES, Folder, Reader, Stage

DOCUMENTS, ROUNDS = 250, 4
RULES = """
rules: {pii-email: quarantine}
forbid: [{name: drafts, pattern: NOT FOR DISTRIBUTION}]
require: [{name: is-a-plan, pattern: Plan}]
expectations:
  - name: short
    type: expect_column_values_to_be_in_set
    kwargs: {column: ordinal, value_set: [0, 1]}
"""
#: Texts for which the model of these tests gives no usable vector.
UNSOUND = "unsound"
WORDS = ["boats", "herons", "ferry", "harbour", "pier", "tide", "water", "evening", "morning", "sunday", "café"]
#: The reason each kind of bad version is held for. `shrunk` is bad only after a good one of some length.
BAD = {
    "empty": "empty",
    "blank": "empty",
    "binary": "unsupported",
    "no-pdf": "corrupt",
    "mojibake": "corrupt",
    "shrunk": "shrunk",
    "mail": "pii",
    "draft": "forbidden",
    "no-plan": "required",
    "long": "expectation",
    "unsound": "bad-vectors",
}


class Version(NamedTuple):
    """Bytes, and why they are to be held; None: they are good."""

    body: bytes
    reason: str | None

    @property
    def hash(self) -> str:
        return content_hash(self.body)


class Document:
    """What its source holds now, and its last good version that is proved."""

    def __init__(self, folder: Folder, name: str, rng: random.Random) -> None:
        self.folder, self.name, self.rng = folder, name, rng
        self.uri = folder.uri_of(name)
        self.good: Version | None = None
        self.now = Version(b"", None)
        self.count = 0

    def next(self) -> str:
        """Another version, or none, or the last good one again; returns what kind."""
        kind = self.rng.choices(["good", "bad", "same", "back"], [4, 4, 1, 1])[0]
        if kind == "same" and not self.count:
            kind = "good"
        if kind == "bad":
            kind = self.rng.choice([*BAD, *["unsound"] * 3])  # whatever was computed by then is to be undone
        if kind == "same":
            return kind
        if kind == "back" and self.good is None:
            kind = "good"
        self.count += 1
        self.now = self.good if kind == "back" and self.good else self._made(kind)
        self.folder.put(self.name, self.now.body)
        return kind

    def _made(self, kind: str) -> Version:
        mark = f"{self.name} {self.count}"
        text = f"# Plan {mark}\n\n" + " ".join(self.rng.choice(WORDS) for _ in range(self.rng.randint(60, 120)))
        bodies = {
            "empty": b"",
            "blank": b" \n" * self.count,
            "binary": b"\0\1\2" + mark.encode(),
            "no-pdf": b"%PDF-1.7 " + mark.encode(),
            "mojibake": f"{text} café über où Äther".encode().decode("latin-1").encode(),
            "shrunk": f"Plan {mark}".encode(),
            "mail": f"{text} write to jo{self.count}@example.org".encode(),
            "draft": f"{text} - NOT FOR DISTRIBUTION".encode(),
            "no-plan": text.replace("Plan", "Note").encode(),
            "long": f"{text} {'and so on ' * 150}".encode(),
            "unsound": f"{text} {UNSOUND}".encode(),
        }
        passes = kind not in BAD or (kind == "shrunk" and (self.good is None or len(self.good.body) < 200))
        return Version(bodies.get(kind, text.encode()), None if passes else BAD[kind])


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A home whose rules file holds what these documents break, with a model that fails for some texts."""
    real = StubEmbedder.encode

    def encode(self: StubEmbedder, texts: list[str]) -> Vectors:
        vectors = real(self, texts).copy()
        vectors[[UNSOUND in text for text in texts]] = np.nan
        return vectors

    monkeypatch.setattr(StubEmbedder, "encode", encode)
    place = room()
    (place / "rules.yaml").write_text(RULES)
    made = Stage(place, rule_shrink="on", rules=place / "rules.yaml", batch_documents=50, batch_bytes=40_000)
    made.recipe = Recipe(chunk_tokens=254)
    yield made
    made.close()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in (1, 2, 3))])
def test_search_answers_from_the_last_good_version_and_is_stale_exactly_when_a_newer_one_is_held(
    stage: Stage, seed: int
) -> None:
    tally: Counter[str] = Counter()
    rng = random.Random(seed)
    source = stage.folders[0]
    documents = [Document(source, f"d{n}.md", random.Random(f"{seed} {n}")) for n in range(DOCUMENTS)]
    for round_ in range(ROUNDS):
        tally.update(document.next() for document in documents)
        if round_:
            crash = rng.choice(PLACES + HALVES), rng.randint(1, 5)
            tally["crashes"] += stage.index(source, crash=crash) is None
            with stage.reading() as reader:
                _check_cut_off(reader, source, documents)
            # What a dead worker wrote of a version that was good must go when a bad one follows.
            tally.update(document.next() for document in documents if rng.random() < 0.5)
        report = stage.index(source)
        assert report is not None
        for document in documents:
            if document.now.reason is None:
                document.good = document.now
        held = {document.uri: document.now.reason for document in documents if document.now.reason}
        assert {one["uri"]: one["reason"] for one in report.refused} == held
        assert (report.documents["seen"], report.documents["held"]) == (DOCUMENTS, len(held))
        with stage.reading() as reader:
            tally.update(_check_finished(reader, source, documents))
            if round_ == ROUNDS - 1:
                findings = reader.audit(source)
                assert findings.consistent, findings
                assert set(findings.held) == held.keys()
        tally["versions held"] += len(held)
    print(dict(sorted(tally.items())))
    assert min(tally[kind] for kind in (*BAD, "back")) >= 5
    assert tally["stale hits"] >= 100
    assert tally["fresh hits"] >= 100
    assert min(tally["nothing served"], tally["crashes"]) >= 1


def _check_cut_off(reader: Reader, source: Folder, documents: list[Document]) -> None:
    """After a crash: no held version is served, none but what the source says is called fresh, nothing is missing."""
    views = reader.views()
    for document in documents:
        view = views.get((source.tenant, document.uri))
        proved = view and view.last_hash
        if document.now.reason is None and proved == document.now.hash:
            document.good = document.now
        assert proved == (document.good and document.good.hash), f"{document.uri} lost its last good version"
    may = {one.uri: {v.hash for v in (one.good, one.now) if v and v.reason is None} for one in documents}
    now = {one.uri: one.now.hash for one in documents}
    hits = reader.search("plan version", source, limit=1000)
    for hit in hits:
        assert hit["content_hash"] in may[hit["uri"]], f"served, and held: {hit}"
        assert not hit["fresh"] or hit["content_hash"] == now[hit["uri"]], f"old, and called fresh: {hit}"
    assert {hit["uri"] for hit in hits} >= {document.uri for document in documents if document.good}


def _check_finished(reader: Reader, source: Folder, documents: list[Document]) -> Counter[str]:
    """After a run: every document answers from its last good version, and is stale if and only if a newer is held."""
    tally: Counter[str] = Counter()
    hits = reader.search("plan version", source, limit=1000)
    served: dict[str, set[str]] = {}
    for hit in hits:
        served.setdefault(hit["uri"], set()).add(hit["content_hash"])
    assert served == {one.uri: {one.good.hash} for one in documents if one.good}
    held = {one.uri for one in documents if one.now.reason}
    assert {hit["uri"] for hit in hits if not hit["fresh"]} == held & served.keys()
    assert not {hit["uri"] for hit in hits if hit["fresh"]} & held
    points = reader.stored().points[source.tenant].values()
    assert len(points) == len(hits), "the search did not show all there is"
    tally["fresh hits"] = sum(hit["fresh"] for hit in hits)
    tally["stale hits"] = len(hits) - tally["fresh hits"]
    tally["nothing served"] = len(held - served.keys())
    return tally
