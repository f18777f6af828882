"""The rules in force: the table with a rules file over it, for each document, and what they say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from schemas.documents import ParsedDocument
from schemas.errors import Reason, Refusal
from schemas.verdicts import Finding, Gate
from validation import documents, events
from validation.asking import Check, Setting, ask, digest, failure
from validation.faults import Version, parts
from validation.rulesfile import Custom, Section, read_rules, setting
from validation.sensitive import redact
from validation.table import RULES_VERSION, TABLE, Action, Row, parameters

_SENSITIVE = tuple(row.name for row in TABLE if row.redacts)


@dataclass(frozen=True)
class RuleSet:
    """The rules for some documents. Equal versions are equal rules."""

    settings: Mapping[str, Setting]
    forbid: tuple[Setting, ...] = ()
    require: tuple[Setting, ...] = ()
    expectations: tuple[Setting, ...] = ()

    @cached_property
    def version(self) -> str:
        """Names these rules and the code behind them: the `rules` part of a fingerprint."""
        asked = [one.effective() for one in self.settings.values() if one.gate is not Gate.EVENT]
        own = [[one.effective() for one in some] for some in (self.forbid, self.require, self.expectations)]
        return f"{RULES_VERSION}/{digest([asked, own])}"

    def event(self, *, size: int, happened_at: float, now: float) -> tuple[Finding, ...]:
        """What the rules say of an event that was understood. size: bytes; times: seconds since the epoch."""
        happening = events.Happening(size, happened_at, now)
        return ask([(self.settings[name], check) for name, check in events.CHECKS.items()], happening)

    def document(
        self, parsed: ParsedDocument, *, size: int, last_good_characters: int | None = None, twin: str | None = None
    ) -> tuple[Finding, ...]:
        """What the rules say of a version, in their order; of the document as parsed, before `redacted`.

        size: of its bytes. last_good_characters: `faults.characters` of the last good version, None without one.
        twin: URI of another document of the tenant that has the same bytes.
        """
        wanted = frozenset(name for name in _SENSITIVE if self.settings[name].action is not Action.ALLOW)
        version = Version(parsed, size, last_good_characters, twin, wanted)
        asked: list[tuple[Setting, Check]] = [(self.settings[name], check) for name, check in documents.CHECKS.items()]
        asked += [(one, documents.forbidden) for one in self.forbid]
        asked += [(one, documents.required) for one in self.require]
        return ask(asked, version)

    def redacted(self, parsed: ParsedDocument) -> ParsedDocument:
        """The document without what the rules that redact find: what is chunked, embedded and shown.

        Redacting twice changes nothing, and in the result `document` finds nothing of these rules.

        Raises:
            Refusal: `rule-error`, a rule failed: the document must not pass as it is.
        """
        rules = frozenset(name for name in _SENSITIVE if self.settings[name].action is Action.REDACT)
        if not rules:
            return parsed
        try:
            return _with_parts(parsed, redact(parts(parsed), rules))
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, its document is held
            raise Refusal(Reason.RULE_ERROR, f"redacting failed: {failure(error)}") from None


class Rules:
    """All rules of this process; made once, at start."""

    def __init__(self, sections: Sequence[Section], *, shrink: bool = True) -> None:
        self._sections, self._shrink = tuple(sections), shrink
        self._merged = cache(self._merge)

    @cached_property
    def version(self) -> str:
        """Names everything that is in force for any document: a held version is tried again when it changes."""
        return f"{RULES_VERSION}/{digest([self._shrink, [one.model_dump(mode='json') for one in self._sections]])}"

    @property
    def scopes(self) -> tuple[tuple[str | None, str | None], ...]:
        """(tenant, URI prefix) of every section of the file; None: any."""
        return tuple((one.tenant, one.uri) for one in self._sections)

    def of(self, tenant: str, uri: str) -> RuleSet:
        """The rules for a document."""
        return self._merged(tuple(n for n, one in enumerate(self._sections) if one.applies(tenant, uri)))

    def scope_for(self, tenant: str, uri: str) -> str:
        """The version of the rules for a document, as its fingerprint has it."""
        return self.of(tenant, uri).version

    def _merge(self, numbers: tuple[int, ...]) -> RuleSet:
        sections = [self._sections[number] for number in numbers]
        settings = {row.name: _in_force(row, sections) for row in TABLE}
        if not self._shrink:
            settings["shrink"] = replace(settings["shrink"], action=Action.ALLOW)
        forbid, require, expectations = {}, {}, {}
        for section in sections:  # the more particular ones replace what has their name
            forbid.update({one.name: _own(one, Gate.DOCUMENT, Reason.FORBIDDEN, one.pattern) for one in section.forbid})
            require.update(
                {one.name: _own(one, Gate.DOCUMENT, Reason.REQUIRED, one.pattern) for one in section.require}
            )
            expectations.update(
                {
                    one.name: _own(one, Gate.CHUNK, Reason.EXPECTATION, {"type": one.type, "kwargs": one.kwargs})
                    for one in section.expectations
                }
            )
        lists = (forbid, require, expectations)
        return RuleSet(settings, *(tuple(s for s in one.values() if s.action is not Action.ALLOW) for one in lists))


def load_rules(path: Path | None, *, shrink: bool = True) -> Rules:
    """The defaults, with a rules file over them. shrink: False switches that rule off whatever the file says.

    Raises:
        UsageError: the file is wrong: line, what, and what to do.
    """
    return Rules(read_rules(path) if path else [], shrink=shrink)


def _in_force(row: Row, sections: Sequence[Section]) -> Setting:
    action = row.action
    given: dict[str, Any] = {}
    for section in sections:
        if row.name in section.rules:
            said, parameters_ = setting(row, section.rules[row.name])
            action, given = said or action, given | parameters_
    return Setting(row.name, row.gate, action, row.reason, parameters(row).model_validate(given))


def _own(custom: Custom, gate: Gate, reason: Reason, given: object) -> Setting:
    return Setting(custom.name, gate, custom.action, reason, given, custom.says)


def _with_parts(parsed: ParsedDocument, texts: Sequence[str]) -> ParsedDocument:
    """The document with other texts, in the order of `faults.parts`."""
    left = iter(texts)
    bodies = [next(left) for _ in parsed.blocks]
    headings = [next(left) if block.heading else "" for block in parsed.blocks]
    blocks = tuple(
        replace(block, text=text, heading=heading)
        for block, text, heading in zip(parsed.blocks, bodies, headings, strict=True)
    )
    title = next(left) if parsed.title else parsed.title
    metadata = {name: next(left) for name in parsed.metadata}
    return replace(parsed, blocks=blocks, title=title, metadata=metadata)
