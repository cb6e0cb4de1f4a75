"""What is passed, as arrays: scikit-learn's conversions and checks, in its order and words."""

import sys
import warnings
from numbers import Integral, Number
from typing import Any, Literal

import numpy as np
from numpy.exceptions import ComplexWarning

from fastent._arrays import Array
from fastent.metrics._parameters import setting

FLOATS = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16))


def in_numpy(*values: Any) -> Any:
    """Return values, arrays of other libraries as NumPy's if scikit-learn is set to take them."""
    if not setting("array_api_dispatch"):
        return values
    return tuple(_in_numpy(value) if hasattr(value, "__dlpack__") else value for value in values)


def _in_numpy(array: Any) -> Any:
    """Return an array of another library as NumPy's, copied from its device if it must be."""
    try:
        return np.asarray(array)
    except (TypeError, ValueError, RuntimeError):
        return np.from_dlpack(array, device="cpu")


def read(value: Any, dtypes: tuple[Any, ...] = (), order: Literal["C"] | None = None) -> Array:
    """Return the value as an array of one of these dtypes, else of the first of them.

    Without `dtypes` it keeps its own. Of other objects than arrays and frames scikit-learn does not
    know the dtype, so they are converted: a float32 tensor counts as float64.
    """
    if type(value) is np.ndarray:
        given = value.dtype
    else:
        value, given = _seen(value)
    known = not dtypes or (given is not None and given in dtypes)
    dtype = None if known else dtypes[0]
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "c":
            raise ValueError(f"Complex data not supported\n{value}\n")
        return np.asarray(value, dtype, order=order)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ComplexWarning)
        try:
            array = np.asarray(value, dtype, order=order)
        except ComplexWarning as warning:
            raise ValueError(f"Complex data not supported\n{value}\n") from warning
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{array}\n")
    return array


def _seen(value: Any) -> tuple[Any, Any]:
    """Return a value and its dtype, as far as scikit-learn sees one: of frames, of NumPy's kind."""
    if isinstance(value, np.matrix):
        raise TypeError(
            "np.matrix is not supported. Please convert to a numpy array with np.asarray. For more "
            "information see: "
            "https://numpy.org/doc/stable/reference/generated/numpy.matrix.html"
        )
    if isinstance(value, (list, tuple)):
        return value, None
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return _seen_columns(value, pandas)
    dtype = getattr(value, "dtype", None)
    if pandas is not None and hasattr(dtype, "na_value"):
        if isinstance(dtype, pandas.StringDtype):
            return value, np.dtype(object)
        return (value.astype(np.float64) if _has_gaps(dtype, pandas) else value), None
    return value, dtype if isinstance(dtype, np.dtype) else None


def _seen_columns(frame: Any, pandas: Any) -> tuple[Any, Any]:
    """Return a pandas frame, in one dtype if its columns have gaps, and their common dtype."""
    dtypes = list(frame.dtypes)
    common = None
    if all(isinstance(dtype, np.dtype) for dtype in dtypes):
        common = np.result_type(*dtypes) if dtypes else None
    elif any(isinstance(dtype, pandas.StringDtype) or dtype == "O" for dtype in dtypes):
        common = np.dtype(object)
    if any(_has_gaps(dtype, pandas) for dtype in dtypes):
        frame = frame.astype(np.float64 if common is None else common)
    return frame, common


def _has_gaps(dtype: Any, pandas: Any) -> bool:
    """Whether pandas would make objects of a column of this dtype: its own numbers, with gaps."""
    if isinstance(dtype, (np.dtype, pandas.SparseDtype)):
        return False
    types = pandas.api.types
    tests = (types.is_bool_dtype, types.is_float_dtype, types.is_integer_dtype)
    return any(test(dtype) for test in tests)


# ---- checks ------------------------------------------------------------------------------------


def check_dimensions(array: Array) -> None:
    """Raise for more than two dimensions."""
    if array.ndim > 2:
        raise ValueError(f"Found array with dim {array.ndim}, while dim <= 2 is required.")


def check_size(array: Array, samples: int = 1) -> None:
    """Raise for fewer samples than these, or for rows of no columns."""
    if samples > 0 and count(array) < samples:
        raise ValueError(
            f"Found array with {array.shape[0]} sample(s) (shape={array.shape}) while a minimum of "
            f"{samples} is required."
        )
    if array.ndim == 2 and array.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is required."
        )


def check_finite(array: Array, name: str = "", dtype: Any = None) -> None:
    """Raise for NaN or infinity; of objects for NaN. The dtype is what it was to become."""
    if array.dtype.kind not in "fO" or setting("assume_finite"):
        return
    if array.dtype.kind == "O":
        if np.any(array != array):
            raise ValueError("Input contains NaN")
        return
    with np.errstate(all="ignore"):
        if np.isfinite(array.sum()):
            return
    if not np.isfinite(array).all():
        raise not_finite(array.dtype if dtype is None else dtype, np.isnan(array).any(), name)


def not_finite(dtype: Any, nan: Any, name: str = "") -> ValueError:
    """Return the error for NaN, or for infinity."""
    what = "NaN" if nan else f"infinity or a value too large for {dtype!r}"
    return ValueError(f"Input {name + ' ' if name else ''}contains {what}.")


def count(value: Any) -> int:
    """Return the number of samples in an array-like."""
    message = f"Expected sequence or array-like, got {type(value)}"
    if callable(getattr(value, "fit", None)):
        raise TypeError(message)
    shape = getattr(value, "shape", None)
    if shape is not None:
        if len(shape) == 0:
            raise TypeError(
                "Input should have at least 1 dimension i.e. satisfy `len(x.shape) > 0`, got "
                f"scalar `{value!r}` instead."
            )
        if isinstance(shape[0], Integral):
            return int(shape[0])
    if not hasattr(value, "__len__") and not hasattr(value, "shape"):
        if not hasattr(value, "__array__"):
            raise TypeError(message)
        value = np.asarray(value)
    try:
        return len(value)
    except TypeError as error:
        raise TypeError(message) from error


def check_lengths(*values: Any) -> None:
    """Raise unless all that is not None has as many samples."""
    counts = [count(value) for value in values if value is not None]
    if len(set(counts)) > 1:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {counts}")


def check_weights(weights: Any, samples: int) -> None:
    """Raise unless there is a finite weight for each sample, and one of them is not 0."""
    if weights is None or isinstance(weights, Number):
        return
    array = read(weights, order="C")
    check_dimensions(array)
    check_finite(array, "sample_weight")
    check_size(array)
    if array.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {array.ndim}D array. Expected either "
            f"a scalar value or a 1D array of length {samples}."
        )
    if array.shape != (samples,):
        raise ValueError(f"sample_weight.shape == {array.shape}, expected {(samples,)}!")
    if np.all(array == 0):
        raise ValueError("Sample weights must contain at least one non-zero number.")


def column(value: Any) -> Array:
    """Return an array of one dimension; of two, if the second has length 1."""
    array = read(value)
    check_dimensions(array)
    check_size(array, 0)
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
        return np.ascontiguousarray(array).reshape(-1)
    raise ValueError(f"y should be a 1d array, got an array of shape {array.shape} instead.")
