"""What lies in a ZIP or a mail is indexed as documents of their own, kept true as they change, and gone with it.

The oracle unpacks with the standard library and knows nothing of the pipeline.
"""

import io
import random
import zipfile
from collections.abc import Iterator, Mapping
from email.message import EmailMessage

import pytest

from infra.failpoints import PLACES
from infra.ledger.records import Hearing
from schemas.identity import document_id, member_uri, outermost
from tests.support.convergence import BLOCKS
from tests.support.oracle import Attributes, Wanted, differences
from tests.support.stage import HALVES, Folder, Stage

A, B, C = (
    b"# Boats\n\nBoats lie at the pier.\n",
    b"# Herons\n\nHerons wait for fish.\n",
    b"# Ferry\n\nIt leaves at noon.\n",
)


def packed(members: Mapping[str, bytes]) -> bytes:
    """A ZIP of these."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name), body)
    return file.getvalue()


def mailed(text: str, **attachments: bytes) -> bytes:
    """A mail with these attached, each as NAME.md."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ann@example.org", "bob@example.org", "The harbour"
    mail["Message-ID"], mail["Date"] = "<1@example.org>", "Mon, 05 Jan 2026 10:00:00 +0000"
    mail.set_content(text)
    for name, body in attachments.items():
        mail.add_attachment(body, maintype="text", subtype="markdown", filename=f"{name}.md")
    return mail.as_bytes()


