"""What users pass, as arrays that the kernels understand; or an error that says what to do."""

import sys
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


DOORS = {
    "pandas": "fastent.pandas",
    "polars": "fastent.polars",
    "pyarrow": "fastent.arrow.score",
}
"""Who reads what NumPy makes objects of, by the library that it comes from."""


def as_array(value: Any, name: str) -> Array:
    """Return the value as an ndarray of a dtype that is computed with, else raise TypeError."""
    if type(value) is np.ndarray:
        check_dtype(value.dtype, name)
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, whose mask would be lost: "
            "pass .filled(0) (a masked entry is probability 0) or .compressed()"
        )
    if type(value).__module__.startswith("scipy.sparse"):
        raise TypeError(f"{name} is a sparse matrix: pass .toarray(), or its rows block by block")
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__"):
        _check_nulls(value, name)
    try:
        array = _read(value)
    except ValueError as error:
        raise ValueError(f"{name} cannot be read as an array: {error}") from None
    except (TypeError, RuntimeError, BufferError) as error:
        raise TypeError(f"{name} cannot be read as an array: {_reason(value, error)}") from None
    if array.dtype == object and not isinstance(value, np.ndarray) and array.ndim == 0:
        raise TypeError(f"{name} is of type {type(value).__name__}: pass an array or a list")
    if array.dtype == object and _library(value) in DOORS:
        raise TypeError(
            f"{name} has dtype object: convert it to numbers, or pass it to "
            f"{DOORS[_library(value)]}, which reads lists and nulls"
        )
    check_dtype(array.dtype, name)
    return array


def from_list(value: Any, name: str) -> Any:
    """Return a list as an array, and anything else as it is."""
    return as_array(value, name) if type(value) is list else value


def _reason(value: Any, error: Exception) -> str:
    """Return what a library says, which mostly tells what to do; PyTorch does not for these."""
    if getattr(value, "is_meta", False):
        return "a tensor of the meta device has no values"
    if "unsupported ScalarType" in str(error):
        return f"{error}: pass .float()"
    return str(error)


def _library(value: Any) -> str:
    """Return the name of the package that a value's type comes from."""
    return type(value).__module__.partition(".")[0]


def _check_nulls(value: Any, name: str) -> None:
    """Raise a TypeError for data of PyArrow and Polars with nulls, which NumPy would make NaN."""
    library = _library(value)
    if library == "pyarrow":
        nulls = any(part.null_count for part in getattr(value, "columns", [value]))
    elif library == "polars":
        parts = value.get_columns() if hasattr(value, "get_columns") else [value]
        nulls = any(part.null_count() for part in parts)
        arrays = [part for part in parts if str(part.dtype).startswith("Array")]
        nulls = nulls or any(part.explode().null_count() for part in arrays)
    else:
        return
    if nulls:
        raise TypeError(
            f"{name} has nulls, which an array cannot hold: fill them, or pass it to "
            "fastent.arrow.score, which gives null for a null row"
        )


def _read(value: Any) -> Array:
    """Return what NumPy, or DLPack, makes of a value; shared memory where that can be."""
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":
        return _read_bfloat16(value)
    if type(value).__name__ == "DataFrame" and _library(value) == "pandas":
        return _read_frame(value)
    return np.asarray(value)


def _read_frame(frame: Any) -> Array:
    """Return the numbers of a frame of pandas; what is missing is NaN there.

    Of columns of its own dtypes, or of booleans beside numbers, pandas would make objects.
    """
    dtypes = set(frame.dtypes)
    if len(dtypes) <= 1 and all(isinstance(dtype, np.dtype) for dtype in dtypes):
        return np.asarray(frame)
    return np.stack([np.asarray(column) for _, column in frame.items()]).T


def _read_bfloat16(tensor: Any) -> Array:
    """Return a tensor of a dtype that NumPy lacks, under the name that ml_dtypes gives it."""
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise TypeError("bfloat16 needs the package ml_dtypes, or pass .float()") from None
    if tensor.requires_grad:  # a view of the bits would not, and the gradient be lost
        raise TypeError("it requires grad, and no gradient comes back: pass .detach()")
    bits: Array = np.asarray(tensor.resolve_neg().view(sys.modules["torch"].int16))
    return bits.view(bfloat16)


def check_dtype(dtype: np.dtype[Any], name: str) -> None:
    """Raise TypeError, with the remedy, for a dtype that is not computed with."""
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize in (2, 4, 8)):
        return
    if dtype.name == "bfloat16":
        return
    if dtype.kind == "f" and dtype.itemsize > 8:
        remedy = "its digits beyond float64 are not computed: pass .astype(np.float64)"
    else:
        kind = dtype.kind if dtype.kind != "V" or dtype.names is not None else ""
        remedy = REMEDIES.get(kind, "pass float64, float32 or float16")
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
