"""What a document is: its content decides, its name only where content cannot (Markdown, CSV, plain text).

Cheap, and without any parser: signatures, the members of a ZIP, and a look at the first text.
"""

import io
import re
import zipfile

from schemas.errors import Reason, Refusal
from workers.parsing.decoding import MARKS, decode

#: Part of every parser's version: raise it when a document may get another kind, or text be decoded otherwise.
SNIFF_VERSION = "sniff-1"

CONTENT_TYPES = {
    "markdown": "text/markdown",
    "text": "text/plain",
    "html": "text/html",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "eml": "message/rfc822",
}

#: Kinds that only the name can tell from plain text.
BY_NAME = {
    "md": "markdown",
    "markdown": "markdown",
    "mdown": "markdown",
    "mkd": "markdown",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "csv": "csv",
    "tsv": "csv",
    "eml": "eml",
}

#: Signatures of what is not read, in the words a person is told.
FOREIGN = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"RIFF", "an image, sound or film (RIFF)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a Windows program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound or film"),
    (b"fLaC", "a FLAC sound"),
    (b"PAR1", "a Parquet file"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript document"),
)

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Names of streams in an OLE file, stored as UTF-16, and what they make of it.
_OLE_STREAMS = (
    ("WordDocument", "an old Word document (.doc)"),
    ("Workbook", "an old Excel workbook (.xls)"),
    ("PowerPoint Document", "an old PowerPoint presentation (.ppt)"),
    ("__substg1.0_", "an Outlook message (.msg)"),
)
#: The folder that holds the parts of each OOXML kind.
_OOXML = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}

#: Characters of text looked at; enough for any preamble.
_HEAD = 16_384
#: Control characters that text has no use for; ESC colours terminal logs.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HTML = re.compile(r"(?:<\?xml[^>]*>|<!--.*?-->|\s)*<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL)
_SVG = re.compile(r"(?:<\?xml[^>]*>|<!--.*?-->|<!doctype\s+svg[^>]*>|\s)*<svg[\s>]", re.IGNORECASE | re.DOTALL)
_MAIL_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):", re.MULTILINE)


def content_type(kind: str) -> str:
    """The MIME type of a kind that `sniff` gave."""
    return CONTENT_TYPES[kind]


def sniff(body: bytes, name: str) -> str:
    """The kind of `body`, one of CONTENT_TYPES; `name` is a file name, path or URI.

    Raises:
        Refusal: EMPTY; UNSUPPORTED, saying what it looks like; CORRUPT where a signature promises what is not there;
            ENCRYPTED for protected Office files (a PDF's password is its parser's business).
    """
    if not body.strip(b"\x00 \t\r\n\f\v\xef\xbb\xbf\xff\xfe"):
        raise Refusal(Reason.EMPTY, "0 bytes" if not body else "nothing but white space")
    if b"%PDF-" in body[:1024]:
        return "pdf"
    if body.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(body)
    if body.startswith(_OLE):
        raise _ole_refusal(body)
    for signature, words in FOREIGN:
        if body.startswith(signature):
            raise Refusal(Reason.UNSUPPORTED, f"looks like {words}")
    return _text_kind(_text_head(body), name)


def _zip_kind(body: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            mimetype = archive.read("mimetype")[:100].decode("ascii", "replace") if "mimetype" in names else ""
    except Exception as error:  # noqa: BLE001 - zipfile raises a dozen types on damaged archives
        raise Refusal(
            Reason.CORRUPT, f"begins like a ZIP or Office file but is damaged or cut short ({error})"
        ) from None
    if any(member.flag_bits & 1 for member in members):
        raise Refusal(Reason.ENCRYPTED, "a ZIP archive with a password")
    if "[Content_Types].xml" in names:
        for folder, kind in _OOXML.items():
            if any(name.startswith(folder) for name in names):
                return kind
    known = {"application/epub+zip": "an EPUB book"}
    words = "an OpenDocument file" if "opendocument" in mimetype else known.get(mimetype.strip(), "a ZIP archive")
    raise Refusal(Reason.UNSUPPORTED, f"looks like {words}")


def _ole_refusal(body: bytes) -> Refusal:
    if "EncryptedPackage".encode("utf-16-le") in body:
        return Refusal(Reason.ENCRYPTED, "an Office file with a password")
    for stream, words in _OLE_STREAMS:
        if stream.encode("utf-16-le") in body:
            return Refusal(Reason.UNSUPPORTED, f"looks like {words}")
    return Refusal(Reason.UNSUPPORTED, "looks like an old binary Office file")


def _text_head(body: bytes) -> str:
    """The first characters, if this is text.

    Raises:
        Refusal: UNSUPPORTED for binary data.
    """
    marked = any(body.startswith(mark) for mark, _ in MARKS)
    if not marked and b"\x00" in body:
        raise Refusal(Reason.UNSUPPORTED, "looks like binary data (it has NUL bytes)")
    # Only whole text can be judged, unless its beginning is plain ASCII: a cut could fall inside a character.
    head = body[:_HEAD]
    text = head.decode("ascii") if head.isascii() else decode(body)[:_HEAD]
    if len(_CONTROL.findall(text)) * 100 > len(text):
        raise Refusal(Reason.UNSUPPORTED, "looks like binary data (it has control characters)")
    if not text.strip() and not body.strip():
        raise Refusal(Reason.EMPTY, "nothing but white space")
    return text


def _text_kind(head: str, name: str) -> str:
    # A name without a dot has no ending: a file called "md" is no Markdown (look.parse_key says the same).
    _, dot, ending = name.rsplit("/", 1)[-1].rpartition(".")
    extension = ending.lower() if dot else ""
    if _HTML.match(head):
        return "html"
    if _SVG.match(head):
        raise Refusal(Reason.UNSUPPORTED, "looks like an SVG image")
    named = BY_NAME.get(extension, "text")
    return "eml" if named == "text" and _is_mail(head) else named


def _is_mail(head: str) -> bool:
    """Whether the text opens with the header of a mail that has been sent: a memo's "From:" is not enough."""
    header = head.partition("\n\n")[0].replace("\r\n", "\n").partition("\n\n")[0]
    if not _MAIL_FIELD.match(header):
        return False
    fields = {field.lower() for field in _MAIL_FIELD.findall(header)}
    return "from" in fields and bool(fields & {"message-id", "received", "mime-version"})
