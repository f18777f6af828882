"""The gates on the way of a version: what they count, and what they notice of a whole batch."""

import numpy as np

from penstock.workshop import make_pipeline
from tests.support.stage import ParserInProcess, Stage
from workers.pipeline.gates import of_vectors, record


def rates(ledger) -> dict[str, list[int]]:
    return {rule: counts for _, rule, *counts in ledger.quarantine.rates(since=0.0)}


def test_every_rule_that_was_asked_is_counted(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.put("a.md", b"# Boats\n\nBoats lie at the pier.\n")
    folder.put("bad.txt", "Ã¤Ã¶Ã¼ Ã¤Ã¶Ã¼ Ã¤Ã¶Ã¼ lies at the pier".encode())
    for name in ("copy.md", "copy2.md"):  # of one already there, and then of each other, too
        folder.put(name, b"# Boats\n\nBoats lie at the pier.\n")
    stage.index(folder)
    with stage.reading() as reader:
        found = rates(reader._ledger)
        held = reader._ledger.quarantine.held()
    assert [(one.uri, one.reason) for one in held] == [(folder.uri_of("bad.txt"), "corrupt")]
    assert {one.rule for one in held[0].findings} == {"mojibake"}
    assert held[0].held_by.startswith("penstock ")
    assert found["mojibake"] == [4, 0, 1]
    assert found["duplicate"][1] == 2, "all but the first of three equal documents"
    assert found["numbered"] == [3, 0, 0], "what is held is not cut"
    assert "drift" in found
    assert "shrink" not in found, "it is off here"


def test_a_batch_about_something_else_is_noticed_and_holds_nobody(stage: Stage) -> None:
    stage.index(stage.folders[0])
    chance = np.random.default_rng(1)

    def around(centre: int) -> dict[str, np.ndarray]:
        vectors = chance.normal(0, 0.02, (80, 64))
        vectors[:, centre] += 1.0
        return {str(n): one / np.linalg.norm(one) for n, one in enumerate(vectors)}

    with stage.reading() as reader:
        pipeline = make_pipeline(stage.settings, reader._ledger, reader._index, ParserInProcess())
        for centre in (0, 0, 5):
            assert of_vectors(pipeline, around(centre)) == {}
        record(pipeline, [])
        assert rates(reader._ledger)["drift"] == [3, 1, 0]
