"""How a row of an operand lies in its columns: one number, a list, or a number in each of several.

A layout is made once from the types of the columns; its readers then see arrays of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from fastent._arrays import Array
from fastent.arrow._bits import dtype_of, valid
from fastent.arrow._readers import FixedRows, GatheredRows, ListRows, Reader, offsets_of

FLOAT64 = np.dtype(np.float64)
INTEGERS = ("labels", "target", "indices_or_k")  # what a column of nulls alone stands for

REMEDIES = {
    "decimal": "cast it to double (.cast(pyarrow.float64()), in SQL ::DOUBLE)",
    "string": "pass numbers; class indices are integers from 0 on, such as codes of a dictionary",
    "list": "pass rows of numbers: a list, fixed-size lists (of fixed-size lists), or a tensor",
    "dictionary": "decode it with pyarrow.compute.dictionary_decode",
    "run": "decode it with pyarrow.compute.run_end_decode",
}


@dataclass(frozen=True)
class Layout:
    """Where the rows of one operand lie."""

    role: str
    """The operand, or the option."""
    columns: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None
    """The axes of a row; None where its length is known row by row."""
    order: tuple[int, ...] = ()
    """Where the axes of a tensor lie in memory, if not in order."""
    parts: tuple[str, ...] = ()
    """The columns, or fields of a struct, that a row is gathered from; none if it lies in one."""

    @property
    def title(self) -> str:
        """Return what messages call it."""
        if len(self.columns) == 1:
            return f"column {self.columns[0]!r}"
        return f"columns {self.columns[0]!r} to {self.columns[-1]!r}"

    @property
    def kind(self) -> str:
        """Return the types, for messages."""
        return ", ".join(dict.fromkeys(map(str, self.types)))

    def row_bytes(self, arrays: Sequence[pa.Array]) -> float:
        """Return about how many bytes a row takes."""
        if self.shape is None:
            offsets = offsets_of(arrays[0])
            entries = float(offsets[-1] - offsets[0]) / max(1, len(arrays[0]))
            return entries * self.dtype.itemsize
        return float(prod(self.shape) * self.dtype.itemsize)

    def fetch(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """Return the arrays that this operand is read from."""
        found, schema = [], batch.schema
        for name, type in zip(self.columns, self.types, strict=True):
            place = schema.get_field_index(name)
            if place < 0:
                raise ValueError(f"a batch has no column {name!r}, or several")
            array = batch.column(place)
            if array.type != type:
                raise TypeError(f"column {name!r} is {array.type} in a batch, {type} in the schema")
            found.append(_plain(array))
        if isinstance(found[0], pa.StructArray):
            return [_plain(part) for part in found[0].flatten()]  # null where the struct is
        return found

    def present(self, arrays: Sequence[pa.Array]) -> Array | None:
        """Return which rows are not null; None if all are there. Of several, all have to be."""
        if not self.parts:
            return valid(arrays[0])
        some: Array | None = None
        for array in arrays:
            there = valid(array)
            if there is None:
                return None
            some = there if some is None else np.logical_or(some, there, out=some)
        return None if some is None or some.all() else some

    def fill(self, nulls: str) -> float | None:
        """Return what stands for a null entry, if anything does."""
        if nulls != "zero" or self.role in ("labels", "indices_or_k"):
            return None
        if self.role == "target" and self.dtype.kind in "biu":
            return None  # it may hold class indices, and 0 is one
        return -np.inf if self.role.startswith("logits") else 0.0

    def copies(self, arrays: Sequence[pa.Array]) -> bool:
        """Whether to read it copies it, so that blocks are wanted."""
        if self.parts:
            return True
        inner = arrays[0]
        while isinstance(inner, LISTS):
            inner = inner.values
            if inner.null_count:
                return True
        return False

    def reader(self, arrays: Sequence[pa.Array], nulls: str, block: int) -> Reader:
        """Return what gives out rows of these arrays, at most a block of them at a time."""
        fill = self.fill(nulls)
        if self.parts:
            return GatheredRows(arrays, self.parts, self.dtype, fill, block)
        if self.shape is None:
            return ListRows(arrays[0], self.columns[0], fill)
        return FixedRows(arrays[0], self.columns[0], self.shape, self.order, fill)


LISTS = (
    pa.FixedSizeListArray,
    pa.ListArray,
    pa.LargeListArray,
    pa.ListViewArray,
    pa.LargeListViewArray,
)


def _plain(array: pa.Array) -> pa.Array:
    """Return the storage of an extension's array, the values of a dictionary's codes."""
    while isinstance(array, pa.ExtensionArray):
        array = array.storage
    if isinstance(array, pa.DictionaryArray):
        return array.dictionary_decode()
    if pa.types.is_null(array.type):
        return array.cast(pa.int8())  # of which none is there
    return array


# ---- types ------------------------------------------------------------------------------------


def layout_of(role: str, fields: Sequence[pa.Field]) -> Layout:
    """Return the layout of rows in the columns of these fields."""
    names = tuple(each.name for each in fields)
    types = tuple(each.type for each in fields)
    if len(fields) == 1 and not is_number(types[0]):
        return _of_one(role, names, types)
    return _of_several(role, names, types, list(zip(names, types, strict=True)))


def layout_of_column(role: str, column: pa.Field) -> Layout:
    """Return the layout of one column by itself, such as of labels."""
    names, type = (column.name,), storage_of(column.type)
    if not is_number(type):
        return _of_one(role, names, (column.type,))
    return Layout(role, names, (column.type,), _number(role, column.name, type), ())


def _of_one(role: str, names: tuple[str, ...], types: tuple[pa.DataType, ...]) -> Layout:
    """Return the layout of rows that are lists, tensors or structs of one column."""
    type = storage_of(types[0])
    if pa.types.is_struct(type):
        inner = [(f"{names[0]}.{each.name}", each.type) for each in type]
        return _of_several(role, names, types, inner)
    if is_list(type):
        return Layout(role, names, types, _number(role, names[0], type.value_type, types[0]), None)
    shape: tuple[int, ...] = ()
    while pa.types.is_fixed_size_list(type):
        shape, type = (*shape, type.list_size), type.value_type
    dtype = _number(role, names[0], type, types[0] if shape else None)
    tensor, order = types[0], ()
    if isinstance(tensor, pa.FixedShapeTensorType):
        order = tuple(tensor.permutation or ())
        shape = tuple(tensor.shape[i] for i in order or range(len(tensor.shape)))
    return Layout(role, names, types, dtype, shape, order)


def _of_several(
    role: str,
    names: tuple[str, ...],
    types: tuple[pa.DataType, ...],
    parts: Sequence[tuple[str, pa.DataType]],
) -> Layout:
    """Return the layout of rows with an entry in each of several columns, or fields of a struct."""
    if not parts:
        raise TypeError(f"column {names[0]!r} is {types[0]}: there is nothing in it")
    dtypes = [_number(role, name, type) for name, type in parts]
    gathered = tuple(name for name, _ in parts)
    return Layout(role, names, types, np.result_type(*dtypes), (len(parts),), (), gathered)


def _number(
    role: str, name: str, type: pa.DataType, lists: pa.DataType | None = None
) -> np.dtype[Any]:
    """Return the dtype of numbers, of a column or within its lists, or say what to pass."""
    whole = lists or type
    type = storage_of(type)
    if pa.types.is_dictionary(type) and lists is None:
        type = type.value_type
    if pa.types.is_null(type):
        return np.dtype(np.int64) if role in INTEGERS else FLOAT64
    if is_number(type) and not pa.types.is_dictionary(type):
        return dtype_of(type)
    kinds = {
        "decimal": pa.types.is_decimal(type),
        "string": pa.types.is_string(type)
        or pa.types.is_large_string(type)
        or pa.types.is_string_view(type),
        "list": is_list(type) or pa.types.is_fixed_size_list(type) or pa.types.is_struct(type),
        "dictionary": pa.types.is_dictionary(type),
        "run": pa.types.is_run_end_encoded(type),
    }
    remedy = next((REMEDIES[kind] for kind, it_is in kinds.items() if it_is), "pass numbers")
    raise TypeError(f"column {name!r} ({role}) is {whole}: {remedy}")


def storage_of(type: pa.DataType) -> pa.DataType:
    """Return what an extension type is stored as."""
    while isinstance(type, pa.BaseExtensionType):
        type = type.storage_type
    return type


def is_number(type: pa.DataType) -> bool:
    """Whether this is a type of numbers, booleans or nulls, or a dictionary of them."""
    type = storage_of(type)
    if pa.types.is_dictionary(type):
        type = type.value_type
    return bool(
        pa.types.is_integer(type)
        or pa.types.is_floating(type)
        or pa.types.is_boolean(type)
        or pa.types.is_null(type)
    )


def is_list(type: pa.DataType) -> bool:
    """Whether this is a type of lists that may differ in length."""
    return bool(
        pa.types.is_list(type)
        or pa.types.is_large_list(type)
        or pa.types.is_list_view(type)
        or pa.types.is_large_list_view(type)
    )
