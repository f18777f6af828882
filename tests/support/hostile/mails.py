"""Mails."""

import base64

from tests.support import documents
from tests.support.hostile.case import BROKEN, MB, READ, SAID, Case

_MIXED = 'Content-Type: multipart/mixed; boundary="b"'
_ATTACHED = "--b\nContent-Type: application/zip; name=x\nContent-Transfer-Encoding: base64\n\n"
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


def large_attachment() -> bytes:
    return mail(f"--b\n\nEmployees\n{_ATTACHED}{base64.encodebytes(bytes(20 * MB)).decode()}\n--b--", _MIXED)


CASES = (
    Case("eml-1000-nested-parts", lambda: nested_parts(1_000), _MAYBE),
    Case("eml-nested-messages", lambda: nested_messages(1_000), _MAYBE),
    Case("eml-10000-parts", lambda: mail("--b\n\nEmployees\n" * 10_000 + "--b--", _MIXED), _MAYBE, large=True),
    Case("eml-long-header", lambda: mail("Employees", "Subject: " + "=?utf-8?q?a?= " * 3_000), _MAYBE),
    Case("eml-comment-in-comment", lambda: mail("Employees", "To: " + "(" * 5_000), _MAYBE),
    Case("eml-many-addresses", lambda: mail("Employees", "To: " + "a@example.org, " * 3_000), _MAYBE),
    Case("eml-attachment-climbs-out", lambda: documents.eml(attachment="../../etc/passwd"), READ, always=SAID),
    Case("eml-large-attachment", large_attachment, large=True),
    Case("eml-odd-charset", lambda: mail("Employees \\ud800", 'Content-Type: text/plain; charset="unicode_escape"')),
)
