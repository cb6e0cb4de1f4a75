"""Measures in DuckDB's SQL: ``register(con)``, then ``select fastent_entropy(p) from t``.

Each measure that has one result a row is a temporary macro of the connection, whose parameters are
those of the measure, over a function that scores a block of rows by `fastent.arrow`. Macros are
what gives SQL named arguments with defaults: of a function DuckDB takes ``base := 2`` for one more
argument.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from threading import Lock
from typing import Any

try:
    import duckdb
    import pyarrow as pa
except ImportError as error:
    raise ImportError(
        'fastent.duckdb needs the packages duckdb and pyarrow: pip install "fastent-numpy[duckdb]"'
    ) from error

from fastent._measures import Measure, measures
from fastent._names import nearest
from fastent.arrow import Scorer

__all__ = ["register"]

PREFIX = "fastent_"
LEFT_OUT = ("weight", "value_and_grad")  # SQL multiplies; a function has one type of result

Options = tuple[tuple[str, Any], ...]

_ONE_AT_A_TIME = Lock()  # cursors share their database's functions, of which none is made twice


def register(con: Any = None, *, shadow: bool = False, **defaults: Any) -> None:
    """Give the SQL of a DuckDB connection the measures that have a result for each row.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection, optional
        By default the one that ``duckdb.sql`` uses. Another cursor is a connection of its own.
    shadow : bool
        Also under their plain names, such as ``entropy(p)``, which hides DuckDB's aggregate of that
        name from this connection: it stays ``system.main.entropy(x)``.
    **defaults
        Options that take other defaults, in the measures that have them: ``base=2``,
        ``nulls="zero"``.

    Raises
    ------
    TypeError
        For an option that no measure has.

    Notes
    -----
    The macros are ``fastent_entropy(p)``, ``fastent_kl_divergence(p, q)`` and so on: operands truth
    first, then, by name, the options of the measure (``base := 2``), but for `weight`, which SQL
    multiplies by. The words ``"check"`` and ``"order"`` are reserved in SQL, and need their quotes.
    ``nulls := 'zero'`` is that of `fastent.arrow.score`.

    A row is an ARRAY, a LIST, a STRUCT of numbers, or ``[a, b, c]`` of several columns. The result
    is a DOUBLE; a LIST of them where each entry of a row has one; a STRUCT for measures with
    several results. A NULL row gives NULL. DECIMAL, which is what SQL calls 0.5, is read as DOUBLE.

    To call it again does no harm, and is the way to other defaults. The macros are gone with the
    connection: nothing is written to a database.

    Examples
    --------
    >>> import duckdb
    >>> import fastent.duckdb
    >>> con = duckdb.connect()
    >>> fastent.duckdb.register(con)
    >>> con.execute("select fastent_entropy([0.5, 0.5], base := 2)").fetchone()
    (1.0,)
    >>> con.execute("select fastent_log_loss(1, [0.75, 0.25], base := 2)").fetchone()
    (2.0,)
    """
    functions = _functions()
    known = {name for function in functions.values() for name in function.options}
    for name in defaults:
        if name not in known:
            raise TypeError(f"no measure has an option {name}{nearest(name, known)}")
    con = duckdb.default_connection() if con is None else con
    with _ONE_AT_A_TIME:
        there = con.execute(
            f"SELECT function_name FROM duckdb_functions() WHERE function_name ^@ '__{PREFIX}'"
        ).fetchall()
        for function in functions.values():
            if (function.hidden,) not in there:
                function.create(con)
    for function in functions.values():
        for prefix in (PREFIX, "") if shadow else (PREFIX,):
            con.execute(function.macro(prefix, defaults))


# ---- what SQL sees ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A measure as SQL calls it."""

    measure: Measure
    options: Mapping[str, Any]
    """Those that SQL may name, and their defaults."""
    returns: pa.DataType

    @property
    def hidden(self) -> str:
        """Return the name of the function behind the macro, which takes operands and a struct."""
        return f"__{PREFIX}{self.measure.name}"

    @property
    def lent(self) -> tuple[str, ...]:
        """Return the operands that may be missing."""
        return tuple(name for name in self.measure.operands if self.measure.may_lack(name))

    @property
    def named(self) -> tuple[str, ...]:
        """Return what the struct holds: options, and operands that may be missing.

        Such an operand is NULL then, and DuckDB calls no function with an argument that is NULL.
        """
        return (*self.lent, *self.measure.needed, *self.options)

    def create(self, con: Any) -> None:
        """Make the function behind the macro."""
        # by default NULL rows never come, but the NULL of an operand in the struct does
        nulls = "special" if self.lent else "default"
        called, returns = _caller(self.measure.name), _sql_type(self.returns)
        con.create_function(self.hidden, called, None, returns, type="arrow", null_handling=nulls)

    def macro(self, prefix: str, defaults: Mapping[str, Any]) -> str:
        """Return the statement that makes the macro."""
        measure = self.measure
        signature = inspect.signature(measure.function).parameters
        parameters = [
            f'"{name}" := NULL' if signature[name].default is None else f'"{name}"'
            for name in (*measure.operands, *measure.needed)
        ]
        chosen = {name: defaults.get(name, value) for name, value in self.options.items()}
        parameters += ['"*" := NULL']  # keeps a second column from being taken for an option
        parameters += [f'"{name}" := {_literal(value)}' for name, value in chosen.items()]
        struct = ", ".join(f"'{name}': \"{name}\"" for name in self.named)
        arguments = [f'"{name}"' for name in measure.required()]
        *_, last = measure.operands
        refusal = (
            f"{prefix}{measure.name}: options are named, such as {next(iter(chosen))} := ... (but "
            "DuckDB 2.0 loses the names beside *columns(...): make that list in a subquery); "
            f"several columns are one {last} as [a, b, c]"
        )
        return (
            f'CREATE OR REPLACE TEMP MACRO "{prefix}{measure.name}"({", ".join(parameters)}) AS '
            f"""CASE WHEN typeof("*") <> '"NULL"' THEN error({_literal(refusal)}) """
            f"ELSE system.main.{self.hidden}({', '.join(arguments)}, {{{struct}}}) END"
        )


