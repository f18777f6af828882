"""The rules file: merged over the defaults, and refused at start with the line that is wrong."""

from itertools import pairwise
from textwrap import dedent

import pytest
import yaml

from schemas.errors import UsageError
from validation import rulesfile
from validation.expectations import KNOWN
from validation.ruleset import load_rules
from validation.table import TABLE, Action, Row

EXPECTATION = "expectations:\n- name: x\n  type: expect_column_values_to_be_between\n  kwargs: "
WRONG = [
    ("rules:\n  shrnk: off", 2, "there is no rule 'shrnk'; did you mean 'shrink'?"),
    ("rules:\n  shrink: on\n  readable:\n    max_share: 2", 4, "max_share: Input should be less than or equal to 1"),
    ("rules:\n  readable: {max_share: .nan}", 2, "max_share: Input should be a finite number"),
    ("rules:\n  size:\n    max_bytes: '10'", 3, "max_bytes: Input should be a valid integer"),
    ("rules:\n  size: {max_byte: 10}", 2, "there is no 'max_byte' here; did you mean 'max_bytes'?"),
    ("rules:\n  duplicate: quarantine", 2, "`duplicate` looks at other documents, so it can only warn"),
    ("rules:\n  drift: {action: quarantine}", 2, "`drift` looks at other documents, so it can only warn"),
    ("rules:\n  has-text: off", 2, "`has-text` cannot be set: what breaks it cannot be indexed"),
    ("rules:\n  unit-norm: {}", 2, "`unit-norm` cannot be set"),
    ("rules:\n  shrink: redact", 2, "`shrink` is 'redact'; it can be allow, warn, quarantine or off"),
    ("rules:\n  shrink: [1]", 2, "`shrink` is [1]"),
    ("rules:\n  shrink:", 2, "`shrink` is empty"),
    ("rules:\n  shrink: off\n  shrink: warn", 3, "'shrink' stands here and on line 2"),
    ("rules: 5", 1, "rules: Input should be a valid dictionary"),
    ("rule:\n  shrink: off", 1, "there is no 'rule' here; did you mean 'rules'?"),
    ("- a", 1, "the file: Input should be a valid dictionary"),
    ("forbid:\n- name: x\n  pattern: '(?<=a)b'", 3, "the pattern of 'x' is refused: invalid perl operator: (?<="),
    ("forbid:\n- name: x\n  pattern: '(a{1,1000}){1,1000}'", 3, "is refused: invalid repetition size"),
    ("require:\n- name: x\n  pattern: '('", 3, "the pattern of 'x' is refused: missing )"),
    ('forbid:\n- name: x\n  pattern: "\\ud800"', 3, "forbid.pattern: Input should be a valid string"),
    ("forbid:\n- name: Not a name\n  pattern: x", 2, "forbid.name: String should match pattern"),
    ("forbid:\n- name: shrink\n  pattern: x", 2, "another rule is named 'shrink'"),
    ("forbid:\n- {name: x, pattern: x}\nrequire:\n- {name: x, pattern: y}", 4, "another rule is named 'x'"),
    ("forbid:\n- {name: x, pattern: x, action: redact}", 2, "only rules on personal data and secrets can redact"),
    ("forbid:\n- {name: x}", 2, "forbid.pattern: Field required"),
    (EXPECTATION + "{column: tokens, min_value: 5, max_value: 1}", 4, "no value is between 5 and 1"),
    (EXPECTATION + "{column: tokens}", 4, "it has neither min_value nor max_value"),
    (EXPECTATION + "{column: text, min_value: 1}", 4, "column: Input should be 'ordinal', "),
    (EXPECTATION + "{column: tokens, min_value: 1, mostly: 0.9}", 4, "there is no 'mostly' here"),
    (EXPECTATION.replace("_be_between", "_match_regex") + "{}", 3, "cannot be used here"),
    (EXPECTATION.replace("_be_between", "_be_unique") + "{column: text}", 3, "so it can only warn"),
    ("sources:\n- rules: {}", 2, "the entry is for nothing in particular"),
    ("sources:\n- uri: docs/", 2, "sources.uri: String should match pattern"),
    ("sources:\n- uri: s3://a/\n  rules:\n    shrink: 7", 4, "`shrink` is 7"),
    ("a: [", 1, "not YAML"),
    ("a:\n  - b\n c", 3, "not YAML"),
    ("a: &a [*a]", 1, "nested too deeply"),
    ("a: !!python/object:os.system x", 1, "not YAML"),
    ("a: 2020-99-99", 1, "not YAML"),
    ("rules: {? [a] : b}", 1, "there is no rule '?'"),
]  # fmt: skip


def load(tmp_path, text, **more):
    path = tmp_path / "rules.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_rules(path, **more)


@pytest.mark.parametrize(("text", "line", "says"), WRONG)
def test_what_is_wrong_is_refused_with_its_line(tmp_path, text, line, says):
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert caught.value.what.startswith(f"{tmp_path / 'rules.yaml'}, line {line}: ")
    assert says in caught.value.what
    assert caught.value.todo


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"a: \x00"])
def test_what_is_no_text_is_refused(tmp_path, body):
    with pytest.raises(UsageError, match=r"PENSTOCK_RULES .*: not"):
        load(tmp_path, body)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        load_rules(tmp_path / "none.yaml")


def test_aliases_within_aliases_are_refused_soon(tmp_path):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    with pytest.raises(UsageError, match=r"too long|too deeply"):
        load(tmp_path, "\n".join(lines))


