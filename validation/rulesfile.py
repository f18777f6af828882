"""The rules file (`PENSTOCK_RULES`): read and checked at start, with the line of whatever is wrong.

rules:                        # for every document
  shrink: off
  pii-email: redact
  readable: {action: quarantine, max_share: 0.05}
forbid:
  - {name: drafts, pattern: "DRAFT - NOT FOR DISTRIBUTION", says: it is marked as a draft}
expectations:
  - name: no-crumbs
    type: expect_column_value_lengths_to_be_between
    kwargs: {column: text, min_value: 3}
    action: warn
sources:                      # more for some: every entry that fits applies, the longest prefix last
  - uri: s3://bucket/hr/
    tenant: acme              # of one tenant only; without `uri`: of all its documents
    rules: {pii-card: quarantine}
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.errors import UsageError, printable
from validation.expectations import KNOWN, OTHERS
from validation.patterns import BadPattern, pattern
from validation.table import BY_NAME, Action, Row, parameters

#: Deeper or longer than this, a file is no rules file; aliases within aliases make such ones of a few lines.
_DEEPEST, _LONGEST = 12, 20_000


def _action(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return Action.ALLOW if value is False or value == "off" else value


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Custom(_Form):
    """A rule of the user's own."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")]
    says: Annotated[str, Field(max_length=500)] = ""
    action: Annotated[Action, Field(strict=False), BeforeValidator(_action)] = Action.QUARANTINE


class Pattern(Custom):
    """A regular expression (RE2) that must, or must not, stand in a document's text."""

    pattern: Annotated[str, Field(min_length=1)]


class Expectation(Custom):
    """An expectation of Great Expectations on the table of chunks."""

    type: str
    kwargs: dict[str, Any]


class Section(_Form):
    """Rules for the documents under a prefix, of a tenant, or both; for every document if neither is named."""

    uri: Annotated[str, Field(pattern=r"^[a-z0-9]+://")] | None = None
    tenant: Annotated[str, Field(min_length=1)] | None = None
    rules: dict[str, Any] = {}
    forbid: list[Pattern] = []
    require: list[Pattern] = []
    expectations: list[Expectation] = []

    def applies(self, tenant: str, uri: str) -> bool:
        """Whether a document is among those it is for. A prefix that does not end in "/" is one document's URI."""
        if self.tenant not in (None, tenant):
            return False
        return self.uri is None or uri == self.uri or (self.uri.endswith("/") and uri.startswith(self.uri))


class _File(Section):
    uri: None = None
    tenant: None = None
    sources: list[Section] = []


class _Wrong(Exception):
    """What is wrong, where (the way of keys and indexes into the file), and what to do."""

    def __init__(self, where: tuple[Any, ...], what: str, todo: str = "correct the file") -> None:
        self.where, self.what, self.todo = where, what, todo


def read_rules(path: Path) -> list[Section]:
    """The sections of a rules file, the least particular first; the first one is for every document.

    Raises:
        UsageError: file, line, what is wrong there, and what to do.
    """
    lines: dict[tuple[Any, ...], int] = {}
    try:
        file = _checked(_File, _tree(path, lines), ())
        sections = [Section(**{name: getattr(file, name) for name in Section.model_fields}), *file.sources]
        for number, section in enumerate(sections):
            where = ("sources", number - 1) if number else ()
            _check_section(section, where)
    except _Wrong as wrong:
        known = next(wrong.where[:n] for n in range(len(wrong.where), -1, -1) if wrong.where[:n] in lines)
        raise UsageError(f"{path}, line {lines[known]}: {printable(wrong.what)}", wrong.todo) from None
    return sorted(sections, key=lambda one: (len(one.uri or ""), one.tenant is not None))


def setting(row: Row, value: object) -> tuple[Action | None, dict[str, Any]]:
    """What a value under `rules` says of a rule: its action (None: not said) and its parameters.

    Raises:
        ValueError: it is neither an action nor a mapping.
    """
    if value is None:
        raise ValueError(f"`{row.name}` is empty")
    given = value if isinstance(value, dict) else {"action": row.action if value is True else value}
    action = _action(given.get("action"))
    if action is not None and action not in row.choices:
        raise ValueError(_refused(row, action))
    return (None if action is None else Action(str(action))), {
        key: one for key, one in given.items() if key != "action"
    }


def _refused(row: Row, action: object) -> str:
    if row.fixed:
        return f"`{row.name}` cannot be set: what breaks it cannot be indexed"
    if row.others and action in (Action.REDACT, Action.QUARANTINE):
        return (
            f"`{row.name}` looks at other documents, so it can only warn: what is indexed depends on the document alone"
        )
    return f"`{row.name}` is {action!r}; it can be {', '.join(row.choices)} or off"


