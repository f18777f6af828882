"""A mail: the subject as heading, who and when, then its text: the HTML form where there is one, as a reader shows it.

Attachments are named, not read: the name alone makes the mail findable by them.
"""

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart

from schemas.documents import Block, BlockKind
from workers.parsing import text, webpage
from workers.parsing.content import Content
from workers.parsing.decoding import decode

_FIELDS = ("From", "To", "Cc", "Date")


def parse(body: bytes) -> Content:
    """The blocks of a mail."""
    mail = email.message_from_bytes(body, _class=EmailMessage, policy=email.policy.default)
    subject = " ".join(str(mail["Subject"] or "").split())
    blocks = [Block(BlockKind.HEADING, subject, 1, None, subject)] if subject else []
    fields = [f"{name}: {mail[name]}" for name in _FIELDS if mail[name]]
    if fields:
        blocks.append(Block(BlockKind.PARAGRAPH, "\n".join(fields)))
    for part in _readable(mail):
        blocks += _part_blocks(part)
    names = [name for part in mail.walk() if (name := part.get_filename())]
    if names:
        blocks.append(Block(BlockKind.PARAGRAPH, "Attachments: " + ", ".join(names)))
    return Content(blocks, subject or None)


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
        # A mail's own headings stand under its subject.
        return [
            Block(block.kind, block.text, block.level and block.level + 1, block.page, block.heading)
            for block in webpage.blocks(source)
        ]
    return text.paragraphs(source)
