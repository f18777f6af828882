"""What the rules make of labelled documents: who is right, counted by rule."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.support.labelled import Labelled
from tests.support.labelled_words import ALLOWED
from validation.documents import CHECKS
from validation.ruleset import Rules, RuleSet
from validation.rulesfile import Section

#: Every rule asks, and those that need a choice have one.
EVERYTHING = Section(
    rules={
        "type-allowed": {"types": ["markdown", "text/html", "zip"]},
        "size": {"max_bytes": 1_000_000},
        "language": {"languages": sorted(ALLOWED)},
        "pii-email": "warn",
        "pii-phone": "warn",
    }
)


@dataclass
class Score:
    """Of one rule: documents that do not break it and how many it blames, that do and how many it lets pass."""

    good: int = 0
    false_alarms: int = 0
    bad: int = 0
    misses: int = 0

    @property
    def alarm_rate(self) -> float:
        return self.false_alarms / max(self.good, 1)

    @property
    def miss_rate(self) -> float:
        return self.misses / max(self.bad, 1)


def everything(**also: object) -> RuleSet:
    """The rule set that asks everything."""
    return Rules([EVERYTHING, Section(rules=also)]).of("default", "file:///any")


def judged(documents: Iterable[Labelled]) -> Iterator[tuple[Labelled, frozenset[str]]]:
    """Each document with the rules that find something in it."""
    with_language, without = everything(), everything(language="off")
    for one in documents:
        # To tell a language takes longer than all else: the good documents show whether it is told wrongly.
        rules = with_language if one.breaks <= {"language"} else without
        findings = rules.document(
            one.parsed, size=one.size, last_good_characters=one.last_good_characters, twin=one.twin
        )
        assert not [f for f in findings if f.reason == "rule-error"], findings
        yield one, frozenset(finding.rule for finding in findings)


def tally(verdicts: Iterable[tuple[Labelled, frozenset[str]]]) -> dict[str, Score]:
    """The score of every rule on documents."""
    scores = {rule: Score() for rule in CHECKS}
    for one, found in verdicts:
        for rule, score in scores.items():
            if rule in one.breaks:
                score.bad += 1
                score.misses += rule not in found
            elif rule not in one.also and (rule != "language" or not one.breaks):
                score.good += 1
                score.false_alarms += rule in found
    return scores
