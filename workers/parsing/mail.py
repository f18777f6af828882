"""A mail: the subject as heading, who and when, then its text: the HTML form where there is one, as a reader shows it.

Attachments are named, not read: the name alone makes the mail findable by them.
"""

import email
import email.policy
from collections.abc import Iterable, Iterator
from email.message import EmailMessage, MIMEPart

from schemas.documents import Block, BlockKind
from workers.parsing import text, webpage
from workers.parsing.content import Content
from workers.parsing.decoding import decode

#: Fields of the envelope that are worth finding a mail by.
FIELDS = ("From", "To", "Cc", "Date")


def parse(body: bytes) -> Content:
    """The blocks of a mail."""
    mail = email.message_from_bytes(body, _class=EmailMessage, policy=email.policy.default)
    subject = str(mail["Subject"] or "")
    blocks = opening(subject, {name: str(mail[name] or "") for name in FIELDS})
    for part in _readable(mail):
        blocks += _part_blocks(part)
    return Content([*blocks, *attachments(part.get_filename() for part in mail.walk())], subject)


def opening(subject: str, fields: dict[str, str]) -> list[Block]:
    """What a mail opens with: its subject as heading, then who and when."""
    words = " ".join(subject.split())
    blocks = [Block(BlockKind.HEADING, words, 1, None, words)] if words else []
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return [*blocks, Block(BlockKind.PARAGRAPH, "\n".join(lines))] if lines else blocks


def html_blocks(source: str) -> list[Block]:
    """The blocks of a mail's HTML form: its own headings stand under its subject."""
    return [
        Block(block.kind, block.text, block.level and block.level + 1, block.page, block.heading)
        for block in webpage.blocks(source)
    ]


def attachments(names: Iterable[str | None]) -> list[Block]:
    """A line that names what is attached."""
    found = [name for name in names if name]
    return [Block(BlockKind.PARAGRAPH, "Attachments: " + ", ".join(found))] if found else []


def _readable(part: MIMEPart) -> Iterator[MIMEPart]:
    """The text parts a mail reader would show; of alternatives the last, which is the richest, that has any."""
    if part.is_attachment():
        return
    if part.get_content_type() == "multipart/alternative":
        shown = (list(_readable(form)) for form in reversed(list(part.iter_parts())))
        yield from next(filter(None, shown), [])
    elif part.is_multipart() and part.get_content_maintype() == "multipart":
        for inner in part.iter_parts():
            yield from _readable(inner)
    elif part.get_content_type() in {"text/plain", "text/html"}:
        yield part


def _part_blocks(part: MIMEPart) -> list[Block]:
    payload = part.get_payload(decode=True)
    source = decode(payload if isinstance(payload, bytes) else b"", declared=part.get_content_charset())
    if part.get_content_type() == "text/html":
        return html_blocks(source)
    return text.paragraphs(source)
