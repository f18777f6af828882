"""The state machine of promise P1: edits, crashes, settings and absences in any order, and an oracle after every run.

It edits real files of two tenants, crashes runs at named places, changes settings and lets sources go away. After each
run, finished or crashed, ledger, index, searches and audit are held against `tests.support.oracle`, which knows nothing
but the bytes of each document's last version that passed.
"""

import shutil
import tempfile
from collections import Counter
from itertools import product
from pathlib import Path
from typing import ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from infra.failpoints import PLACES
from infra.ledger.views import View
from schemas.identity import content_hash
from tests.support.oracle import Attributes, Recipe, Wanted, differences, passes
from tests.support.stage import HALVES, Folder, Reader, Stage, Stored
from workers.run import Report

#: Few names and few words, so that texts meet again in other documents, and within one.
NAMES = st.sampled_from(["a.md", "b.md", "sub/c.md", "d.txt", "md", "notes", "sub/ö !.txt"])
BLOCKS = [
    "# Harbour",
    "## Boats",
    "# Herons",
    "Boats lie at the pier until the tide comes back in the evening.",
    "BOATS LIE at the pier, until the tide comes back in the evening.",
    "Herons stand in the shallow water and wait for fish; nobody hurries them.",
    "- one boat\n- two boats\n- three boats",
    "The ferry leaves at noon. It returns at dusk. On Sundays it does not leave at all, whatever the board says.",
]
GOOD = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=7).map(lambda blocks: "\n\n".join(blocks).encode())
BAD = [b"", b" \n", b"\x00\x01\x02" * 3, b"%PDF-1.7 nothing"]
VERBS = (
    ["insert", "swap"] * 3 + ["write", "cut", "restore", "rename", "copy", "touch"] * 2 + ["spoil", "unlink", "delete"]
)
EDITS = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 30), NAMES, GOOD), min_size=1, max_size=4)
QUERY = "boats herons ferry harbour pier one two edition"

Key = tuple[str, str]
Edit = tuple[str, int, str, bytes]


class Version(NamedTuple):
    """A version that passed, and the edition of the parser that read it."""

    body: bytes
    edition: int


def room() -> Path:
    """A new folder, in memory where there is enough of it: homes are made and left by the dozen."""
    memory = Path("/dev/shm")
    enough = memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30
    return Path(tempfile.mkdtemp(prefix="penstock-test-", dir=memory if enough else None))