@cache
def _functions() -> dict[str, Function]:
    """Return what SQL is given, by the names of the measures."""
    found = {}
    for name, measure in measures().items():
        parameters = inspect.signature(measure.function).parameters
        options = {
            option: parameters[option].default
            for option in parameters
            if option in measure.options - measure.needed and option not in LEFT_OUT
        }
        found[name] = Function(measure, {**options, "nulls": "null"}, _results(measure))
    return found


def _results(measure: Measure) -> pa.DataType:
    """Return the type of a measure's results: what comes of rows of float64."""
    row: dict[str, pa.DataType] = {"joint": pa.list_(pa.list_(pa.float64(), 2), 2)}
    if measure.elementwise:
        row |= dict.fromkeys(measure.operands, pa.float64())
    row |= dict.fromkeys({"labels", "target"} - {*row}, pa.int64())
    schema = pa.schema([(role, row.get(role, pa.list_(pa.float64()))) for role in measure.operands])
    needed: dict[str, Any] = dict.fromkeys(measure.needed, 2)
    return _type_of(Scorer(schema, measure.name, *measure.operands, **needed).schema)


def _type_of(schema: pa.Schema) -> pa.DataType:
    """Return the type of results: that of the only column, or a struct of all."""
    return schema.field(0).type if len(schema) == 1 else pa.struct(list(schema))


def _sql_type(type: pa.DataType) -> str:
    """Return what SQL calls a type of results."""
    if pa.types.is_struct(type):
        return f"STRUCT({', '.join(f'{f.name} {_sql_type(f.type)}' for f in type)})"
    if pa.types.is_list(type) or pa.types.is_fixed_size_list(type):
        return f"{_sql_type(type.value_type)}[]"
    if pa.types.is_boolean(type):
        return "BOOLEAN"
    return "BIGINT" if pa.types.is_integer(type) else "DOUBLE"


