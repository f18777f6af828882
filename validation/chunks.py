"""The table of chunks of a batch, and what it is expected to be. One call of Great Expectations judges all of it.

Only documents with a failing row are found at fault. Where an expectation raises, the batch is halved until it is known
whose rows made it raise, so that a document gets the verdict it would get alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.documents import Chunk
from schemas.identity import point_id, text_hash
from schemas.verdicts import Finding
from validation.asking import Setting, digest
from validation.faults import MOST_EXCERPTS, Fault, quote
from validation.halving import Table
from validation.ruleset import RuleSet, load_rules
from validation.table import Action


class ChunkRow(NamedTuple):
    """One chunk as the table has it. limit: most tokens it may have. None stands for what is missing."""

    document: str
    id: str | None
    ordinal: int | None
    text: str | None
    hash: str | None
    tokens: int | None
    limit: int
    headings: str = ""
    page: int | None = None


class Asked(NamedTuple):
    """An expectation, the rule it stands for, and what is said of the rows that fail it, given the first and how many.

    own: a user's rule; None: a built-in one.
    """

    rule: str
    type: str
    kwargs: Mapping[str, Any]
    says: Callable[[ChunkRow, int], str]
    own: Setting | None = None


#: What is missing is the rule `complete`'s alone.
_BOTH = {"ignore_row_if": "either_value_is_missing"}
#: The built-in rules as expectations; has-chunks is asked without, for no rows expect nothing.
_PAIR, _AT_LEAST = "expect_column_pair_values_to_be_equal", "expect_column_pair_values_a_to_be_greater_than_b"
_BUILT_IN: tuple[Asked, ...] = (
    Asked(
        "complete",
        "expect_column_values_to_be_in_set",
        {"column": "missing", "value_set": [""]},
        lambda row, _n: f"a chunk lacks its {_missing(row)}",
    ),
    Asked(
        "ids-unique",
        "expect_compound_columns_to_be_unique",
        {"column_list": ["document", "id"]},
        lambda row, n: f"{n} of its chunks have an id twice: {row.id}",
    ),
    Asked(
        "hash-fits",
        _PAIR,
        {"column_A": "hash", "column_B": "text_hash", **_BOTH},
        lambda _row, n: f"the hash of {n} of its chunks is not that of their text",
    ),
    Asked(
        "fits-the-model",
        _AT_LEAST,
        {"column_A": "limit", "column_B": "tokens", "or_equal": True, **_BOTH},
        lambda row, _n: f"a chunk has {row.tokens} tokens, the model reads {row.limit}",
    ),
    Asked(
        "numbered",
        _PAIR,
        {"column_A": "ordinal", "column_B": "place", **_BOTH},
        lambda _row, _n: "its chunks are not numbered one by one",
    ),
    Asked(
        "of-a-document",
        "expect_column_values_to_be_in_set",
        {"column": "belongs", "value_set": ["yes"]},  # not the documents' ids: a long list takes long
        lambda _row, n: f"{n} chunks are of no document of the batch",
    ),
    Asked(
        "boilerplate",
        _AT_LEAST,
        {"column_A": "most_documents", "column_B": "sharing", "or_equal": True},
        lambda _row, n: f"{n} of its chunks stand in many documents of the batch",
    ),
)
#: Of documents nobody asked about, which have no rules.
_DEFAULTS = load_rules(None).of("", "").settings


def chunk_rows(document: str, chunks: Iterable[Chunk], *, limit: int) -> list[ChunkRow]:
    """The rows of a document (its id) that was cut for a limit of tokens."""
    return [
        ChunkRow(
            document,
            point_id(document, one.hash, one.occurrence),
            one.ordinal,
            one.text,
            one.hash,
            one.tokens,
            limit,
            " > ".join(one.headings),
            one.page,
        )
        for one in chunks
    ]


def check_chunks(
    rows: Sequence[ChunkRow], rules: Mapping[str, RuleSet], *, keep: Callable[[Any], None] | None = None
) -> dict[str, tuple[Finding, ...]]:
    """What the rules say of a batch's chunks, by document; a document without findings has no entry.

    rules: by id, of every document of the batch that has chunks or must have some. keep: see suite.judge. Without rows
    nothing is loaded; `suite.warm` loads ahead.
    """
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    having = {row.document for row in rows}
    for document, ruleset in rules.items():
        if document not in having:
            found[document].append(ruleset.settings["has-chunks"].finding(Fault("no chunk could be made of it")))
    if rows:
        table = Table(_columns(rows, rules), keep)
        for numbers, asked in _groups(rows, rules):
            for one, (failing, raised) in zip(asked, table.judged(numbers, asked), strict=True):
                for document, why in raised.items():
                    found[document].append(_rule(one, document, rules).failed_with(why))
                by_document = defaultdict(list)
                for number in sorted(failing):
                    by_document[rows[number].document].append(rows[number])
                for document, bad in by_document.items():
                    rule = _rule(one, document, rules)
                    if rule.action is not Action.ALLOW:
                        shown = tuple(quote(row.text or "") for row in bad[:MOST_EXCERPTS])
                        found[document].append(rule.finding(Fault(one.says(bad[0], len(bad)), shown)))
    return {document: tuple(findings) for document, findings in found.items()}


def _rule(one: Asked, document: str, rules: Mapping[str, RuleSet]) -> Setting:
    """The rule behind an expectation, as it is in force for a document."""
    return one.own or (rules[document].settings if document in rules else _DEFAULTS)[one.rule]


def _groups(rows: Sequence[ChunkRow], rules: Mapping[str, RuleSet]) -> list[tuple[list[int], list[Asked]]]:
    """Rows of which the same is expected, by number, with that: one group unless the users' rules differ by source."""
    groups: dict[str, tuple[list[int], list[Asked]]] = {}
    names: dict[str, str] = {}
    for number, row in enumerate(rows):
        if row.document not in names:
            own = rules[row.document].expectations if row.document in rules else ()
            names[row.document] = digest([one.effective() for one in own])
            asked = [*_BUILT_IN, *map(_own, own)]
            groups.setdefault(names[row.document], ([], asked))
        groups[names[row.document]][0].append(number)
    return list(groups.values())


