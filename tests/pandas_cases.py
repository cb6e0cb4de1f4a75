"""Every measure of rows of pandas, and every way in which frames and series hold rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arrow_cases import CASES, LABELS, ROWS, P, Q, fixed, pa

import fastent as fe

pd: Any = pytest.importorskip("pandas")
door: Any = pytest.importorskip("fastent.pandas")

INDEX = pd.Index([f"row {i}" for i in range(ROWS)], name="which")
COLUMN_OPTIONS = ("weight", "pos_weight", "indices_or_k")


def numpy_backed(rows: Any) -> Any:
    """Return rows as pandas holds arrays."""
    return one_of(rows)


def arrow_backed(rows: Any) -> Any:
    """Return them in columns of Arrow's types."""
    held = one_of(rows)
    return held if rows.ndim == 3 else held.astype(pd.ArrowDtype(pa.from_numpy_dtype(rows.dtype)))


def nullable(rows: Any) -> Any:
    """Return them in columns of pandas' own types with NA."""
    held = one_of(rows)
    return held if rows.ndim == 3 else held.astype(NULLABLE[rows.dtype.name])


NULLABLE = {"float64": "Float64", "int64": "Int64", "bool": "boolean"}


def one_of(rows: Any) -> Any:
    """Return a frame of rows, a series of numbers."""
    if rows.ndim == 1:
        return pd.Series(rows, INDEX)
    if rows.ndim == 3:
        return pd.Series(pd.arrays.ArrowExtensionArray(fixed(rows)), INDEX)
    return pd.DataFrame(rows, INDEX, [f"class {i}" for i in range(rows.shape[1])])


def lists(rows: Any) -> Any:
    """Return a series of Python's lists."""
    return pd.Series(list(rows), INDEX) if rows.ndim == 2 else one_of(rows)


def arrow_lists(rows: Any) -> Any:
    """Return a series of Arrow's lists."""
    if rows.ndim == 1:
        return arrow_backed(rows)
    return pd.Series(pd.arrays.ArrowExtensionArray(fixed(rows)), INDEX)


HOLDS = [numpy_backed, arrow_backed, nullable, lists, arrow_lists]


def numbers(got: Any) -> Any:
    """Return the numbers of a frame or series."""
    if isinstance(got, pd.DataFrame):
        return np.stack([numbers(column) for _, column in got.items()], axis=1)
    if isinstance(got.dtype, pd.ArrowDtype):
        array = pa.chunked_array(got.array.__arrow_array__()).combine_chunks()
        while isinstance(array, (pa.FixedSizeListArray, pa.ListArray)):
            array = array.flatten()
        return array.to_numpy(zero_copy_only=False)
    dtype = getattr(got.dtype, "numpy_dtype", got.dtype)
    return got.to_numpy(dtype=dtype)


def assert_same(got: Any, want: Any, index: Any = INDEX) -> None:
    """Assert that this is a result of pandas with these numbers, bit for bit."""
    if isinstance(want, tuple):
        kept = [part for part in want if part is not None]
        if isinstance(got, pd.DataFrame):
            if hasattr(want, "_fields"):
                pairs = zip(want._fields, want, strict=True)
                assert [name for name, part in pairs if part is not None] == list(got.columns)
            got = [column for _, column in got.items()]
        for one, part in zip(got, kept, strict=True):
            assert_same(one, part, index)
        return
    assert isinstance(got, (pd.Series, pd.DataFrame))
    assert got.index.equals(index)
    assert got.index.names == index.names
    entries = numbers(got).reshape(np.shape(want))
    assert entries.dtype == want.dtype
    assert entries.tobytes() == want.tobytes()


def ids(index: int) -> str:
    """Return the name of a case."""
    name, operands, options = CASES[index]
    return " ".join([name, *("none" if x is None else f"{x.ndim}-D" for x in operands), *options])


def call(index: int, hold: Any) -> tuple[Any, Any]:
    """Return what pandas and arrays make of a case."""
    name, operands, options = CASES[index]
    held = [None if rows is None else hold(rows) for rows in operands]
    more = {
        key: hold(value) if key in COLUMN_OPTIONS and isinstance(value, np.ndarray) else value
        for key, value in options.items()
    }
    return getattr(door, name)(*held, **more), getattr(fe, name)(*operands, **options)


FRAME, OTHER, Y = one_of(P), one_of(Q), pd.Series(LABELS, INDEX, name="label")
