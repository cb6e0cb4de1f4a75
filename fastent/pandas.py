"""Measures of pandas' frames and series: ``fastent.pandas.entropy(frame)``.

Every measure that has a result for each row is here under its name, with the arguments that it has
in fastent: operands first, truth before prediction. What they return has the index of the rows.
The packages pandas and pyarrow come with the extra ``pandas``.

>>> import pandas as pd
>>> import fastent.pandas
>>> frame = pd.DataFrame({"a": [0.5, 1.0], "b": [0.5, 0.0]}, index=["x", "y"])
>>> fastent.pandas.entropy(frame, base=2).to_dict()
{'x': 1.0, 'y': 0.0}
>>> fastent.pandas.log_loss(pd.Series([0, 0], frame.index), frame, base=2).to_dict()
{'x': 1.0, 'y': 0.0}
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import pandas as pd
    import pyarrow as pa
except ImportError as error:
    raise ImportError(
        'fastent.pandas needs the packages pandas and pyarrow: pip install "fastent-numpy[pandas]"'
    ) from error

from fastent._arrays import Array
from fastent.arrow import Scorer
from fastent.arrow._doors import arguments_of, document, score_columns, signature_of, speaking
from fastent.arrow._measures import COLUMN_OPTIONS, Measure, measures

__all__ = sorted(measures())

WORDS = {
    "rows lie in a column of lists, or in several columns: a list of names, or p_*": (
        "rows lie in the columns of a DataFrame, or in a Series of lists"
    ),
    "such as .cast(pyarrow.int64())": 'such as .astype("Int64")',
    "cast it to double (.cast(pyarrow.float64()), in SQL ::DOUBLE)": 'pass .astype("float64")',
    "such as codes of a dictionary": "such as .cat.codes",
}
"""What messages about Arrow data say, and what is said here."""

if TYPE_CHECKING:

    def __getattr__(name: str) -> Callable[..., Any]:
        """Return the measure of this name."""


class _Rows:
    """The rows of all operands, of one index: as arrays, or as columns of Arrow."""

    def __init__(self, measure: Measure, operands: Mapping[str, Any]) -> None:
        self._measure, self._operands = measure, operands
        held = {role: value for role, value in operands.items() if self._has_rows(role, value)}
        if not held:
            raise TypeError(self._none_has_rows())
        self._first = next(iter(held))
        self.index: pd.Index = held[self._first].index
        for role, value in held.items():
            self._check_index(role, value.index)
        self.frames = {r: v for r, v in operands.items() if isinstance(v, pd.DataFrame)}
        _check_columns(self.frames)
        for role, value in operands.items():
            if isinstance(value, pd.Series) and role not in held:
                self._check_reference(role, value)

    def dtypes(self) -> set[Any]:
        """Return what pandas calls the types of the operands."""
        series = {value.dtype for value in self._operands.values() if isinstance(value, pd.Series)}
        return series.union(*(frame.dtypes for frame in self.frames.values()))

    def arrays(self) -> dict[str, Array] | None:
        """Return the operands as arrays if NumPy holds all, of views of what is in one piece."""
        found = {role: _plain(value) for role, value in self._operands.items()}
        arrays = {role: array for role, array in found.items() if array is not None}
        if len(arrays) < len(found):
            return None
        for role, array in arrays.items():
            if not self._is_row_by_row(role, array):
                arrays[role] = np.broadcast_to(array, (len(self.index), *array.shape))
        return arrays

    def columns(self) -> tuple[dict[str, pa.ChunkedArray], dict[str, Any]]:
        """Return the operands as columns of different names, and the names of each operand's."""
        columns: dict[str, pa.ChunkedArray] = {}
        wanted: dict[str, Any] = {}
        for role, value in self._operands.items():
            names = []
            for label, column in self._parts(role, value):
                names.append(_unlike(columns, role, label))
                chunks = isinstance(column, pa.ChunkedArray)
                columns[names[-1]] = column if chunks else pa.chunked_array([column])
            wanted[role] = names if isinstance(value, pd.DataFrame) else names[0]
        return columns, wanted

    def names(self) -> dict[str, str]:
        """Return what each operand is called as a whole."""
        names: dict[str, str] = {}
        for role, value in self._operands.items():
            label = value.name if isinstance(value, pd.Series) else None
            names[role] = _unlike(names.values(), role, role if label is None else label)
        return names

    def _parts(self, role: str, value: Any) -> list[tuple[Any, Any]]:
        """Return the columns of an operand, with their labels."""
        if isinstance(value, pd.DataFrame):
            return [(label, _column(role, label, part)) for label, part in value.items()]
        if isinstance(value, pd.Series):
            label = role if value.name is None else value.name
            column = _column(role, label, value)
            if not self._has_rows(role, value):  # one distribution
                whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
                column = pa.FixedSizeListArray.from_arrays(whole, len(value))
            return [(label, column)]
        array = np.asarray(value)
        if not _is_plain(array.dtype):
            raise TypeError(f"{role} is of type {type(value).__name__}: pass a Series or numbers")
        return [(role, _lists(array if self._is_row_by_row(role, array) else array[None]))]

    def _axes(self, role: str) -> int:
        return self._measure.axes(role) if role in self._measure.operands else 0

    # ---- checks -------------------------------------------------------------------------------

    def _has_rows(self, role: str, value: Any) -> bool:
        """Whether this is an object of pandas with a row, or a number, for each result."""
        if isinstance(value, pd.Series):
            return self._axes(role) == 0 or not _is_number(value.dtype)
        return isinstance(value, pd.DataFrame)

    def _none_has_rows(self) -> str:
        name = self._measure.name
        for role, value in self._operands.items():
            if isinstance(value, pd.Series):
                return (
                    f"{role} is a Series of numbers, which is one distribution: pass it to "
                    f"fastent.{name}; here rows are those of a DataFrame, or of a Series of lists"
                )
        return f"none of {', '.join(self._operands)} is of pandas: pass arrays to fastent.{name}"

    def _check_index(self, role: str, index: pd.Index) -> None:
        """Raise a ValueError unless an operand has the index of the first."""
        if index is self.index or index.equals(self.index):
            return
        rows, others = len(self.index), len(index)
        if rows != others:
            raise ValueError(f"{self._first} has {rows} rows and {role} has {others}: align them")
        pairs = enumerate(zip(index, self.index, strict=True))
        place = next((i for i, (one, other) in pairs if one is not other and one != other), 0)
        raise ValueError(
            f"the index of {role} is not that of {self._first}: row {place} is "
            f"{_label(index, place)}, not {_label(self.index, place)}: align them, for example by "
            f".reindex, or pass {role}.set_axis({self._first}.index) to go by position"
        )

    def _is_row_by_row(self, role: str, array: Array) -> bool:
        """Whether an array has a row for each of the others', and not one beside all of them."""
        if array.ndim == self._axes(role) and not self._has_rows(role, self._operands[role]):
            return False
        if len(array) != len(self.index):
            raise ValueError(
                f"{self._first} has {len(self.index)} rows and {role} has {len(array)}"
            )
        return True

    def _check_reference(self, role: str, series: pd.Series) -> None:
        """Raise a ValueError unless a distribution goes with the columns of the frames."""
        for other, frame in self.frames.items():
            if not series.index.equals(frame.columns):
                raise ValueError(
                    f"the index of {role} is not the columns of {other}: pass a Series of one "
                    f"distribution with that index, or {role}.to_numpy()"
                )


