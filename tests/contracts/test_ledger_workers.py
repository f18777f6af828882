"""What many workers, intakes and schedulers need of one ledger, on SQLite and PostgreSQL alike."""

import random
import threading
import time

import pytest
import sqlalchemy as sa

from infra.ledger import open_ledger
from infra.ledger.claims import LATE_WRITES_S
from infra.ledger.once import REMEMBER_S
from infra.ledger.records import DeadLetter, Hearing, Priority, Settlement, Waiting
from infra.ledger.tables import documents
from schemas.errors import OtherFingerprint, PenstockError, Reason, Refusal
from schemas.identity import document_id
from schemas.sources import Source
from tests.contracts.conftest import BORN
from tests.contracts.test_ledger import FINGERPRINT, NOW, claim, hear, index, indexed, remove, settle
from workers.understand import excerpt


def id_of(name):
    return document_id("t", f"file:///{name}")


def rows(ledger):
    """Every document's row by the last part of its URI."""
    with ledger._database.connect() as connection:
        return {row.uri.rpartition("/")[2]: row for row in connection.execute(sa.select(documents))}


def at_once(count, work):
    """Run `work(number)` in so many threads at the same moment; returns what they returned."""
    start, results, failures = threading.Barrier(count), [], []

    def run(number):
        try:
            start.wait()
            results.append(work(number))
        except PenstockError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    return results


# Which first


def test_what_happened_goes_before_what_only_a_new_pipeline_changes(ledger):
    for name in "ab":
        index(ledger, name)
    ledger.documents.hear_outdated("text", FINGERPRINT.__class__("p", "c2", "m", "r", "y"), collection="a", at=NOW)
    hear(ledger, "late", at=NOW + 9)
    assert claim(ledger, now=NOW + 9)[0].uri == "file:///late"


def test_an_event_makes_a_reindexed_document_pressing_and_no_reindex_takes_that_from_it(ledger):
    ledger.documents.hear([Hearing("t", "file:///a", 1)], at=NOW, priority=Priority.REINDEX)
    assert rows(ledger)["a"].priority == Priority.REINDEX
    hear(ledger, "a")
    assert rows(ledger)["a"].priority == Priority.EVENT
    ledger.documents.hear([Hearing("t", "file:///a", 1)], at=NOW, priority=Priority.REINDEX)
    assert rows(ledger)["a"].priority == Priority.EVENT
    settle(ledger, *(indexed(one) for one in claim(ledger)))
    ledger.documents.hear([Hearing("t", "file:///a", 1)], at=NOW, priority=Priority.REINDEX)
    assert rows(ledger)["a"].priority == Priority.REINDEX  # nothing pressing is due any more


def test_a_claim_by_ids_takes_those_that_are_due_and_free_of_them(ledger):
    hear(ledger, "a", "b", "c", "settled")
    settle(ledger, *(indexed(one) for one in claim(ledger, scope=[("t", "file:///settled")])))
    claim(ledger, scope=[("t", "file:///b")], round_="other")
    wanted = [id_of(name) for name in ("a", "b", "settled", "unknown")]
    taken = ledger.documents.claim(
        owner="me", now=NOW, lease_s=60, limit=9, round_="2", collection="a", ids=wanted, fingerprint=None
    )
    assert [one.uri for one in taken] == ["file:///a"]


@pytest.mark.parametrize("recorded", [None, "another"])
def test_a_worker_with_another_pipeline_claims_nothing(ledger, recorded):
    hear(ledger, "a")
    if recorded:
        ledger.put("fingerprint", recorded)
    asked = {"owner": "me", "now": NOW, "lease_s": 60, "limit": 9, "round_": "1", "collection": "a"}
    with pytest.raises(OtherFingerprint):
        ledger.documents.claim(**asked, fingerprint="mine")
    ledger.put("fingerprint", "mine")
    assert len(ledger.documents.claim(**asked, fingerprint="mine")) == 1


def test_what_is_in_hand_when_the_pipeline_advances_is_done_once_more(ledger):
    # Settled by a worker of the older pipeline after the advance, it was never due under the newer one.
    hear(ledger, "a", "waiting")
    [one] = claim(ledger, scope=[("t", "file:///a")])
    assert ledger.documents.hear_in_hand(at=NOW + 1) == 1
    settle(ledger, indexed(one), at=NOW + 2)
    assert ledger.documents.due(now=NOW + 3, scope=[("t", "file:///a")]) == 1


