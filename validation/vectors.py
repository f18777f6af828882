"""The rules on vectors: whether they can be searched, and whether a batch is about what its collection is about."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.verdicts import Finding
from validation.faults import Fault
from validation.ruleset import RuleSet, load_rules
from validation.table import Action

#: Vectors are floats in any of numpy's widths: shape (n, dimension), or (dimension,) for one.
Vectors = npt.NDArray[Any]

#: How far from 1 a length may be: rounding of float32 and bfloat16, not an error.
NORM_TOLERANCE = 1e-3
#: Differences between the numbers of one vector below this are none.
_FLAT = 1e-6
#: The rules that nobody can set, as they are.
_FIXED = load_rules(None).of("", "").settings


def check_vectors(vectors: Mapping[str, Vectors], *, dimension: int) -> dict[str, tuple[Finding, ...]]:
    """What the rules say of vectors, by their keys (a document, or one text); a key without findings has no entry."""
    shaped = {key: np.atleast_2d(np.asarray(some)) for key, some in vectors.items()}
    fitting = {key: some for key, some in shaped.items() if some.shape[1] == dimension}
    suspects = set(shaped) - set(fitting)
    if fitting:  # all at once: one by one, a text's vector takes longer than its text
        faulty = _faulty(np.concatenate(list(fitting.values())))
        owners = np.repeat(np.arange(len(fitting)), [len(some) for some in fitting.values()])
        keys = list(fitting)
        suspects |= {keys[owner] for owner in owners[faulty]}
    return {key: _findings(shaped[key], dimension) for key in vectors if key in suspects}


def batch_drift(vectors: Vectors, centroid: Vectors | None, rules: RuleSet) -> Finding | None:
    """Whether a batch's vectors, shape (n, dimension), point away from the centroid of the collection. It only warns.

    None: they do not, or there is no telling: no centroid, too few vectors, a zero centroid.
    """
    rule = rules.settings["drift"]
    if rule.action is Action.ALLOW or centroid is None or len(vectors) < rule.given.from_vectors:
        return None
    mine = np.mean(vectors, axis=0, dtype=np.float64)
    lengths = float(np.linalg.norm(mine) * np.linalg.norm(centroid))
    cosine = float(mine @ centroid) / lengths if lengths else 1.0
    if cosine >= rule.given.min_cosine:
        return None
    return rule.finding(Fault(f"the batch's centroid has cosine {cosine:.2f} to the collection's"))


def _faulty(some: Vectors) -> npt.NDArray[np.bool_]:
    """Which rows break a rule. What is not finite has no norm of 1."""
    return ~(np.abs(_norms(some) - 1) < NORM_TOLERANCE) | _flat(some)


def _norms(some: Vectors) -> npt.NDArray[np.float64]:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", some, some, dtype=np.float64)))


def _flat(some: Vectors) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):  # infinite numbers: they are another rule's
        return np.asarray((np.ptp(some, axis=1) < _FLAT) & (some.shape[1] > 1))


def _findings(some: Vectors, dimension: int) -> tuple[Finding, ...]:
    if some.shape[1] != dimension:
        return (
            _FIXED["dimension"].finding(Fault(f"a vector has {some.shape[1]} numbers, the model's have {dimension}")),
        )
    if not np.isfinite(some).all():
        return (_FIXED["finite"].finding(Fault("a vector has numbers that are none (NaN or infinite)")),)
    found = []
    norms = _norms(some)
    if (wrong := norms[np.abs(norms - 1) >= NORM_TOLERANCE]).size:
        found.append(_FIXED["unit-norm"].finding(Fault(f"a vector has norm {wrong[0]:.4g} instead of 1")))
    if _flat(some).any():
        found.append(_FIXED["not-constant"].finding(Fault("all numbers of a vector are the same")))
    return tuple(found)
