"""What happens in a bucket, whatever its notifications do: the index ends up as the bucket is, by real processes."""

import io
import json
import random
import re
import time
import unicodedata
import zipfile
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from urllib.request import Request, urlopen

import psutil
import pytest
import yaml

from infra.kafka import KafkaPublisher
from infra.ports import Message
from schemas.identity import content_hash
from tests.support.bucket import Bucket, QuietStore, commands, sample
from tests.support.plant_scaled import scaled
from tests.support.proxy import Proxy
from tests.support.services.server import spare_port

pytestmark = pytest.mark.server

#: Where the worker may be made to stop, once armed.
RACES = ("fetch.after", "embed.after", "upsert.after")


#: Seconds after which a wake-up, a source that did not answer, and refused credentials are tried again.
CONSTANTS = {
    "workers.wakeups.RESEND_S": 3,
    "workers.pipeline.outcome.FIRST_RETRY_S": 1.0,
    "infra.source_s3.RENEW_S": 1.0,
}


@pytest.fixture(scope="module")
def plant(services, tmp_path_factory):
    """One intake, one worker of two processes, and a beat; the workers reach the store through a proxy.

    Their credentials are in a file.
    """
    room = tmp_path_factory.mktemp("plant")
    constants = {"PENSTOCK_TEST_CONSTANTS": json.dumps(CONSTANTS)}
    with Proxy(services.start().s3.port) as proxy, scaled(services, room, **constants) as found:
        found.proxy, found.worker_port, found.intake_port = proxy, spare_port(), spare_port()
        found.environment["PENSTOCK_S3_ENDPOINT_URL"] = f"http://127.0.0.1:{proxy.port}"
        found.credentials = room / "credentials"
        found.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(found.credentials)
        found.environment |= dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
        enter(found, services.store)
        found.intake(PENSTOCK_METRICS_PORT=str(found.intake_port))
        stops = ",".join(f"{place}:stop" for place in RACES)
        metrics = {"PENSTOCK_METRICS_PORT": str(found.worker_port)}
        found.first_worker = found.worker(PENSTOCK_CONCURRENCY="2", PENSTOCK_FAIL=stops, **metrics)
        found.beat()
        yield found


def enter(plant, keys_of) -> None:
    """Write the credentials file anew."""
    secret = f"aws_access_key_id={keys_of.access_key}\naws_secret_access_key={keys_of.secret_key}\n"
    plant.credentials.write_text(f"[default]\n{secret}")


@pytest.fixture
def bucket(plant):
    """A bucket nobody else writes to. It is listed when a test says so, and at the end must agree with the index."""
    found = Bucket(plant)
    yield found
    found.close()


@pytest.fixture(scope="module")
def quiet(services):
    """A client whose changes nobody is told of."""
    with QuietStore(services.s3) as store:
        yield store.store.shared_client


def policy(text: object, sections: int = 1) -> str:
    """A document of about a chunk for each section."""
    filling = " ".join(f"word{number}" for number in range(60))
    return "\n\n".join(f"## Part {part}\n\nThe policy is {text}, {part}: {filling}." for part in range(sections))


def takes(bucket, key: str) -> bool:
    """Whether the store takes an object of this key, and lists it under the same; else nothing is left of it."""
    from botocore.exceptions import ClientError

    before = bucket.keys()
    try:
        bucket.put(key, policy(repr(key)))
    except ClientError:
        return False
    if bucket.keys().count(key) == 1:
        return True
    bucket.delete(key)
    assert bucket.keys() == before
    return False


KEYS = [
    "with space.md",
    "plus+sign.md",
    "percent%.md",
    "encoded%2Bplus.md",
    "plus%20and+space .md",
    unicodedata.normalize("NFC", "caf\u00e9.md"),
    unicodedata.normalize("NFD", "caf\u00e9.md"),
    "emoji-\U0001f680.md",
    "/".join("xyzw"[n] * 250 for n in range(4)) + "/" + "v" * 17 + ".md",
    "/leading.md",
    "..",
    "a/../b.md",
    "..hidden..md",
    "line\nbreak.md",
    "exclaim!/member.md",
    "quote'\"&<>.md",
    "question?x=1#y.md",
]


def test_every_key_that_the_store_takes_comes_back_as_it_was_written(bucket):
    """Scenario 29."""
    assert len(KEYS[8].encode()) == 1024
    taken = [key for key in KEYS if takes(bucket, key)]
    assert len(taken) >= 12
    bucket.converges()
    assert {key for key, one in bucket.documents().items() if one.searchable} == set(taken)