# At the same moment


def test_many_workers_with_connections_of_their_own_take_each_document_once(url):
    ledgers = [open_ledger(url, now=BORN) for _ in range(4)]
    hear(ledgers[0], *range(400))

    def work(number):
        taken = []
        for round_ in range(1000):
            found = claim(ledgers[number], owner=str(number), round_=f"{number}.{round_}", limit=7)
            if not found:
                return taken
            taken += [(one.document_id, one.generation) for one in found]
            settle(ledgers[number], *(indexed(one) for one in found))
        raise AssertionError("claims never end")

    taken = [one for some in at_once(4, work) for one in some]
    assert (len(taken), len(set(taken))) == (400, 400)
    assert ledgers[0].documents.due(now=NOW + 9) == 0
    for one in ledgers:
        one.close()


def test_nobody_waits_for_documents_that_another_one_is_just_claiming(url, ledger):
    if not ledger.shared:
        pytest.skip("SQLite has one writer at a time, and waits for it")
    hear(ledger, "a", "b")
    with ledger._database.begin() as connection:
        query = sa.select(documents).where(documents.c.uri == "file:///a").with_for_update()
        connection.execute(query).one()
        other = open_ledger(url, now=BORN)
        assert [one.uri for one in claim(other)] == ["file:///b"]
        other.close()


def test_late_workers_and_their_heirs_at_the_same_moment_settle_each_document_once(url):
    """Ten documents go from hand to hand; whoever settles one is its latest claimant, however close the race."""
    ledgers = [open_ledger(url, now=BORN) for _ in range(4)]
    hear(ledgers[0], *range(10))
    settled = []

    def work(number):
        ledger, chance = ledgers[number], random.Random(number)
        for round_ in range(12):
            found = claim(ledger, owner=str(number), round_=f"{number}.{round_}", lease_s=-1, now=NOW)
            chance.shuffle(found)
            intents = {one.document_id: (one.generation, "a", ["p"]) for one in found}
            mine = ledger.documents.intend(intents)
            done = settle(ledger, *(indexed(one, hash_=str(one.generation)) for one in found))
            assert done <= mine
            settled.extend((one.document_id, one.generation) for one in found if one.document_id in done)

    at_once(4, work)
    assert len(settled) == len({id_ for id_, _ in settled}) == 10
    views = ledgers[0].views.documents("a")
    assert {(id_, int(view.last_hash)) for id_, view in views.items()} == set(settled)
    assert {(id_, view.indexed.generation) for id_, view in views.items()} == set(settled)
    for one in ledgers:
        one.close()


def test_intakes_that_hear_of_the_same_documents_in_another_order_both_go_on(url):
    ledgers = [open_ledger(url, now=BORN) for _ in range(3)]
    names = list(range(60))

    def work(number):
        shuffled = random.Random(number).sample(names, len(names))
        for _ in range(8):
            hear(ledgers[number], *shuffled)
        return len(names)

    assert at_once(3, work) == [60] * 3
    assert {row.heard for row in rows(ledgers[0]).values()} == {24}
    for one in ledgers:
        one.close()


def test_a_slot_is_taken_once_however_many_want_it(url):
    ledgers = [open_ledger(url, now=BORN) for _ in range(4)]
    for slot in range(5):
        assert sorted(at_once(4, lambda n, slot=slot: ledgers[n].slots.take("job", slot))) == [False] * 3 + [True]
    for one in ledgers:
        one.close()


def test_what_is_exclusive_is_so_by_its_name(url, ledger):
    if not ledger.shared:
        with ledger.exclusively("x"), ledger.exclusively("x"):
            return  # the home's lock has kept everybody else out
    order = []

    def work(number):
        other = open_ledger(url, now=BORN)
        with other.exclusively("x"):
            order.append(number)
            time.sleep(0.05)
            order.append(number)
        other.close()

    at_once(3, work)
    assert order[::2] == order[1::2]
    with ledger.exclusively("x"), ledger.exclusively("y"):
        pass


def test_a_first_setting_holds_whoever_else_records_one(url):
    ledgers = [open_ledger(url, now=BORN) for _ in range(3)]
    [holds] = set(at_once(3, lambda number: ledgers[number].put_new("dtype", f"float{number}")))
    assert ledgers[0].get("dtype") == holds
    assert ledgers[0].put_new("dtype", "another") == holds
    for one in ledgers:
        one.close()


