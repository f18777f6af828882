"""Which members are looked at after a look at their container."""

from dataclasses import replace

import pytest

from infra.ledger.records import Hearing, KnownMember
from schemas.documents import Member
from schemas.errors import Reason, Refusal
from tests.unit.test_outcome import CONTENT, claim
from workers.pipeline.members import DEPTH, differing, too_deep
from workers.pipeline.parts import Blocked, Gone, Missing, Unchanged, Unreached

ZIP = claim(uri="file:///z.zip", kind="zip")
KEPT = KnownMember("file:///z.zip!/kept", "h1", False, None, False, False, 1, None, None)
HELD = KEPT._replace(uri="file:///z.zip!/held", held=True, held_hash="h2", content_hash="h0")
GONE = KEPT._replace(uri="file:///z.zip!/gone", gone=True)
BLOCKED = Blocked(Refusal(Reason.CORRUPT), "i2")


def heard(look, *known, holds=None, of=ZIP):
    return {one.uri.rpartition("/")[2] for one in differing(of, look, holds, known)}


def holding(**members):
    return [Member(name, hash_, 1) for name, hash_ in members.items()]


def test_a_new_version_concerns_what_it_holds_otherwise_than_known():
    assert heard(CONTENT, KEPT, HELD, GONE, holds=holding(kept="h1", held="h2")) == set()
    assert heard(CONTENT, KEPT, HELD, GONE, holds=holding(kept="h9", held="h9")) == {"kept", "held"}
    assert heard(CONTENT, KEPT, HELD, GONE, holds=holding(gone="h1", new="h3")) == {"kept", "held", "gone", "new"}
    assert heard(CONTENT, KEPT._replace(removal_held=True), holds=holding(kept="h1")) == {"kept"}


def test_what_may_be_read_by_whom_is_the_containers():
    allowed = replace(ZIP, acl=("staff",), metadata={"team": "x"})
    [one] = differing(allowed, CONTENT, holding(kept="h1"), [KEPT])
    assert one == Hearing("t", KEPT.uri, 1, ("staff",), {"team": "x"})
    known = KEPT._replace(acl=("staff",), metadata={"team": "x"})
    assert differing(allowed, CONTENT, holding(kept="h1"), [known]) == []


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (Gone(), {"kept", "held"}),
        (BLOCKED, {"kept"}),
        (Unchanged("i", 1.0), {"held"}),
        (Missing(judged=True), set()),
        (Missing(judged=False), set()),
        (Unreached("away"), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_without_a_new_version_it_is_what_stands_in_their_way(look, expected):
    assert heard(look, KEPT, HELD, GONE) == expected


def test_nesting_ends_somewhere():
    assert too_deep("file:///z.zip" + "!/z.zip" * (DEPTH - 1)) is None
    assert too_deep("file:///z.zip" + "!/z.zip" * DEPTH).reason is Reason.TOO_LARGE
