"""A contract that others rely on does not break under its own version: neither now nor anywhere in its history."""

import copy
import json
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.compatibility import breaks
from schemas.export import EXPORTED, FOLDER, PRODUCED, exported

ROOT = Path(__file__).parents[2]
SCHEMAS = {name: json.loads(text) for name, text in exported().items()}


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", EXPORTED)
def test_no_edition_in_the_history_breaks_the_one_before(name):
    place = (FOLDER / name).relative_to(ROOT).as_posix()
    commits = git("log", "--reverse", "--format=%H", "--", place).stdout.split()
    editions = [json.loads(shown.stdout) for one in commits if (shown := git("show", f"{one}:{place}")).returncode == 0]
    for old, new in pairwise([*editions, SCHEMAS[name]]):
        assert breaks(old, new, produced=name in PRODUCED) == [], f"{name} needs a new version in schemas/export.py"


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("produced", [True, False])
def test_the_same_breaks_nobody(name, produced):
    assert breaks(SCHEMAS[name], copy.deepcopy(SCHEMAS[name]), produced=produced) == []


def edited(name, *path, value=None, drop=None):
    """A schema with the value at a path replaced, or something taken from it."""
    schema = copy.deepcopy(SCHEMAS[name])
    place = schema
    for step in path[:-1]:
        place = place[step]
    if drop is not None:
        place[path[-1]].remove(drop) if isinstance(place[path[-1]], list) else place[path[-1]].pop(drop)
    else:
        place[path[-1]] = value
    return schema


PAYLOAD, EVENT = "point-payload.v1.json", "document-event.v1.json"
META, DATA = ("$defs", "PointMeta"), ("$defs", "DocumentEventData")


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (edited(PAYLOAD, "required", drop="content"), ".content: may be missing"),
        (edited(PAYLOAD, "properties", "generation", "type", value="string"), ".generation: string instead of integer"),
        (edited(PAYLOAD, "properties", "acl", "items", "type", value="integer"), ".acl[]: integer instead of string"),
        (edited(PAYLOAD, *META, "required", drop="uri"), ".meta.uri: may be missing"),
        (
            edited(PAYLOAD, *META, "properties", "ordinal", value={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            ".meta.ordinal: null is not among integer",
        ),
        (edited(PAYLOAD, "properties", "uri", value={"oneOf": []}), ".uri: oneOf is not understood"),
    ],
)
def test_what_breaks_the_readers_of_points_is_named(new, words):
    assert words in breaks(SCHEMAS[PAYLOAD], new, produced=True)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (edited(EVENT, *DATA, "required", value=["uri", "etag"]), ".data.etag: may be missing"),
        (
            edited(EVENT, *DATA, "properties", "size", value={"type": "integer"}),
            ".data.size: null is not among integer",
        ),
        (edited(EVENT, "properties", "type", "enum", drop="penstock.document.removed.v1"), ".type: other values than"),
        (edited(EVENT, *DATA, "properties", "uri", "maxLength", value=1), ".data.uri: maxLength"),
        (edited(EVENT, "additionalProperties", value=False), "the whole: other properties are not allowed any more"),
    ],
)
def test_what_breaks_the_senders_of_events_is_named(new, words):
    assert any(one.startswith(words) for one in breaks(SCHEMAS[EVENT], new, produced=False))


@pytest.mark.parametrize(
    ("name", "new"),
    [
        (PAYLOAD, edited(PAYLOAD, "properties", "colour", value={"type": "string"})),
        (PAYLOAD, edited(PAYLOAD, "properties", "uri", "description", value="Another word for it")),
        (PAYLOAD, edited(PAYLOAD, *META, "properties", "page", value={"type": "integer", "minimum": 1})),
        (EVENT, edited(EVENT, *DATA, "properties", "colour", value={"type": "string"})),
        (EVENT, edited(EVENT, "required", drop="time")),
        (EVENT, edited(EVENT, *DATA, "properties", "uri", "maxLength", value=10**6)),
    ],
)
def test_what_only_adds_breaks_nobody(name, new):
    assert breaks(SCHEMAS[name], new, produced=name in PRODUCED) == []