def test_where_a_put_is_seen_to_be_searchable_the_lag_is_seen_too(plant, bucket):
    bucket.put("a.md", policy("seen"))
    bucket.converges()
    assert "seen" in bucket.search()["a.md"]["text"]
    status = bucket.commands.json("status", status=None)
    for stage in ("event", "claim", "searchable"):
        found = status["lag_stages_seconds"][stage]
        assert 0 <= found["p50"] <= found["p95"] <= found["p99"] < 60, stage
    lags = sample(plant.worker_port, "penstock_lag_seconds_count")
    assert min(lags[stage] for stage in ("heard", "claimed", "searchable")) > 0, lags
    assert sample(plant.worker_port, "penstock_documents_total")["added"] > 0
    assert sample(plant.intake_port, "penstock_records_total")["taken"] > 0
    assert sample(plant.intake_port, "penstock_ledger_up")[""] == 1
    assert sample(plant.intake_port, "penstock_source_freshness_seconds")[f"{bucket.tenant} {bucket.uri}"] == 86_400


def test_what_is_held_is_listed_shown_and_reported_from_the_servers(plant, bucket):
    bucket.put("a.md", policy("first", 3))
    bucket.converges()
    bucket.put("a.md", "")

    def held() -> list[dict[str, Any]]:
        everything = bucket.commands.json("quarantine", "list", status=None)["held"]
        return [one for one in everything if one["uri"].startswith(bucket.uri)]

    [one] = plant.until(held)
    assert (one["uri"], one["reason"]) == (f"{bucket.uri}a.md", "empty")
    shown = bucket.commands.json("quarantine", "show", one["uri"], "--tenant", bucket.tenant)
    assert shown["served"] == content_hash(policy("first", 3).encode()) != shown["content_hash"]
    assert not bucket.search()["a.md"]["fresh"]
    found = bucket.commands.json("report", "--data-docs")
    assert found["held"] >= 1
    assert {one["rule"]: one["checked"] for one in found["rules"]}["duplicate"] >= 1
    page = Path(found["report"]).read_text()
    assert "a.md" in page
    assert "An older version is served, marked stale." in re.sub(r"\s+", " ", page)
    bucket.put("a.md", policy("second", 3))
    bucket.converges()
    assert not held()


def test_what_is_in_an_archive_is_found_follows_it_and_goes_with_it(plant, bucket):
    """Its members are heard of by the worker that opened it, and any worker takes them up, at once."""

    def zipped(**members: str) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, text in members.items():
                archive.writestr(f"{name}.md", policy(text))
        bucket.client.put_object(Bucket=bucket.name, Key="all.zip", Body=file.getvalue())

    def found() -> dict[str, str]:
        return {key: hit["text"] for key, hit in bucket.search().items()}

    zipped(a="the first", b="the second")
    plant.until(lambda: found().keys() == {"all.zip!/a.md", "all.zip!/b.md"})
    zipped(b="another second", c="the third")
    plant.until(lambda: found().keys() == {"all.zip!/b.md", "all.zip!/c.md"} and "another" in found()["all.zip!/b.md"])
    bucket.delete("all.zip")
    plant.until(lambda: not found())


def forged(bucket, key: str, name: str, sequencer: str = "00") -> bytes:
    """A notification as a store writes it, whether or not it is so."""
    place = {"bucket": {"name": bucket.name}, "object": {"key": quote_plus(key), "sequencer": sequencer}}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "eventTime": "2026-01-02T03:04:05.678Z",
        "s3": place,
    }
    return json.dumps({"Records": [record]}).encode()


def publish(plant, *bodies: bytes) -> None:
    publisher = KafkaPublisher(plant.given["PENSTOCK_KAFKA_BOOTSTRAP_SERVERS"])
    try:
        publisher.send([Message("penstock.s3.v1", str(n).encode(), body) for n, body in enumerate(bodies)])
    finally:
        publisher.close()


