"""Members of a ZIP that is one document: read with a limit, for a few bytes can unfold into gigabytes."""

import zipfile

from schemas.errors import Reason, Refusal

#: Bytes of a member, unfolded: the text of the longest books is a hundredth of it.
MAX_MEMBER = 100_000_000


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of one member.

    Raises:
        Refusal: CORRUPT if there is no such member, TOO_LARGE if it unfolds to more than MAX_MEMBER.
    """
    try:
        with archive.open(name) as file:
            body = file.read(MAX_MEMBER + 1)
    except KeyError:
        raise Refusal(Reason.CORRUPT, f"its part {name} is missing") from None
    if len(body) > MAX_MEMBER:
        raise Refusal(Reason.TOO_LARGE, f"its part {name} unfolds to more than {MAX_MEMBER // 10**6} MB")
    return body
