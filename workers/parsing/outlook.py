"""Outlook's messages (.msg), by python-oxmsg; read like any other mail."""

from oxmsg import Message
from oxmsg.domain import constants

from schemas.errors import Reason, Refusal
from workers.parsing import mail, text
from workers.parsing.content import Content
from workers.parsing.decoding import decode

_CODE_PAGES = (constants.PID_INTERNET_CODEPAGE, constants.PID_MESSAGE_CODEPAGE)
#: What oxmsg reads 8-bit strings as where the message does not say.
_ASSUMED = "iso8859-15"


def parse(body: bytes) -> Content:
    """The blocks of a message.

    Raises:
        Refusal: UNSUPPORTED if its text is there in Outlook's own RTF only.
    """
    message = Message.load(body)
    headers = {name.title(): value for name, value in message.message_headers.items()}
    said = {
        "From": message.sender or "",
        "To": _string(message, constants.PID_DISPLAY_TO),
        "Cc": _string(message, constants.PID_DISPLAY_CC),
        "Date": message.sent_date.isoformat(" ", "seconds") if message.sent_date else "",
    }
    subject = _string(message, constants.PID_SUBJECT)
    blocks = mail.opening(subject, {name: headers.get(name) or said[name] for name in mail.FIELDS})
    properties = message.properties
    html, plain = properties.binary_prop_value(constants.PID_HTML), _string(message, constants.PID_BODY)
    if html:
        blocks += mail.html_blocks(decode(html, declared=properties.body_encoding))
    elif plain.strip():
        blocks += text.paragraphs(plain.replace("\r\n", "\n"))
    elif properties.binary_prop_value(constants.PID_RTF_COMPRESSED):
        raise Refusal(Reason.UNSUPPORTED, "an Outlook message whose text is there in compressed RTF only")
    return Content([*blocks, *mail.attachments(part.file_name for part in message.attachments)], subject)


def _string(message: Message, pid: int) -> str:
    """A string; one of 8 bits without a code page is not read as just any encoding."""
    properties = message.properties
    found = properties.str_prop_value(pid) or ""
    told = any(properties.int_prop_value(page) for page in _CODE_PAGES)
    if told or any(one.pid == pid and one.ptyp == constants.PTYP_STRING for one in properties):
        return found
    return decode(found.encode(_ASSUMED))
