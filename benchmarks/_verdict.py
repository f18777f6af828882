"""What a benchmark prints last: each promise with the measured figure, its bound, and whether it holds."""

import operator
from statistics import median

_SIGNS = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


def verdict(what: str, measured: float, sign: str, bound: float, unit: str = "") -> bool:
    """Print one line; True when the promise holds."""
    holds = _SIGNS[sign](measured, bound)
    print(f"{what:58} {measured:8.2f}{unit} {sign} {bound:g}{unit}   {'holds' if holds else 'DOES NOT HOLD'}")
    return holds


def ratio(rounds: list[tuple[float, float]]) -> float:
    """Median of the ratios of pairs taken one after the other, so that what disturbs one disturbs both."""
    return median(one / other for one, other in rounds)


def rows(table: dict[str, object]) -> None:
    """Print named figures, one to a line."""
    for name, value in table.items():
        print(f"{name:58} {value}")
