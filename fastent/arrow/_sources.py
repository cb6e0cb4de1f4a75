"""Whatever holds Arrow data, as a record batch, a table or a reader."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from fastent.arrow._columns import Wanted
from fastent.arrow._measures import Measure

Source = Any  # pa.RecordBatch, pa.Table or pa.RecordBatchReader
ARRAYS = (pa.Array, pa.ChunkedArray)


def open_source(
    data: Any, measure: Measure, columns: Sequence[Wanted]
) -> tuple[Source, Sequence[Wanted]]:
    """Return data with columns, and which of them are the operands."""
    data = _by_protocol(data)
    if isinstance(data, (pa.RecordBatch, pa.Table, pa.RecordBatchReader)):
        return data, columns
    if isinstance(data, ARRAYS) and pa.types.is_struct(data.type):
        whole = pa.RecordBatch if isinstance(data, pa.Array) else pa.Table
        return whole.from_struct_array(data), columns
    if isinstance(data, ARRAYS):
        return _of_arrays([data], measure, columns)
    if isinstance(data, (list, tuple)):
        arrays = [_by_protocol(each) for each in data]
        if arrays and all(isinstance(each, ARRAYS) for each in arrays):
            return _of_arrays(arrays, measure, columns)
    module = type(data).__module__.partition(".")[0]
    remedy = "pass a table, a record batch, a reader, or one array for each operand"
    if module == "numpy":
        remedy = f"pass arrays of NumPy to fastent.{measure.name}"
    elif hasattr(data, "to_reader"):
        remedy = "pass what its to_reader() returns"
    elif hasattr(data, "scanner"):
        remedy = "pass .scanner().to_reader()"
    elif hasattr(data, "collect"):
        remedy = "pass what its collect() returns"
    raise TypeError(f"data is of type {type(data).__name__}, which holds no Arrow data: {remedy}")


def _by_protocol(data: Any) -> Any:
    """Return what an object hands out by Arrow's PyCapsule protocol; PyArrow's own as they are."""
    if isinstance(data, (pa.RecordBatch, pa.Table, pa.RecordBatchReader, *ARRAYS)):
        return data
    if hasattr(data, "__arrow_c_stream__"):
        try:
            return pa.RecordBatchReader.from_stream(data)
        except pa.ArrowInvalid as error:
            return _stream_of_arrays(data, error)
    if hasattr(data, "__arrow_c_array__"):
        return pa.array(data)
    return data


def _stream_of_arrays(data: Any, error: Exception) -> pa.ChunkedArray:
    """Return what a stream holds that is none of record batches."""
    try:
        return pa.chunked_array(data)
    except Exception:
        raise TypeError(
            f"data of type {type(data).__name__} cannot be read as a stream of record batches "
            f"({error}): if it is a stream of arrays, pass pyarrow.chunked_array(data)"
        ) from error


def _of_arrays(
    arrays: list[Any], measure: Measure, columns: Sequence[Wanted]
) -> tuple[Source, Sequence[Wanted]]:
    """Return columns called as the operands are."""
    if columns:
        raise TypeError(
            "columns are chosen by name from a table: arrays are the operands, in order"
        )
    roles = measure.operands
    if len(arrays) == len(measure.required()):
        roles = measure.required()
    if len(arrays) != len(roles):
        names = ", ".join(measure.operands)
        raise TypeError(f"{measure.name} takes {names}, an array each: {len(arrays)} came")
    for role, array in zip(roles, arrays, strict=True):
        if len(array) != len(arrays[0]):
            raise ValueError(
                f"{roles[0]} has {len(arrays[0])} rows and {role} has {len(array)}: "
                "each needs a row for each of the other's"
            )
    single = all(isinstance(array, pa.Array) for array in arrays)
    source = (pa.RecordBatch if single else pa.Table).from_arrays(arrays, names=list(roles))
    return source, [role if role in roles else None for role in measure.operands]
