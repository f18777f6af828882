"""The report as one HTML file: no script, nothing from elsewhere, and nothing that a document is called runs in it."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from penstock.rates import HEIGHT, STEP, bars
from schemas.errors import printable

_FOLDER = Path(__file__).parent


def report_page(found: dict[str, Any]) -> bytes:
    """The page of what penstock.report gathered."""
    # A heading may hold half a surrogate pair, which UTF-8 has no place for.
    return _template().render(found).encode("utf-8", "backslashreplace")


def clip(text: Any, most: int) -> str:
    """A text as one line of at most so many characters."""
    line = printable(str(text))
    return line if len(line) <= most else line[: most - 1] + "…"


def age(seconds: float) -> str:
    """A time span in its largest unit: "3 h"."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def percent(share: float | None) -> str:
    """A share for people: 99.9 % is not 100 %, and nothing asked is no share."""
    if share is None:
        return "-"
    shown = f"{100 * share:.1f}".removesuffix(".0")
    return f"{'99.9' if shown == '100' and share < 1 else shown} %"


@cache
def _template() -> jinja2.Template:
    style = (_FOLDER / "report.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    engine = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    engine.filters |= {"clip": clip, "age": age, "percent": percent, "bars": bars}
    engine.globals |= {
        "style": style,
        # The browser loads and runs nothing but the one style, whatever a document is called.
        "policy": f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        "step": STEP,
        "height": HEIGHT,
    }
    return engine.from_string((_FOLDER / "report.html").read_text())