def _literal(value: Any) -> str:
    """Return a value as SQL writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return f"'{value!r}'::DOUBLE"
    if isinstance(value, (bool, int)):
        return repr(value)
    return f"[{', '.join(map(_literal, value))}]"


# ---- what DuckDB calls ------------------------------------------------------------------------


@cache  # DuckDB keeps no reference beyond the cursor that made the function, which others share
def _caller(name: str) -> Callable[..., pa.Array]:
    """Return the function that DuckDB calls with blocks of at most 2048 rows, none of them NULL."""
    function = _functions()[name]

    def call(*columns: pa.ChunkedArray) -> pa.Array:
        arrays = [c.chunk(0) if c.num_chunks == 1 else c.combine_chunks() for c in columns]
        try:
            return _score(function, arrays)
        except (TypeError, ValueError) as error:
            text = _in_sql(str(error), function)
            raise type(error)(f"{PREFIX}{name}: {text}") from None

    return call


def _score(function: Function, arrays: Sequence[pa.Array]) -> pa.Array:
    """Return the results of a block of rows."""
    measure = function.measure
    *rows, struct = arrays
    if len(struct) == 0 or any(pa.types.is_null(values.type) for values in rows):
        return pa.nulls(len(struct), function.returns)
    operands = dict(zip(measure.required(), rows, strict=True))
    options = []
    for name, values in zip(function.named, struct.flatten(), strict=True):
        column = name in measure.operands or (
            name == "indices_or_k" and not pa.types.is_integer(values.type)
        )
        if not column:
            options.append((name, _constant(name, values)))
        elif not pa.types.is_null(values.type):
            operands[name] = values
    types = tuple(values.type for values in operands.values())
    scorer, readable = _plan(function.measure.name, tuple(operands), types, tuple(options))
    arrays = [
        values if values.type == type else _exactly(values, type)
        for values, type in zip(operands.values(), readable, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(arrays, list(operands))
    try:
        results = scorer.score(batch, alone=True)  # DuckDB's own threads are at work
    except ValueError as error:
        raise ValueError(str(error) + _the_row(str(error), batch)) from None
    return _in_one(results, function.returns)


@lru_cache(maxsize=256)
def _plan(
    name: str, roles: tuple[str, ...], types: tuple[pa.DataType, ...], options: Options
) -> tuple[Scorer, tuple[pa.DataType, ...]]:
    """Return the plan of a measure of columns of these types, and the types that it reads."""
    function = _functions()[name]
    readable = tuple(_without_decimals(type, pa.float64()) for type in types)
    given: dict[str, Any] = dict(options)
    if "indices_or_k" in roles:
        given["indices_or_k"] = "indices_or_k"
    columns = [role if role in roles else None for role in function.measure.operands]
    schema = pa.schema(list(zip(roles, readable, strict=True)))
    scorer = Scorer(schema, name, *columns, **given)
    found, promised = _sql_type(_type_of(scorer.schema)), _sql_type(function.returns)
    if not pa.types.is_struct(function.returns) and found != promised:
        raise TypeError(
            f"of {', '.join(map(str, types))} it is {found}, where SQL was promised {promised}: "
            f"pass one row, or one number, at a time (unnest, list_transform)"
        )
    return scorer, readable


def _in_one(results: pa.RecordBatch, type: pa.DataType) -> pa.Array:
    """Return results as one array: structs have all their fields, NULL where there is none."""
    if not pa.types.is_struct(type):
        return results.column(0)
    parts = [
        results[field.name]
        if field.name in results.schema.names
        else pa.nulls(results.num_rows, field.type)
        for field in type
    ]
    missing = results.column(0).is_null() if results.column(0).null_count else None
    return pa.StructArray.from_arrays(parts, [field.name for field in type], mask=missing)


def _constant(name: str, values: pa.Array) -> Any:
    """Return the value of an option, which is the same in all rows."""
    if not values[1:].equals(values[:-1]):
        raise ValueError(f"{name} has to be the same in all rows")
    value = values[0].as_py()
    if isinstance(value, dict):
        raise TypeError(f"{name} is {value}: options are named, such as {name} := 2")
    if isinstance(value, list):
        return tuple(map(_number, value))
    return _number(value)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _without_decimals(type: pa.DataType, instead: pa.DataType) -> pa.DataType:
    """Return a type with something else in place of decimals."""
    if pa.types.is_decimal(type):
        return instead
    if pa.types.is_list(type):
        return pa.list_(_without_decimals(type.value_type, instead))
    if pa.types.is_fixed_size_list(type):
        return pa.list_(_without_decimals(type.value_type, instead), type.list_size)
    if pa.types.is_struct(type):
        return pa.struct([(each.name, _without_decimals(each.type, instead)) for each in type])
    return type


def _exactly(values: pa.Array, type: pa.DataType) -> pa.Array:
    """Return decimals as the nearest doubles: by way of their digits, for Arrow's cast errs."""
    if not pa.types.is_nested(values.type) and not pa.types.is_decimal(values.type):
        return values.cast(type)
    return values.cast(_without_decimals(values.type, pa.string())).cast(type)


# ---- errors -----------------------------------------------------------------------------------

SAID = {
    ".cast(pyarrow.int64())": "::BIGINT",
    "lie in a column of lists, or in several columns: a list of names, or p_*": "are lists, [a, b]",
    "fixed-size lists (of fixed-size lists), or a tensor": "an ARRAY, or one of such: DOUBLE[2][3]",
    "such as codes of a dictionary": "not names",
    "None": "NULL",
}
"""What messages say to Python, and what SQL writes instead."""


def _the_row(text: str, batch: pa.RecordBatch) -> str:
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


def _in_sql(text: str, function: Function) -> str:
    """Return a message that speaks of Python's columns and keywords as SQL writes them."""
    text = re.sub(r"\bcolumn '(\w+)'", r"argument \1", text)
    text = re.sub(r"\brow (\d+)\b", r"row \1 of a block", text)
    for role in function.measure.operands:
        text = text.replace(f" ({role})", "").replace(f" ({role}, ", " (")
    for said, meant in SAID.items():
        text = text.replace(said, meant)

    def option(found: re.Match[str]) -> str:
        name, value = found[1], found[2].strip('"')
        if name not in function.options:
            return found[0]
        return f"{name} := {_literal(value) if name == 'nulls' else value.lower()}"

    return re.sub(r'\b(\w+)=("\w+"|\w+)', option, text)