def _own(rule: Setting) -> Asked:
    type_, kwargs = rule.given["type"], rule.given["kwargs"]
    given = ", ".join(f"{name}: {value}" for name, value in kwargs.items())
    return Asked(rule.name, type_, kwargs, lambda _row, n: f"{n} of its chunks fail {type_} ({given})", rule)


def _columns(rows: Sequence[ChunkRow], rules: Mapping[str, RuleSet]) -> dict[str, list[Any]]:
    """The table by columns, with what follows from the rows: made over the whole batch, judged in parts if need be."""
    places: Counter[str] = Counter()
    place = []
    for row in rows:
        place.append(places[row.document])
        places[row.document] += 1
    limits = {document: ruleset.settings["boilerplate"].given for document, ruleset in rules.items()}
    usual = _DEFAULTS["boilerplate"].given
    given = [limits.get(row.document, usual) for row in rows]
    sharers = defaultdict(set)
    for row in rows:
        sharers[row.text].add(row.document)
    long = [row.text is not None and len(row.text) >= one.from_characters for row, one in zip(rows, given, strict=True)]
    return {
        **{name: [getattr(row, name) for row in rows] for name in ChunkRow._fields},
        "row": list(range(len(rows))),
        "characters": [None if row.text is None else len(row.text) for row in rows],
        "text_hash": [None if row.text is None else text_hash(row.text) for row in rows],
        "belongs": ["yes" if row.document in rules else "no" for row in rows],
        "missing": [_missing(row) for row in rows],
        "place": place,
        "sharing": [len(sharers[row.text]) if is_long else 0 for row, is_long in zip(rows, long, strict=True)],
        "most_documents": [one.most_documents for one in given],
    }


def _missing(row: ChunkRow) -> str:
    needed = ("id", "ordinal", "text", "hash", "tokens")
    return ", ".join(name for name in needed if getattr(row, name) in (None, ""))