def _check_columns(frames: Mapping[str, pd.DataFrame]) -> None:
    """Raise a ValueError if frames have a column of one name at different places."""
    first, one = next(iter(frames.items()), ("", None))
    for role, other in frames.items():
        if one is None or other.columns.equals(one.columns):
            continue
        places = {label: place for place, label in enumerate(one.columns)}
        moved = [i for i, label in enumerate(other.columns) if places.get(label, i) != i]
        if moved:
            label = other.columns[moved[0]]
            raise ValueError(
                f"column {label!r} is number {moved[0]} of {role} and number {places[label]} of "
                f"{first}: bring them into one order"
            )


# ---- operands ---------------------------------------------------------------------------------


def _unlike(names: Collection[str], role: str, label: Any) -> str:
    """Return a label as a name that no other has."""
    name = str(label)
    if name in names:
        name = f"{role}.{name}"
    while name in names:
        name += "'"
    return name


def _plain(value: Any) -> Array | None:
    """Return an operand as an array, if it is of numbers that NumPy holds."""
    if isinstance(value, pd.DataFrame):
        dtypes = set(value.dtypes)
        dtype = dtypes.pop() if len(dtypes) == 1 else None
    else:
        dtype = value.dtype if isinstance(value, pd.Series) else np.asarray(value).dtype
    return np.asarray(value) if _is_plain(dtype) else None


