"""What every Office Open XML file says about itself, wherever it was made."""

import io
import zipfile

from lxml import etree  # type: ignore[import-untyped]

_TITLE = "{http://purl.org/dc/elements/1.1/}title"
#: Titles that the programs write when nobody gave one.
_NO_TITLE = {"powerpoint presentation", "word document"}


def title(body: bytes) -> str | None:
    """The title in the document's properties."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        if "docProps/core.xml" not in archive.namelist():
            return None
        properties = archive.read("docProps/core.xml")
    root = etree.fromstring(properties, etree.XMLParser(resolve_entities=False, no_network=True))
    found = (root.findtext(_TITLE) or "").strip()
    return None if found.lower() in _NO_TITLE else found
