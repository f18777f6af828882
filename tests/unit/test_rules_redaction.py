"""What is redacted is gone, once and for all, and nothing else is touched."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.documents import Block, BlockKind, ParsedDocument
from validation.faults import characters
from validation.ruleset import Rules, load_rules
from validation.rulesfile import Section
from validation.sensitive_sorts import SORTS

CLASSES = sorted({sort.rule for sort in SORTS})
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSj\n-----END PRIVATE KEY-----"
#: Finds, halves of finds, and what stands between them.
PIECES = [
    "4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "3782 822463 10005",
    "DE89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819", "jane@example.com", "@example.com", "x@", "+49 30 1234567", "(030) 123456",
    "555-123-4567",
    "AKIAIOSFODNN7ABCDEFG", "password: Tr0ub4dor&3", "passw", "ord=", KEY, KEY[:40], KEY[40:], "ghp_" + "a1B2" * 9,
    "4111", "DE89", " ", "-", ".", ":", "\n", "0", "7", "é", "語", "\ud800", "[card]", "[secret]", "postgres://a:b1c2d3e4@h/",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join)
DOCUMENTS = st.builds(
    lambda texts, headings, title, author: ParsedDocument(
        "text",
        "text/plain",
        tuple(
            Block(BlockKind.PARAGRAPH, text, heading=heading)
            for text, heading in zip(texts, headings + [""] * len(texts), strict=False)
        ),
        title=title,
        metadata={"author": author},
    ),
    st.lists(TEXTS, max_size=5),
    st.lists(TEXTS, max_size=2),
    st.none() | TEXTS,
    TEXTS,
)


def rules(classes, action):
    given_ = dict.fromkeys(CLASSES, "off") | dict.fromkeys(classes, action)
    return Rules([Section(rules=given_)]).of("default", "file:///any")


def document(*texts):
    return ParsedDocument("text", "text/plain", tuple(Block(BlockKind.PARAGRAPH, text) for text in texts))


def texts(parsed):
    return [block.text for block in parsed.blocks]


@given(DOCUMENTS, st.sets(st.sampled_from(CLASSES), min_size=1))
@settings(max_examples=150, deadline=None)
@example(document("4111 1111 1111 1111 5500 0000 0000 0004"), {"pii-card"})
@example(document(KEY[:50], KEY[50:]), {"secret"})
def test_redacting_leaves_nothing_and_is_idempotent(parsed, classes):
    redacted = rules(classes, "redact").redacted(parsed)
    assert rules(classes, "redact").redacted(redacted) == redacted
    left = {f.rule for f in rules(classes, "quarantine").document(redacted, size=1)}
    assert not left & set(CLASSES)
    assert len(redacted.blocks) == len(parsed.blocks)


@given(DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_what_has_no_find_is_not_touched(parsed):
    everything = rules(CLASSES, "redact")
    found = {f.rule for f in everything.document(parsed, size=1)} & set(CLASSES)
    assert bool(found) == (everything.redacted(parsed) != parsed)


def test_each_class_leaves_its_word():
    parsed = document("4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "jane@example.com", "+49 30 1234567", KEY)
    redacted = rules(CLASSES, "redact").redacted(parsed)
    assert texts(redacted) == ["[card]", "[iban]", "[email]", "[phone]", "[secret]"]


def test_a_key_that_lies_in_several_blocks_goes_from_all_of_them():
    parsed = document(
        "The key:\n" + KEY.splitlines()[0], KEY.splitlines()[1], "\n".join(KEY.splitlines()[2:]) + "\nKeep it."
    )
    assert texts(rules(["secret"], "redact").redacted(parsed)) == ["The key:\n[secret]", "", "\nKeep it."]


def test_titles_headings_and_metadata_are_redacted_too():
    parsed = ParsedDocument(
        "text",
        "text/plain",
        (Block(BlockKind.HEADING, "# By jane@example.com", 1, heading="By jane@example.com"),),
        title="By jane@example.com",
        metadata={"author": "jane@example.com"},
    )
    redacted = rules(["pii-email"], "redact").redacted(parsed)
    assert "jane" not in str(redacted.to_json())
    assert (redacted.title, redacted.metadata) == ("By [email]", {"author": "[email]"})


def test_without_a_rule_that_redacts_the_document_is_the_same_one():
    parsed = document("4111 1111 1111 1111")
    assert load_rules(None).of("default", "file:///any").redacted(parsed) is parsed


def test_findings_tell_what_was_found_without_telling_it():
    parsed = document(f"Pay with 4111 1111 1111 1111, write to jane.doe@example.com. {KEY}")
    findings = rules(CLASSES, "quarantine").document(parsed, size=1)
    assert {f.rule for f in findings} == {"pii-card", "pii-email", "secret"}
    shown = str([f.to_json() for f in findings])
    assert not [word for word in ("4111 1111", "jane.doe", "MIIEvQ") if word in shown]


def test_redacting_takes_time_linear_in_the_text():
    """A third of a megabyte of what nearly is a find; quadratic work would take minutes."""
    for piece in ("4111 1111 ", "a@b ", "0" * 10, "DE89", "password: "):
        parsed = document(piece * (300_000 // len(piece)))
        assert characters(rules(CLASSES, "redact").redacted(parsed)) > 0
