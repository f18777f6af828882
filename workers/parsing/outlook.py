"""Outlook's messages (.msg), by python-oxmsg; read like any other mail.

Messages that were attached to it are left out: they are stored as folders of properties, and python-oxmsg has no bytes
of them.
"""

import email
import email.policy
from collections.abc import Iterator, Sequence
from email.message import EmailMessage

from oxmsg import Message
from oxmsg.attachment import Attachment
from oxmsg.domain import constants

from schemas.documents import Block
from schemas.errors import Reason, Refusal
from workers.parsing import attached, mail, names, text
from workers.parsing.content import Content
from workers.parsing.decoding import decode

_CODE_PAGES = (constants.PID_INTERNET_CODEPAGE, constants.PID_MESSAGE_CODEPAGE)
#: What oxmsg reads 8-bit strings as where the message does not say.
_ASSUMED = "iso8859-15"
#: Of PID_ATTACH_FLAGS: shown within the text.
_WITHIN = 0x4
#: Attachments of one message.
_MAX_ATTACHED = mail.MAX_PARTS


def parse(body: bytes) -> Content:
    """The blocks of a message, and its attachments.

    Raises:
        Refusal: UNSUPPORTED if its text is there in Outlook's own RTF only; TOO_LARGE for too many attachments.
    """
    message = Message.load(body)
    header = _header(message)
    said = {
        "From": message.sender or "",
        "To": _string(message, constants.PID_DISPLAY_TO),
        "Cc": _string(message, constants.PID_DISPLAY_CC),
        "Date": message.sent_date.isoformat(" ", "seconds") if message.sent_date else "",
    }
    subject = _string(message, constants.PID_SUBJECT)
    blocks = mail.opening(subject, {name: str(header[name] or said[name]) for name in mail.FIELDS})
    blocks += _text(message)
    blocks += mail.attachments(_name(part) for part in message.attachments)
    known = {key: value for key, value in mail.metadata(header).items() if value}
    sent = message.sent_date.isoformat() if message.sent_date else ""
    members = tuple(attached.member(name, content) for name, content in _members(message))
    return Content(blocks, subject, metadata={"author": said["From"], "created": sent} | known, members=members)


def extract(body: bytes, members: Sequence[str]) -> Iterator[bytes | None]:
    """The bytes of each attachment; None where there is none of that name.

    Raises:
        Refusal: TOO_LARGE, as `parse`.
    """
    found = dict(_members(Message.load(body)))
    return map(found.get, members)


def _header(message: Message) -> EmailMessage:
    """The header of the way it came, where it came from outside."""
    source = message.properties.str_prop_value(constants.PID_TRANSPORT_MESSAGE_HEADERS) or ""
    return email.message_from_string(source, _class=EmailMessage, policy=email.policy.default)


def _text(message: Message) -> list[Block]:
    properties = message.properties
    html, plain = properties.binary_prop_value(constants.PID_HTML), _string(message, constants.PID_BODY)
    if html:
        return mail.html_blocks(decode(html, declared=properties.body_encoding))
    if not plain.strip() and properties.binary_prop_value(constants.PID_RTF_COMPRESSED):
        raise Refusal(Reason.UNSUPPORTED, "an Outlook message whose text is there in compressed RTF only")
    return text.paragraphs(plain.replace("\r\n", "\n")) if plain.strip() else []


def _members(message: Message) -> Iterator[tuple[str, bytes]]:
    """The attachments under their names."""
    if len(message.attachments) > _MAX_ATTACHED:
        raise Refusal(Reason.TOO_LARGE, f"more than {_MAX_ATTACHED} attachments")
    html = message.properties.binary_prop_value(constants.PID_HTML) or b""
    parts = [part for part in message.attachments if _is_document(part, html)]
    given = names.given((_name(part), part.mime_type or "") for part in parts)
    return zip(given, (part.file_bytes or b"" for part in parts), strict=True)


def _is_document(part: Attachment, html: bytes) -> bool:
    """Whether it has bytes, and is neither a part of the text nor what only proves it."""
    properties = part.properties
    cid = properties.str_prop_value(constants.PID_ATTACH_CONTENT_ID)
    within = (
        properties.int_prop_value(constants.PID_ATTACHMENT_HIDDEN)
        or (properties.int_prop_value(constants.PID_ATTACH_FLAGS) or 0) & _WITHIN
        or (cid and b"cid:" + cid.encode() in html)
    )
    return part.file_bytes is not None and not within and not attached.is_proof(part.mime_type or "", _name(part) or "")


def _name(part: Attachment) -> str | None:
    """The name it was attached under; old programs wrote only one of DOS."""
    return part.file_name or part.properties.str_prop_value(constants.PID_ATTACH_FILENAME)


def _string(message: Message, pid: int) -> str:
    """A string; one of 8 bits without a code page is not read as just any encoding."""
    properties = message.properties
    found = properties.str_prop_value(pid) or ""
    told = any(properties.int_prop_value(page) for page in _CODE_PAGES)
    if told or any(one.pid == pid and one.ptyp == constants.PTYP_STRING for one in properties):
        return found
    return decode(found.encode(_ASSUMED))
