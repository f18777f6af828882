"""Great Expectations, and nothing else here: a table and what it is expected to be, to the rows that are not.

The only place that loads it (4 to 5 s of processor time). Its context is ephemeral: no files, no progress bars, no
telemetry. A call costs some 20 ms for each expectation, whatever the rows.
"""

import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

#: One expectation: its type, and what it is given.
Expectation = tuple[str, Mapping[str, Any]]
#: Rows that fail an expectation, or why it could not be judged.
Outcome = frozenset[int] | str
#: Columns of numbers; a missing one is NaN.
_NUMBERS = ("row", "ordinal", "tokens", "limit", "characters", "page", "place", "sharing", "most_documents")
#: Great Expectations keeps state between calls: one at a time.
_ONE_AT_A_TIME = threading.Lock()


def warm() -> None:
    """Load Great Expectations in the background, so that a first `judge` need not wait; nothing if it is loaded."""
    threading.Thread(target=_context, name="great-expectations", daemon=True).start()


def judge(
    columns: Mapping[str, Sequence[Any]],
    expectations: Sequence[Expectation],
    *,
    keep: Callable[[Any], None] | None = None,
) -> list[Outcome]:
    """Judge a table, given by its columns, one of them `row`: for each expectation, the `row`s that fail it.

    keep: is called with the ExpectationSuiteValidationResult, for whoever makes a report of it.
    """
    gx, definition = _context()
    import pandas as pd

    frame = pd.DataFrame({n: pd.Series(v, dtype="float64" if n in _NUMBERS else "object") for n, v in columns.items()})
    configured = [
        # The number finds the outcome again: results come in an order of their own.
        gx.expectations.registry.get_expectation_impl(type_)(**kwargs, meta={"number": number})
        for number, (type_, kwargs) in enumerate(expectations)
    ]
    suite = gx.ExpectationSuite(name="chunks", expectations=configured)
    form = {
        "result_format": "COMPLETE",
        "unexpected_index_column_names": ["row"],
        "return_unexpected_index_query": False,
    }
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = definition.get_batch(batch_parameters={"dataframe": frame}).validate(suite, result_format=form)
    if keep:
        keep(result)
    outcomes = {one.expectation_config.meta["number"]: _outcome(one) for one in result.results}
    return [outcomes[number] for number in range(len(configured))]


def _outcome(result: Any) -> Outcome:
    if "exception_message" not in result.exception_info:  # then they are by metric
        raised = [one for one in result.exception_info.values() if one["raised_exception"]]
    else:
        raised = [result.exception_info] if result.exception_info["raised_exception"] else []
    if raised:
        # The last line of the traceback names the type; what follows it may quote a document.
        lines = str(raised[0]["exception_traceback"]).strip().splitlines()
        return lines[-1].partition(":")[0] if lines else "an error"
    rows = frozenset(int(one["row"]) for one in result.result.get("unexpected_index_list") or ())
    return rows if rows or result.success else "it failed, and named no rows"


@cache
def _context() -> tuple[Any, Any]:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python has deprecated
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("chunks").add_dataframe_asset("batch")
    return gx, asset.add_batch_definition_whole_dataframe("all")
