"""One suite for every ledger, SQLite files and PostgreSQL: the life of a document, and all that is kept beside it."""

import sqlite3
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from infra.ledger import open_ledger
from infra.ledger.records import Attributes, Hearing, Indexed, PlacedPoint, Settlement
from infra.ledger.tables import FORMAT
from schemas.documents import Block, BlockKind, ParsedDocument
from schemas.errors import HomeTooNew, Unreachable, UsageError
from schemas.fingerprint import Fingerprint
from schemas.identity import document_id
from schemas.sources import Source
from tests.contracts.conftest import BORN

NOW = BORN + 10
FINGERPRINT = Fingerprint("p", "c", "m", "r", "y")
PARSED = ParsedDocument("text", "text/plain", (Block(BlockKind.PARAGRAPH, "Hello."),))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.sqlite"


def hear(ledger, *names, at=NOW, tenant="t", **known):
    return ledger.documents.hear([Hearing(tenant, f"file:///{name}", 1, **known) for name in names], at=at)


def claim(ledger, *, now=NOW, owner="me", round_="1", limit=100, scope=None, lease_s=60.0, collection="a"):
    return ledger.documents.claim(
        owner=owner, now=now, lease_s=lease_s, limit=limit, round_=round_, collection=collection, scope=scope
    )


def entry(generation, *, collection="a", hash_="h", key="k"):
    points = (PlacedPoint("p1", key, 0, None, ("One",)),)
    return Indexed(collection, generation, hash_, FINGERPRINT, Attributes(("b", "a"), {"x": "y"}), NOW, points)


def indexed(one, *, hash_="h", parser="p|txt", collection="a", key="k"):
    values = {"content_hash": hash_, "parser": parser, "kind": "text", "identity": "i", "gone_at": None}
    written = entry(one.generation, collection=collection, hash_=hash_, key=key)
    return Settlement(one, values, written, event="added")


def settle(ledger, *settlements, at=NOW):
    return ledger.documents.settle(settlements, at=at)


def index(ledger, name, *, tenant="t", **version):
    """Take one document through its whole life, up to a first version."""
    hear(ledger, name, tenant=tenant)
    [one] = claim(ledger, round_=f"index {tenant} {name}", scope=[(tenant, f"file:///{name}")])
    settle(ledger, indexed(one, **version))
    return one


def remove(ledger, name):
    hear(ledger, name)
    [one] = claim(ledger, round_=f"remove {name}", scope=[("t", f"file:///{name}")])
    settle(ledger, Settlement(one, {"gone_at": NOW, "content_hash": None}, erased=True, event="removed"))
    return one


# What lies in others


def test_a_container_s_members_are_found_by_it_and_doubted_with_it(ledger):
    ledger.sources.register(Source(tenant="t", uri="file:///"))
    for name in ("z.zip", "z.zip!/a", "z.zip!/y.zip", "z.zip!/y.zip!/b", "z.zipped", "z.zip%21/c", "z"):
        index(ledger, name)
    known = {one.uri for one in ledger.documents.members("t", "file:///z.zip")}
    assert known == {"file:///z.zip!/a", "file:///z.zip!/y.zip"}
    scope = [("t", "file:///z.zip")]
    inside = {"file:///z.zip", "file:///z.zip!/a", "file:///z.zip!/y.zip", "file:///z.zip!/y.zip!/b"}
    assert {one.uri for one in ledger.views.documents("a", scope=scope).values()} == inside
    assert (ledger.views.inside(), ledger.views.live(1)) == (3, 4)

    def doubted(what):
        views = ledger.views.documents(
            "a", ids=[document_id("t", f"file:///{name}") for name in ("z.zip!/y.zip!/b", "z")]
        )
        each = {one.uri.removeprefix("file:///"): getattr(one.standing, what) for one in views.values()}
        return each, sum(getattr(one, what) for one in ledger.views.standings())

    assert doubted("due") == ({"z.zip!/y.zip!/b": False, "z": False}, 0)
    hear(ledger, "z.zip")
    assert doubted("due") == ({"z.zip!/y.zip!/b": True, "z": False}, 4)
    ledger.documents.hold_removals([document_id("t", "file:///z.zip!/y.zip")], at=NOW)
    assert doubted("removal_held") == ({"z.zip!/y.zip!/b": True, "z": False}, 2)


