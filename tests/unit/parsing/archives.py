"""ZIP archives, made by code: of documents, and documents that are archives of XML."""

import io
import zipfile

from schemas.errors import Refusal
from workers.parsing import registry

ODT_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
)


class _Entry(zipfile.ZipInfo):
    """One whose name may stand there twice, or in any encoding."""

    def __init__(self, at, name):
        super().__init__(str(at))
        self.name = name

    def _encodeFilenameFlags(self):  # noqa: N802 - zipfile asks it for what it writes
        if isinstance(self.name, bytes):
            return self.name, self.flag_bits
        return self.name.encode(), self.flag_bits | 0x800


def archive(*entries, method=zipfile.ZIP_DEFLATED):
    """A ZIP of these (name, bytes) in this order; a name of bytes stands there as it is, in no told encoding.

    A third part of an entry is what its ZipInfo says besides.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for at, (name, body, *about) in enumerate(entries):
            entry = _Entry(at, name)
            entry.compress_type = method
            for key, value in (about[0] if about else {}).items():
                setattr(entry, key, value)
            file.writestr(entry, body)
    return out.getvalue()


def zipped(parts, *, mimetype):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def odt(text, *, about="", **parts):
    """A text document of this XML."""
    body = f"<office:body><office:text>{text}</office:text></office:body>"
    content = f"<office:document-content {ODT_SPACES}>{body}</office:document-content>"
    meta = (
        f'<office:document-meta {ODT_SPACES} xmlns:dc="http://purl.org/dc/elements/1.1/">{about}</office:document-meta>'
    )
    return zipped(
        {"content.xml": content, "meta.xml": meta, **parts}, mimetype="application/vnd.oasis.opendocument.text"
    )


def epub(pages, *, about="", spine=None, parts=None):
    """A book of these pages: XHTML by names relative to the package's folder."""
    items = "".join(
        f'<item id="p{i}" href="{name}" media-type="application/xhtml+xml"/>' for i, name in enumerate(pages)
    )
    order = "".join(f'<itemref idref="{item}"/>' for item in spine or [f"p{i}" for i in range(len(pages))])
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata>{about}</metadata><manifest>{items}</manifest><spine>{order}</spine></package>"
    )
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    texts = {f"OEBPS/{name}".replace("%20", " "): page for name, page in pages.items()}
    return zipped(
        {"META-INF/container.xml": container, "OEBPS/book.opf": package, **texts, **(parts or {})},
        mimetype="application/epub+zip",
    )


def taken(body, name, member):
    """The bytes of one member, None if it is not there; what is wrong with it alone is raised."""
    [found] = registry.extract(body, name, [member])
    if isinstance(found, Refusal):
        raise found
    return found
