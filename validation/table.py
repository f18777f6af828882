"""The table of all rules, in the order they are asked: a name, a gate, what comes of it, and how it can be set.

The checks are beside it: events.py, documents.py, chunks.py, vectors.py. Users' own rules (rulesfile.py) are asked
after those of their gate. docs/rules.md is made from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.errors import Reason
from schemas.verdicts import Gate

#: Part of every version: raise it when a built-in rule changes what passes, or what it redacts.
RULES_VERSION = "rules-2"


class Action(StrEnum):
    """What comes of a rule that is broken. A rules file also says `off` for allow."""

    ALLOW = "allow"
    WARN = "warn"
    REDACT = "redact"
    QUARANTINE = "quarantine"


Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Cosine = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]
Languages = Annotated[tuple[Annotated[str, Field(pattern="^[a-z]{2}$")], ...], Field(strict=False)]

ALLOW, WARN, REDACT, QUARANTINE = Action
EVENT, DOCUMENT, CHUNK, VECTOR = Gate


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. says: what it asks. parameters: name -> (type with its bounds, default).

    fixed: cannot be set, for what breaks it cannot be indexed. others: looks at other documents, so that it may only
    warn (what is indexed of a document depends on nothing else). redacts: can take out what it finds.
    """

    name: str
    gate: Gate
    action: Action
    reason: Reason
    says: str
    parameters: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    fixed: bool = False
    others: bool = False
    redacts: bool = False

    @property
    def choices(self) -> tuple[Action, ...]:
        """The actions a rules file may choose."""
        if self.fixed:
            return ()
        stricter = () if self.others else ((REDACT, QUARANTINE) if self.redacts else (QUARANTINE,))
        return (ALLOW, WARN, *stricter)


R = Reason
# fmt: off
TABLE: tuple[Row, ...] = (
    Row("event-schema", EVENT, QUARANTINE, R.BAD_EVENT, "it is a CloudEvent or a bucket's notification",
        fixed=True),
    Row("event-version", EVENT, QUARANTINE, R.BAD_EVENT, "its versions are known", fixed=True),
    Row("event-source", EVENT, QUARANTINE, R.BAD_EVENT, "its document lies in a source of its tenant", fixed=True),
    Row("event-size", EVENT, QUARANTINE, R.BAD_EVENT, "it has at most so many bytes",
        {"max_bytes": (Count, 1_048_576)}),
    Row("clock-skew", EVENT, WARN, R.CLOCK_SKEW, "it is not from the future", {"max_seconds": (Count, 300)}),

    Row("type-allowed", DOCUMENT, QUARANTINE, R.TYPE_NOT_ALLOWED,
        "its kind or content type is among `types`; none named: any", {"types": (Names, ())}),
    Row("size", DOCUMENT, QUARANTINE, R.TOO_LARGE, "it has at most so many bytes; none named: any",
        {"max_bytes": (Count | None, None)}),
    Row("has-text", DOCUMENT, QUARANTINE, R.NO_TEXT, "text was found in it, or documents", fixed=True),
    Row("readable", DOCUMENT, QUARANTINE, R.CORRUPT,
        "few characters are unreadable: control, unassigned, replaced", {"max_share": (Share, 0.1)}),
    Row("mojibake", DOCUMENT, QUARANTINE, R.CORRUPT,
        "few characters come of a wrong encoding", {"max_share": (Share, 0.005), "least": (Count, 3)}),
    Row("text-for-size", DOCUMENT, WARN, R.TEXT_FOR_SIZE,
        "its characters stand in proportion to its bytes; small files are let be",
        {"min_share": (Share, 0.0005), "max_times": (Count, 200), "from_bytes": (Count, 100_000)}),
    Row("shrink", DOCUMENT, QUARANTINE, R.SHRUNK,
        "it kept a part of the last good version's length", {"min_share": (Share, 0.1)}),
    Row("language", DOCUMENT, QUARANTINE, R.LANGUAGE,
        "it is written in one of `languages` (ISO 639-1); none named: any", {"languages": (Languages, ())}),
    Row("duplicate", DOCUMENT, WARN, R.DUPLICATE, "no other document has the same bytes", others=True),
    Row("pii-email", DOCUMENT, ALLOW, R.PII, "it has no e-mail address", redacts=True),
    Row("pii-phone", DOCUMENT, ALLOW, R.PII, "it has no phone number", redacts=True),
    Row("pii-card", DOCUMENT, WARN, R.PII, "it has no payment card's number (brand, length, Luhn)", redacts=True),
    Row("pii-iban", DOCUMENT, WARN, R.PII, "it has no IBAN (country, length, checksum)", redacts=True),
    Row("secret", DOCUMENT, WARN, R.SECRET, "it has no private key, API key or password", redacts=True),
    Row("hidden-text", DOCUMENT, WARN, R.HIDDEN_TEXT, "it hides no text from its readers"),
    Row("prompt-injection", DOCUMENT, WARN, R.PROMPT_INJECTION, "it gives a model no orders; quoting some is no order"),

    Row("has-chunks", CHUNK, QUARANTINE, R.NO_TEXT, "a chunk could be made of it", fixed=True),
    Row("complete", CHUNK, QUARANTINE, R.BAD_CHUNKS, "no chunk lacks its text, place, id, hash or tokens", fixed=True),
    Row("ids-unique", CHUNK, QUARANTINE, R.BAD_CHUNKS, "no two of its chunks have one id", fixed=True),
    Row("hash-fits", CHUNK, QUARANTINE, R.BAD_CHUNKS, "each chunk's hash is the SHA-256 of its text", fixed=True),
    Row("fits-the-model", CHUNK, QUARANTINE, R.BAD_CHUNKS, "no chunk has more tokens than are read", fixed=True),
    Row("numbered", CHUNK, QUARANTINE, R.BAD_CHUNKS, "its chunks are numbered one by one, from 0", fixed=True),
    Row("of-a-document", CHUNK, QUARANTINE, R.BAD_CHUNKS, "each chunk belongs to a document of the batch", fixed=True),
    Row("boilerplate", CHUNK, WARN, R.BOILERPLATE, "few documents of a batch share a chunk of some length",
        {"most_documents": (Count, 20), "from_characters": (Count, 80)}, others=True),

    Row("dimension", VECTOR, QUARANTINE, R.BAD_VECTORS, "each vector has the model's dimension", fixed=True),
    Row("finite", VECTOR, QUARANTINE, R.BAD_VECTORS, "each number is one", fixed=True),
    Row("unit-norm", VECTOR, QUARANTINE, R.BAD_VECTORS, "each vector has length 1", fixed=True),
    Row("not-constant", VECTOR, QUARANTINE, R.BAD_VECTORS, "the numbers of a vector differ", fixed=True),
    Row("drift", VECTOR, WARN, R.DRIFT, "a batch is about what the collection is about (cosine of the centroids)",
        {"min_cosine": (Cosine, 0.2), "from_vectors": (Count, 50)}, others=True),
)
# fmt: on

BY_NAME: Mapping[str, Row] = {row.name: row for row in TABLE}


@cache
def _form(name: str) -> type[BaseModel]:
    strictly = ConfigDict(frozen=True, extra="forbid", strict=True)
    return create_model(name, __config__=strictly, **BY_NAME[name].parameters)  # type: ignore[call-overload,no-any-return]


def parameters(row: Row) -> type[BaseModel]:
    """The model of a rule's parameters, with their bounds and defaults."""
    return _form(row.name)


if strict := [row.name for row in TABLE if row.others and row.action is not WARN]:
    raise AssertionError(f"rules that look at other documents may only warn: {strict}")
