"""What a document is: its content decides, its name only where content cannot (Markdown, CSV, plain text).

Cheap, and without any parser: signatures, the members of a ZIP, and a look at the first text. kinds.py has the tables.
"""

import io
import json
import re
import zipfile

import olefile  # type: ignore[import-untyped]

from schemas.errors import Reason, Refusal
from workers.parsing.decoding import declared_encoding, decode
from workers.parsing.kinds import BY_NAME, CONTENT_TYPES, FOREIGN, PICTURES

#: Part of every parser's version: raise it when a document may get another kind, or text be decoded otherwise.
SNIFF_VERSION = "sniff-3"

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Streams at the top of an OLE file, and what they make of it.
_OLE_STREAMS = (
    ("WordDocument", "an old Word document (.doc)"),
    ("Workbook", "an old Excel workbook (.xls)"),
    ("PowerPoint Document", "an old PowerPoint presentation (.ppt)"),
)
#: The folder that holds the parts of each OOXML kind.
_OOXML = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}

#: Members that only programs packed as a ZIP have: what is in them is no document, and would be refused piece by piece.
_PROGRAMS = (
    ("AndroidManifest.xml", "an Android app (APK)"),
    ("META-INF/MANIFEST.MF", "a Java program (JAR)"),
)

#: Characters of text looked at; enough for any preamble.
_HEAD = 16_384
#: Control characters that text has no use for; ESC colours terminal logs.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# Possessive, and a comment ends at its first end: thousands of empty ones would be tried in every combination.
_COMMENT = r"<!--(?:(?!-->).)*+-->"
_HTML = re.compile(rf"(?:<\?xml[^>]*+>|{_COMMENT}|\s)*+<(?:!doctype\s+html|html[\s>])", re.IGNORECASE | re.DOTALL)
_SVG = re.compile(rf"(?:<\?xml[^>]*+>|{_COMMENT}|<!doctype\s+svg[^>]*+>|\s)*+<svg[\s>]", re.IGNORECASE | re.DOTALL)
_XML = re.compile(r"<\?xml\s")
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
    if body.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(body)
    if body.startswith(_OLE):
        return _ole_kind(body)
    # After what begins with another signature: an archive may hold a PDF right behind its first name.
    if b"%PDF-" in body[:1024]:
        return "pdf"
    if body.startswith(b"{\\rtf"):
        return "rtf"
    for pattern, kind in PICTURES:
        if pattern.match(body):
            return kind
    for signature, words in FOREIGN:
        if body.startswith(signature):
            raise Refusal(Reason.UNSUPPORTED, f"looks like {words}")
    return _text_kind(body, _text_head(body), name)


def _zip_kind(body: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            names = [one.filename for one in members]
            mimetype = ""
            if "mimetype" in names:
                with archive.open("mimetype") as member:
                    mimetype = member.read(100).decode("ascii", "replace")
    except Exception as error:  # noqa: BLE001 - zipfile raises a dozen types on damaged archives
        raise Refusal(
            Reason.CORRUPT, f"begins like a ZIP or Office file but is damaged or cut short ({error})"
        ) from None
    locked = [bool(one.flag_bits & 1) for one in members if not one.filename.endswith("/")]
    kind = _packed_kind(names, mimetype.strip())
    # A document is locked as a whole; of an archive the members that are not can be read.
    if locked and (all(locked) if kind == "zip" else any(locked)):
        raise Refusal(Reason.ENCRYPTED, "a ZIP archive with a password")
    return kind


def _packed_kind(names: list[str], mimetype: str) -> str:
    """The kind of document whose parts these are, or "zip": documents in their own right."""
    if "[Content_Types].xml" in names:
        for folder, kind in _OOXML.items():
            if any(name.startswith(folder) for name in names):
                return kind
        raise Refusal(Reason.UNSUPPORTED, "looks like a package of parts (Office, NuGet, 3D) that is no document")
    if mimetype == CONTENT_TYPES["epub"] or "META-INF/container.xml" in names:
        return "epub"
    if mimetype in {CONTENT_TYPES["odt"], CONTENT_TYPES["odt"] + "-template"}:
        return "odt"
    if "opendocument" in mimetype:
        raise Refusal(Reason.UNSUPPORTED, "looks like an OpenDocument file that is no text document")
    if words := next((words for part, words in _PROGRAMS if part in names), None):
        raise Refusal(Reason.UNSUPPORTED, f"looks like {words}")
    if any(name.endswith(".dist-info/WHEEL") for name in names):
        raise Refusal(Reason.UNSUPPORTED, "looks like a Python package (wheel)")
    return "zip"


def _ole_kind(body: bytes) -> str:
    try:
        with olefile.OleFileIO(io.BytesIO(body)) as file:
            streams = {path[0] for path in file.listdir()}
    except Exception as error:  # noqa: BLE001 - olefile raises half a dozen types on damaged files
        raise Refusal(Reason.CORRUPT, f"begins like an Office file but is damaged or cut short ({error})") from None
    if "EncryptedPackage" in streams:
        raise Refusal(Reason.ENCRYPTED, "an Office file with a password")
    if "__properties_version1.0" in streams:
        return "msg"
    words = next((words for stream, words in _OLE_STREAMS if stream in streams), "an old binary Office file")
    raise Refusal(Reason.UNSUPPORTED, f"looks like {words}")


def _text_head(body: bytes) -> str:
    """The first characters, if this is text.

    Raises:
        Refusal: UNSUPPORTED for binary data.
    """
    # Only whole text can be judged, unless its beginning is plain ASCII: a cut could fall inside a character.
    head = body[:_HEAD]
    if b"\x00" not in body and head.isascii():
        text = head.decode("ascii")
    else:
        text = decode(body, declared=declared_encoding(body))[:_HEAD]
    if "\x00" in text:
        raise Refusal(Reason.UNSUPPORTED, "looks like binary data (it has NUL bytes)")
    if len(_CONTROL.findall(text)) * 100 > len(text):
        raise Refusal(Reason.UNSUPPORTED, "looks like binary data (it has control characters)")
    if not text.strip() and not body.strip():
        raise Refusal(Reason.EMPTY, "nothing but white space")
    return text


def _text_kind(body: bytes, head: str, name: str) -> str:
    # A name without a dot has no ending: a file called "md" is no Markdown (look.parse_key says the same).
    _, dot, ending = name.rsplit("/", 1)[-1].rpartition(".")
    extension = ending.lower() if dot else ""
    if _HTML.match(head):
        return "html"
    if _SVG.match(head):
        raise Refusal(Reason.UNSUPPORTED, "looks like an SVG image")
    if extension in BY_NAME:
        return BY_NAME[extension]
    if _is_mail(head):
        return "eml"
    if _XML.match(head):
        return "xml"
    if head.startswith("#!"):
        return "code"
    return "json" if _is_json(body, head) else "text"


def _is_json(body: bytes, head: str) -> bool:
    """Whether the whole of it is an object or a list: many a text only begins like one."""
    if not head.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(decode(body), parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _is_mail(head: str) -> bool:
    """Whether the text opens with the header of a mail that has been sent: a memo's "From:" is not enough."""
    header = head.partition("\n\n")[0].replace("\r\n", "\n").partition("\n\n")[0]
    if not _MAIL_FIELD.match(header):
        return False
    fields = {field.lower() for field in _MAIL_FIELD.findall(header)}
    return "from" in fields and bool(fields & {"message-id", "received", "mime-version"})
