"""One document, from a file on disk to a hit and back out again. Read this first; step through it with a debugger.

Each step is the real one; only the model is the small deterministic stub that is shipped for this purpose.
"""

from datetime import UTC, datetime
from pathlib import Path

from infra.failpoints import PLACES
from infra.settings import Settings
from penstock.indexing import advance_to_current, register
from penstock.search import Query, search
from penstock.workshop import Workshop, workshop
from schemas.events import CHANGED, DocumentEvent, DocumentEventData
from schemas.identity import document_id, file_uri
from workers.intake import hear
from workers.pipeline.changes import changes
from workers.pipeline.look import look
from workers.pipeline.parts import Content
from workers.pipeline.shape import shape
from workers.run import run

POLICY = (
    "# Travel\n\nA hotel may cost 120 euros a night.\n\n## Trains\n\nSecond class, first on journeys over four hours.\n"
)


def test_one_event_makes_one_document_searchable_and_true(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    policy = folder / "travel.md"
    policy.write_text(POLICY)
    settings = Settings(home=tmp_path / "home", model="stub-64")
    with workshop(settings) as shop:
        # 1. A place is declared as a source, and this code's fingerprint becomes the current one.
        [source], _ = register(shop, [str(folder)], "default")
        advance_to_current(shop)
        pipeline, uri = shop.pipeline, file_uri(bytes(policy))

        # 2. Something happens: a producer says so in a CloudEvent. A hint, never the truth.
        event = DocumentEvent(
            id="1", source="test", type=CHANGED, subject=uri, time=datetime.now(UTC), data=DocumentEventData(uri=uri)
        )

        # 3. Intake raises `heard` in the ledger; the document is due, visibly.
        hear(shop.ledger, [event, event], shop.known_sources(), now=pipeline.now())
        assert shop.ledger.views.oldest_due() is not None

        # 4. A worker claims it: a lease, a generation, nothing else can write it now.
        [claim] = shop.ledger.documents.claim(
            owner="me", now=pipeline.now(), lease_s=60, limit=10, round_="first",
            collection=pipeline.collection, scope=None,
        )  # fmt: skip
        assert claim.document_id == document_id("default", uri)
        assert claim.generation == shop.ledger.birth_ms + 1

        # 5. It looks at the source: nothing is proved yet, so it reads and hashes.
        found = look(pipeline, claim, {})
        assert isinstance(found, Content)
        assert found.body == POLICY.encode()

        # 6. Parse, rules, chunk, rules.
        shaped = shape(pipeline, claim, found)
        assert shaped.parsed.title == "Travel"
        assert "".join(chunk.text for chunk in shaped.chunks).replace("\n", "") == POLICY.replace("\n", "")

        # 7. Compared with the points that are there (none), every chunk is to be written.
        todo = changes(claim.document_id, shaped.chunks, {}, suspects=None)
        assert todo.write == tuple(range(len(shaped.chunks)))
        assert not todo.delete

        # 8. The same steps, and embed, intend, write, prove, settle, as one run does them.
        shop.ledger.documents.break_leases()
        report = run(pipeline, [source], scope=None)
        assert report.documents["added"] == 1
        assert report.chunks["embedded"] == len(shaped.chunks)

        # 9. A question finds it, fresh, with its place.
        hit = _ask(shop, "How much may a hotel cost?")
        assert "120 euros" in hit["text"]
        assert hit["headings"] == ["Travel"]
        assert hit["fresh"]

        # 10. The policy changes. Until the next look the index cannot know; after it, the old text is gone.
        policy.write_text(POLICY.replace("120 euros", "95 euros"))
        assert run(pipeline, shop.known_sources(), scope=None).documents["updated"] == 1
        assert "95 euros" in _ask(shop, "How much may a hotel cost?")["text"]

        # 11. The file goes; nothing of it stays.
        policy.unlink()
        assert run(pipeline, shop.known_sources(), scope=None).documents["removed"] == 1
        assert shop.index.count(pipeline.collection, "default") == 0


def test_every_failpoint_of_the_path_is_in_the_code() -> None:
    """Tests kill the process at these places by name; a place that is not reached would make them prove nothing."""
    root = Path(__file__).parents[1]
    code = "".join(path.read_text() for path in (root / "workers").rglob("*.py"))
    assert [place for place in PLACES if f'reach("{place}")' not in code] == []


def _ask(shop: Workshop, question: str) -> dict:
    answer = search(
        Query(question, 1, "default"),
        ledger=shop.ledger,
        index=shop.index,
        embedder=shop.pipeline.embedder,
        now=shop.pipeline.now(),
    )
    return answer["hits"][0]
