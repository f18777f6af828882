"""What of a parse is indexed: the text its readers see, and hidden text only where the setting says so. Pure.

A parse is stored whole, so that a change of the setting starts from it again.
"""

from dataclasses import replace

from schemas.documents import HiddenText, ParsedDocument

#: Why a document is refused of which nothing is left.
ALL_HIDDEN = "all its text is hidden from readers: PENSTOCK_HIDDEN_TEXT=flag would index it"


def visible(parsed: ParsedDocument, hidden_text: HiddenText) -> ParsedDocument:
    """The document as it is indexed.

    `skip`: without its hidden blocks, which may leave none. `flag`: with them, and with how much they are in its
    metadata, `hidden_text`: "N characters".
    """
    hidden = sum(len(block.text) for block in parsed.blocks if block.hidden)
    if not hidden:
        return parsed
    if hidden_text == "skip":
        return replace(parsed, blocks=tuple(block for block in parsed.blocks if not block.hidden))
    return replace(parsed, metadata={**parsed.metadata, "hidden_text": f"{hidden} characters"})