def test_repeated_delayed_and_lost_notifications_in_any_order_end_as_the_bucket_is(plant, bucket, quiet):
    """Scenario 27: a seeded history of 20 keys; a third of it nobody is told of; what is told is told again, shuffled.

    INV-2 all the while: no hit is older than what the ledger had proved before the search.
    """
    rng = random.Random(27)
    versions: dict[str, list[str]] = defaultdict(list)
    told: list[bytes] = []
    done: Counter[str] = Counter()
    for number in range(150):
        key = f"{rng.randrange(20):02}.md"
        client = rng.choice([bucket.client, bucket.client, quiet])
        here = bool(versions[key]) and versions[key][-1] != ""
        what = rng.choice(["put", "put", "delete", "copy"]) if here else "put"
        if what == "put":
            body = policy(f"number {number}", rng.randrange(1, 4))
            client.put_object(Bucket=bucket.name, Key=key, Body=body.encode())
            versions[key].append(content_hash(body.encode()))
        elif what == "delete":
            client.delete_object(Bucket=bucket.name, Key=key)
            versions[key].append("")
        else:
            other = f"{rng.randrange(20):02}.md"
            source = {"Bucket": bucket.name, "Key": key}
            client.copy_object(Bucket=bucket.name, Key=other, CopySource=source, MetadataDirective="REPLACE")
            versions[other].append(versions[key][-1])
        done[what] += 1
        name = "ObjectRemoved:Delete" if what == "delete" else "ObjectCreated:Put"
        told.append(forged(bucket, key, name, f"{rng.randrange(1 << 32):X}"))
        if number % 25 == 24:
            publish(plant, *rng.sample(told, len(told)), *rng.choices(told, k=10))
            bucket.reconcile()
            never_behind(bucket, versions)
    bucket.reconcile()
    bucket.converges()
    publish(plant, *rng.sample(told, len(told)))
    for _ in range(3):
        never_behind(bucket, versions)
    assert min(done.values()) >= 15, done
    assert bucket.writes() >= 30


def never_behind(bucket, versions) -> None:
    """INV-2, of one search. A version is known by its bytes, which no two have but copies."""
    before = bucket.documents()
    for key, hit in bucket.search("The policy is number").items():
        proved = before.get(key)
        if proved is None or proved.last_hash is None:
            continue
        order = versions[key]
        assert newest(order, hit["content_hash"]) >= newest(order, proved.last_hash), (key, order, hit)


def newest(order: list[str], hash_: str) -> int:
    return max(number for number, one in enumerate(order) if one == hash_)


def test_a_removal_told_before_its_put_and_a_put_told_after_its_removal_change_nothing(plant, bucket, quiet):
    """Scenario 31 a."""
    quiet.put_object(Bucket=bucket.name, Key="here.md", Body=policy("here").encode())
    publish(plant, forged(bucket, "here.md", "ObjectRemoved:Delete", "02"))
    publish(
        plant, forged(bucket, "here.md", "ObjectCreated:Put", "01"), forged(bucket, "never.md", "ObjectCreated:Put")
    )
    bucket.converges()
    quiet.delete_object(Bucket=bucket.name, Key="here.md")
    publish(plant, forged(bucket, "here.md", "ObjectCreated:Put", "03"))
    bucket.converges()
    assert bucket.search() == {}


def test_deleted_and_created_again_at_once(bucket):
    """Scenario 31 c: the last word is the source's, ten times."""
    for number in range(10):
        bucket.put("a.md", policy(f"number {number}", 2))
        bucket.put("b.md", policy(f"number {number}", 2))
        bucket.delete("a.md", "b.md")
        if number != 9:
            bucket.put("a.md", policy(f"again {number}", 2))
    bucket.put("a.md", policy("the last", 1))
    bucket.converges()
    assert bucket.keys() == ["a.md"]


@contextmanager
def stopped(plant, place: str, act):
    """A worker process that stops where it is told; then it goes on, and does whatever it still had in mind."""
    mark = plant.arm(place)
    act()
    plant.until(lambda: not mark.exists())
    found = plant.until(
        lambda: [one for one in plant.first_worker.family() if one.status() == psutil.STATUS_STOPPED], within_s=20
    )
    yield
    for one in found:
        one.resume()


@pytest.mark.parametrize(("place", "late"), [("fetch.after", False), ("embed.after", True), ("upsert.after", True)])
def test_an_object_that_changes_or_goes_while_it_is_worked_on(plant, bucket, place, late):
    """Scenarios 30 and 31 b: what a worker read before is never what stays."""
    with stopped(plant, place, lambda: bucket.put("a.md", policy("one", 4))):
        bucket.put("a.md", policy("two", 2))
        if late:
            bucket.converges()
    bucket.converges()
    assert "two" in bucket.search()["a.md"]["text"]
    with stopped(plant, place, lambda: bucket.put("a.md", policy("three", 3))):
        bucket.delete("a.md")
        if late:
            bucket.converges()
    bucket.converges()
    assert bucket.search() == {}
    assert bucket.documents()["a.md"].standing.gone