# Leases


def test_a_renewed_lease_lasts_longer_and_a_lost_one_is_not_renewed(ledger):
    hear(ledger, "a", "b")
    mine = claim(ledger, lease_s=60)
    assert ledger.documents.renew(mine, until=NOW + 100) == {one.document_id for one in mine}
    assert claim(ledger, owner="other", round_="2", now=NOW + 99) == []
    [taken] = claim(ledger, owner="other", round_="3", now=NOW + 101, limit=1)
    assert ledger.documents.renew(mine, until=NOW + 200) == {one.document_id for one in mine} - {taken.document_id}
    assert rows(ledger)["a"].lease_until == NOW + 161


def test_what_is_given_back_is_due_at_its_time_in_recovery_and_no_lease_is_in_the_way(ledger):
    hear(ledger, "a")
    [one] = claim(ledger)
    ledger.documents.give_back([one], next_attempt_at=NOW + 5, error="the index is away")
    assert claim(ledger, round_="2", now=NOW + 4) == []
    [again] = claim(ledger, round_="3", now=NOW + 5)
    assert (again.recover, again.attempts, again.crashes) == (True, 1, 0)
    assert "the index is away" in ledger.views.refusals()[0]["detail"]


def test_what_is_given_back_by_a_worker_that_stops_costs_no_attempt_and_no_round(ledger):
    hear(ledger, "a")
    [one] = claim(ledger, round_="1")
    ledger.documents.give_back([one], next_attempt_at=0.0)
    [again] = claim(ledger, round_="1")
    assert (again.attempts, again.crashes, rows(ledger)["a"].recheck_at) == (0, 0, None)


def test_a_write_that_was_not_answered_is_looked_for_once_it_must_have_arrived(ledger):
    # Given back, taken up and settled within seconds, the document kept whatever the first write did afterwards.
    hear(ledger, "a")
    [one] = claim(ledger)
    ledger.documents.give_back([one], next_attempt_at=NOW + 5, error="the index did not answer in time")
    [again] = claim(ledger, round_="2", now=NOW + 6)
    settle(ledger, indexed(again))
    assert ledger.documents.hear_rechecks(at=NOW + LATE_WRITES_S) == 0
    assert ledger.documents.hear_rechecks(at=NOW + 6 + LATE_WRITES_S) == 1


def test_claims_of_others_are_not_given_back(ledger):
    hear(ledger, "a")
    [late] = claim(ledger)
    [heir] = claim(ledger, round_="2", now=NOW + 61)
    ledger.documents.give_back([late], next_attempt_at=0.0, error="x", crashed=True)
    assert settle(ledger, indexed(heir)) == {heir.document_id}
    assert rows(ledger)["a"].attempts == 0


def test_workers_never_heard_of_again_are_counted_until_one_comes_through(ledger):
    hear(ledger, "a")
    for number in range(3):
        [one] = claim(ledger, round_=str(number), now=NOW + 61 * number)
        assert one.crashes == number
    ledger.documents.give_back([one], next_attempt_at=0.0, error="KeyError", crashed=True)
    [one] = claim(ledger, round_="9", now=NOW + 200)
    assert one.crashes == 3
    settle(ledger, indexed(one))
    hear(ledger, "a")
    assert claim(ledger, round_="10")[0].crashes == 0


def test_what_was_taken_over_is_checked_again_once_late_writes_have_arrived(ledger):
    hear(ledger, "a")
    claim(ledger)
    [heir] = claim(ledger, round_="2", now=NOW + 61)
    ripe = NOW + 61 + LATE_WRITES_S
    assert ledger.documents.hear_rechecks(at=ripe) == 0  # still in hand
    settle(ledger, indexed(heir))
    assert ledger.documents.hear_rechecks(at=ripe - 1) == 0
    assert ledger.documents.hear_rechecks(at=ripe) == 1
    assert ledger.documents.hear_rechecks(at=ripe) == 0
    [one] = claim(ledger, round_="3", now=ripe)
    assert (one.recover, one.identity) == (True, "")
    assert rows(ledger)["a"].priority == Priority.REINDEX


