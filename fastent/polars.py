"""Measures as expressions of Polars: ``import fastent.polars``, then ``pl.col("p").fastent``.

The namespace ``fastent`` of expressions and of series has every measure that has a result for each
row, such as ``pl.col("p").fastent.kl_divergence("q")``. What a row may be, and what nulls do, is
that of `fastent.arrow.score`. The packages polars and pyarrow come with the extra ``polars``.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

try:
    import polars as pl
    import pyarrow as pa
    from polars import selectors
except ImportError as error:
    raise ImportError(
        'fastent.polars needs the packages polars and pyarrow: pip install "fastent-numpy[polars]"'
    ) from error

if tuple(int(part) for part in pl.__version__.split(".")[:2]) < (1, 33):  # it asks for types
    raise ImportError(f"fastent.polars needs Polars 1.33 or later: this is {pl.__version__}")

from fastent.arrow import Scorer
from fastent.arrow._doors import arguments_of, document, score_columns, signature_of, speaking
from fastent.arrow._measures import COLUMN_OPTIONS, Measure, measures

__all__ = ["ExprMeasures", "SeriesMeasures"]

WORDS = {
    "rows lie in a column of lists, or in several columns: a list of names, or p_*": (
        "rows are arrays or lists; of several columns they are pl.struct(...)"
    ),
    "class indices are integers, such as .cast(pyarrow.int64())": (
        "class indices are integers, such as .cast(pl.Int64)"
    ),
    "cast it to double (.cast(pyarrow.float64()), in SQL ::DOUBLE)": "cast it to pl.Float64",
    "such as codes of a dictionary": "such as .to_physical() of categories",
    "pass rows of numbers: a list, fixed-size lists (of fixed-size lists), or a tensor": (
        "rows are arrays or lists of numbers, tables arrays of arrays"
    ),
    "a table takes fixed-size lists of fixed-size lists, or a tensor of two axes": (
        "a table is an array of arrays, such as pl.Array(pl.Float64, (2, 3))"
    ),
}
"""What messages about Arrow data say, and what is said here."""


class ExprMeasures:
    """The measures of an expression: its namespace ``fastent``.

    The expression is the first operand, and the others follow: `str`, a column; an expression; a
    list or a selector of columns, which make up one row; numbers, which are one distribution beside
    every row.

    Examples
    --------
    >>> import polars as pl
    >>> import fastent.polars
    >>> frame = pl.DataFrame({"p": [[0.5, 0.5], [1.0, 0.0]], "a": [0.5, 0.25], "b": [0.5, 0.75]})
    >>> frame.select(pl.col("p").fastent.entropy(base=2)).to_series().to_list()
    [1.0, 0.0]
    >>> divergence = pl.col("p").fastent.kl_divergence(["a", "b"], base=2)
    >>> frame.select(divergence).to_series().to_list()
    [0.0, 2.0]
    """

    def __init__(self, expr: pl.Expr) -> None:
        self._expr = expr


class SeriesMeasures:
    """The measures of a series: its namespace ``fastent``.

    The series is the first operand. The others are series, or numbers.

    Examples
    --------
    >>> import polars as pl
    >>> import fastent.polars
    >>> pl.Series([[0.5, 0.5], [1.0, 0.0]]).fastent.entropy(base=2).to_list()
    [1.0, 0.0]
    """

    def __init__(self, series: pl.Series) -> None:
        self._series = series


class _Call:
    """A measure of series: of whole ones, and of the batches that an engine of Polars hands out."""

    def __init__(self, measure: Measure, roles: Sequence[str], options: dict[str, Any]) -> None:
        self._measure, self._roles, self._options = measure, tuple(roles), options
        self._errors = np.geterr()  # those of who asks: the engine has threads of its own
        self._scorers: dict[pa.Schema, Scorer] = {}

    def __call__(self, series: Sequence[pl.Series], **_: Any) -> pl.Series:
        """Return the measure of a batch. The last series is true, or nothing else is either."""
        *series, real = series
        if len(real) and not real[0]:
            return self._of_no_rows(series)

        def place(message: str) -> str:  # which rows of the frame these are, Polars does not tell
            rows = max(map(len, series))
            return re.sub(r"\brow (\d+)", rf"row \1 of a batch of {rows}", message, count=1)

        # in the thread that asks, the engine does nothing else meanwhile
        alone = threading.get_ident() != threading.main_thread().ident
        with speaking({}, place), np.errstate(**self._errors):
            return self.of(series, alone)

    def of(self, series: Sequence[pl.Series], alone: bool = False) -> pl.Series:
        """Return the measure of these operands, and options that are columns."""
        rows = _rows_of(series)
        arrays = map(_arrow, series)
        columns = dict(zip(self._names(series), arrays, strict=True))
        with speaking(WORDS):
            scorer = self._scorer(pa.schema([(n, column.type) for n, column in columns.items()]))
            results = score_columns(scorer, columns, rows, alone)
        return _series(series[0].name, results)

    def _of_no_rows(self, series: Sequence[pl.Series]) -> pl.Series:
        """Return a series of the type that the results will have.

        Polars asks for it with rows of its own, and would keep the reason of an error to itself: it
        is told when there are rows.
        """
        try:
            return self.of([each.clear() for each in series])
        except (TypeError, ValueError):
            return pl.Series(dtype=pl.Float64)

    def _names(self, series: Sequence[pl.Series]) -> list[str]:
        """Return what to call the series: as they are called, or as what they stand for."""
        names = []
        for role, each in zip(self._roles, series, strict=True):
            fields = each.struct.fields if each.dtype == pl.Struct else ()
            own = each.name not in ("", "literal", *fields)  # pl.struct has its first field's name
            names.append(each.name if own else role)
        if len(set(names)) < len(names):
            return list(self._roles)
        return names

    def _scorer(self, schema: pa.Schema) -> Scorer:
        """Return the plan for series of these types."""
        if schema not in self._scorers:
            named = dict(zip(self._roles, schema.names, strict=True))
            wanted = [named.pop(role, None) for role in self._measure.operands]
            self._scorers[schema] = Scorer(
                schema, self._measure.name, *wanted, **named, **self._options
            )
        return self._scorers[schema]


def _arrow(series: pl.Series) -> pa.ChunkedArray:
    """Return a series as Arrow has it, which shares its memory."""
    try:
        return pa.chunked_array(series)
    except (pa.ArrowException, OSError):
        remedy = "cast it to pl.Float64, or take numbers such as .to_physical() of categories"
        raise TypeError(f"column {series.name!r} is {series.dtype}: {remedy}") from None


def _rows_of(series: Sequence[pl.Series]) -> int:
    """Return how many rows there are, of which a series may have one for all."""
    counts = {len(each) for each in series}
    if len(counts - {1}) > 1:
        lengths = ", ".join(f"{each.name!r} has {len(each)} rows" for each in series)
        raise ValueError(f"{lengths}: they need as many, or one")
    return next(iter(counts - {1}), 1)


def _series(name: str, results: pa.Table) -> pl.Series:
    """Return results as a series: of numbers, of arrays or lists, or of structs."""
    if results.num_columns == 1:
        return pl.Series(name, results.column(0))
    fields = list(results.schema)
    structs = [
        pa.StructArray.from_arrays(batch.columns, fields=fields, mask=batch.column(0).is_null())
        for batch in results.to_batches()
    ]
    return pl.Series(name, pa.chunked_array(structs, pa.struct(fields)))


# ---- operands ---------------------------------------------------------------------------------


def _arguments(
    measure: Measure, given: tuple[Any, ...], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is to become columns, by what it stands for, and the options that are left."""
    first, others = measure.operands[0], measure.operands[1:]
    if measure.may_lack(first) and len(given) == 1 and not set(others) & set(options):
        given = (None, *given)
    operands, left = arguments_of(measure, given, options)
    columns = {role: value for role, value in operands.items() if value is not None}
    for name in COLUMN_OPTIONS:
        if isinstance(left.get(name), (str, pl.Expr, pl.Series)) or _is_several(left.get(name)):
            columns[name] = left.pop(name)
    return columns, left


