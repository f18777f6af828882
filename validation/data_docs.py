"""A result of Great Expectations as a page of its Data Docs, made harmless.

Its templates print values as they are, scripts included, and load a dozen files from elsewhere. So values are redacted,
shortened and escaped before they get there, what loads, runs or leads away is taken out, and the page's policy lets
nothing load or run.
"""

import re
import warnings
from collections.abc import Mapping
from html import escape
from typing import Any

from validation.faults import quote

#: Values of a list that are shown.
MOST_VALUES = 20

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: In place of the style sheets from elsewhere; what only their scripts bring to life is hidden.
_STYLE = r"""
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h5, h6, .h5, .h6 { font-size: 1rem; margin: 1rem 0 .2rem } table { border-collapse: collapse }
td, th { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
.fa-check-circle::before { content: "\2714"; color: #2a7d3f } .fa-times::before { content: "\2718"; color: #b3261e }
.fa-exclamation-triangle::before { content: "!"; color: #b3261e }
.ge-breadcrumbs, .sticky > .card, [data-toggle=collapse] { display: none }
"""
_HEAD = (
    f'<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    f"<style>{_STYLE}</style>"
)
#: Of the templates' own; a value has neither "<" nor quotes any more.
_UNWANTED = re.compile(
    r"<script\b.*?</script\s*>|<(?:link|img)\b[^>]*>|<footer>.*?</footer>|\son\w+=\"[^\"]*\"|\shref=\"(?!#)[^\"]*\"",
    re.DOTALL | re.IGNORECASE,
)


def data_docs_page(result: Any) -> bytes:
    """The page of an ExpectationSuiteValidationResult (see suite.judge); what the result holds is changed by it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python has deprecated
        from great_expectations.render.renderer import ValidationResultsPageRenderer
        from great_expectations.render.view import DefaultJinjaPageView

        for one in result.results:
            one.result, one.exception_info = _harmless(one.result), _harmless(one.exception_info)
            one.expectation_config.kwargs = _harmless(one.expectation_config.kwargs)
        page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    head, found, rest = _UNWANTED.sub("", page).partition("<head>")
    if not found:
        raise AssertionError("the page has no head to put a policy into")
    return f"{head}{_HEAD}{rest}".encode("utf-8", "backslashreplace")


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return escape(quote(value))
    if isinstance(value, Mapping):
        return {name: _harmless(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_harmless(one) for one in value[:MOST_VALUES]]
    return value