def test_tombstones_are_checked_again_too(ledger):
    index(ledger, "a")
    hear(ledger, "a")
    claim(ledger, round_="dies")
    [heir] = claim(ledger, round_="2", now=NOW + 61)
    settle(ledger, Settlement(heir, {"gone_at": NOW, "content_hash": None}, erased=True))
    assert ledger.documents.hear_rechecks(at=NOW + 61 + LATE_WRITES_S) == 1
    assert claim(ledger, round_="3", now=NOW + 300)[0].gone


def test_a_worker_that_was_overtaken_has_its_documents_checked_again(ledger):
    # Stopped between its look at the lease and its write, it wrote whenever it woke up: after the re-check, too.
    hear(ledger, "a", "b")
    late = claim(ledger)
    [heir] = claim(ledger, round_="2", now=NOW + 61, scope=[("t", "file:///a")])
    settle(ledger, indexed(heir))
    assert ledger.documents.hear_rechecks(at=NOW + 1000) == 1
    [again] = claim(ledger, round_="3", now=NOW + 1000, scope=[("t", "file:///a")])
    settle(ledger, indexed(again))
    assert ledger.documents.overtaken(late, at=NOW + 2000) == 1
    found = rows(ledger)
    assert (found["a"].recheck_at, found["b"].recheck_at) == (NOW + 2000 + LATE_WRITES_S, None)


# Wake-ups


def test_whatever_is_due_free_and_not_woken_lately_waits_for_a_wake_up(ledger):
    hear(ledger, "due", "woken", "busy", "failed", "settled")
    claim(ledger, scope=[("t", "file:///busy")])
    [one] = claim(ledger, scope=[("t", "file:///failed")], round_="2")
    settle(ledger, Settlement(one, {"next_attempt_at": NOW + 50}, done=False))
    settle(ledger, *(indexed(one) for one in claim(ledger, scope=[("t", "file:///settled")], round_="3")))
    ledger.documents.woken([id_of("woken")], at=NOW)

    def waiting(now):
        found = ledger.documents.waiting(now=now, woken_before=now - 30, limit=9)
        return {name for name in rows(ledger) for one in found if one.document_id == id_of(name)}

    assert waiting(NOW) == {"due"}
    assert waiting(NOW + 31) == {"due", "woken"}
    assert waiting(NOW + 61) == {"due", "woken", "busy", "failed"}
    hear(ledger, "woken")
    assert waiting(NOW) == {"due", "woken"}  # heard again, it is woken for at once


def test_the_pressing_ones_are_woken_first_and_no_more_than_asked_for(ledger):
    ledger.documents.hear([Hearing("t", "file:///old", 1)], at=NOW - 9, priority=Priority.REINDEX)
    hear(ledger, "b", at=NOW - 1)
    hear(ledger, "a", at=NOW)
    found = ledger.documents.waiting(now=NOW, woken_before=NOW, limit=2)
    assert found == [Waiting(id_of("b"), 0, False), Waiting(id_of("a"), 0, False)]


def test_what_was_in_hand_when_a_worker_died_goes_alone(ledger):
    hear(ledger, "a")
    claim(ledger)
    [one] = ledger.documents.waiting(now=NOW + 61, woken_before=NOW, limit=9)
    assert one.alone


# What is heard


def test_the_latest_word_on_each_attribute_counts_within_one_batch(ledger):
    ledger.documents.hear(
        [
            Hearing("t", "file:///a", 1, acl=["ann"], happened_at=NOW - 5),
            Hearing("t", "file:///a", 1, metadata={"x": "1"}),
            Hearing("t", "file:///a", 1, acl=["bob"]),
            Hearing("t", "file:///a", 1),
        ],
        at=NOW,
    )
    [one] = claim(ledger)
    assert (one.acl, one.metadata, one.happened_at) == (("bob",), {"x": "1"}, NOW - 5)
    assert rows(ledger)["a"].heard == 1


def test_due_since_is_that_of_what_was_heard_after_the_claim(ledger):
    # A document saved all day long, each time during the work on the save before, was due since the morning.
    hear(ledger, "a", at=NOW, happened_at=NOW - 1)
    [one] = claim(ledger, now=NOW + 5)
    hear(ledger, "a", at=NOW + 6, happened_at=NOW + 6)
    settle(ledger, indexed(one), at=NOW + 9)
    assert ledger.views.oldest_due() == ("file:///a", NOW + 5)
    [again] = claim(ledger, now=NOW + 9, round_="2")
    assert again.happened_at is None
    settle(ledger, indexed(again))
    assert rows(ledger)["a"].heard_at == NOW + 5


