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
    """The rows of all operands, as Arrow columns of different names."""

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
        self.columns: dict[str, pa.ChunkedArray] = {}
        self.wanted = {role: self._add(role, value) for role, value in operands.items()}

    def dtypes(self) -> set[Any]:
        """Return what pandas calls the types of its columns."""
        series = {value.dtype for value in self._operands.values() if isinstance(value, pd.Series)}
        return series.union(*(frame.dtypes for frame in self.frames.values()))

    def _has_rows(self, role: str, value: Any) -> bool:
        """Whether this is an object of pandas with a row, or a number, for each result."""
        if isinstance(value, pd.Series):
            return self._axes(role) == 0 or not _is_number(value.dtype)
        return isinstance(value, pd.DataFrame)

    def _axes(self, role: str) -> int:
        return self._measure.axes(role) if role in self._measure.operands else 0

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

    # ---- columns ------------------------------------------------------------------------------

    def _add(self, role: str, value: Any) -> str | list[str]:
        """Take the columns of an operand, and return what they are called now."""
        if isinstance(value, pd.DataFrame):
            block = _rows_of_frame(value)
            if block is not None:
                return self._named(role, role, _lists(block))
            return [self._named(role, n, _column(role, n, part)) for n, part in value.items()]
        if isinstance(value, pd.Series) and not self._has_rows(role, value):
            self._check_reference(role, value)
            column = _column(role, role, value)
            entries = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            return self._named(role, role, pa.FixedSizeListArray.from_arrays(entries, len(value)))
        if isinstance(value, pd.Series):
            label = role if value.name is None else value.name
            return self._named(role, label, _column(role, label, value))
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{role} is of type {type(value).__name__}: pass a Series or numbers")
        rows = len(self.index)
        if array.ndim == self._axes(role):
            array = array[None]  # the same beside every row
        elif len(array) != rows:
            raise ValueError(f"{self._first} has {rows} rows and {role} has {len(array)}")
        return self._named(role, role, _lists(array))

    def _named(self, role: str, label: Any, column: Any) -> str:
        """Take a column, and return a name that no other has."""
        name = str(label)
        if name in self.columns:
            name = f"{role}.{name}"
        while name in self.columns:
            name += "'"
        chunks = isinstance(column, pa.ChunkedArray)
        self.columns[name] = column if chunks else pa.chunked_array([column])
        return name

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


def _rows_of_frame(frame: pd.DataFrame) -> Array | None:
    """Return the rows of a frame that lie one after the other in memory, where they lie."""
    dtypes = set(frame.dtypes)
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
        return None
    if frame.iloc[:, 0].to_numpy().flags.c_contiguous:
        return None
    rows: Array = frame.to_numpy()
    return rows if rows.flags.c_contiguous else None


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


def _results(measure: Measure, rows: _Rows, table: pa.Table) -> Any:
    """Return results as pandas has them: a Series, a DataFrame, or several of both."""
    types = _types(rows.dtypes())
    labels = list(rows.frames.values())[-1].columns if rows.frames and measure.spreads else None
    parts = []
    for name in table.schema.names:
        column = table[name]
        if labels is not None and pa.types.is_fixed_size_list(column.type):
            part = _unfolded(column).to_pandas(types_mapper=types).set_axis(labels, axis=1)
        else:
            part = _writable(column.to_pandas(types_mapper=types).rename(name))
        parts.append(part.set_axis(rows.index))
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, pd.Series) for part in parts):
        return pd.concat(parts, axis=1)
    return tuple(parts)


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

    def labelled(message: str) -> str:
        return _labelled(message, rows.index)

    with speaking(WORDS, labelled):
        schema = pa.schema([(name, column.type) for name, column in rows.columns.items()])
        named: dict[str, Any] = dict(rows.wanted)
        wanted = [named.pop(role, None) for role in measure.operands]
        scorer = Scorer(schema, measure.name, *wanted, **named, **options)
        table = score_columns(scorer, rows.columns, len(rows.index))
    return _results(measure, rows, table)


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