# Heard and due


def test_every_event_raises_heard_and_fifty_of_them_are_one_piece_of_work(ledger):
    for _ in range(5):
        assert hear(ledger, *["a"] * 10) == [document_id("t", "file:///a")]
    [one] = claim(ledger)
    assert one.document_id == document_id("t", "file:///a")
    assert claim(ledger, round_="2") == []


def test_a_document_heard_of_during_the_work_is_due_again_after_it(ledger):
    hear(ledger, "a")
    [one] = claim(ledger)
    hear(ledger, "a", at=NOW + 1)
    settle(ledger, indexed(one), at=NOW + 2)
    assert ledger.documents.due(now=NOW + 3, scope=None) == 1
    [again] = claim(ledger, round_="2")
    settle(ledger, indexed(again), at=NOW + 4)
    assert ledger.documents.due(now=NOW + 5, scope=None) == 0


def test_a_document_is_due_since_it_was_first_heard_of(ledger):
    hear(ledger, "a", at=NOW)
    hear(ledger, "a", at=NOW + 5)
    assert ledger.views.oldest_due() == ("file:///a", NOW)


def test_an_event_without_attributes_leaves_those_that_are_known(ledger):
    hear(ledger, "a", acl=["ann"], metadata={"team": "red"})
    hear(ledger, "a")
    hear(ledger, "b", acl=[])
    by_uri = {one.uri: one for one in claim(ledger)}
    assert (by_uri["file:///a"].acl, by_uri["file:///a"].metadata) == (("ann",), {"team": "red"})
    assert (by_uri["file:///b"].acl, by_uri["file:///b"].metadata) == ((), None)


def test_an_event_ends_the_wait_of_a_document_that_could_not_be_reached(ledger):
    hear(ledger, "a")
    [one] = claim(ledger)
    settle(ledger, Settlement(one, {"next_attempt_at": NOW + 3600, "attempts": 1}, done=False))
    assert claim(ledger, round_="2") == []
    hear(ledger, "a")
    assert claim(ledger, round_="2")[0].attempts == 1


# Claims


def test_oldest_first_no_more_than_asked_for_and_once_a_round(ledger):
    for age, name in enumerate("cab"):
        hear(ledger, name, at=NOW + age)
    first = claim(ledger, limit=2, now=NOW + 9)
    assert [one.uri for one in first] == ["file:///c", "file:///a"]
    settle(ledger, *(Settlement(one, {}, done=False) for one in first))
    assert [one.uri for one in claim(ledger, now=NOW + 9)] == ["file:///b"]
    assert len(claim(ledger, now=NOW + 9, round_="2")) == 2


def test_a_scope_is_a_document_or_everything_under_a_prefix_of_one_tenant(ledger):
    hear(ledger, "in/a", "in/b", "in.md", "in0", "inner/c")
    hear(ledger, "in/a", tenant="other")

    def uris(*scope):
        return sorted(one.uri for one in claim(ledger, scope=scope, round_=str(scope)))

    assert uris() == []
    assert uris(("t", "file:///in/")) == ["file:///in/a", "file:///in/b"]
    assert uris(("t", "file:///in.md")) == ["file:///in.md"]
    assert uris(("other", "file:///")) == ["file:///in/a"]


