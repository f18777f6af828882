"""Everything that can go wrong, by the one question a caller must answer: what now?

PenstockError
├── UsageError      the command or a setting is wrong: say so, exit 2
│   ├── HomeBusy    another process writes to this home
│   └── HomeTooNew  a newer penstock wrote this home
├── OtherFingerprint  another version or other settings are in force: claim nothing, wait
├── Unreachable     a part or a source does not answer: nothing is deleted, try again later, exit 2
└── Refusal         this version of one document cannot be indexed: it is held, its neighbours go on, exit 1

An error carries fields, and builds its line from them: what is wrong, where, and what to do next.
"""

import re
from enum import StrEnum


class Reason(StrEnum):
    """Why a version of a document is refused; stable names, shown by `status` and `index --json`."""

    EMPTY = "empty"
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"
    CORRUPT = "corrupt"
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too-large"
    NO_TEXT = "no-text"
    NEEDS_OCR = "needs-ocr"
    NOT_A_FILE = "not-a-file"
    BROKEN_LINK = "broken-link"
    LINK_LOOP = "link-loop"
    OUTSIDE_ROOT = "outside-root"
    CHANGING = "changing"
    PARSER_TIMEOUT = "parser-timeout"
    PARSER_MEMORY = "parser-memory"
    PARSER_CRASH = "parser-crash"
    BAD_CHUNKS = "bad-chunks"
    BAD_VECTORS = "bad-vectors"
    WORKER_CRASH = "worker-crash"
    REMOVAL_HELD = "removal-held"
    TYPE_NOT_ALLOWED = "type-not-allowed"
    TEXT_FOR_SIZE = "text-for-size"
    SHRUNK = "shrunk"
    LANGUAGE = "language"
    DUPLICATE = "duplicate"
    PII = "pii"
    SECRET = "secret"  # noqa: S105 - the name of a reason
    HIDDEN_TEXT = "hidden-text"
    PROMPT_INJECTION = "prompt-injection"
    FORBIDDEN = "forbidden"
    REQUIRED = "required"
    EXPECTATION = "expectation"
    BOILERPLATE = "boilerplate"
    DRIFT = "drift"
    BAD_EVENT = "bad-event"
    CLOCK_SKEW = "clock-skew"
    RULE_ERROR = "rule-error"


