"""What is read to get at the members of a container, and what one of them costs the others."""

import io
import zipfile
from itertools import count

import pytest

from schemas.documents import Fetched, SourceEntry
from schemas.errors import Reason, Refusal
from schemas.identity import member_uri
from workers.parsing import registry
from workers.pipeline import opener
from workers.pipeline.opener import ContainerGone, Opener

ZIP = "file:///z.zip"


def packed(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as into:
        for name, body in files.items():
            into.writestr(name, body)
    return out.getvalue()


class Folder:
    """A source of one file; `reads` counts."""

    def __init__(self, body):
        self.body, self.reads = body, 0

    def stat(self, uri):
        return None if self.body is None else SourceEntry(uri, "i", len(self.body), 1.0)

    def fetch(self, uri, *, max_bytes):
        self.reads += 1
        return None if self.body is None else Fetched(uri, self.body, "i", 1.0, None)


class Asked:
    """The real parsers, and what they were asked for; one that is asked for `bad` comes to nothing at all."""

    def __init__(self, bad=None):
        self.bad, self.asked = bad, []

    def extract(self, body, name, members):
        self.asked.append((name, list(members)))
        if self.bad in members:
            raise Refusal(Reason.PARSER_TIMEOUT)
        return registry.extract(body, name, members)


def uris(names, container=ZIP):
    return [member_uri(container, name) for name in names]


def fetch(opened, uri):
    found = opened.fetch(uri, max_bytes=10**6)
    return found and found.body


FILES = {f"{n}.txt": f"Number {n}".encode() for n in range(5)}


def test_members_that_are_coming_are_taken_out_together():
    coming = uris([*FILES, "nowhere.txt"])
    folder, parser = Folder(packed(FILES)), Asked()
    opened = Opener(folder, parser, coming)
    assert [fetch(opened, uri) for uri in coming] == [*FILES.values(), None]
    assert parser.asked == [("z.zip", [*FILES, "nowhere.txt"])]
    assert folder.reads == 1


def test_one_that_nobody_announced_comes_alone():
    parser = Asked()
    opened = Opener(Folder(packed(FILES)), parser)
    assert [fetch(opened, uri) for uri in uris(["3.txt", "1.txt"])] == [b"Number 3", b"Number 1"]
    assert parser.asked == [("z.zip", ["3.txt"]), ("z.zip", ["1.txt"])]


def test_who_breaks_the_parser_harms_only_itself():
    coming = uris(FILES)
    opened = Opener(Folder(packed(FILES)), Asked(bad="2.txt"), coming)
    found = []
    for uri in coming:
        try:
            found.append(fetch(opened, uri))
        except Refusal as refusal:
            found.append(refusal.reason)
    assert found == [*list(FILES.values())[:2], Reason.PARSER_TIMEOUT, *list(FILES.values())[3:]]
    # One ask for all of them, one for each: it cannot cost its timeout as often as it has neighbours.
    assert len(opened.parser.asked) == 1 + len(FILES)


def test_one_over_the_limit_is_refused_and_its_neighbours_are_not():
    files = FILES | {"2.txt": bytes(2000)}
    opened = Opener(Folder(packed(files)), Asked(), uris(files))
    assert fetch(opened, uris(["1.txt"])[0]) == b"Number 1"
    with pytest.raises(Refusal, match="2000 bytes, the limit is 1000"):
        opened.fetch(uris(["2.txt"])[0], max_bytes=1000)
    assert fetch(opened, uris(["3.txt"])[0]) == b"Number 3"


def test_no_more_is_held_than_a_few_megabytes(monkeypatch):
    monkeypatch.setattr(registry, "TOGETHER", 20)
    parser, coming = Asked(), uris(FILES)
    opened = Opener(Folder(packed(FILES)), parser, coming)
    assert [fetch(opened, uri) for uri in coming] == list(FILES.values())
    assert [len(members) for _, members in parser.asked] == [5, 2], "three of eight bytes, then the rest"


def test_no_more_are_asked_for_than_a_frame_can_tell_of(monkeypatch):
    monkeypatch.setattr(opener, "AT_ONCE", 2)
    parser, coming = Asked(), uris(FILES)
    opened = Opener(Folder(packed(FILES)), parser, coming)
    assert [fetch(opened, uri) for uri in coming] == list(FILES.values())
    assert [len(members) for _, members in parser.asked] == [2, 2, 1]


def test_what_lies_deeper_is_opened_once_for_all_that_lie_there():
    inner = packed(FILES)
    coming = [*uris(FILES, f"{ZIP}!/inner.zip"), *uris(["a.txt"])]
    folder, parser = Folder(packed({"inner.zip": inner, "a.txt": b"A"})), Asked()
    opened = Opener(folder, parser, coming)
    assert [fetch(opened, uri) for uri in coming] == [*FILES.values(), b"A"]
    assert parser.asked == [("z.zip", ["inner.zip"]), ("inner.zip", list(FILES)), ("z.zip", ["a.txt"])]


def test_opening_one_of_them_takes_nothing_from_what_lies_beside_it():
    """Walked in depth, an archive of many mails was unpacked again after each of them."""
    mails = [f"{n}.zip" for n in range(4)]
    parser = Asked()
    opened = Opener(Folder(packed(dict.fromkeys(mails, packed(FILES)))), parser)
    opened.announce(uris(mails))
    for mail in uris(mails):
        assert fetch(opened, mail) == packed(FILES)
        opened.announce(uris(FILES, mail))
        assert [fetch(opened, uri) for uri in uris(FILES, mail)] == list(FILES.values())
    asked = [members for name, members in parser.asked if name == "z.zip"]
    assert asked == [mails, *([mail] for mail in mails)], "all at once, and each once more to be opened"


def test_a_container_that_is_gone_is_told_from_a_member_that_is():
    opened = Opener(Folder(packed(FILES)), Asked())
    assert fetch(opened, uris(["nowhere.txt"])[0]) is None
    assert fetch(opened, f"{ZIP}!/nowhere.zip!/a.txt") is None
    opened = Opener(Folder(None), Asked())
    for ask in (opened.stat, lambda uri: fetch(opened, uri)):
        with pytest.raises(ContainerGone):
            ask(uris(["1.txt"])[0])


def test_another_container_is_read_anew():
    bodies, number = [packed({"a.txt": b"one"}), packed({"a.txt": b"two"})], count()
    folder = Folder(None)
    folder.fetch = lambda uri, max_bytes: Fetched(uri, bodies[next(number)], "i", 1.0, None)
    coming = ["file:///1.zip!/a.txt", "file:///2.zip!/a.txt"]
    opened = Opener(folder, Asked(), coming)
    assert [fetch(opened, uri) for uri in coming] == [b"one", b"two"]
