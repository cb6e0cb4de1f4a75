"""Types of the compiled module; the contract is in the functions that use it."""

from contextlib import AbstractContextManager
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

VERSION: str
BUILD: dict[str, str]
NORMALIZE: int
BITS: int
INDEFINITE: int

def built_isas() -> tuple[str, ...]: ...
def available_isas() -> tuple[str, ...]: ...
def isa() -> str: ...
def set_isa(name: str) -> None: ...
def using_isa(name: str) -> AbstractContextManager[None]: ...
def set_threads(count: int) -> None: ...
def get_threads() -> int: ...
def set_parallel_bytes(size: int) -> int: ...
def scratch_peak() -> int: ...
def adopt_main_thread() -> None: ...
def kernel_tables() -> tuple[int, int, int]: ...
def bounds() -> dict[str, tuple[float, float]]: ...
def special_ufunc(name: str, doc: str) -> np.ufunc: ...
def lender_of(name: str, dtype: Any) -> np.ufunc: ...
def report_invalid(name: str) -> None: ...
def plain_rows(array: Any, labels: Any = None) -> bool: ...
def misplaced_offset(offsets: NDArray[Any], size: int) -> int: ...

@final
class Measure:
    name: str
    operands: int
    pointwise: bool
    exact_bits: bool
    bounds: tuple[float, float]
    ufunc: Any
    def direct(self, operands: tuple[Any, ...], parameters: NDArray[np.float64]) -> Any: ...
    def direct_sum(
        self,
        operands: tuple[Any, ...],
        parameters: NDArray[np.float64],
        mean: bool,
        elements: bool,
        name: str,
    ) -> Any: ...
    def rows(
        self,
        views: tuple[NDArray[Any], ...],
        cores: int,
        parameters: NDArray[np.float64],
        out: NDArray[Any],
        labels: NDArray[Any] | None = None,
        ignored: float = ...,
        offsets: NDArray[Any] | None = None,
    ) -> int: ...
    def gradient(
        self,
        views: tuple[Any, ...],
        cores: int,
        parameters: NDArray[np.float64],
        out: Any,
        losses: Any,
        labels: Any = None,
        ignored: float = ...,
        factors: Any = None,
        divisor: float = 1,
    ) -> int: ...
    def fields(
        self,
        views: tuple[NDArray[Any], ...],
        cores: int,
        parameters: NDArray[np.float64],
        outs: tuple[NDArray[Any] | None, ...],
        dtype: np.dtype[Any],
        labels: NDArray[Any] | None = None,
        ignored: float = ...,
        places: NDArray[Any] | None = None,
        log_probs: NDArray[Any] | None = None,
        chosen_places: bool = False,
    ) -> int: ...
    def elements(
        self,
        arrays: tuple[NDArray[Any], ...],
        parameters: NDArray[np.float64],
        out: NDArray[Any],
        labels: NDArray[Any] | None = None,
        ignored: float = ...,
    ) -> int: ...
    def pairs(
        self,
        arrays: tuple[NDArray[Any], ...],
        parameters: NDArray[np.float64],
        first: NDArray[Any],
        second: NDArray[Any],
    ) -> int: ...
    def picked(
        self,
        rows: NDArray[Any],
        labels: NDArray[Any],
        parameters: NDArray[np.float64],
        out: NDArray[Any],
        ignored: float = ...,
    ) -> int: ...
    def whole(
        self,
        views: tuple[NDArray[Any], ...],
        parameters: NDArray[np.float64],
        dtype: np.dtype[Any],
        divisor: float,
    ) -> tuple[Any, int]: ...
    def reduced(
        self,
        views: tuple[NDArray[Any], ...],
        cores: int,
        parameters: NDArray[np.float64],
        dtype: np.dtype[Any],
        reduction: str,
        weight: NDArray[Any] | None,
        labels: NDArray[Any] | None = None,
        ignored: float = ...,
        offsets: NDArray[Any] | None = None,
    ) -> tuple[Any, int]: ...

measures: dict[str, Measure]