def test_what_is_due_for_another_reason_did_not_happen_when_its_last_event_did(ledger):
    # A re-index days after the last event counted those days as the lag of that event.
    hear(ledger, "a", happened_at=NOW - 1)
    settle(ledger, *(indexed(one) for one in claim(ledger)))
    ledger.documents.hear_again([("t", "file:///")], at=NOW + 9 * 86400)
    assert claim(ledger, round_="2", now=NOW + 9 * 86400)[0].happened_at is None


def test_a_judged_removal_is_allowed_until_the_next_settlement(ledger):
    one = index(ledger, "a")
    ledger.documents.hold_removals([one.document_id], at=NOW)
    ledger.documents.hear_removed([one.document_id], at=NOW)
    [again] = claim(ledger)
    assert (again.removal_held, again.removal_allowed) == (True, False)
    settle(ledger, Settlement(again, {}, done=False))
    ledger.documents.hear_removed([one.document_id], at=NOW, allowed=True)
    [again] = claim(ledger, round_="2")
    assert (again.removal_held, again.removal_allowed) == (False, True)
    settle(ledger, indexed(again))
    hear(ledger, "a")
    assert not claim(ledger, round_="3")[0].removal_allowed


def test_forgotten_documents_are_skipped_in_a_batch_of_any_size(ledger):
    names = [str(number) for number in range(1200)]
    hear(ledger, *names)
    gone = [id_of(name) for name in names[::3]]
    ledger.documents.erase(gone)
    assert set(hear(ledger, *names)) == {id_of(name) for name in names} - set(gone)


# Places


LONG = "file:///" + "a" * 3500


def test_a_uri_longer_than_an_index_entry_is_heard_found_and_erased(ledger):
    # PostgreSQL refuses an index entry over 2,704 bytes, and with it the whole transaction of five hundred events.
    chance = random.Random(1)
    deep = "file:///" + "".join(chance.choice("abcdefgh/%20-._~ABC") for _ in range(8000))
    uris = [LONG, LONG + "b", LONG + "/x", LONG + "/y", deep, deep + "/z"]
    ledger.documents.hear([Hearing("t", uri, 1) for uri in uris], at=NOW)

    def found(scope):
        return sorted(document.uri for document in ledger.documents.known("t", scope))

    assert found("file:///") == sorted(uris)
    assert found(LONG) == [LONG]
    assert found(LONG + "/") == [LONG + "/x", LONG + "/y"]
    assert found(deep) == [deep]
    assert found(deep + "/") == [deep + "/z"]
    assert {one.uri for one in claim(ledger, scope=[("t", LONG + "/")])} == {LONG + "/x", LONG + "/y"}
    ledger.documents.erase([document_id("t", uri) for uri in uris])
    assert found("file:///") == []


@pytest.mark.parametrize("length", [511, 512, 513, 514])
def test_prefixes_as_long_as_what_is_indexed_find_what_lies_under_them(ledger, length):
    prefix = "file:///" + "p" * (length - 9) + "/"
    assert len(prefix) == length
    inside = [prefix + name for name in ("", "a", "0", "~", "a/b")]
    outside = [prefix[:-1], prefix[:-1] + "0", prefix[:-1] + ".", prefix[:-2] + "/", prefix[:-1] + "-/x"]
    ledger.documents.hear([Hearing("t", uri, 1) for uri in inside + outside], at=NOW)
    assert {one.uri for one in ledger.documents.known("t", prefix)} == set(inside)
    for uri in outside:
        if not uri.endswith("/"):
            assert [one.uri for one in ledger.documents.known("t", uri)] == [uri]


def test_a_prefix_is_a_range_of_bytes_whatever_the_databases_language(ledger):
    # By a language's rules marks count little and capitals stand beside small letters: a range would lose some.
    names = ["a", "A", "ä".encode().hex(), "-x", ".hidden", "0", "9", "Z", "z", "%20", "%C3%A9", "~", "_", "a-b", "a.b"]
    inside = [f"file:///Docs/{name}" for name in names]
    outside = [
        f"file:///{name}" for name in ("docs/a", "Docs", "Docs-x/a", "Docs.x/a", "Docs0/a", "DocsA/a", "Docs%2Fa")
    ]
    ledger.documents.hear([Hearing("t", uri, 1) for uri in inside + outside], at=NOW)
    assert {one.uri for one in ledger.documents.known("t", "file:///Docs/")} == set(inside)
    assert {one.uri for one in claim(ledger, scope=[("t", "file:///Docs/")])} == set(inside)