def _is_plain(dtype: Any) -> bool:
    """Whether this is one of NumPy's dtypes of numbers, of those that Arrow has too."""
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8


def _type(array: Array) -> pa.DataType:
    """Return the type that the rows of an array would have as a column."""
    type = pa.from_numpy_dtype(array.dtype.newbyteorder("="))
    for size in reversed(array.shape[1:]):
        type = pa.list_(type, size)
    return type


def _lists(rows: Array) -> pa.Array:
    """Return rows of any number of axes as fixed-size lists, which share their memory."""
    array = pa.array(np.ascontiguousarray(_native(rows)).reshape(-1))
    for size in reversed(rows.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def _native(array: Array) -> Array:
    """Return an array in this machine's byte order, which Arrow has."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _column(role: str, label: Any, series: pd.Series) -> Any:
    """Return a column as Arrow has it. NaN stays NaN; what pandas calls NA is null."""
    try:
        if isinstance(series.dtype, pd.SparseDtype):
            return pa.array(series.sparse.to_dense().to_numpy())
        if not isinstance(series.dtype, np.dtype):
            return pa.array(series.array)
        if series.dtype == object:
            return pa.array(series.to_numpy(), mask=series.isna().to_numpy(), from_pandas=False)
        return pa.array(_native(series.to_numpy()), from_pandas=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        what = f"column {str(label)!r} ({role}) is {series.dtype}"
        raise TypeError(f"{what}, and not of numbers, or lists of them: {error}") from None


def _is_number(dtype: Any) -> bool:
    """Whether a Series of this dtype is of numbers: not of lists, nor of objects."""
    return bool(pd.api.types.is_numeric_dtype(dtype))


# ---- results ----------------------------------------------------------------------------------


MASKED = (
    *(pd.Float32Dtype(), pd.Float64Dtype(), pd.BooleanDtype()),
    *(pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype()),
    *(pd.UInt8Dtype(), pd.UInt16Dtype(), pd.UInt32Dtype(), pd.UInt64Dtype()),
)
"""Dtypes of pandas with NA."""


def _types(dtypes: Collection[Any]) -> Callable[[pa.DataType], Any]:
    """Return what types results have: of Arrow or with NA if an operand's are, else NumPy's."""
    if any(isinstance(dtype, pd.ArrowDtype) for dtype in dtypes):
        arrow: Callable[[pa.DataType], Any] = pd.ArrowDtype
        return arrow
    known: dict[pa.DataType, Any] = {}
    if any(dtype in MASKED for dtype in dtypes):
        known = {pa.from_numpy_dtype(dtype.numpy_dtype): dtype for dtype in MASKED}
    return lambda type: pd.ArrowDtype(type) if _is_list(type) else known.get(type)


def _is_list(type: pa.DataType) -> bool:
    return bool(pa.types.is_list(type) or pa.types.is_fixed_size_list(type))


def _results(measure: Measure, rows: _Rows, found: Mapping[str, Any]) -> Any:
    """Return results as pandas has them: a Series, a DataFrame, or several of both."""
    labels = list(rows.frames.values())[-1].columns if rows.frames and measure.spreads else None
    types = _types(rows.dtypes())
    parts = []
    for name, part in found.items():
        if isinstance(part, np.ndarray):
            parts.append(_of_array(name, part, labels, rows.index))
        elif labels is not None and pa.types.is_fixed_size_list(part.type):
            frame = _unfolded(part).to_pandas(types_mapper=types)
            parts.append(frame.set_axis(labels, axis=1).set_axis(rows.index))
        else:
            series = _writable(part.to_pandas(types_mapper=types).rename(name))
            parts.append(series.set_axis(rows.index))
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, pd.Series) for part in parts):
        return pd.concat(parts, axis=1)
    return tuple(parts)


def _of_array(name: str, array: Array, labels: pd.Index | None, index: pd.Index) -> Any:
    """Return results that are an array, as what they lie in."""
    if array.ndim == 1:
        return pd.Series(array, index, name=name, copy=False)
    if labels is None:
        return pd.Series(pd.arrays.ArrowExtensionArray(_lists(array)), index, name=name)
    return pd.DataFrame(array, index, labels, copy=False)


def _writable(series: pd.Series) -> pd.Series:
    """Return a series that may be written to, as what shares its memory with Arrow may not."""
    if isinstance(series.array, pd.arrays.NumpyExtensionArray):
        return pd.Series(np.array(series.array), name=series.name, copy=False)
    return series


def _unfolded(column: pa.ChunkedArray) -> pa.Table:
    """Return fixed-size lists as a column for each of their entries."""
    lists = column.combine_chunks()
    size, gone = lists.type.list_size, lists.is_null().to_numpy(zero_copy_only=False)
    start = lists.offset * size
    entries = lists.values.to_numpy()[start : start + len(lists) * size].reshape(-1, size)
    mask = gone if gone.any() else None
    arrays = [pa.array(each, mask=mask, from_pandas=False) for each in entries.T]
    return pa.Table.from_arrays(arrays, [str(i) for i in range(size)])


# ---- the functions ----------------------------------------------------------------------------


def _call(measure: Measure, given: Sequence[Any], options: dict[str, Any]) -> Any:
    """Return a measure of objects of pandas."""
    operands, options = arguments_of(measure, given, options)
    for name in COLUMN_OPTIONS:
        value = options.get(name)
        if isinstance(value, (pd.Series, pd.DataFrame)) or (name == "weight" and value is not None):
            operands[name] = options.pop(name)
    rows = _Rows(measure, {role: value for role, value in operands.items() if value is not None})

    def plan(types: Mapping[str, pa.DataType], wanted: Mapping[str, Any]) -> Scorer:
        named = dict(wanted)
        columns = [named.pop(role, None) for role in measure.operands]
        schema = pa.schema(list(types.items()))
        return Scorer(schema, measure.name, *columns, **named, **options)

    with speaking(WORDS, lambda message: _labelled(message, rows.index)):
        arrays = rows.arrays()
        if arrays is not None:
            names = rows.names()
            scorer = plan({names[role]: _type(array) for role, array in arrays.items()}, names)
            found = scorer.score_arrays(arrays)
        else:
            columns, wanted = rows.columns()
            scorer = plan({name: column.type for name, column in columns.items()}, wanted)
            found = score_columns(scorer, columns, len(rows.index)).columns
    return _results(measure, rows, dict(zip(scorer.schema.names, found, strict=True)))


def _labelled(message: str, index: pd.Index) -> str:
    """Return a message that says which row it is with the label of that row, if it has another."""
    found = re.search(r"\brow (\d+)", message)
    if found is None or int(found[1]) >= len(index) or index.equals(pd.RangeIndex(len(index))):
        return message
    place = found.end()
    return f"{message[:place]}, index {_label(index, int(found[1]))}{message[place:]}"


def _label(index: pd.Index, place: int) -> str:
    """Return how the label at a place is written."""
    return repr(index[place : place + 1].tolist()[0])


def _function(measure: Measure) -> Callable[..., Any]:
    """Return the function of a measure."""

    def function(*operands: Any, **options: Any) -> Any:
        return _call(measure, operands, options)

    function.__name__ = function.__qualname__ = measure.name
    function.__signature__ = signature_of(measure)  # type: ignore[attr-defined]
    function.__doc__ = document(
        measure, "", "DataFrame, Series, or numbers", "Series, or DataFrame of several results"
    )
    return function


globals().update({name: _function(measure) for name, measure in measures().items()})