def _check_section(section: Section, where: tuple[Any, ...]) -> None:
    if where and section.uri is None and section.tenant is None:
        raise _Wrong(where, "the entry is for nothing in particular", "give it a `uri`, a `tenant` or both")
    for name, value in section.rules.items():
        place = (*where, "rules", name)
        if name not in BY_NAME:
            raise _Wrong(place, f"there is no rule {name!r}{_meant(name, BY_NAME)}", "docs/rules.md lists them all")
        row = BY_NAME[name]
        try:
            _, given = setting(row, value)
        except ValueError as error:
            raise _Wrong(place, str(error), "correct the file; docs/rules.md lists what each can be") from None
        if row.fixed:
            raise _Wrong(place, _refused(row, None), "take it out of the file")
        _checked(parameters(row), given, place)
    names: set[str] = set(BY_NAME)
    for kind in ("forbid", "require", "expectations"):
        for index, custom in enumerate(getattr(section, kind)):
            place = (*where, kind, index)
            if custom.name in names:
                raise _Wrong((*place, "name"), f"another rule is named {custom.name!r}", "give each a name of its own")
            names.add(custom.name)
            if custom.action is Action.REDACT:
                raise _Wrong(
                    (*place, "action"), "only rules on personal data and secrets can redact", "warn or quarantine"
                )
            (_check_pattern if isinstance(custom, Pattern) else _check_expectation)(custom, place)


def _check_pattern(custom: Any, place: tuple[Any, ...]) -> None:
    try:
        pattern(custom.pattern)
    except BadPattern as error:
        todo = "write it in RE2's syntax, whose patterns always end: no look-around, no back references"
        raise _Wrong((*place, "pattern"), f"the pattern of {custom.name!r} is refused: {error}", todo) from None


def _check_expectation(custom: Any, place: tuple[Any, ...]) -> None:
    if custom.type not in KNOWN:
        regex = "regex" in custom.type or "like_pattern" in custom.type
        todo = (
            "use `forbid` or `require`, whose patterns always end" if regex else "docs/rules.md lists those that can be"
        )
        raise _Wrong((*place, "type"), f"{custom.type!r} cannot be used here{_meant(custom.type, KNOWN)}", todo)
    if custom.type in OTHERS and custom.action is Action.QUARANTINE:
        what = f"{custom.type} looks at other documents, so it can only warn"
        raise _Wrong((*place, "type"), what, "add `action: warn`")
    _checked(KNOWN[custom.type], custom.kwargs, (*place, "kwargs"))


def _checked(form: type[BaseModel], value: Any, where: tuple[Any, ...]) -> Any:
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        loc = first["loc"]
        name = ".".join(str(part) for part in loc if isinstance(part, str)) or (str(where[-1]) if where else "the file")
        if first["type"] == "extra_forbidden":
            what = f"there is no {loc[-1]!r} here{_meant(str(loc[-1]), form.model_fields)}"
        else:
            what = f"{name}: {first['msg'].removeprefix('Value error, ')}"
        raise _Wrong((*where, *loc), what) from None


def _meant(name: str, known: Any) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _tree(path: Path, lines: dict[tuple[Any, ...], int]) -> Any:
    """The file as plain values, and the line on which each of them stands."""
    lines[()] = 1
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"PENSTOCK_RULES {path}: {error.strerror}", "correct the path or unset it") from None
    except UnicodeDecodeError:
        raise UsageError(f"PENSTOCK_RULES {path}: not UTF-8 text", "save it as UTF-8") from None
    except yaml.reader.ReaderError as error:
        raise UsageError(f"PENSTOCK_RULES {path}: not YAML: {printable(error.reason)}", "correct the file") from None
    try:
        node = loader.get_single_node()
        return {} if node is None else _values(loader, node, (), lines)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        lines[("yaml",)] = mark.line + 1 if mark else 1
        raise _Wrong(("yaml",), f"not YAML: {problem or 'unreadable'}") from None


def _values(loader: yaml.SafeLoader, node: yaml.Node, where: tuple[Any, ...], lines: dict[tuple[Any, ...], int]) -> Any:
    lines.setdefault(where, node.start_mark.line + 1)
    if len(where) > _DEEPEST or len(lines) > _LONGEST:
        raise _Wrong(where[:-1], "the file is nested too deeply, or too long", "write it plainly, without aliases")
    if isinstance(node, yaml.SequenceNode):
        return [_values(loader, child, (*where, index), lines) for index, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    made: dict[str, Any] = {}
    for key, child in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        lines[(*where, name)] = key.start_mark.line + 1 if name not in made else lines[(*where, name)]
        if name in made:
            lines[("twice",)] = key.start_mark.line + 1
            raise _Wrong(("twice",), f"{name!r} stands here and on line {lines[(*where, name)]}", "keep one of them")
        made[name] = _values(loader, child, (*where, name), lines)
    return made
