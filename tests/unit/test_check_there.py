"""A source that is one document and was never there is refused, at the price of a stat."""

import pytest

from penstock.compose import check_there
from schemas.documents import SourceEntry
from schemas.errors import Unreachable
from schemas.sources import Source


class Reader:
    def __init__(self, there):
        self.there = there

    def stat(self, uri):
        return SourceEntry(uri, "i", 1, 1.0) if self.there else None


def never():
    """Of a folder with a hundred thousand documents the ledger's answer would be all of them, at each start."""
    pytest.fail("the ledger is asked")


@pytest.mark.parametrize(("uri", "there"), [("file:///docs/", False), ("file:///docs/a.md", True)])
def test_the_ledger_is_not_asked_of_a_folder_nor_of_what_is_there(uri, there):
    check_there(Reader(there), Source(uri=uri), known=never)


def test_what_the_ledger_has_is_a_removal_and_what_it_has_not_a_slip_of_the_hand():
    check_there(Reader(there=False), Source(uri="file:///docs/a.md"), known=lambda: ["a.md"])
    for known in ({}, {"known": list}):
        with pytest.raises(Unreachable, match="no such file"):
            check_there(Reader(there=False), Source(uri="file:///docs/a.md"), **known)