def test_a_place_is_found_by_its_index_however_many_there_are(ledger):
    hear(ledger, *range(3000))
    with ledger._database.begin() as connection:
        explain = "EXPLAIN QUERY PLAN "
        if ledger.shared:
            connection.exec_driver_sql("ANALYZE documents")
            explain = "EXPLAIN "
        from infra.ledger.scopes import in_prefix

        for uri in ("file:///77", "file:///77/", LONG):
            query = sa.select(documents.c.document_id).where(in_prefix("t", uri))
            sql = str(query.compile(dialect=ledger._database.dialect, compile_kwargs={"literal_binds": True}))
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + sql.replace("%", "%%")))
            assert "documents_place" in plan, plan


# Letters, slots, webhooks, clocks


def test_what_is_said_of_poison_is_recorded(ledger):
    """A NUL, or half a surrogate pair, would stop intake at this record for good."""
    details = [excerpt("key \x00\ud800"), Refusal(Reason.CORRUPT, "key \x00\ud800").detail]
    ledger.letters.record([DeadLetter(f"e:0:{n}", "x", detail, NOW, "d:0:0") for n, detail in enumerate(details)])
    assert [letter.detail for letter in ledger.letters.list()] == ["key \ufffd\ufffd"] * 2


def test_a_dead_letter_is_recorded_once_listed_and_marked_when_it_was_sent_again(ledger):
    letters = [DeadLetter(f"events:0:{n}", "not-json", "x", NOW + n, f"dead:0:{n}") for n in (2, 1)]
    for _ in range(2):
        ledger.letters.record(letters)
    ledger.letters.record([])
    assert [letter.id for letter in ledger.letters.list()] == ["events:0:1", "events:0:2"]
    ledger.letters.replayed("events:0:1", at=NOW + 9)
    ledger.letters.record(letters)  # read again after a crash: it stays as it was
    assert [letter.id for letter in ledger.letters.list()] == ["events:0:2"]
    assert ledger.letters.list(replayed=True)[0].replayed_at == NOW + 9
    assert ledger.letters.count() == 1


def test_a_slot_runs_once_an_older_one_never_and_one_given_back_once_more(ledger):
    taken = [ledger.slots.take("job", slot) for slot in (5, 5, 4, 6)]
    assert taken == [True, False, False, True]
    assert ledger.slots.take("other", 1)
    ledger.slots.give_back("job", 6)
    assert [ledger.slots.take("job", slot) for slot in (6, 6)] == [True, False]
    ledger.slots.give_back("job", 5)  # somebody has taken a later one since
    assert not ledger.slots.take("job", 6)


def test_a_webhook_is_remembered_for_its_tenant_and_for_a_while(ledger):
    for _ in range(2):
        ledger.webhooks.remember("t", "1", at=NOW)
    assert ledger.webhooks.seen("t", "1")
    assert not ledger.webhooks.seen("other", "1")
    ledger.webhooks.remember("t", "2", at=NOW + REMEMBER_S)
    assert ledger.webhooks.seen("t", "1")
    ledger.webhooks.remember("t", "3", at=NOW + REMEMBER_S + 1)
    assert [ledger.webhooks.seen("t", id_) for id_ in "123"] == [False, True, True]


def test_the_clock_is_the_servers_where_there_is_one(ledger, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 5.0)  # this machine's clock is wrong by decades
    now = ledger.clock()
    if not ledger.shared:
        assert now() == 5.0
        return
    with ledger._database.connect() as connection:
        theirs = float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")))
    assert abs(now() - theirs) < 1
    first = now()
    assert first <= now()


def test_a_gone_document_that_comes_back_is_known_again(ledger):
    index(ledger, "a")
    remove(ledger, "a")
    assert ledger.documents.known("t", "file:///a") == []
    index(ledger, "a")
    assert [one.uri for one in ledger.documents.known("t", "file:///a")] == ["file:///a"]
    assert ledger.sources.register(Source(uri="file:///")).id
