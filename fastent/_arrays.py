"""What users pass, as arrays that the kernels understand; or an error that says what to do."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)

REMEDIES = {
    "c": "entropies of complex numbers are not defined: pass a real array",
    "O": "convert it to numbers, for example with .astype(np.float64)",
    "S": "convert it to numbers, for example with .astype(np.float64)",
    "U": "convert it to numbers, for example with .astype(np.float64)",
    "T": "convert it to numbers, for example with .astype(np.float64)",
    "M": "dates are no probabilities",
    "m": "time differences are no probabilities",
    "V": "take one of its fields",
}


def as_array(value: Any, name: str) -> Array:
    """Return the value as an ndarray of a dtype that is computed with, else raise TypeError."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, whose mask would be lost: "
            "pass .filled(0) (a masked entry is probability 0) or .compressed()"
        )
    if type(value).__module__.startswith("scipy.sparse"):
        raise TypeError(f"{name} is a sparse matrix: pass .toarray(), or its rows block by block")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None
    check_dtype(array.dtype, name)
    return array


def check_dtype(dtype: np.dtype[Any], name: str) -> None:
    """Raise TypeError, with the remedy, for a dtype that is not computed with."""
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return
    if dtype.name == "bfloat16":
        return
    if dtype.kind == "f":
        remedy = "its digits beyond float64 are not computed: pass .astype(np.float64)"
    else:
        remedy = REMEDIES.get(dtype.kind, "pass float64, float32 or float16")
    raise TypeError(f"{name} has dtype {dtype}: {remedy}")


def check_integers(array: Array, name: str) -> None:
    """Raise for counts passed where probabilities are meant."""
    if array.dtype.kind in "iu" and array.size and array.max() > 1:
        raise ValueError(
            f"{name} holds integers above 1, such as {array.max()}: "
            "pass normalize=True to divide counts by their sum"
        )


def kernel_dtype(arrays: Iterable[Array]) -> np.dtype[Any]:
    """Return float32 if no operand asks for more than that, else float64; integers count as 64."""
    small = all(a.dtype.itemsize <= 4 and a.dtype.kind not in "biu" for a in arrays)
    return FLOAT32 if small else FLOAT64