def _expression(measure: Measure, role: str, value: Any) -> pl.Expr:
    """Return an operand as an expression."""
    if isinstance(value, str):
        return pl.col(value)
    if selectors.is_selector(value):
        return pl.struct(value)
    if isinstance(value, pl.Expr):
        return value
    if _is_several(value):
        return pl.struct(*value)
    series = _numbers(measure, role, value)
    if len(series) == 1 and series is not value:
        return pl.lit(series.to_list()[0], series.dtype)  # of groups Polars then makes one call
    return pl.lit(series)


def _is_several(value: Any) -> bool:
    """Whether this is a list of columns."""
    several = isinstance(value, (list, tuple))
    return several and any(isinstance(each, (str, pl.Expr)) for each in value)


def _numbers(measure: Measure, role: str, value: Any) -> pl.Series:
    """Return an operand that is no expression as a series."""
    if isinstance(value, pl.Series):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{role} is of type {type(value).__name__}: pass a column, an expression, or numbers"
        )
    one_row = array.ndim == measure.axes(role)
    return pl.Series(role, array[None] if one_row else array)


def _expr_method(measure: Measure) -> Callable[..., pl.Expr]:
    """Return the method of expressions."""

    def method(self: ExprMeasures, *given: Any, **options: Any) -> pl.Expr:
        columns, left = _arguments(measure, (self._expr, *given), options)
        call = _Call(measure, tuple(columns), left)
        inputs = [_expression(measure, role, value) for role, value in columns.items()]
        return pl.map_batches([*inputs, pl.lit(True)], call, is_elementwise=True)

    return method


def _series_method(measure: Measure) -> Callable[..., pl.Series]:
    """Return the method of series."""

    def method(self: SeriesMeasures, *given: Any, **options: Any) -> pl.Series:
        columns, left = _arguments(measure, (self._series, *given), options)
        call = _Call(measure, tuple(columns), left)
        return call.of([_numbers(measure, role, value) for role, value in columns.items()])

    return method


def _add(owner: type, measure: Measure, method: Any, own: str, operand: str, result: str) -> None:
    """Give a namespace the method of a measure."""
    method.__name__, method.__qualname__ = measure.name, f"{owner.__name__}.{measure.name}"
    method.__module__, method.__signature__ = __name__, signature_of(measure, "self")
    method.__doc__ = document(measure, own, operand, result)
    setattr(owner, measure.name, method)


for _measure in measures().values():
    _any = "str, Expr, list of them, or numbers"
    _add(ExprMeasures, _measure, _expr_method(_measure), "The expression", _any, "Expr")
    _any = "Series, or numbers"
    _add(SeriesMeasures, _measure, _series_method(_measure), "The series", _any, "Series")
pl.api.register_expr_namespace("fastent")(ExprMeasures)
pl.api.register_series_namespace("fastent")(SeriesMeasures)