#: What a person can do about each reason, in plain words.
TODO: dict[Reason, str] = {
    Reason.EMPTY: "restore its text, or delete it to take it out of the index",
    Reason.UNSUPPORTED: "convert it to a supported format, or exclude it in the sources file",
    Reason.UNREADABLE: "give this user permission to read it",
    Reason.CORRUPT: "save it again from the program that made it; text as UTF-8",
    Reason.ENCRYPTED: "store a copy without a password",
    Reason.TOO_LARGE: "split it, or raise PENSTOCK_MAX_DOCUMENT_BYTES (or the rule `size`, if that holds it)",
    Reason.NO_TEXT: "add text to it; if it is a scan, store a version with a text layer",
    Reason.NEEDS_OCR: "install tesseract and run `penstock doctor --fix`, then index; or store it with a text layer",
    Reason.NOT_A_FILE: "only regular files are indexed: move it out of the source",
    Reason.BROKEN_LINK: "restore the link's target, or delete the link",
    Reason.LINK_LOOP: "remove the link that points back at its own folder",
    Reason.OUTSIDE_ROOT: "copy the target into the source, or declare the target's folder as a source",
    Reason.CHANGING: "it changed while being read: run again once writing has finished",
    Reason.PARSER_TIMEOUT: "split it, or raise PENSTOCK_PARSE_TIMEOUT and run `penstock reindex SOURCE --force`",
    Reason.PARSER_MEMORY: "split it, or save it again more simply",
    Reason.PARSER_CRASH: "save it again from the program that made it, and report it if that does not help",
    Reason.BAD_CHUNKS: "report it with what `penstock quarantine show` says: the fault is ours, not the document's",
    Reason.BAD_VECTORS: "see `penstock doctor` about the model, then `penstock reindex SOURCE --force`; else report it",
    Reason.WORKER_CRASH: "look for it in the workers' logs; save it again, or exclude it in the sources file",
    Reason.REMOVAL_HELD: "check the source; if the documents are meant to be gone, run again with --allow-mass-delete",
    Reason.TYPE_NOT_ALLOWED: "convert it, exclude it in the sources file, or allow its type in the rules file",
    Reason.TEXT_FOR_SIZE: "see whether its text was found: it may be a scan, or pictures of text",
    Reason.SHRUNK: "if most of it was meant to go, release it; else restore it in the source",
    Reason.LANGUAGE: "translate it, exclude it in the sources file, or add its language to `language` in the rules",
    Reason.DUPLICATE: "keep one of the two, if they are meant to be the same",
    Reason.PII: "take the personal data out, or let the rule redact it",
    Reason.SECRET: "take the secret out and have it replaced: whoever could read the document knows it",
    Reason.HIDDEN_TEXT: "see what it hides from its readers, and take that out",
    Reason.PROMPT_INJECTION: "see whether it tries to instruct a model; if so, take it out of the source",
    Reason.FORBIDDEN: "take out what the rule forbids, or change the rule in the rules file",
    Reason.REQUIRED: "add what the rule requires, or change the rule in the rules file",
    Reason.EXPECTATION: "change the document, or the expectation in the rules file",
    Reason.BOILERPLATE: "leave what every document repeats out of the documents, or raise `most_documents` of the rule",
    Reason.DRIFT: "see whether these documents belong here, or another model embedded them",
    Reason.BAD_EVENT: "see `penstock dead-letters list`; mend the producer, then replay it",
    Reason.CLOCK_SKEW: "set the producer's clock; nothing is lost by it",
    Reason.RULE_ERROR: "mend the rule in the rules file, or switch it off, and index again; report it if it is ours",
}


#: Control characters, and halves of surrogate pairs: PostgreSQL takes neither all of them nor these, and no terminal
#: or log is to be steered by what stands in a document.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """A text that may quote anything, as one line that every log, terminal and database takes."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class PenstockError(Exception):
    """Base of every error Penstock raises on purpose."""


class UsageError(PenstockError):
    """The command line or a setting is wrong: `what` (and where), and what to do about it."""

    def __init__(self, what: str, todo: str = "") -> None:
        self.what, self.todo = what, todo
        super().__init__(f"{what} ({todo})" if todo else what)


class HomeBusy(UsageError):
    """Another process holds the home's lock; a second writer is refused."""

    def __init__(self, home: str, pid: int, command: str) -> None:
        self.home, self.pid, self.command = home, pid, command
        super().__init__(
            f"the home {home} is in use by process {pid} ({command})",
            "wait for it to finish or stop it; search, status and audit work meanwhile",
        )


class HomeTooNew(UsageError):
    """The home was written by a newer version than this one."""

    def __init__(self, home: str, found: int, known: int) -> None:
        self.home, self.found, self.known = home, found, known
        super().__init__(
            f"the home {home} has format {found}, this penstock knows up to {known}",
            "upgrade penstock, or choose another home with --home",
        )


class OtherFingerprint(PenstockError):
    """This process would index otherwise than the ledger's current pipeline does: it must not claim anything."""

    def __init__(self) -> None:
        super().__init__(
            "the index is kept by another version or other settings than this process has "
            "(run `penstock doctor --fix` with the version and settings that shall hold from now on)"
        )


class Unreachable(PenstockError):
    """A part or a source does not answer as it should. Says nothing about the documents in it: none is gone."""

    def __init__(self, where: str, what: str, todo: str) -> None:
        self.where, self.what, self.todo = where, what, todo
        super().__init__(f"{where}: {what} ({todo})")


class Refusal(PenstockError):
    """One version of one document cannot be indexed. The last good version stays searchable."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason, self.detail = reason, printable(detail)
        super().__init__(f"{reason}: {self.detail}" if detail else str(reason))

    @property
    def todo(self) -> str:
        """What a person can do about it."""
        return TODO[self.reason]
