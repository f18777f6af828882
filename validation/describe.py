"""docs/rules.md, made from the table: `python -m validation.describe` writes it anew."""

from pathlib import Path
from textwrap import dedent

from schemas.errors import TODO, Reason
from schemas.verdicts import Gate
from validation import rulesfile
from validation.expectations import KNOWN, OTHERS
from validation.table import TABLE, Row, parameters

PAGE = Path(__file__).parents[1] / "docs" / "rules.md"
_OPENS = {
    Gate.EVENT: "What breaks these goes to the dead letters, or only warns; documents are not touched.",
    Gate.DOCUMENT: "Asked of what the parser made of a version. One that is quarantined is held: the last good one "
    "stays searchable, marked stale.",
    Gate.CHUNK: "Expectations on the table of a batch's chunks. Only the documents with failing rows are held.",
    Gate.VECTOR: "Asked of the vectors before they are written.",
}


_PAGE = """\
# The rules

Made from `validation/table.py` by `python -m validation.describe`. Each gate asks its rules in this order. *Fixed*
rules cannot be set: what breaks them cannot be indexed. Rules that look at *others* may only warn, so that what is
indexed of a document depends on the document alone. Those that *redact* can replace what they find. A rule that fails
itself holds the document with the reason `rule-error`.
{gates}

## Your own

`PENSTOCK_RULES` names a YAML file that is laid over these defaults and checked at start:

```yaml
{example}
```

A rule is `off`, `warn`, `redact` or `quarantine`, or a mapping of its `action` and parameters. `forbid` and `require`
are [RE2](https://github.com/google/re2/wiki/Syntax) patterns on the text; `(?i)` in front ignores case.
`expectations` are Great Expectations by name, on the columns `document`, `id`, `ordinal`, `text`, `hash`, `tokens`,
`limit`, `headings`, `page` and `characters`:

{known}

Those that judge a table as a whole cannot say which document failed, and those with regular expressions may never end;
neither can be used.

## What to do

| reason | what a person can do |
| --- | --- |
{reasons}
"""


def described() -> str:
    """The text of the page."""
    reasons = sorted({row.reason for row in TABLE} | {Reason.FORBIDDEN, Reason.REQUIRED, Reason.EXPECTATION})
    return _PAGE.format(
        gates="\n".join(line for gate in Gate for line in _gate(gate)),
        example=dedent((rulesfile.__doc__ or "").partition("\n\n")[2]).strip(),
        known="\n".join(f"- `{name}`{' (may only warn)' if name in OTHERS else ''}" for name in KNOWN),
        reasons="\n".join(f"| `{reason}` | {TODO[reason]} |" for reason in reasons),
    )


def _gate(gate: Gate) -> list[str]:
    rows = [_row(row) for row in TABLE if row.gate is gate]
    head = ["| rule | by default | it asks that | parameters | |", "| --- | --- | --- | --- | --- |"]
    return ["", f"## {gate.value.capitalize()}", "", _OPENS[gate], "", *head, *rows]


def _row(row: Row) -> str:
    given = parameters(row)().model_dump(mode="json")
    shown = ", ".join(f"`{name}: {'null' if value is None else value}`" for name, value in given.items())
    notes = ", ".join(
        word for word, is_so in (("fixed", row.fixed), ("others", row.others), ("redacts", row.redacts)) if is_so
    )
    return f"| `{row.name}` | {row.action} | {row.says} | {shown} | {notes} |"


if __name__ == "__main__":
    PAGE.write_text(described(), encoding="utf-8")
