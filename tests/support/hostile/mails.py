"""Mails."""

import base64

from tests.support import documents
from tests.support.hostile.archives import BOMB, archive
from tests.support.hostile.case import BROKEN, MB, READ, SAID, SLOW, Case

_MIXED = 'Content-Type: multipart/mixed; boundary="b"'
_ATTACHED = "--b\nContent-Type: application/zip; name=x\nContent-Transfer-Encoding: base64\n\n"
#: More parts than are read, or than are counted in time on a busy machine.
_MANY = ("too-large", "parser-timeout")
_MAYBE = (*BROKEN, "parser-timeout")


def mail(body: str, *headers: str) -> bytes:
    first = ("From: a@example.org", "Message-ID: <1@example.org>", "MIME-Version: 1.0", *headers)
    return ("\n".join(first) + "\n\n" + body).encode()


def nested_parts(levels: int) -> bytes:
    begins = "".join(f'Content-Type: multipart/mixed; boundary="b{i}"\n\n--b{i}\n' for i in range(levels))
    ends = "".join(f"\n--b{i}--\n" for i in reversed(range(levels)))
    return mail(f"--b\n{begins}\nEmployees{ends}\n--b--", _MIXED)


def nested_messages(levels: int) -> bytes:
    one = "From: a@example.org\nContent-Type: message/rfc822\n\n"
    return mail(one * levels + "From: a@example.org\n\nEmployees", "Content-Type: message/rfc822")


def attached(body: bytes, *, times: int) -> bytes:
    parts = f"{_ATTACHED}{base64.encodebytes(body).decode()}\n" * times
    return mail(f"--b\n\nEmployees\n{parts}--b--", _MIXED)


CASES = (
    Case("eml-1000-nested-parts", lambda: nested_parts(1_000), _MANY),
    Case("eml-nested-messages", lambda: nested_messages(1_000), _MANY),
    Case("eml-40-nested-messages", lambda: nested_messages(40), READ),
    Case("eml-10000-parts", lambda: mail("--b\n\nEmployees\n" * 10_000 + "--b--", _MIXED), _MANY),
    Case("eml-long-header", lambda: mail("Employees", "Subject: " + "=?utf-8?q?a?= " * 3_000), _MAYBE),
    Case("eml-comment-in-comment", lambda: mail("Employees", "To: " + "(" * 5_000), _MAYBE),
    Case("eml-many-addresses", lambda: mail("Employees", "To: " + "a@example.org, " * 3_000), _MAYBE),
    Case("eml-attachment-climbs-out", lambda: documents.eml(attachment="../../etc/passwd"), READ, always=SAID),
    Case("eml-attached-bomb", lambda: attached(archive({"a.txt": BOMB}), times=1), READ, always="Employees"),
    Case("eml-300-attachments-of-one-name", lambda: attached(b"x", times=300), SLOW, always="Employees"),
    Case("eml-2000-attachments", lambda: attached(b"x", times=2_000), _MANY),
    Case("eml-large-attachment", lambda: attached(bytes(20 * MB), times=1), READ, large=True),
    Case("eml-odd-charset", lambda: mail("Employees \\ud800", 'Content-Type: text/plain; charset="unicode_escape"')),
)
