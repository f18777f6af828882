"""Signs that a text is meant for a model and not for its readers: characters nobody sees, orders to a model.

They are signs, no proof, and no defence: who writes for a model finds words that are not listed here. The
defence is that no text of a document ever decides anything.
"""

from validation.patterns import spans

#: Tag characters spell ASCII that nothing draws; they have one honest use, the flags of three countries. Overrides of
#: direction show a text backwards. Several zero-width characters in a row encode something; one joins or parts letters.
_UNSEEN = (
    r"\x{1F3F4}[\x{E0020}-\x{E007F}]{2,7}|[\x{E0000}-\x{E007F}]+|[\x{202D}\x{202E}]"
    r"|[\x{200B}-\x{200D}\x{2060}\x{FEFF}]{4,}"
)
_FLAG = "\N{WAVING BLACK FLAG}"

_BEFORE = r"(?:previous|prior|above|preceding|earlier)"
_SAID = r"(?:system\s+)?(?:instructions?|prompts?|directives?|commands?)"
_DROP = r"(?:ignore|disregard|forget|override|bypass|stop\s+following|(?:do\s+not|don['\x{2019}]t)\s+follow)"
_ORDERS = (
    # English
    rf"{_DROP}\s(?:\s*[a-z]+\s){{0,4}}?\s*{_BEFORE}\s+{_SAID}\b",
    (
        rf"{_DROP}\s+(?:all\s+|any\s+)?(?:of\s+)?(?:the\s+)?(?:everything|{_SAID}|text)\s+"
        r"(?:(?:given|stated|provided)\s+)?(?:above|previously|before|earlier)\s*(?:[.,;:!]|and\b|$)"
    ),
    r"forget\s+(?:everything|what|all)\s+you\s+(?:were|have\s+been)\s+told\b",
    r"no\s+longer\s+bound\s+by\s+(?:your|any)\s+(?:[a-z]+\s+)?(?:guidelines|rules|instructions|policies)",
    r"(?:act|answer|respond)\s+as\s+dan\b|what\s+(?:is|are)\s+your\s+(?:system\s+prompt|(?:initial|hidden)\s+instructions)",
    r"you\s+are\s+now\s+(?:in\s+)?(?:an?\s+)?(?:dan\b|developer\s+mode|unrestricted|unfiltered|jailbroken)",
    r"(?:reveal|print|show|repeat|output|leak|disclose)\s+(?:me\s+)?(?:your|the)\s+(?:[a-z]+\s+)?system\s+(?:prompt|message)",
    r"(?:do\s+not|don['\x{2019}]t|never)\s+(?:tell|inform|alert|warn)\s+the\s+user\b",
    (
        r"(?:if\s+you\s+are|as)\s+an?\s+(?:ai|llm|(?:large\s+)?language\s+model|ai\s+(?:assistant|agent|model)),?\s+"
        r"(?:you\s+must|please|ignore|include|respond|reply|always|say|recommend)\b"
    ),
    # Delimiters of chat templates
    r"<\|(?:im_start|im_end|system|start_header_id|eot_id)\|>|\[/?INST\]|<</?SYS>>",
    # German, Dutch, Polish
    (
        r"(?:ignorieren?|vergiss|vergessen|missachten?|negeer|vergeet|zignoruj|zapomnij)\s(?:\s*\pL+\s){0,4}?\s*"
        r"(?:vorherigen|vorigen|bisherigen|obigen|früheren|vorangegangenen|voorgaande|vorige|eerdere|poprzednie|wcześniejsze)"
        r"\s+(?:anweisungen|instruktionen|befehle|prompts?|instructies|instrukcje|polecenia)\b"
    ),
    # French, Spanish, Italian, Portuguese
    (
        r"(?:ignore[zr]?|oublie[zr]?|ignora|olvida|olvide|dimentica|esqueça)\s(?:\s*\pL+\s){0,4}?\s*"
        r"(?:instructions|consignes|instrucciones|indicaciones|istruzioni|instruções)\s+"
        r"(?:précédentes|antérieures|ci-dessus|anteriores|previas|precedenti|prévias)"
    ),
    # Russian, Japanese, Chinese, Korean
    r"(?:игнорируй|проигнорируй|забудь)(?:те)?\s(?:\s*\pL+\s){0,3}?\s*(?:предыдущие|прежние)\s+(?:инструкции|указания)",
    r"(?:以前|これまで|上記|前)の(?:すべての|全ての)?(?:指示|命令|プロンプト)を(?:すべて|全て)?(?:無視|忘れ)",
    r"(?:忽略|无视|忘记)(?:之前|以上|上面|前面|先前)(?:的)?(?:所有|全部)?(?:的)?(?:指令|指示|提示词?|命令)",
    r"(?:이전|위)의?\s*(?:모든\s*)?(?:지시|명령|프롬프트)(?:사항)?[를을]?\s*(?:모두\s*)?(?:무시|잊)",
)
_ANY_ORDER = f"(?i:{'|'.join(_ORDERS)})"
#: An order inside these on its line is spoken of, not given.
_STRAIGHT = ('"', "`")
_OPENING, _CLOSING = "„“«「『《", "”»」』》"


def hidden_characters(text: str) -> list[str]:
    """Pieces of a text that hide characters, spelled out."""
    if text.isascii():
        return []
    data = text.encode("utf-8", "replace")
    found = (data[start:end].decode() for start, end in spans(_UNSEEN, data))
    return [_spelled(one) for one in found if not one.startswith(_FLAG)]


def orders(data: bytes) -> list[tuple[int, int]]:
    """Where a text orders a model about; a quoted order is none."""
    return [place for place in spans(_ANY_ORDER, data) if not _quoted(data, place[0])]


def _spelled(found: str) -> str:
    tags = "".join(chr(ord(c) - 0xE0000) for c in found if 0xE0020 <= ord(c) < 0xE007F)
    return f"tag characters that spell: {tags}" if tags else " ".join(f"U+{ord(c):04X}" for c in found[:8])


def _quoted(data: bytes, start: int) -> bool:
    line = data[data.rfind(b"\n", 0, start) + 1 : start].decode(errors="replace")
    if any(line.count(sign) % 2 for sign in _STRAIGHT):
        return True
    closing = _CLOSING + "“" * ("„" in line)  # “ opens in English and closes in German
    opening = _OPENING.replace("“", "") if "„" in line else _OPENING
    return max(map(line.rfind, opening)) > max(map(line.rfind, closing))
