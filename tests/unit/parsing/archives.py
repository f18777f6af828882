"""Documents that are ZIP archives of XML, made by code."""

import io
import zipfile

ODT_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
)


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