class Convergence(RuleBasedStateMachine):
    """`good`: last version that passed. `known`, `parked`: as the last run left them. All by (tenant, URI)."""

    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(room())
        self.good: dict[Key, Version] = {}
        self.known: set[Key] = set()
        self.parked: set[Key] = set()
        self.last = Stored(None, [], {folder.tenant: {} for folder in self.stage.folders})
        self.versions: list[bytes] = [b"Once upon a time there was a boat."]

    def teardown(self) -> None:
        self.stage.close()

    @initialize(bodies=st.lists(GOOD, min_size=6, max_size=6))
    def begin(self, bodies: list[bytes]) -> None:
        self.versions += bodies
        for body, (folder, name) in zip(bodies, product(self.stage.folders, ["a.md", "d.txt", "md"]), strict=True):
            folder.put(name, body)

    # --- what happens to sources ---------------------------------------------------------------------------------

    @rule(data=st.data(), edits=EDITS)
    def edit(self, data: st.DataObject, edits: list[Edit]) -> None:
        self._edit(self._folder(data), edits)

    @rule(data=st.data())
    def empty_the_folder(self, data: st.DataObject) -> None:
        if folder := self._folder(data):
            for name in folder.names():
                folder.delete(name)

    @rule(data=st.data())
    def unplug_or_plug(self, data: st.DataObject) -> None:
        folder = data.draw(st.sampled_from(self.stage.folders))
        if folder.answers:
            folder.unplug()
        else:
            folder.plug()

    @rule(data=st.data(), acl=st.sampled_from([(), ("staff",), ("staff", "managers")]), team=st.sampled_from(["", "x"]))
    def declare(self, data: st.DataObject, acl: tuple[str, ...], team: str) -> None:
        folder = data.draw(st.sampled_from(self.stage.folders))
        folder.attributes = Attributes(acl, (("team", team),) if team else ())

    @rule(
        model=st.sampled_from(["stub-64", "stub-32"]), tokens=st.sampled_from([16, 32]), edition=st.sampled_from([0, 1])
    )
    def configure(self, model: str, tokens: int, edition: int) -> None:
        self.stage.recipe = Recipe(model, tokens, edition)

    # --- runs ----------------------------------------------------------------------------------------------------

    @rule(insist=st.booleans())
    def run_both(self, insist: bool) -> None:
        for folder in self.stage.folders:
            self._run(folder, None, insist=insist)

    @rule(data=st.data())
    def run_one(self, data: st.DataObject) -> None:
        self._run(data.draw(st.sampled_from(self.stage.folders)), None)

    @rule(data=st.data(), edits=EDITS, place=st.sampled_from(PLACES + HALVES), nth=st.integers(1, 3))
    def crash(self, data: st.DataObject, edits: list[Edit], place: str, nth: int) -> None:
        folder = self._folder(data)
        self._edit(folder, edits)
        self._run(folder or self.stage.folders[0], (place, nth))

    @rule(data=st.data(), edits=EDITS)
    def edit_and_run(self, data: st.DataObject, edits: list[Edit]) -> None:
        folder = self._folder(data)
        self._edit(folder, edits)
        self._run(folder or self.stage.folders[1], None)

    def _edit(self, folder: Folder | None, edits: list[Edit]) -> None:
        for verb, pick, name, body in edits if folder else ():
            names = folder.names()
            old = names[pick % len(names)] if names else ""
            if verb == "write" or not old:
                self.versions.append(body)
                folder.put(name, body)
            elif verb in ("insert", "swap", "cut"):
                folder.put(old, _edited(folder.read(folder.uri_of(old)) or b"", verb, pick, body))
            elif verb == "spoil":
                folder.put(old, BAD[pick % len(BAD)])
            elif verb == "restore":
                folder.put(old, self.versions[pick % len(self.versions)])
            elif verb == "rename":
                folder.move(old, name)
            elif verb == "copy":
                folder.put(name, folder.read(folder.uri_of(old)) or b"")
            elif verb == "touch":
                folder.touch(old)
            elif verb == "unlink":
                folder.break_link(old)
            else:
                folder.delete(old)

    def _run(self, folder: Folder, crash: tuple[str, int] | None, *, insist: bool = False) -> None:
        """One run over one folder, and all that must be true after it."""
        must_stay, may_stay = self._parking(folder, insist=insist)
        good, before = dict(self.good), self.last
        report = self.stage.index(folder, crash=crash, insist=insist)
        with self.stage.reading() as reader:
            self._check(reader, folder, report, must_stay, may_stay, good, before)
        self.tally["runs"] += 1
        if report is None:
            assert crash is not None
            self.tally["crashes"] += 1
            self.tally[f"crash {crash[0]}"] += 1

    def _check(
        self,
        reader: Reader,
        folder: Folder,
        report: Report | None,
        must_stay: set[Key],
        may_stay: set[Key],
        good: dict[Key, Version],
        before: Stored,
    ) -> None:
        self.last = reader.stored()
        self._read_ledger(reader.views(), must_stay)
        self._check_searches(reader, folder, finished=report is not None)
        migrating = before.active not in (None, self.stage.collection)
        if not migrating:
            other = next(one for one in self.stage.folders if one is not folder).tenant
            assert differences(self.last.points[other], before.points[other]) == [], "another source was touched"
        if report is None:
            self._check_no_hole(good, before, must_stay)
            return
        assert self.last.active == self.stage.collection
        assert self.last.collections == [self.last.active]
        self._check_finished(folder, report, must_stay, may_stay)
        for one in self.stage.folders if migrating else [folder]:
            self._check_content(one)
        if folder.answers:
            findings = reader.audit(folder)
            assert findings.consistent, findings
            assert findings.chunks == len(self.last.points[folder.tenant])

    def _parking(self, folder: Folder, *, insist: bool) -> tuple[set[Key], set[Key]]:
        """Vanished documents that must not be removed by this run, and those that need not be (promise P7)."""
        parked = {key for key in self.parked if self._source(key) is not folder}
        if insist or not folder.answers:
            return parked, parked
        mine = {key for key in self.known if self._source(key) is folder}
        vanished = {key for key in mine if folder.read(key[1]) is None}
        if vanished and not folder.names() and len(mine) >= 2:
            return parked | vanished, parked | vanished
        # A vanished document whose bytes are at another URI now is a move, and moves are believed.
        there = {folder.read(folder.uri_of(name)) for name in folder.names()}
        moved = {key for key in vanished if key in self.good and self.good[key].body in there}
        doubted = self.parked & vanished
        return parked | (doubted - moved), parked | doubted

    def _read_ledger(self, views: dict[Key, View], must_stay: set[Key]) -> None:
        """Learn which versions have been proved: each is a version that passed, and nothing there is gone."""
        for key, view in views.items():
            source, was = self._source(key), self.good.get(key)
            now = source.read(key[1]) if source.answers else None
            if view.standing.gone and key not in self.known:
                continue
            if view.standing.gone:
                assert source.answers, f"{key} was removed while its source was away"
                assert now is None, f"{key} was removed, and is there"
                assert key not in must_stay or was is None, f"{key} was removed against P7"
                self.good.pop(key, None)
                continue
            found = _version(view, [body for body in (now, was and was.body) if body is not None])
            assert (found is None) == (view.last_hash is None), f"{key} was proved in a version that never was"
            assert found or not was, f"{key} lost its last good version"
            if found:
                if view.kind == "text":
                    assert found.edition in (self.stage.recipe.edition, was and was.edition)
                assert passes(found.body, key[1])
                self.good[key] = found
        self.known = {key for key, view in views.items() if not view.standing.gone}
        self.parked = {key for key, view in views.items() if view.standing.removal_held}

    def _check_finished(self, folder: Folder, report: Report, must_stay: set[Key], may_stay: set[Key]) -> None:
        """What a finished run owes: every version seen, every refusal told, every removal done or parked."""
        told = {one["uri"]: one["reason"] for one in report.refused}
        if not folder.answers:
            assert report.exit_status == 2
            return
        spoiled = set()
        for name in folder.names():
            uri = folder.uri_of(name)
            body = folder.read(uri) or b""
            if passes(body, uri):
                assert self.good[folder.tenant, uri].body == body, f"{uri} was not read"
                assert (folder.tenant, uri) not in self.parked
            else:
                spoiled.add(uri)
        parked = {key for key in self.parked if self._source(key) is folder}
        vanished = {key for key in self.known if self._source(key) is folder and folder.read(key[1]) is None}
        assert vanished == parked, f"known, gone and not parked: {vanished ^ parked}"
        assert {key for key in must_stay if self._source(key) is folder and key in self.good} <= parked <= may_stay
        assert {uri for uri, reason in told.items() if reason != "removal-held"} == spoiled
        assert {uri for _, uri in parked} <= told.keys()
        assert report.exit_status == (1 if told else 0)
        assert report.chunks["total"] == len(self.last.points[folder.tenant])

    def _check_content(self, folder: Folder) -> None:
        """The index of a tenant is what the versions that passed make of it, and nothing else."""
        wanted: dict[str, Wanted] = {}
        for (tenant, uri), version in self.good.items():
            if tenant == folder.tenant:
                wanted |= self.stage.wanted(folder, uri, *version)
        found = self.last.points[folder.tenant]
        if not folder.answers:  # what a crash left of a first version is due, and waits for its source
            known = {uri for _, uri in self.good}
            found = {one: point for one, point in found.items() if point.seen["uri"] in known}
        faults = differences(found, wanted)
        assert not faults, "\n".join(faults)

    def _check_no_hole(self, good: dict[Key, Version], before: Stored, must_stay: set[Key]) -> None:
        """Cut off anywhere, readers still have the whole of one version (promise P5)."""
        for (tenant, uri), version in good.items():
            if (tenant, uri) not in self.good:
                continue
            folder = self._source((tenant, uri))
            now = folder.read(uri) if folder.answers else None
            if folder.answers and now is None and (tenant, uri) not in must_stay:
                continue  # its removal is under way
            there = {one for one, point in self.last.points[tenant].items() if point.seen["uri"] == uri}
            whole = [{one for one, point in before.points[tenant].items() if point.seen["uri"] == uri}]
            whole.append(self.stage.wanted(folder, uri, *version).keys())
            if now is not None and passes(now, uri):
                whole.append(self.stage.wanted(folder, uri, now, self.stage.recipe.edition).keys())
            assert any(one <= there for one in whole), f"{uri} has a hole"

    def _check_searches(self, reader: Reader, ran: Folder, *, finished: bool) -> None:
        """Nobody sees another tenant's text, or a replaced text called fresh (promises P3, P9)."""
        for folder in self.stage.folders:
            hits = reader.search(QUERY, folder)
            assert all(hit["tenant"] == folder.tenant and hit["uri"].startswith(folder.uri) for hit in hits)
            if folder is not ran or not folder.answers:
                continue
            for hit in hits:
                body = folder.read(hit["uri"])
                if body is None and not finished:
                    continue  # what vanished is judged at a run's end, all of it together; until then nothing is known
                true = body is not None and hit["content_hash"] == content_hash(body)
                assert true or not hit["fresh"], f"not what the source says, and called fresh: {hit}"
                assert hit["fresh"] or not (true and finished), f"true, and called stale: {hit}"
                self.tally["fresh hits" if hit["fresh"] else "stale hits"] += 1
            found = {(hit["uri"], hit["ordinal"]) for hit in hits}
            there = {(p.seen["uri"], p.seen["ordinal"]) for p in self.last.points[folder.tenant].values()}
            assert not finished or found == there, there ^ found

    def _source(self, key: Key) -> Folder:
        return next(folder for folder in self.stage.folders if folder.tenant == key[0])

    def _folder(self, data: st.DataObject) -> Folder | None:
        return data.draw(st.sampled_from([folder for folder in self.stage.folders if folder.answers] or [None]))


def _edited(old: bytes, verb: str, at: int, new: bytes) -> bytes:
    """The small edits people make: a paragraph more or less, two that change places."""
    blocks = [block for block in old.split(b"\n\n") if block.strip()]
    if verb == "insert" or len(blocks) < 2:
        blocks.insert(at % (len(blocks) + 1), new.split(b"\n\n")[0])
    elif verb == "swap":
        first, second = at % len(blocks), (at // 2) % len(blocks)
        blocks[first], blocks[second] = blocks[second], blocks[first]
    else:
        del blocks[at % len(blocks)]
    return b"\n\n".join(blocks)


def _version(view: View, bodies: list[bytes]) -> Version | None:
    """The one of these bodies that the ledger has proved, with the edition that read it."""
    edition = (
        int((view.parser or "").partition("|")[0].rpartition(".")[2]) if view.kind == "text" and view.parser else 0
    )
    return next((Version(body, edition) for body in bodies if content_hash(body) == view.last_hash), None)