def test_what_no_notification_told_is_found_within_a_cadence_and_counted(plant, quiet):
    """Scenario 32."""
    bucket = Bucket(plant, cadence=5)
    for number in range(30):
        bucket.put(f"{number}.md", policy(number))
    bucket.converges()
    plant.until(lambda: bucket.logged("source.audited"))  # it would mend some, too
    before = repaired(bucket)
    for number in range(25, 35):
        quiet.put_object(Bucket=bucket.name, Key=f"{number}.md", Body=policy(f"changed {number}").encode())
    for number in range(5):
        quiet.delete_object(Bucket=bucket.name, Key=f"{number}.md")
    bucket.converges(within_s=40)
    assert repaired(bucket) - before == 15
    bucket.close()


def repaired(bucket) -> int:
    """How many documents listings have said that they made due."""
    return sum(int(line["repaired"]) + int(line["vanished"]) for line in bucket.logged("source.reconciled"))


def test_a_listing_takes_nothing_for_gone_that_was_written_meanwhile_and_embeds_nothing_anew(plant, bucket):
    """Scenario 33."""
    bucket.put("warm.md", policy("that the worker runs"))
    bucket.converges()
    number = 0

    def partial() -> int:
        """Listings that began while there was more to come, and ended after it came."""
        return sum(0 < int(line["seen"]) < number for line in bucket.logged("source.reconciled"))

    while partial() < 3:
        bucket.reconcile()
        for _ in range(10):
            bucket.put(f"{number}.md", policy(number))
            number += 1
            time.sleep(0.03)
        assert number < 300
    bucket.converges()
    ids = [one.document_id for one in bucket.documents().values()]
    assert "removed" not in {line["event"] for id_ in ids for line in plant.ledger.views.history(id_)}
    counts = sample(plant.worker_port, "penstock_work_total")
    assert counts["embedded"] > 0
    listed = len(bucket.logged("source.reconciled"))
    bucket.reconcile()
    plant.until(lambda: len(bucket.logged("source.reconciled")) > listed)
    bucket.converges()
    after = sample(plant.worker_port, "penstock_work_total")
    assert [after[what] for what in ("embedded", "documents_read")] == [
        counts[what] for what in ("embedded", "documents_read")
    ]


def unreachable(bucket) -> str | None:
    """What status says of its source."""
    sources = bucket.commands.json("status", status=None)["sources"]
    return next(one["error"] for one in sources if one["uri"] == bucket.uri)


def test_a_listing_that_fails_deletes_nothing(plant, bucket, services):
    """Scenario 33: the store is down, breaks off in the midst of an answer, does not know the bucket."""
    for number in range(30):
        bucket.put(f"{number}.md", policy(number))
    bucket.converges()
    before = {key: (one.standing.gone, one.last_hash) for key, one in bucket.documents().items()}

    def fails(said: str) -> None:
        bucket.reconcile()
        plant.until(lambda: said in (unreachable(bucket) or ""))
        assert {key: (one.standing.gone, one.last_hash) for key, one in bucket.documents().items()} == before

    def answers() -> None:
        bucket.reconcile()
        plant.until(lambda: unreachable(bucket) is None)

    plant.proxy.refuse()
    plant.proxy.cut()
    fails("refuses the connection")
    plant.proxy.restore()
    answers()
    plant.proxy.curtail(5_000)
    fails("the store fails")
    plant.proxy.restore()
    answers()
    folder = services.s3.folder / "data" / bucket.name
    folder.rename(folder.with_name(f"{bucket.name}-away"))
    fails("the bucket does not exist")
    folder.with_name(f"{bucket.name}-away").rename(folder)
    answers()


@contextmanager
def rotated(plant, services, name: str, **keys: str | None):
    """Have the store take other keys than those in the file; then it is as it was."""
    gateway = QuietStore(services.s3, name)
    for key, value in keys.items():
        gateway.remembered(key, lambda value=value: value)
    with gateway:
        plant.proxy.turn_to(gateway.port)
        yield gateway.store
        plant.proxy.turn_to(services.s3.port)
        enter(plant, services.store)


