"""Buckets as sources of a running plant, each of a tenant of its own: what one holds, the index must hold."""

import re
import uuid
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml
from prometheus_client.parser import text_string_to_metric_families

from infra.ledger.views import View
from infra.settings import load_settings
from penstock.scaled import declare
from schemas.identity import content_hash, s3_location, s3_uri
from tests.support.oracle import Attributes, Recipe, differences, passes, points, stored
from tests.support.plant import Plant
from tests.support.plant_scaled import PATIENCE, ScaledPlant
from tests.support.services.s3 import S3

#: Seconds after which a wake-up that had no effect is sent again; a person waits ten times as long.
SOON = {"PENSTOCK_TEST_CONSTANTS": '{"workers.wakeups.RESEND_S": 3}'}


def commands(plant: ScaledPlant) -> Plant:
    """The command line over the same parts, in this process."""
    names = ("PENSTOCK_", "AWS_")
    return Plant(plant.room / "home", **{k: v for k, v in plant.environment.items() if k.startswith(names)})


def sample(port: int, name: str) -> Counter[str]:
    """The samples of one metric of a process, by its labels' values joined by spaces."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [one for family in families for one in family.samples if one.name == name]
    return Counter({" ".join(one.labels.values()): one.value for one in samples})


class Bucket:
    """A bucket that is declared as a source. `declared`: what the sources file says of it besides.

    `client`: through which its objects are written.
    """

    def __init__(self, plant: ScaledPlant, **declared: object) -> None:
        self._plant, self.commands = plant, commands(plant)
        self.client = plant.services.store.shared_client
        self.name, self.tenant = plant.services.store.new_bucket(), f"tenant-{uuid.uuid4().hex[:8]}"
        self.uri = f"s3://{self.name}/"
        self._declare(**{"cadence": "1d", **declared})

    def _declare(self, **declared: object) -> None:
        sources = [one for one in yaml.safe_load(self._plant.sources.read_text())["sources"] if one["uri"] != self.uri]
        sources.append({"uri": self.uri, "tenant": self.tenant, **declared})
        self._plant.sources.write_text(yaml.safe_dump({"sources": sources}))
        with self.commands.surroundings():
            declare(load_settings(), self._plant.ledger)

    def put(self, key: str, body: str) -> None:
        """Write an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body.encode())

    def delete(self, *keys: str) -> None:
        """Delete objects, one after the other."""
        for key in keys:
            self.client.delete_object(Bucket=self.name, Key=key)

    def keys(self) -> list[str]:
        """Every object's key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def contents(self) -> dict[str, bytes]:
        """Every object's bytes by key."""
        return {key: self.client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.keys()}

    def documents(self) -> dict[str, View]:
        """What the ledger says of its documents, tombstones included, by key."""
        ledger = self._plant.ledger
        active = (ledger.get("model") or {}).get("collection")
        views = ledger.views.documents(active, scope=[(self.tenant, self.uri)])
        return {s3_location(one.uri)[1]: one for one in views.values()}

    def search(self, query: str = "policy") -> dict[str, dict[str, Any]]:
        """The best hit of each key."""
        hits = self.commands.search(query, tenant=self.tenant, limit=1000)
        assert {hit["tenant"] for hit in hits} <= {self.tenant}, "INV-4"
        return {s3_location(hit["uri"])[1]: hit for hit in reversed(hits)}

    def faults(self) -> list[str]:
        """INV-1 and INV-3: what keeps ledger and index from being what the bucket says, in words."""
        contents, recipe = self.contents(), Recipe("stub-64", self._plant.chunk_tokens)
        documents = self.documents()
        faults = [f"due: {key!r} {one.refusals}" for key, one in documents.items() if one.standing.due]
        faults += [f"never heard of: {key!r}" for key in contents.keys() - documents.keys()]
        gone = {key for key, one in documents.items() if one.standing.gone}
        faults += [f"gone, or not: {key!r}" for key in gone ^ (documents.keys() - contents.keys())]
        wanted: dict[str, Any] = {}
        for key, body in contents.items():
            uri = s3_uri(self.name, key)
            assert passes(body, uri), key
            wanted |= points(self.tenant, uri, body, recipe, Attributes())
            if key in documents and documents[key].last_hash != content_hash(body):
                faults.append(f"another version: {key!r}")
        index = self._plant.index
        active = index.active()
        return faults + differences(stored(index, active, self.tenant) if active else {}, wanted)

    def writes(self) -> int:
        """INV-5: versions written or removed so far; each once at most in a generation."""
        ledger, writes = self._plant.ledger, 0
        for one in self.documents().values():
            lines = ledger.views.history(one.document_id, limit=10_000)
            done = [line["generation"] for line in lines if line["event"] in ("added", "updated", "removed")]
            assert len(done) == len(set(done)), f"INV-5: {one.uri}"
            writes += len(done)
        return writes

    def reconcile(self) -> None:
        """Have a worker list it now; `reconciles` counts those that came to their end."""
        [source] = [one for one in self._plant.ledger.sources.all() if one.uri == self.uri]
        self._plant.queue.job("penstock.reconcile", source.id, 60.0)

    def logged(self, event: str) -> list[dict[str, str]]:
        """What the plant's processes logged of its source under this name: the plain values by their keys."""
        logs = [one.log.read_text(errors="replace") for one in self._plant.running]
        lines = [line for log in logs for line in log.splitlines() if event in line and f"uri={self.uri}" in line]
        return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in lines]

    def converges(self, *, within_s: float = PATIENCE) -> None:
        """Wait until the index is what the bucket says and nothing is due (INV-6)."""
        try:
            self._plant.until(lambda: not self.faults(), within_s=within_s)
        except AssertionError as late:
            raise AssertionError(f"{self.faults()}\n{late}") from None
        self.writes()

    def close(self) -> None:
        """See that it agrees at the end, by an audit too; and leave it alone from now on."""
        self.converges()
        audit = self.commands.audit(self.uri, "--tenant", self.tenant)
        assert audit["consistent"], audit
        self._declare(cadence="1d")


class QuietStore(S3):
    """A second gateway to the objects of a store, of which no notification is sent. Its keys are its own."""

    def __init__(self, store: S3, name: str = "quiet") -> None:
        super().__init__(store.folder.with_name(name))
        self._of = store

    def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)
        for name in ("data", "sidecar"):
            link = Path(self.folder, name)
            if not link.is_symlink():
                link.symlink_to(self._of.folder / name)
        super().prepare()
