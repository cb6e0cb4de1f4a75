"""Measures by their names, and the keywords that they take of columns."""

from collections.abc import Callable
from typing import Any

import fastent
from fastent._measures import OF_THE_WHOLE, SETTINGS, Measure, measures
from fastent._names import nearest

__all__ = [
    "COLUMN_OPTIONS",
    "NO_OPTIONS",
    "SETTINGS",
    "Measure",
    "check_options",
    "find_measure",
    "measures",
]

NO_OPTIONS = {
    "axis": "the entries of a row lie in its columns",
    "keepdims": "a result is a column",
    "offsets": "lists have their own",
    "out": "the results are new columns",
    "where": "null rows have null results",
    "reduction": "each row has its result, which pyarrow.compute.mean or sum reduces",
    "return_weight": "each row has its result",
}
"""Keywords of measures of arrays that columns have no use for, and why."""

COLUMN_OPTIONS = ("weight", "pos_weight", "indices_or_k")
"""Keywords that take the name of a column."""


def find_measure(measure: str | Callable[..., Any]) -> Measure:
    """Return the measure of this name, or the one that this function is."""
    if isinstance(measure, str):
        name = measure.replace("-", "_")
    elif callable(measure):
        name = getattr(measure, "__name__", repr(measure))
        if name in fastent.__all__ and getattr(fastent, name) is not measure:
            raise TypeError(f"{measure!r} is not fastent.{name}: pass that, or its name")
    else:
        raise TypeError(f"measure must be a name or a function of fastent, not {measure!r}")
    known = measures()
    if name in known:
        return known[name]
    if name in OF_THE_WHOLE or name.startswith("pairwise_"):
        raise ValueError(f"{name} has no result for each row: call fastent.{name} with arrays")
    raise ValueError(f"there is no measure {name!r}{nearest(name, known)}")


def check_options(measure: Measure, options: dict[str, Any]) -> None:
    """Raise a TypeError unless the measure takes these keywords, and needs no others."""
    for name in options:
        if name in measure.options:
            continue
        if name in measure.operands:
            raise TypeError(f"{name} is an operand of {measure.name}: name its columns in order")
        if name in NO_OPTIONS:
            raise TypeError(f"{name}= has no place here: {NO_OPTIONS[name]}")
        raise TypeError(f"{measure.name} has no option {name}{nearest(name, measure.options)}")
    missing = sorted(measure.needed - set(options))
    if missing:
        raise TypeError(f"{measure.name} needs {missing[0]}=")
