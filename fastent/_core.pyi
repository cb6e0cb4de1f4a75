"""Types of the compiled module; the contract is in the functions that use it."""

from contextlib import AbstractContextManager
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

VERSION: str
NORMALIZE: int
BITS: int
SEGMENT: int

def built_isas() -> tuple[str, ...]: ...
def available_isas() -> tuple[str, ...]: ...
def isa() -> str: ...
def set_isa(name: str) -> None: ...
def using_isa(name: str) -> AbstractContextManager[None]: ...
def set_threads(count: int) -> None: ...
def get_threads() -> int: ...
def scratch_peak() -> int: ...
def bounds() -> dict[str, tuple[float, float]]: ...
def divided(parameters: NDArray[np.float64], count: float) -> NDArray[np.float64]: ...
def report_invalid(name: str) -> None: ...

@final
class Measure:
    name: str
    operands: int
    pointwise: bool
    exact_bits: bool
    bounds: tuple[float, float]
    ufunc: Any
    def direct(self, operands: tuple[Any, ...], parameters: NDArray[np.float64]) -> Any: ...
    def compute(
        self,
        operands: tuple[NDArray[Any], ...],
        parameters: NDArray[np.float64],
        out: NDArray[Any],
    ) -> int: ...

@final
class LongRow:
    status: int
    def __init__(
        self,
        measure: Measure,
        double_precision: bool,
        length: int,
        parameters: NDArray[np.float64],
        inverses: Any = (),
    ) -> None: ...
    def accumulate(self, pieces: tuple[NDArray[Any], ...]) -> None: ...
    def sums(self) -> tuple[float, float]: ...
    def finish(self) -> Any: ...

measures: dict[str, Measure]
pick: Any