def test_two_claims_at_the_same_moment_never_take_the_same_document(ledger):
    # The driver of SQLite begins no transaction for a SELECT, so both claims read the same rows before either wrote:
    # 1580 of 2000 documents were claimed twice or more.
    hear(ledger, *range(300))
    start, taken, failures = threading.Barrier(3), [], []

    def worker(name):
        try:
            start.wait()
            while found := claim(ledger, owner=name, round_=name, limit=10):
                taken.extend(one.document_id for one in found)
        except Unreachable as error:  # in a thread it would be lost
            failures.append(error)

    workers = [threading.Thread(target=worker, args=(f"w{number}",)) for number in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert failures == []
    assert (len(taken), len(set(taken))) == (300, 300)


def test_writers_at_the_same_moment_wait_for_each_other_and_lose_nothing(url):
    ledgers = [open_ledger(url, now=BORN) for _ in range(2)]
    workers = [
        threading.Thread(target=lambda one=one: [hear(one, "a", number) for number in range(25)]) for one in ledgers
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert len(ledgers[0].documents.known("t", "file:///")) == 26
    with ledgers[0]._database.connect() as connection:
        heard = connection.exec_driver_sql("SELECT sum(heard) FROM documents").scalar()
    assert heard == 100
    for one in ledgers:
        one.close()


def test_a_reader_sees_the_last_commit_and_does_not_wait_for_a_writer(url, ledger):
    hear(ledger, "a")
    with ledger._database.begin() as connection:
        connection.exec_driver_sql("UPDATE documents SET heard = heard + 1, uri = 'file:///hidden'")
        began = time.monotonic()
        reader = open_ledger(url, now=NOW, keep_open=False)
        assert reader.views.oldest_due() == ("file:///a", NOW)
        assert len(reader.views.standings()) == 1
        reader.close()
        assert time.monotonic() - began < 5  # a writer would wait for 30
    assert ledger.views.oldest_due()[0] == "file:///hidden"


def test_one_reading_transaction_sees_one_moment(url, ledger):
    # A view reads documents and what is indexed of them by two statements.
    hear(ledger, "a")
    with ledger._database.connect() as connection:
        if ledger._database.dialect.name != "sqlite":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        count = sa.text("SELECT count(*) FROM documents")
        assert connection.scalar(count) == 1
        hear(ledger, "b")
        assert connection.scalar(count) == 1
    assert len(ledger.views.standings()) == 2


# Leases and generations


def test_every_claim_raises_the_generation_from_the_birth_of_the_ledger_on(ledger):
    assert ledger.birth_ms == int(BORN * 1000)
    hear(ledger, "a")
    [one] = claim(ledger)
    assert one.generation == ledger.birth_ms + 1
    settle(ledger, Settlement(one, {}, done=False))
    assert claim(ledger, round_="2")[0].generation == ledger.birth_ms + 2


def test_a_rebuilt_ledger_counts_above_the_lost_one(ledger, tmp_path):
    one = index(ledger, "a")
    rebuilt = open_ledger(f"sqlite:///{tmp_path}/rebuilt.sqlite", now=BORN + 60)
    assert index(rebuilt, "a").generation > one.generation
    rebuilt.close()


def test_a_birth_is_recorded_once(url, ledger):
    again = open_ledger(url, now=BORN + 1000)
    assert again.birth_ms == ledger.birth_ms
    again.close()


def test_a_lease_keeps_others_away_until_it_ends_and_then_the_work_starts_in_recovery(ledger):
    hear(ledger, "a")
    [first] = claim(ledger, lease_s=60)
    assert not first.recover
    assert claim(ledger, owner="other", round_="2", now=NOW + 60) == []
    [second] = claim(ledger, owner="other", round_="2", now=NOW + 61)
    assert second.recover
    assert second.generation == first.generation + 1


def test_recovery_lasts_until_a_claim_is_settled(ledger):
    hear(ledger, "a")
    claim(ledger)
    [second] = claim(ledger, round_="2", now=NOW + 61)
    settle(ledger, Settlement(second, {}, done=False))
    [third] = claim(ledger, round_="3")
    assert third.recover
    settle(ledger, indexed(third))
    hear(ledger, "a")
    assert not claim(ledger, round_="4")[0].recover


def test_a_late_worker_neither_intends_nor_settles_anything(ledger):
    hear(ledger, "a", "b")
    late, fine = sorted(claim(ledger), key=lambda one: one.uri)
    [current] = claim(ledger, owner="other", round_="2", now=NOW + 61, scope=[("t", "file:///a")])
    intents = {one.document_id: (one.generation, "a", ["p1"]) for one in (late, fine)}
    assert ledger.documents.intend(intents) == {fine.document_id}
    assert settle(ledger, indexed(late), indexed(fine)) == {fine.document_id}
    view = ledger.views.documents("a")[late.document_id]
    assert view.standing.due
    assert (view.indexed, view.last_hash) == (None, None)
    assert ledger.views.history(late.document_id) == []
    assert settle(ledger, indexed(current)) == {late.document_id}


def test_an_intent_is_handed_to_whoever_takes_over_and_goes_with_the_proof(ledger):
    hear(ledger, "a")
    [one] = claim(ledger)
    ledger.documents.intend({one.document_id: (one.generation, "a", ["p1", "p2"])})
    [heir] = claim(ledger, round_="2", now=NOW + 61)
    assert heir.intended == ("p1", "p2")
    settle(ledger, indexed(heir))
    hear(ledger, "a")
    assert claim(ledger, round_="3")[0].intended == ()


def test_open_claims_of_the_dead_are_broken_at_once(ledger):
    hear(ledger, "a", "b")
    claim(ledger, limit=1)
    assert ledger.documents.break_leases() == 1
    assert ledger.documents.break_leases() == 0
    assert {one.uri: one.recover for one in claim(ledger, round_="2")} == {"file:///a": True, "file:///b": False}


def test_a_worker_whose_lease_was_broken_neither_intends_nor_settles_anything(ledger):
    # Nobody has claimed it since, so the generation alone does not tell: settling set `settled` to nothing at all.
    hear(ledger, "a")
    [one] = claim(ledger)
    ledger.documents.break_leases()
    assert ledger.documents.intend({one.document_id: (one.generation, "a", ["p1"])}) == set()
    assert settle(ledger, indexed(one)) == set()
    assert claim(ledger, round_="2")[0].recover


def test_work_that_went_to_another_collection_only_makes_its_document_due_in_this_one(ledger):
    for name in ("a", "b"):
        index(ledger, name, collection="old")
    hear(ledger, "b")
    settle(ledger, *(indexed(one, collection="new") for one in claim(ledger, round_="there")))
    assert ledger.documents.hear_ahead("new", collection="old", at=NOW) == 1
    [one] = claim(ledger, round_="back", collection="old")
    assert (one.uri, one.recover) == ("file:///b", True)
    assert ledger.documents.hear_ahead("old", collection="new", at=NOW) == 1  # what the other one never had


# Settled


def test_what_was_proved_comes_back_with_the_next_claim(ledger):
    one = index(ledger, "a")
    hear(ledger, "a")
    [again] = claim(ledger)
    assert again.indexed == replace(entry(one.generation), attributes=Attributes(("a", "b"), {"x": "y"}))
    assert (again.last_hash, again.kind, again.identity, again.elsewhere) == ("h", "text", "i", ())


def test_a_version_in_one_collection_leaves_what_another_one_holds(ledger):
    index(ledger, "a", collection="old")
    hear(ledger, "a")
    [one] = claim(ledger, collection="new")
    assert (one.indexed, one.elsewhere) == (None, ("old",))
    assert ledger.views.behind("old", "new") == 1
    settle(ledger, indexed(one, collection="new"))
    assert ledger.views.behind("old", "new") == 0
    assert [ledger.views.chunks(name) for name in ("old", "new")] == [1, 1]
    ledger.documents.forget_collection("old")
    assert ledger.views.chunks("old") == 0


def test_a_tombstone_keeps_the_generation_and_nothing_else_of_the_index(ledger):
    index(ledger, "a")
    gone = remove(ledger, "a")
    assert ledger.documents.known("t", "file:///") == []
    assert ledger.views.chunks("a") == 0
    back = index(ledger, "a")
    assert back.gone
    assert back.generation == gone.generation + 1
    assert ledger.views.removed_since(1, NOW - 1) == 0


def test_removals_are_counted_by_source_and_time(ledger):
    index(ledger, "a")
    remove(ledger, "a")
    counts = [ledger.views.removed_since(*asked) for asked in ((1, NOW), (1, NOW + 1), (2, NOW))]
    assert counts == [1, 0, 0]


def test_a_fingerprint_makes_due_only_what_another_one_made(ledger):
    index(ledger, "a")
    newer = replace(FINGERPRINT, chunker="c2")
    asked = [("text", FINGERPRINT), ("html", newer), ("text", newer), ("text", newer)]
    counts = [ledger.documents.hear_outdated(*one, collection="a", at=NOW) for one in asked]
    assert counts == [0, 0, 1, 0]  # one that is due already needs no second hearing


def test_a_refused_version_is_due_again_under_another_pipeline_only(ledger):
    hear(ledger, "a")
    [one] = claim(ledger)
    settle(ledger, Settlement(one, {"held_reason": "corrupt", "held_detail": "", "held_fingerprint": "f1"}))
    assert [ledger.documents.hear_refused(digest, at=NOW) for digest in ("f1", "f2")] == [0, 1]


def test_distrust_takes_nothing_for_granted(ledger):
    index(ledger, "a")
    assert ledger.documents.hear_again([("t", "file:///")], at=NOW, distrust=True) == 1
    [one] = claim(ledger)
    assert (one.recover, one.identity) == (True, "")


def test_parked_removals_are_marked_and_lifted(ledger):
    one = index(ledger, "a")
    ledger.documents.hold_removals([one.document_id], at=NOW)
    assert ledger.documents.known("t", "file:///")[0].removal_held
    assert [found["reason"] for found in ledger.views.refusals()] == ["removal-held"]
    ledger.documents.lift_removals([one.document_id])
    assert ledger.views.refusals() == []


def test_history_is_newest_first(ledger):
    one = index(ledger, "a")
    remove(ledger, "a")
    assert [line["event"] for line in ledger.views.history(one.document_id)] == ["removed", "added"]


def test_the_good_versions_that_were_settled_last_are_told_apart_from_what_is_gone_or_never_was_good(ledger):
    for n, name in enumerate("abcd"):
        hear(ledger, name)
        [one] = claim(ledger, round_=name, scope=[("t", f"file:///{name}")])
        settle(ledger, indexed(one), at=NOW + n)
    remove(ledger, "b")
    hear(ledger, "e")
    [one] = claim(ledger, round_="e", scope=[("t", "file:///e")])
    settle(ledger, Settlement(one, {"held_reason": "empty", "held_at": NOW}, event="held"), at=NOW + 9)
    assert ledger.views.latest(2) == [document_id("t", "file:///d"), document_id("t", "file:///c")]
    assert len(ledger.views.latest(9)) == 3


# Forgotten


def test_a_forgotten_document_leaves_a_mark_is_skipped_and_can_be_remembered(ledger):
    one = index(ledger, "a")
    ledger.documents.erase([one.document_id])
    assert ledger.documents.forgotten() == {one.document_id}
    assert ledger.views.documents("a") == {}
    assert ledger.views.history(one.document_id) == []
    assert len(hear(ledger, "a", "b")) == 1
    assert [found.uri for found in claim(ledger)] == ["file:///b"]
    assert ledger.documents.remember(one.document_id)
    assert not ledger.documents.remember(one.document_id)
    assert len(hear(ledger, "a")) == 1


def test_forgetting_twice_leaves_one_mark(ledger):
    one = index(ledger, "a")
    for _ in range(2):
        ledger.documents.erase([one.document_id])
    assert ledger.documents.is_forgotten(one.document_id)


def test_scrubbing_leaves_nothing_of_what_was_deleted_in_the_file(file):
    ledger = open_ledger(f"sqlite:///{file}", now=BORN)
    hear(ledger, "a", metadata={"secret": "canary-in-the-ledger"})
    [one] = claim(ledger)
    ledger.documents.erase([one.document_id])
    ledger.scrub()
    assert all(b"canary" not in path.read_bytes() for path in file.parent.iterdir())
    hear(ledger, "b")
    ledger.close()


# Texts


def test_vectors_of_one_tenant_and_model_are_nobody_elses(ledger):
    vector = np.arange(4, dtype=np.float32)
    ledger.vectors.put("t", "m", {"k": vector})
    assert ledger.vectors.get("t", "m", ["k", "unknown"])["k"].tolist() == [0, 1, 2, 3]
    assert ledger.vectors.get("other", "m", ["k"]) == {}
    assert ledger.vectors.get("t", "m2", ["k"]) == {}


def test_a_known_vector_stays_as_it_is(ledger):
    for value in (1, 2):
        ledger.vectors.put("t", "m", {"k": np.full(2, value, dtype=np.float32)})
    assert ledger.vectors.get("t", "m", ["k"])["k"].tolist() == [1, 1]


def test_more_keys_than_a_statement_takes_are_asked_for_in_parts(ledger):
    keys = [str(number) for number in range(1200)]
    ledger.vectors.put("t", "m", dict.fromkeys(keys, np.zeros(2, dtype=np.float32)))
    assert sorted(ledger.vectors.get("t", "m", keys)) == sorted(keys)


def test_only_vectors_that_no_document_of_the_tenant_uses_are_erased(ledger):
    index(ledger, "a", key="used")
    vector = np.zeros(2, dtype=np.float32)
    ledger.vectors.put("t", "m", {"used": vector, "unused": vector})
    ledger.vectors.put("other", "m", {"unused": vector})
    assert ledger.vectors.erase_unused("t") == 1
    assert list(ledger.vectors.get("t", "m", ["used", "unused"])) == ["used"]
    assert list(ledger.vectors.get("other", "m", ["unused"])) == ["unused"]


def test_parses_are_found_by_content_and_parser_within_a_tenant(ledger):
    ledger.parses.put([("t", "h", "p|txt", PARSED), ("t", "h", "p|txt", PARSED)])
    assert ledger.parses.get("t", "h", "p|txt") == PARSED
    assert ledger.parses.find("t", "h") == [("p|txt", PARSED)]
    assert ledger.parses.get("t", "h", "p2|txt") is None
    assert ledger.parses.find("other", "h") == []


def test_a_parse_is_collected_once_no_document_uses_it(ledger):
    for name in ("a", "b"):
        index(ledger, name)
    ledger.parses.put([("t", "h", parser, PARSED) for parser in ("p|txt", "older|txt")])
    ledger.parses.put([("other", "h", "p|txt", PARSED)])
    ledger.parses.collect("t", ["h"])
    assert [parser for parser, _ in ledger.parses.find("t", "h")] == ["p|txt"]
    remove(ledger, "a")
    ledger.parses.collect("t", ["h"])
    assert ledger.parses.find("t", "h")
    remove(ledger, "b")
    ledger.parses.collect("t", ["h"])
    assert ledger.parses.find("t", "h") == []
    assert ledger.parses.find("other", "h")


def test_parses_that_no_document_uses_are_erased_with_a_tenant(ledger):
    index(ledger, "a")
    ledger.parses.put([("t", hash_, "p|txt", PARSED) for hash_ in ("h", "unused")])
    ledger.parses.erase_unused("t")
    assert [len(ledger.parses.find("t", hash_)) for hash_ in ("h", "unused")] == [1, 0]


# Sources


def test_a_source_is_registered_once_and_a_change_of_its_attributes_is_reported_before(ledger):
    docs = Source(uri="file:///docs/", tenant="t")
    reports = []
    for update in ({}, {}, {"cadence": 5}, {"acl": ("ann",)}, {"acl": ("ann",)}, {"metadata": {"x": "y"}}, {}):
        declared = docs.model_copy(update=update)
        reports.append(ledger.sources.changes_attributes(declared))
        assert (
            ledger.sources.register(declared).model_dump(mode="json").items()
            >= declared.model_dump(mode="json").items()
        )
    assert reports == [False, False, False, True, False, True, True]
    assert len(ledger.sources.all()) == 1


def test_the_same_place_is_a_source_of_each_tenant_that_declares_it(ledger):
    ids = {ledger.sources.register(Source(uri="file:///docs/", tenant=tenant)).id for tenant in "ab"}
    assert len(ids) == 2


def test_a_failed_attempt_leaves_when_a_source_was_verified(ledger):
    source = ledger.sources.register(Source(uri="file:///docs/"))
    ledger.sources.verified(source.id, root_identity="r", at=NOW)
    ledger.sources.failed(source.id, error="away", at=NOW + 5)
    [known] = ledger.sources.all()
    assert (known.root_identity, known.verified_at, known.attempted_at, known.error) == ("r", NOW, NOW + 5, "away")
    ledger.sources.verified(source.id, root_identity="r", at=NOW + 9)
    assert ledger.sources.all()[0].error is None


def test_a_source_that_still_has_documents_is_not_removed(ledger):
    source = ledger.sources.register(Source(uri="file:///docs/", tenant="t"))
    ledger.documents.hear([Hearing("t", "file:///docs/a", source.id)], at=NOW)
    assert ledger.sources.remove("t") == 0
    ledger.documents.erase([document_id("t", "file:///docs/a")])
    assert ledger.sources.remove("t") == 1


# Opening and failing


def test_settings_are_recorded_and_replaced(ledger):
    assert ledger.get("dtype") is None
    for value in ("float32", {"name": "m"}):
        ledger.put("dtype", value)
    assert ledger.get("dtype") == {"name": "m"}


def test_a_ledger_of_a_newer_format_is_refused(url, ledger):
    ledger.put("format", FORMAT + 1)
    with pytest.raises(HomeTooNew, match=f"format {FORMAT + 1}.* up to {FORMAT}"):
        open_ledger(url, now=NOW)


def test_a_ledger_that_was_not_finished_being_made_is_made_again(url, ledger):
    with ledger._database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM meta")
        connection.exec_driver_sql("DROP TABLE forgotten")
    again = open_ledger(url, now=NOW)
    assert again.birth_ms == int(NOW * 1000)
    assert len(hear(again, "a")) == 1
    again.close()


def test_two_processes_that_make_a_ledger_at_once_agree_on_its_birth(url):
    start, births, failures = threading.Barrier(4), [], []

    def opener(number):
        try:
            start.wait()
            one = open_ledger(url, now=BORN + number)
            births.append(one.birth_ms)
            one.close()
        except Unreachable as error:
            failures.append(error)

    openers = [threading.Thread(target=opener, args=(number,)) for number in range(4)]
    for each in openers:
        each.start()
    for each in openers:
        each.join()
    assert failures == []
    assert len(births) == 4
    assert len(set(births)) == 1


def test_a_reader_that_keeps_nothing_open_leaves_no_file_beside_the_ledger(file):
    open_ledger(f"sqlite:///{file}", now=BORN).close()
    reader = open_ledger(f"sqlite:///{file}", now=NOW, keep_open=False)
    assert reader.views.standings() == []
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_full_disk_is_one_plain_line_and_the_ledger_stays_as_it_was(file):
    ledger = open_ledger(f"sqlite:///{file}", now=BORN)
    hear(ledger, "a")
    with ledger._database.bare() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(Unreachable) as caught:
        hear(ledger, *range(5000))
    line = str(caught.value)
    assert line.startswith(f"sqlite:///{file}: the ledger failed: database or disk is full (free disk space")
    assert "\n" not in line
    assert [one.uri for one in claim(ledger)] == ["file:///a"]
    ledger.close()


def _directory(file):
    file.mkdir()


def _rubbish(file):
    file.write_bytes(b"This is no database." * 500)


def _another_program(file):
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE meta (something TEXT)")
    connection.close()


def _no_folder(file):
    file.parent.rmdir()


@pytest.mark.parametrize("spoil", [_directory, _rubbish, _another_program, _no_folder])
def test_a_file_that_cannot_be_the_ledger_is_one_plain_line(tmp_path, spoil):
    file = tmp_path / "home" / "ledger.sqlite"
    file.parent.mkdir()
    spoil(file)
    with pytest.raises(Unreachable) as caught:
        open_ledger(f"sqlite:///{file}", now=NOW)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert "SELECT" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "nodatabase://user:hunter2@host/x", "sqlite://user:hunter2@/x"])
def test_an_address_that_is_none_is_named_without_its_password(url):
    # SQLAlchemy's own error came through, with a page of text.
    with pytest.raises(UsageError, match="PENSTOCK_DATABASE_URL") as caught:
        open_ledger(url, now=NOW)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
