"""Every measure of rows as an expression of Polars, and every way in which frames hold rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arrow_cases import CASES, CLASSES, LABELS, ROWS, WEIGHT, P, Q

pl: Any = pytest.importorskip("polars")
doors: Any = pytest.importorskip("fastent.polars")

ENGINES = ("in-memory", "streaming")
COLUMN_OPTIONS = ("weight", "pos_weight", "indices_or_k")


def rows_of(name: str, rows: Any, hold: str) -> tuple[dict[str, Any], Any]:
    """Return columns that hold rows, and the expression of the rows in them."""
    if rows.ndim == 1:
        return {name: pl.Series(rows)}, pl.col(name)
    if hold == "columns" and rows.ndim == 2:
        columns = {f"{name}_{i}": pl.Series(column) for i, column in enumerate(rows.T.copy())}
        return columns, pl.struct(*columns)
    inner = pl.Series(rows.reshape(-1)).dtype
    for size in reversed(rows.shape[1:]):
        inner = pl.Array(inner, size)
    series = pl.Series(rows.reshape(-1)).reshape(rows.shape).cast(inner)
    return {name: series.arr.to_list() if hold == "lists" else series}, pl.col(name)


def query(index: int, hold: str) -> tuple[Any, Any]:
    """Return a frame, and the expression of a case in it."""
    name, operands, options = CASES[index]
    columns: dict[str, Any] = {}
    expressions = []
    for i, rows in enumerate(operands):
        if rows is not None:
            more, expression = rows_of(f"operand_{i}", rows, hold)
            columns |= more
            expressions.append(expression)
    options = dict(options)
    for option in COLUMN_OPTIONS:
        if isinstance(options.get(option), np.ndarray):
            more, options[option] = rows_of(option, options[option], "arrays")
            columns |= more
    first, *others = expressions
    return pl.DataFrame(columns), getattr(first.fastent, name)(*others, **options)


def assert_same(got: Any, want: Any) -> None:
    """Assert that a series holds these arrays, bit for bit, in fields of the same names."""
    if isinstance(want, tuple):
        kept = [part for part in want if part is not None]
        if hasattr(want, "_fields"):
            pairs = zip(want._fields, want, strict=True)
            assert [n for n, part in pairs if part is not None] == got.struct.fields
        assert len(got.struct.fields) == len(kept)
        for field, part in zip(got.struct.fields, kept, strict=True):
            assert_same(got.struct.field(field), part)
        return
    assert got.null_count() == 0
    while got.dtype in (pl.List, pl.Array):
        got = got.explode()
    entries = got.to_numpy().reshape(np.shape(want))
    assert entries.dtype == want.dtype
    assert entries.tobytes() == want.tobytes()


def ids(index: int) -> str:
    """Return the name of a case."""
    name, operands, options = CASES[index]
    return " ".join([name, *("none" if x is None else f"{x.ndim}-D" for x in operands), *options])


WIDE = pl.DataFrame(
    {f"p_{i}": P[:, i] for i in range(CLASSES)}
    | {f"q_{i}": Q[:, i] for i in range(CLASSES)}
    | {"p": pl.Series(P, dtype=pl.Array(pl.Float64, CLASSES)), "y": LABELS, "w": WEIGHT}
    | {"q": pl.Series(Q, dtype=pl.Array(pl.Float64, CLASSES)), "group": np.arange(ROWS) % 3}
)
