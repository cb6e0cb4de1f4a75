"""Measures in DuckDB's SQL: ``register(con)``, then ``select fastent_entropy(p) from t``.

Each measure that has one result a row is a temporary macro of the connection, whose parameters are
those of the measure, over a function that scores a block of rows by `fastent.arrow`. Macros are
what gives SQL named arguments with defaults: of a function DuckDB takes ``base := 2`` for one more
argument.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

try:
    import duckdb
    import pyarrow as pa
except ImportError as error:
    raise ImportError(
        'fastent.duckdb needs the packages duckdb and pyarrow: pip install "fastent-numpy[duckdb]"'
    ) from error

from fastent._measures import Measure, measures
from fastent._names import nearest
from fastent._sql import PREFIX, in_sql, literal, the_row, type_of
from fastent.arrow import Scorer

__all__ = ["register"]

MEASURE = "measure"  # the field of the struct of options that says whose they are
PLACES = "indices_or_k"  # a number for all rows, or a list in each
LEFT_OUT = ("weight", "value_and_grad")  # SQL multiplies; a function has one type of result

OPTIONS = f"__{PREFIX}options"
"""The function that gives the number of options, which stands beside the rows."""

_LOCK = Lock()


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
    several results. A NULL row gives NULL. DECIMAL, which is what SQL calls 0.5, is read as DOUBLE,
    HUGEINT, which is what it makes of sums of integers, as BIGINT.

    To call it again does no harm, and is the way to other defaults. The macros are gone with the
    connection: nothing is written to a database. Like any statement it ends what the connection was
    reading.

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
    with _LOCK:  # cursors share their database's functions, of which none is made twice
        there = con.execute(
            f"SELECT function_name FROM duckdb_functions() WHERE function_name ^@ '__{PREFIX}'"
        ).fetchall()
        if (OPTIONS,) not in there:
            con.create_function(OPTIONS, _number_of, None, "BIGINT", type="arrow")
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
        """Return the name of the function behind the macro, of arguments and a number of options.

        The number is found once for a query: a struct of options beside every row would take as
        long as the rows.
        """
        return f"__{PREFIX}{self.measure.name}"

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Return what may differ from row to row, with operands that may be missing behind."""
        lent = tuple(name for name in self.measure.operands if self.measure.may_lack(name))
        places = tuple(name for name in self.measure.needed if name == PLACES)
        return (*self.measure.required(), *places, *lent)

    @property
    def lends(self) -> bool:
        """Whether an operand may be missing: it is NULL then."""
        return len(self.measure.required()) < len(self.measure.operands)

    def create(self, con: Any) -> None:
        """Make the function behind the macro. By default it is never called with NULL."""
        nulls = "special" if self.lends else "default"
        called, returns = _caller(self.measure.name), type_of(self.returns)
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
        parameters += [f'"{name}" := {literal(value)}' for name, value in chosen.items()]
        named = [n for n in (*measure.needed, *self.options) if n not in self.arguments]
        struct = ", ".join(f"'{name}': \"{name}\"" for name in named)
        arguments = ", ".join(f'"{name}"' for name in self.arguments)
        *_, last = measure.required()
        refusal = (
            f"{prefix}{measure.name}: options are named, such as {next(iter(chosen))} := ... (but "
            "DuckDB 2.0 loses the names beside *columns(...): make that list in a subquery); "
            f"several columns are one {last} as [a, b, c]"
        )
        return (
            f'CREATE OR REPLACE TEMP MACRO "{prefix}{measure.name}"({", ".join(parameters)}) AS '
            f"""CASE WHEN typeof("*") <> '"NULL"' THEN error({literal(refusal)}) """
            f"ELSE system.main.{self.hidden}({arguments}, "
            f"system.main.{OPTIONS}({{'{MEASURE}': '{measure.name}', {struct}}})) END"
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


# ---- what DuckDB calls ------------------------------------------------------------------------


@cache  # DuckDB keeps no reference beyond the cursor that made the function, which others share
def _caller(name: str) -> Callable[..., pa.Array]:
    """Return the function that DuckDB calls with blocks of at most 2048 rows, none of them NULL."""
    function = _functions()[name]

    def call(*columns: pa.ChunkedArray) -> pa.Array:
        with in_sql(function.measure, function.options):
            return _score(function, [_whole(column) for column in columns])

    return call


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


_options: list[dict[str, Any]] = []
_numbers: dict[str, int] = {}  # of what is said of the options, where 1 is not True


def _number_of(column: pa.ChunkedArray) -> pa.Array:
    """Return the number of options, for each row."""
    struct = _whole(column)
    fields = dict(zip((field.name for field in struct.type), struct.flatten(), strict=True))
    function = _functions()[fields.pop(MEASURE)[0].as_py()]
    with in_sql(function.measure, function.options):
        options = {name: _constant(name, values) for name, values in fields.items()}
    with _LOCK:
        number = _numbers.setdefault(repr(options), len(_options))
        if number == len(_options):
            _options.append(options)
    return pa.array(np.full(len(struct), number))


def _constant(name: str, values: pa.Array) -> Any:
    """Return the value of an option, which is the same in all rows of a block."""
    if not values[1:].equals(values[:-1]):
        raise ValueError(f"{name} has to be the same in all rows")
    value = values[0].as_py()
    if isinstance(value, dict):
        raise TypeError(f"{name} is {value}: options are named, such as {name} := 2")
    return tuple(map(_plain, value)) if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _score(function: Function, arrays: Sequence[pa.Array]) -> pa.Array:
    """Return the results of a block of rows."""
    *given, numbers = arrays
    rows = len(numbers)
    types = tuple(values.type for values in given)
    if rows == 0 or pa.null() in types[: len(function.measure.required())]:
        return pa.nulls(rows, function.returns)
    listed = None
    if PLACES in function.arguments and pa.types.is_integer(types[-1]):
        listed = _constant(PLACES, given.pop())
    plan = _plan(function.measure.name, types[: len(given)], numbers[0].as_py(), listed)
    arrays = [given[i] for i in plan.places]
    if plan.has_decimals:
        arrays = [_exactly(v, type) for v, type in zip(arrays, plan.schema.types, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=plan.schema)
    try:
        results = plan.scorer.score(batch, alone=True)  # DuckDB's own threads are at work
    except ValueError as error:
        raise ValueError(str(error) + the_row(str(error), batch)) from None
    return _in_one(results, function.returns)


class Plan(NamedTuple):
    """The plan of a measure of columns of some types."""

    scorer: Scorer
    schema: pa.Schema
    """Of what is read: without decimals, without operands that are missing."""
    places: list[int]
    has_decimals: bool


@lru_cache(maxsize=256)
def _plan(name: str, types: tuple[pa.DataType, ...], number: int, listed: int | None) -> Plan:
    """Return the plan for arguments of these types, and options of this number."""
    function = _functions()[name]
    there = [i for i, type in enumerate(types) if not pa.types.is_null(type)]
    roles = [function.arguments[i] for i in there]
    readable = [_without_decimals(types[i], _read_as) for i in there]
    options = dict(_options[number])
    if PLACES in function.arguments:
        options[PLACES] = PLACES if listed is None else listed
    schema = pa.schema(list(zip(roles, readable, strict=True)))
    columns = [role if role in roles else None for role in function.measure.operands]
    scorer = Scorer(schema, name, *columns, **options)
    found, promised = type_of(_type_of(scorer.schema)), type_of(function.returns)
    if not pa.types.is_struct(function.returns) and found != promised:
        raise TypeError(
            f"of {', '.join(map(str, types))} it is {found}, where SQL was promised {promised}: "
            f"pass one row, or one number, at a time (unnest, list_transform)"
        )
    return Plan(scorer, schema, there, [types[i] for i in there] != readable)


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


def _read_as(decimal: pa.DataType) -> pa.DataType:
    """Return as what decimals are read: as integers if they are such, which HUGEINT comes as."""
    return pa.int64() if decimal.scale == 0 else pa.float64()


def _digits_of(decimal: pa.DataType) -> pa.DataType:
    """Return the type of decimals' digits."""
    return pa.string()


def _without_decimals(
    type: pa.DataType, instead: Callable[[pa.DataType], pa.DataType]
) -> pa.DataType:
    """Return a type with something else in place of decimals."""
    if pa.types.is_decimal(type):
        return instead(type)
    if pa.types.is_list(type):
        return pa.list_(_without_decimals(type.value_type, instead))
    if pa.types.is_fixed_size_list(type):
        return pa.list_(_without_decimals(type.value_type, instead), type.list_size)
    if pa.types.is_struct(type):
        return pa.struct([(each.name, _without_decimals(each.type, instead)) for each in type])
    return type


def _exactly(values: pa.Array, type: pa.DataType) -> pa.Array:
    """Return decimals as integers or nearest doubles: by their digits, for Arrow's cast errs."""
    if values.type == type:
        return values
    return values.cast(_without_decimals(values.type, _digits_of)).cast(type)
