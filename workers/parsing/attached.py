"""What is attached to a mail: the parts of it that are documents of their own, their names and their bytes."""

import base64
import email.policy
import hashlib
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from typing import Any

from schemas.documents import Member
from workers.parsing import names

#: What proves a mail is no document in it; nor is Outlook's own wrapping, which only Outlook opens. Some programs say
#: of all they attach that it is any bytes.
_PROOFS = {"pgp-signature", "pkcs7-signature", "x-pkcs7-signature", "ms-tnef", "vnd.ms-tnef"}
_PROOF_NAMES = {"signature.asc", "smime.p7s", "winmail.dat"}
_MESSAGES = {"message/rfc822", "message/global"}
#: Writes a forwarded message with the header it came with.
_AS_IT_CAME = email.policy.default.clone(refold_source="none")


def member(name: str, body: bytes) -> Member:
    """An attachment as a member of its mail."""
    return Member(name, hashlib.sha256(body).hexdigest(), len(body))


def is_proof(content_type: str, name: str) -> bool:
    """Whether an attachment is not for people but for their programs."""
    return content_type.removeprefix("application/") in _PROOFS or name.lower() in _PROOF_NAMES


def named(mail: EmailMessage) -> Iterator[tuple[str, MIMEPart]]:
    """The attachments under their names."""
    parts = list(_documents(mail, ""))
    return zip(names.given((part.get_filename(), _type(part)) for part in parts), parts, strict=True)


def _documents(part: MIMEPart, around: str) -> Iterator[MIMEPart]:
    """The parts that are documents: not what the mail itself shows, nor what only proves it.

    around: the content type of what the part stands in.
    """
    kind = part.get_content_type()
    if kind in _MESSAGES:
        yield part
    elif part.get_content_maintype() == "multipart":
        # The pieces of an encrypted one are no documents but one cipher.
        for inner in part.iter_parts() if kind != "multipart/encrypted" else ():
            yield from _documents(inner, kind)
    elif not (part.is_multipart() or is_proof(kind, part.get_filename() or "") or _is_shown(part, kind, around)):
        yield part


def _is_shown(part: MIMEPart, kind: str, around: str) -> bool:
    """Whether it is a form of the mail's text, or a picture within that."""
    placed = part.get_content_disposition()
    if kind.startswith("text/"):
        return placed != "attachment" and (kind in {"text/plain", "text/html"} or not part.get_filename())
    # Some programs give every attachment an id: what else it says decides.
    within = part["Content-ID"] and (placed is None or around == "multipart/related")
    return kind.startswith("image/") and (placed == "inline" or bool(within))


def content(part: MIMEPart) -> bytes:
    """The bytes of an attachment; a message's as they came."""
    if part.get_content_type() not in _MESSAGES:
        payload = part.get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""
    message: Any = part.get_payload(0)
    raw: bytes = message.as_bytes(policy=_AS_IT_CAME)
    # Not allowed, and done all the same; there it stands as the body of a message without a header.
    return base64.b64decode(raw) if str(part["Content-Transfer-Encoding"]).lower() == "base64" else raw


def _type(part: MIMEPart) -> str:
    return "message/rfc822" if part.get_content_type() in _MESSAGES else part.get_content_type()
