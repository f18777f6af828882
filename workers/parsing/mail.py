"""A mail: the subject as heading, who and when, then its text: the HTML form where there is one, as a reader shows it.

Attachments are members, documents of their own. They are named in the text too: that makes the mail findable by them.
"""

import email.policy
from collections.abc import Iterable, Iterator, Sequence
from email.message import EmailMessage, MIMEPart
from email.parser import BytesFeedParser
from typing import Any

from schemas.documents import Block, BlockKind
from schemas.errors import Reason, Refusal
from workers.parsing import attached, text, webpage
from workers.parsing.content import Content
from workers.parsing.decoding import decode

#: Fields of the envelope that are worth finding a mail by.
FIELDS = ("From", "To", "Cc", "Date")
#: Parts of a mail, and messages and lists of parts within each other: people's mails have dozens, and a few.
MAX_PARTS, MAX_DEPTH = 1_000, 50

#: Bytes parsed at a time.
_PIECE = 1 << 16


def parse(body: bytes) -> Content:
    """The blocks of a mail, and its attachments.

    Raises:
        Refusal: TOO_LARGE for too many parts, or too deep ones.
    """
    mail = _opened(body)
    subject = str(mail["Subject"] or "")
    blocks = opening(subject, {name: str(mail[name] or "") for name in FIELDS})
    for part in _readable(mail):
        blocks += _part_blocks(part)
    blocks += attachments(part.get_filename() for part in mail.walk())
    members = tuple(attached.member(name, attached.content(part)) for name, part in attached.named(mail))
    return Content(blocks, subject, metadata=metadata(mail), members=members)


def extract(body: bytes, members: Sequence[str]) -> Iterator[bytes | None]:
    """The bytes of each attachment; None where there is none of that name.

    Raises:
        Refusal: as `parse`.
    """
    parts = dict(attached.named(_opened(body)))
    return (attached.content(parts[member]) if member in parts else None for member in members)


def metadata(header: EmailMessage) -> dict[str, str]:
    """Who wrote it, and when."""
    sent = header["Date"] and header["Date"].datetime
    return {"author": " ".join(str(header["From"] or "").split()), "created": sent.isoformat() if sent else ""}


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


def _opened(body: bytes) -> EmailMessage:
    # In pieces: `email.message_from_bytes` takes four bytes a character besides.
    parser = BytesFeedParser(EmailMessage, policy=email.policy.default)
    try:
        for at in range(0, len(body), _PIECE):
            parser.feed(body[at : at + _PIECE])
        mail = parser.close()
    except RecursionError:
        raise Refusal(Reason.TOO_LARGE, "its parts lie too deep in each other") from None
    pending: list[tuple[Any, int]] = [(mail, 1)]
    parts = 0
    while pending:
        part, depth = pending.pop()
        parts += 1
        if parts > MAX_PARTS or depth > MAX_DEPTH:
            raise Refusal(Reason.TOO_LARGE, f"more than {MAX_PARTS} parts, or {MAX_DEPTH} within each other")
        pending += [(inner, depth + 1) for inner in part.get_payload()] if part.is_multipart() else []
    return mail


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
