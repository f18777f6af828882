"""What happens in a bucket, whatever its notifications do: the index ends up as the bucket is, by real processes."""

import hashlib
import random
import signal
import threading
import time
import unicodedata

import pytest

from tests.support.bucket import Composition
from tests.support.processes import eventually

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def works(services, tmp_path_factory):
    """One intake, one worker of two processes, and a beat."""
    with Composition(services, tmp_path_factory.mktemp("works")) as found:
        found.bucket()
        found.start("intake")
        found.worker = found.start("worker", PENSTOCK_CONCURRENCY="2")
        found.start("beat")
        yield found


def policy(text: str, sections: int = 1) -> str:
    """A document with a chunk or more for each section."""
    return "\n\n".join(f"# Section {number}\n\n{text} {number}. " + "word " * 20 for number in range(sections))


def accepted(bucket, key: str) -> bool:
    """Whether the store takes an object of this key, and lists it as such."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        bucket.put(key, policy(f"This is {key!r}"))
    except (BotoCoreError, ClientError):
        return False
    return key in bucket.contents()


KEYS = [
    "with space.md",
    "plus+sign.md",
    "percent%.md",
    "encoded%2Bplus.md",
    "plus%20and+space .md",
    unicodedata.normalize("NFC", "caf\u00e9.md"),
    unicodedata.normalize("NFD", "caf\u00e9.md"),
    "emoji-\U0001f680.md",
    "x" * 250 + "/" + "y" * 250 + "/" + "z" * 250 + "/" + "w" * 250 + "/" + "v" * 17 + ".md",
    "/leading.md",
    "..",
    "a/../b.md",
    "..hidden..md",
    "line\nbreak.md",
    "exclaim!/member.md",
    "quote'\"&<>.md",
    "question?x=1#y.md",
    "tab\tbell\a.md",
]


def test_every_key_that_the_store_takes_comes_back_as_it_was_written(works):
    """Scenario 29."""
    bucket = works.bucket()
    assert len(KEYS[8].encode()) == 1024
    taken = [key for key in KEYS if accepted(bucket, key)]
    print("taken", len(taken), [k for k in KEYS if k not in taken])
    bucket.converges()
    documents = bucket.documents()
    assert {key for key, one in documents.items() if one.searchable} == set(taken)
