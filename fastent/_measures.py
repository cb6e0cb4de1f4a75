"""The measures that have a result for each row, as their signatures tell of them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import fastent

OPERANDS = ("p", "q", "joint", "target", "labels", "prob", "logits", "logits_p", "logits_q")
SETTINGS = ("alpha", "order", "indices_or_k")  # positional too, but no operands
OF_THE_WHOLE = ("reliability_curve", "expected_calibration_error", "fit_temperature")
SPREAD = ("softmax", "log_softmax", "softmax_cross_entropy_grad")  # a result for each entry

OF_ARRAYS = ("axis", "keepdims", "offsets", "out", "where", "reduction", "return_weight")
"""Keywords that say how arrays hold rows, and where results go: none of a measure of rows."""


@dataclass(frozen=True)
class Measure:
    """A function of fastent that has a result for each row."""

    name: str
    function: Callable[..., Any]
    operands: tuple[str, ...]
    options: frozenset[str]
    needed: frozenset[str]
    """Options without a default."""
    ragged: bool
    """Whether rows may differ in length."""
    elementwise: bool
    """Whether each element is a row of its own."""

    @property
    def spreads(self) -> bool:
        """Whether each entry of a row has a result."""
        return self.elementwise or self.name in SPREAD

    def may_lack(self, operand: str) -> bool:
        """Whether None stands for an operand that is not there."""
        return operand == "target" and self.name in ("score_logits", "compare_logits")

    def required(self) -> tuple[str, ...]:
        """Return the operands that must be there."""
        return tuple(name for name in self.operands if not self.may_lack(name))

    def axes(self, operand: str) -> int:
        """Return how many axes a row of this operand has at least."""
        if self.elementwise or operand in ("target", "labels", "prob"):
            return 0  # a 1-D prob holds the probabilities of class 1
        return 2 if operand == "joint" else 1

    def result_names(self, found: Any) -> tuple[str, ...]:
        """Return what the results are called."""
        if not isinstance(found, tuple):
            return ("gradient" if self.name.endswith("_grad") else self.name,)
        if hasattr(found, "_fields"):
            return tuple(found._fields)
        derivatives = ("gradient", "hessian") if self.elementwise else ("gradient",)
        return ("loss", *derivatives)[-len(found) :]


@cache
def measures() -> dict[str, Measure]:
    """Return all measures by their names."""
    found = {}
    for name in fastent.__all__:
        function = getattr(fastent, name)
        if not inspect.isfunction(function) or name in OF_THE_WHOLE:
            continue
        parameters = inspect.signature(function).parameters
        free = [p for p in parameters if parameters[p].kind is not inspect.Parameter.KEYWORD_ONLY]
        operands = tuple(p for p in free if p not in SETTINGS)
        if not operands or not set(operands) <= set(OPERANDS):
            continue
        options = frozenset(parameters) - {*operands, *OF_ARRAYS}
        needed = frozenset(free) - {*operands}
        elementwise = "axis" not in parameters and "joint" not in operands
        ragged = "offsets" in parameters
        found[name] = Measure(name, function, operands, options, needed, ragged, elementwise)
    return found