def test_credentials_that_are_refused_remove_nothing_and_whoever_corrects_them_restarts_nothing(
    plant, bucket, services
):
    """Scenario 33: the store's keys change while all runs, then its secret alone."""
    for number in range(4):
        bucket.put(f"{number}.md", policy(f"old {number}"))
    bucket.converges()
    alive, said = [one.pid for one in plant.running if one.alive], []
    with rotated(plant, services, "rotated") as store:
        said.append(outage(plant, bucket, "the store does not know this access key", version=1))
        enter(plant, store)
        bucket.converges(within_s=60)
        known = {"access_key": store.access_key}
        with rotated(plant, services, "forged", **known) as forged:
            said.append(outage(plant, bucket, "the secret key does not fit the access key", version=2))
            enter(plant, forged)
            bucket.converges(within_s=60)
    assert [one.pid for one in plant.running if one.alive] == alive
    said += [one.log.read_text(errors="replace") for one in plant.running]
    for secret in (store.access_key, store.secret_key, forged.secret_key, services.store.secret_key):
        assert not [text for text in said if secret in text]


def outage(plant, bucket, why: str, *, version: int) -> str:
    """Change, remove and add something meanwhile; what is said of it by status and doctor."""
    changed, removed, added = "0.md", f"{version}.md", f"new {version}.md"
    before = {key: one.last_hash for key, one in bucket.documents().items()}
    found = {key: hit["text"] for key, hit in bucket.search().items()}
    for key in (changed, added):
        bucket.put(key, policy(f"version {version}"))
    bucket.delete(removed)

    def failing() -> dict[str, str]:
        return {key: one.refusals[0]["detail"] for key, one in bucket.documents().items() if one.refusals}

    plant.until(lambda: failing().keys() == {changed, removed, added})
    bucket.reconcile()
    plant.until(lambda: why in (unreachable(bucket) or ""))
    documents = bucket.documents()
    for key, detail in failing().items():
        assert documents[key].standing.due
        assert why in detail
        assert "AWS_ACCESS_KEY_ID" in detail
    assert {key: one.last_hash for key, one in documents.items() if key != added} == before
    assert {key: hit["text"] for key, hit in bucket.search().items()} == found
    assert {key for key, hit in bucket.search().items() if not hit["fresh"]} == {changed, removed}
    doctor = bucket.commands.run("doctor", "--json")
    assert doctor.status == 2
    lines = [one["detail"] for one in doctor.json["checks"] if one["part"] == "source" and one["state"] == "fail"]
    [line] = [one for one in lines if bucket.uri in one]
    assert why in line
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in line
    return json.dumps([doctor.json, bucket.commands.json("status", status=None), list(failing().values())])


def test_a_bucket_that_is_suddenly_empty_waits_for_a_person(plant, bucket, quiet):
    """Scenario 33, and promise P7: with notifications and without."""
    keys = [f"{number}.md" for number in range(24)]
    for key in keys:
        bucket.put(key, policy(key))
    bucket.converges()
    for key in keys[:12]:
        bucket.delete(key)
    for key in keys[12:]:
        quiet.delete_object(Bucket=bucket.name, Key=key)
    bucket.reconcile()

    def parked() -> int:
        return sum(one.standing.removal_held for one in bucket.documents().values())

    plant.until(lambda: parked() and not any(one.standing.due for one in bucket.documents().values()), within_s=60)
    assert parked() >= 12
    assert len(bucket.search()) == parked(), "what is parked is found"
    assert not any(hit["fresh"] for hit in bucket.search().values())
    status = bucket.commands.json("status", status=None)
    refused = [one["reason"] for one in status["refused"] if one["uri"].startswith(bucket.uri)]
    assert refused == ["removal-held"] * parked()
    report = bucket.commands.index(bucket.uri, "--tenant", bucket.tenant, "--allow-mass-delete")
    assert report["documents"]["removed"] == len(refused)
    bucket.converges()
    assert bucket.search() == {}


def test_the_same_bytes_in_several_parts_are_the_same_document(plant, bucket):
    """Scenario 34: another ETag, which is no MD5, and nothing embedded."""
    body = policy("in parts", 3).encode()
    bucket.client.put_object(Bucket=bucket.name, Key="a.md", Body=body)
    bucket.converges()
    [before], counts = bucket.documents().values(), sample(plant.worker_port, "penstock_work_total")
    place = {"Bucket": bucket.name, "Key": "a.md"}
    upload = bucket.client.create_multipart_upload(**place)["UploadId"]
    part = bucket.client.upload_part(**place, UploadId=upload, PartNumber=1, Body=body)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    whole = bucket.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert whole["ETag"].endswith('-1"')
    plant.until(lambda: whole["ETag"].strip('"') in bucket.documents()["a.md"].identity)
    bucket.converges()
    [after] = bucket.documents().values()
    assert after.indexed == before.indexed
    again = sample(plant.worker_port, "penstock_work_total")
    assert again["embedded"] == counts["embedded"]
    assert again["documents_read"] == counts["documents_read"] + 1


