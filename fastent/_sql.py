"""Values, types and messages as DuckDB's SQL writes them."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from fastent._measures import Measure

PREFIX = "fastent_"
"""What the names of measures begin with."""


def type_of(type: pa.DataType) -> str:
    """Return what SQL calls a type of results."""
    if pa.types.is_struct(type):
        return f"STRUCT({', '.join(f'{f.name} {type_of(f.type)}' for f in type)})"
    if pa.types.is_list(type) or pa.types.is_fixed_size_list(type):
        return f"{type_of(type.value_type)}[]"
    if pa.types.is_boolean(type):
        return "BOOLEAN"
    return "BIGINT" if pa.types.is_integer(type) else "DOUBLE"


def literal(value: Any) -> str:
    """Return a value as SQL writes it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return f"'{value!r}'::DOUBLE"
    if isinstance(value, (bool, int)):
        return repr(value)
    return f"[{', '.join(map(literal, value))}]"


# ---- errors -----------------------------------------------------------------------------------

SAID = {
    ".cast(pyarrow.int64())": "::BIGINT",
    "lie in a column of lists, or in several columns: a list of names, or p_*": "are lists, [a, b]",
    "fixed-size lists (of fixed-size lists), or a tensor": "an ARRAY, or one of such: DOUBLE[2][3]",
    "such as codes of a dictionary": "not names",
}
"""What messages say to Python, and what SQL writes instead."""


def the_row(text: str, batch: pa.RecordBatch) -> str:
    """Return what stands in the row that an error names; where a block began, nobody knows."""
    found = re.search(r"\brow (\d+)\b", text)
    if found is None or int(found[1]) >= batch.num_rows:
        return ""
    values = batch.slice(int(found[1]), 1).to_pylist()[0]
    return "; in that row " + ", ".join(f"{role} = {_shown(v)}" for role, v in values.items())


def _shown(value: Any) -> str:
    """Return a value as SQL writes it, lists no longer than need be."""
    if isinstance(value, list):
        more = ", ..." if len(value) > 8 else ""
        return f"[{', '.join(map(_shown, value[:8]))}{more}]"
    return "NULL" if value is None else repr(value)


@contextmanager
def in_sql(measure: Measure, options: Collection[str]) -> Iterator[None]:
    """Say in the words of SQL what is said of Python's columns and keywords."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = re.sub(r"\bcolumn '(\w+)'", r"argument \1", str(error))
        text = re.sub(r"\brow (\d+)\b", r"row \1 of a block", text)
        for role in measure.operands:
            text = text.replace(f" ({role})", "").replace(f" ({role}, ", " (")
        for said, meant in SAID.items():
            text = text.replace(said, meant)
        text = re.sub(r"\bNone\b", "NULL", text)
        text = re.sub(r'\b(\w+)=("\w+"|\w+)', partial(_option, options), text)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{PREFIX}{measure.name}: {text}") from None


def _option(options: Collection[str], found: re.Match[str]) -> str:
    """Return a keyword argument as SQL writes it."""
    name, value = found[1], found[2].strip('"')
    if name not in options:
        return found[0]
    return f"{name} := {literal(value) if name == 'nulls' else value.lower()}"