def inside(uri: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    """(URI, bytes) of every document that counts in a file: itself, or what a ZIP holds, at any depth."""
    if not body.startswith(b"PK"):
        yield uri, body
        return
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for name in archive.namelist():
            yield from inside(member_uri(uri, name), archive.read(name))


def exact(stage: Stage, folder: Folder) -> None:
    """The index of this tenant is what the files there now, and what is in them, make of it."""
    wanted: dict[str, Wanted] = {}
    for name in folder.names():
        uri = folder.uri_of(name)
        for one, body in inside(uri, folder.read(uri) or b""):
            wanted |= stage.wanted(folder, one, body, 0)
    with stage.reading() as reader:
        faults = differences(reader.stored().points[folder.tenant], wanted)
        assert not faults, "\n".join(faults)
        assert reader.audit(folder).consistent


def uris(stage: Stage, folder: Folder) -> set[str]:
    """What is searchable, without the folder's own name."""
    with stage.reading() as reader:
        points = reader.stored().points[folder.tenant].values()
    return {point.seen["uri"].removeprefix(folder.uri) for point in points}


def run(stage: Stage, folder: Folder) -> dict[str, dict[str, int]]:
    """`index --json` of one run."""
    report = stage.index(folder)
    assert report is not None
    found: dict[str, dict[str, int]] = report.to_json()
    return found


def test_the_members_of_a_zip_are_documents_and_an_edit_costs_what_it_touched(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.put("all.zip", packed({"a.md": A, "sub/ö !.md": B}))
    folder.put("c.md", C)
    first = run(stage, folder)
    assert {name: n for name, n in first["documents"].items() if n} == {"seen": 3, "added": 3}
    assert uris(stage, folder) == {"all.zip!/a.md", "all.zip!/sub/%C3%B6%20%21.md", "c.md"}
    exact(stage, folder)

    folder.put("all.zip", packed({"a.md": A, "sub/ö !.md": B + b"\nTwo of them.\n"}))
    second = run(stage, folder)
    assert {name: n for name, n in second["documents"].items() if n} == {"seen": 3, "updated": 1, "unchanged": 2}
    assert second["chunks"]["embedded"] == 1
    exact(stage, folder)

    folder.put("all.zip", packed({"b.md": C, "a.md": A}))
    third = run(stage, folder)["documents"]
    assert (third["seen"], third["added"], third["removed"], third["unchanged"]) == (3, 1, 1, 2)
    exact(stage, folder)

    folder.delete("all.zip")
    assert run(stage, folder)["documents"]["removed"] == 2
    assert uris(stage, folder) == {"c.md"}
    exact(stage, folder)


def test_a_mail_and_its_attachments_are_three_documents(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.put("mail.eml", mailed("The boats are late.", a=A, b=B))
    assert run(stage, folder)["documents"]["added"] == 3
    assert uris(stage, folder) == {"mail.eml", "mail.eml!/a.md", "mail.eml!/b.md"}
    folder.put("mail.eml", mailed("The boats are late.", b=B))
    assert run(stage, folder)["documents"]["removed"] == 1
    assert uris(stage, folder) == {"mail.eml", "mail.eml!/b.md"}
    with stage.reading() as reader:
        assert reader.audit(folder).consistent


def test_containers_lie_in_one_another_but_not_for_ever(stage: Stage) -> None:
    folder, body = stage.folders[0], packed({"a.md": A})
    folder.put("deep.zip", packed({"mails.zip": packed({"one.eml": mailed("Late.", b=B)})}))
    assert run(stage, folder)["documents"]["added"] == 2
    assert uris(stage, folder) == {f"deep.zip!/mails.zip!/one.eml{end}" for end in ("", "!/b.md")}
    for _ in range(9):
        body = packed({"in.zip": body})
    folder.put("deep.zip", body)
    report = stage.index(folder)
    assert report is not None
    assert [(one["reason"], one["uri"].count("!/")) for one in report.refused] == [("too-large", 3)]
    assert uris(stage, folder) == set()


def test_what_was_in_a_container_that_cannot_be_opened_stays_as_it_was_and_says_so(stage: Stage) -> None:
    folder = stage.folders[0]
    good = packed({"a.md": A, "b.md": B})
    folder.put("all.zip", good)
    run(stage, folder)
    folder.put("all.zip", good[:-30])
    report = run(stage, folder)
    assert report["documents"]["held"] == 3
    hits = stage.search("boats", folder)
    assert {hit["uri"] for hit in hits} == {folder.uri + "all.zip!/a.md", folder.uri + "all.zip!/b.md"}
    assert not any(hit["fresh"] for hit in hits)
    with stage.reading() as reader:
        found = reader.audit(folder)
        assert (found.consistent, len(found.held)) == (True, 3)
    folder.put("all.zip", good)
    assert run(stage, folder)["documents"]["held"] == 0
    assert all(hit["fresh"] for hit in stage.search("boats", folder))
    exact(stage, folder)


def test_a_member_that_is_refused_harms_only_itself(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.put("all.zip", packed({"a.md": A, "bad.pdf": b"%PDF-1.7 nothing", "empty.md": b"", "b.md": B}))
    report = stage.index(folder)
    assert report is not None
    assert {(one["uri"].rpartition("/")[2], one["reason"]) for one in report.refused} == {
        ("bad.pdf", "corrupt"),
        ("empty.md", "empty"),
    }
    assert uris(stage, folder) == {"all.zip!/a.md", "all.zip!/b.md"}
    assert run(stage, folder)["documents"]["held"] == 2  # reported on every run
    folder.put("all.zip", packed({"a.md": A, "bad.pdf": C, "b.md": B}))
    assert run(stage, folder)["documents"]["held"] == 0
    exact(stage, folder)


def test_members_have_the_container_s_principals(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.attributes = Attributes(("staff",), (("team", "x"),))
    folder.put("all.zip", packed({"a.md": A}))
    run(stage, folder)
    exact(stage, folder)
    folder.attributes = Attributes(("managers",))
    run(stage, folder)
    exact(stage, folder)
    # What an event says of a container holds for what is in it: nobody else may read that.
    with stage.reading() as reader:
        source = reader._ledger.sources.all()[0]
        heard = Hearing(folder.tenant, folder.uri_of("all.zip"), source.id, acl=("boss",))
        reader._ledger.documents.hear([heard], at=1.0)
        hit = reader.search("boats", folder)[0]
        assert not hit["fresh"]  # its container is due
    run(stage, folder)
    with stage.reading() as reader:
        assert [p.seen["acl"] for p in reader.stored().points[folder.tenant].values()] == [["boss"]]


def test_many_members_gone_with_their_container_are_one_removal(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.put("keep.md", C)
    folder.put("all.zip", packed({f"{n}.md": A + b"%d" % n for n in range(30)}))
    run(stage, folder)
    folder.put("all.zip", packed({"0.md": A}))
    assert run(stage, folder)["documents"]["removed"] == 29
    folder.delete("all.zip")
    report = run(stage, folder)["documents"]
    assert (report["removed"], report["held"]) == (1, 0)
    exact(stage, folder)


def test_members_of_a_container_whose_removal_is_doubted_stay(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.put("all.zip", packed({"a.md": A, "b.md": B}))
    folder.put("c.md", C)
    run(stage, folder)
    for name in folder.names():
        folder.delete(name)
    stage.index(folder)
    assert uris(stage, folder) == {"all.zip!/a.md", "all.zip!/b.md", "c.md"}
    with stage.reading() as reader:
        assert reader.audit(folder).consistent
    stage.index(folder, insist=True)
    assert uris(stage, folder) == set()
    exact(stage, folder)


def test_a_container_that_has_become_something_else_leaves_nothing_of_its_members(stage: Stage) -> None:
    folder = stage.folders[0]
    folder.put("all.zip", packed({"a.md": A}))
    run(stage, folder)
    folder.put("all.zip", C)
    run(stage, folder)
    assert uris(stage, folder) == {"all.zip"}
    folder.put("all.zip", packed({"a.md": A}))
    run(stage, folder)
    exact(stage, folder)


#: What `make test` tries; the others take their turn in `make chaos`.
TRIED = ("parse.after", "intent.after", "settle.after", "upsert.half")


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, marks=[] if place in TRIED else [pytest.mark.chaos]) for place in (*PLACES, *HALVES)],
)
def test_a_crash_anywhere_leaves_nothing_behind(stage: Stage, place: str) -> None:
    """The members are heard of before their container settles: cut off in between, they are heard of again."""
    folder, chance = stage.folders[0], random.Random(place)
    folder.put("all.zip", packed({"a.md": A, "b.md": B, "in.zip": packed({"c.md": C, "d.md": A})}))
    folder.put("e.md", B)
    run(stage, folder)
    for passing in (1, 2, 3):
        words = [chance.choice(BLOCKS).encode() for _ in range(3)]
        folder.put("all.zip", packed({"b.md": words[0], "in.zip": packed({"c.md": words[1], "f.md": C}), "g.md": A}))
        stage.index(folder, crash=(place, passing))
        if passing == 2:
            folder.put("all.zip", packed({"b.md": words[2]}))
        run(stage, folder)
        exact(stage, folder)


def test_outermost_is_what_a_listing_shows() -> None:
    uri = member_uri(member_uri("file:///a/b%21.zip", "in !/x.zip"), "ö.md")
    assert outermost(uri) == "file:///a/b%21.zip"
    assert document_id("t", uri) != document_id("t", outermost(uri))