@pytest.mark.chaos
def test_killed_inside_the_swap_from_forty_chunks_to_three(plant, bucket, services):
    """Scenario 35: after the upserts, after the deletes, and the index itself killed as it is told to delete."""
    keys = {"upsert.after": "a.md", "delete.after": "b.md", "the index": "c.md"}
    for key in keys.values():
        bucket.put(key, policy(f"long {key}", 40))
    bucket.converges()
    before = dict.fromkeys(keys.values(), 40)
    assert {key: len(one.indexed.points) for key, one in bucket.documents().items()} == before
    plant.first_worker.stop()
    kills = plant.worker(PENSTOCK_FAIL="upsert.after:kill,delete.after:kill")
    for place in ("upsert.after", "delete.after"):
        mark = plant.arm(place)
        bucket.put(keys[place], policy(f"short {place}", 3))
        plant.until(lambda mark=mark: not mark.exists())
        hits = bucket.search("The policy is long")
        assert set(before) == set(hits), "both versions share nothing, and still each is found"
    fault = {"kind": "kill", "method": "POST", "path": "points/delete", "done": True}
    urlopen(Request(f"{services.qdrant.url}/_faults", json.dumps(fault).encode())).close()
    bucket.put(keys["the index"], policy("short index", 3))
    plant.until(lambda: services.qdrant.process is None)
    services.qdrant.kill()
    services.qdrant.start()
    bucket.converges()
    kills.stop()
    stops = ",".join(f"{place}:stop" for place in RACES)
    plant.first_worker = plant.worker(PENSTOCK_FAIL=stops, PENSTOCK_METRICS_PORT=str(spare_port()))
    assert {len(one.indexed.points) for one in bucket.documents().values()} == {3}


def test_a_removal_stays_due_until_the_index_has_confirmed_it(plant, bucket, services):
    """Scenario 37."""
    bucket.put("a.md", policy("here", 3))
    bucket.converges()
    fault = {"kind": "status", "method": "POST", "path": "points/delete"}
    urlopen(Request(f"{services.qdrant.url}/_faults", json.dumps(fault).encode())).close()
    try:
        bucket.delete("a.md")
        [failing] = plant.until(lambda: bucket.documents()["a.md"].refusals)
        assert failing["reason"] == "unreachable"
        assert bucket.documents()["a.md"].standing.due
        assert not bucket.documents()["a.md"].standing.gone
    finally:
        urlopen(Request(f"{services.qdrant.url}/_faults", method="DELETE")).close()
    bucket.converges()
    assert bucket.documents()["a.md"].standing.gone


def test_a_watched_folder_tells_kafka_what_changes_in_it(plant, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "before.md").write_text(policy("there before"))
    tenant, command = "watched", commands(plant)
    sources = yaml.safe_load(plant.sources.read_text())["sources"]
    sources.append({"uri": str(folder), "tenant": tenant, "cadence": 5})
    plant.sources.write_text(yaml.safe_dump({"sources": sources}))
    watch = plant.watch(folder, "--tenant", tenant)
    plant.until(lambda: "Watching" in watch.tail())

    def found() -> dict[str, str]:
        hits = command.search("The policy is", tenant=tenant)
        return {hit["uri"].rpartition("/docs/")[2]: hit["text"] for hit in hits}

    plant.until(lambda: "before.md" in found())
    (folder / "a.md").write_text(policy("new"))
    plant.until(lambda: "is new" in found().get("a.md", ""), within_s=20)
    (folder / "a.md").write_text(policy("changed"))
    plant.until(lambda: "is changed" in found().get("a.md", ""), within_s=20)
    moved = tmp_path / "moved"
    (moved / "deeper").mkdir(parents=True)
    (moved / "deeper" / "b.md").write_text(policy("moved in"))
    moved.rename(folder / "moved")
    plant.until(lambda: "moved/deeper/b.md" in found(), within_s=20)
    (folder / "a.md").unlink()
    plant.until(lambda: set(found()) == {"before.md", "moved/deeper/b.md"}, within_s=20)
    (folder / "moved").rename(tmp_path / "away")
    plant.until(lambda: set(found()) == {"before.md"}, within_s=30)
    assert watch.stop() == 0
    assert command.audit(str(folder), "--tenant", tenant)["consistent"]