def test_an_empty_file_is_the_defaults(tmp_path):
    for text in ("", "# nothing\n", "rules: {}"):
        assert load(tmp_path, text).scope_for("t", "u") == load_rules(None).scope_for("t", "u")


def test_the_example_of_the_page_is_a_rules_file(tmp_path):
    example = dedent(rulesfile.__doc__.partition("\n\n")[2])
    rules = load(tmp_path, example)
    assert rules.scopes == ((None, None), ("acme", "s3://bucket/hr/"))


@pytest.mark.parametrize("row", [row for row in TABLE if row.choices], ids=lambda row: row.name)
def test_every_rule_can_be_set_to_each_of_its_choices(tmp_path, row: Row):
    for action in row.choices:
        rules = load(tmp_path, f"rules:\n  {row.name}: {action}").of("t", "u")
        assert rules.settings[row.name].action is action
    assert load(tmp_path, f"rules:\n  {row.name}: off").of("t", "u").settings[row.name].action is Action.ALLOW
    assert load(tmp_path, f"rules:\n  {row.name}: on").of("t", "u").settings[row.name].action is row.action


def test_more_particular_sections_win_and_the_rest_stays(tmp_path):
    rules = load(
        tmp_path,
        """
        rules: {pii-email: warn, readable: {max_share: 0.2}}
        forbid: [{name: drafts, pattern: DRAFT}]
        sources:
        - {uri: s3://b/hr/secret/, rules: {pii-email: quarantine}}
        - {uri: s3://b/hr/, rules: {pii-email: redact}, forbid: [{name: drafts, pattern: draft}]}
        - {tenant: acme, rules: {pii-email: off, readable: warn}}
        - {uri: s3://b/one.txt, tenant: acme, rules: {shrink: off}}
        """,
    )

    def action(tenant, uri, rule="pii-email"):
        return rules.of(tenant, uri).settings[rule].action

    assert action("t", "s3://b/x") is Action.WARN
    assert action("t", "s3://b/hr/x") is Action.REDACT
    assert action("t", "s3://b/hr/secret/x") is Action.QUARANTINE
    assert action("acme", "s3://b/x") is Action.ALLOW
    assert action("acme", "s3://b/hr/x") is Action.REDACT  # a prefix says more than a tenant
    readable = rules.of("acme", "s3://b/x").settings["readable"]
    assert (readable.action, readable.given.max_share) == (Action.WARN, 0.2)
    assert [one.given for one in rules.of("t", "s3://b/hr/x").forbid] == ["draft"]
    assert action("acme", "s3://b/one.txt", "shrink") is Action.ALLOW
    assert action("acme", "s3://b/one.txt.bak", "shrink") is Action.QUARANTINE
    assert action("t", "s3://b/one.txt", "shrink") is Action.QUARANTINE


def test_shrink_is_switched_off_whatever_the_file_says(tmp_path):
    rules = load(tmp_path, "rules:\n  shrink: quarantine", shrink=False)
    assert rules.of("t", "u").settings["shrink"].action is Action.ALLOW


def test_versions_change_with_effective_rules_only(tmp_path):
    """Comments, order, spelled-out defaults and other sources' rules change nothing; each rule that counts does."""
    base = load_rules(None).scope_for("t", "s3://b/x")
    same = [
        "# a comment\nrules: {}",
        "rules: {readable: {max_share: 0.1}, duplicate: warn}",
        "rules: {duplicate: warn, readable: quarantine}",
        "rules: {clock-skew: off}",
        "rules: {pii-email: off}",
        "sources: [{uri: s3://c/, rules: {shrink: off}}, {tenant: other, rules: {shrink: off}}]",
        "forbid: [{name: x, pattern: x, action: off}]",
    ]
    assert {load(tmp_path, text).scope_for("t", "s3://b/x") for text in same} == {base}
    other = [
        "rules: {readable: {max_share: 0.2}}",
        "rules: {readable: warn}",
        "rules: {pii-email: redact}",
        "rules: {boilerplate: {most_documents: 3}}",
        "forbid: [{name: x, pattern: x}]",
        "require: [{name: x, pattern: x}]",
        "forbid: [{name: x, pattern: y}]",
        "sources: [{uri: s3://b/, rules: {shrink: off}}]",
        EXPECTATION + "{column: tokens, min_value: 2}",
        EXPECTATION + "{column: tokens, min_value: 3}",
    ]
    versions = [base, *(load(tmp_path, text).scope_for("t", "s3://b/x") for text in other)]
    assert len(set(versions)) == len(versions)
    wholes = [load(tmp_path, text).version for text in other]
    assert all(a != b for a, b in pairwise(wholes))
    assert load(tmp_path, "# only a comment").version == load(tmp_path, "rules: {}").version


def test_every_expectation_can_be_given_by_name(tmp_path):
    given = {
        "value_set": ["a"],
        "value": 3,
        "min_value": 1,
        "column_A": "tokens",
        "column_B": "limit",
        "column": "text",
    }
    for name, form in KNOWN.items():
        kwargs = {key: value for key, value in given.items() if key in form.model_fields}
        kwargs |= {"column": "tokens"} if "Number" in form.__name__ and "column" in kwargs else {}
        entry = {"name": "x", "type": name, "kwargs": kwargs, "action": "warn"}
        [own] = load(tmp_path, yaml.safe_dump({"expectations": [entry]})).of("t", "u").expectations
        assert own.given == {"type": name, "kwargs": kwargs}
