"""Nulls in Arrow columns: a null row is null, a null within a row an error, or probability 0."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from arrow_cases import IN_ONE_COLUMN, JOINT, P, Q, X, fixed, nullify, pa

import fastent as fe
from fastent.arrow import score

GONE = np.arange(len(P)) % 3 == 1
KEPT = ~GONE


def with_holes(layout: str, rows: Any, holes: Any) -> Any:
    """Return rows in one column, with nulls in place of some entries."""
    entries = pa.array(rows.reshape(-1), mask=holes.reshape(-1))
    size, count = rows.shape[1], len(rows)
    offsets = np.arange(count + 1) * size
    if layout == "fixed-size lists":
        return pa.FixedSizeListArray.from_arrays(entries, size)
    if layout == "tensors":
        kind = pa.fixed_shape_tensor(entries.type, [size])
        return pa.ExtensionArray.from_storage(kind, with_holes("fixed-size lists", rows, holes))
    if layout == "lists":
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), entries)
    if layout == "large lists":
        return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), entries)
    if layout == "list views":
        sizes = pa.array(np.full(count, size, np.int32))
        return pa.ListViewArray.from_arrays(pa.array(offsets[:-1], pa.int32()), sizes, entries)
    parts = [pa.array(rows[:, i].copy(), mask=holes[:, i]) for i in range(size)]
    return pa.StructArray.from_arrays(parts, [f"field {i}" for i in range(size)])


LAYOUTS = ["fixed-size lists", "tensors", "lists", "large lists", "list views", "structs"]
HOLES = np.zeros(P.shape, np.bool_)
HOLES[[5, 5, 20, 30], [1, 4, 0, 5]] = True


@pytest.mark.parametrize("start", [0, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_null_within_a_row(layout: str, start: int) -> None:
    """It is an error that names the column, the row, the type, and what to do."""
    table = pa.table({"x": [0] * len(P), "probs": with_holes(layout, P, HOLES)})[start:]
    where = "column 'probs.field 1'" if layout == "structs" else "entry 1 of column 'probs'"
    kind = re.escape(str(table["probs"].type))
    advice = r"fill it, or make the whole row null, or pass nulls=\"zero\" \(probability 0\)"
    message = rf"^{where}, row {5 - start} \(p, {kind}\), is null: {advice}$"
    with pytest.raises(ValueError, match=message):
        score(table, "entropy", "probs")
    whole = pa.concat_tables([table[: 5 - start], table[6 - start :]])
    with pytest.raises(ValueError, match=f"row {19 - start} "):
        score(whole, "entropy", "probs")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zero(layout: str) -> None:
    """It may stand for probability 0: the bits of rows with zeros there. Null rows stay null."""
    data = with_holes(layout, P, HOLES)
    filled = np.where(HOLES, 0, P)
    got = score(data, "entropy", nulls="zero")
    assert got.to_numpy().tobytes() == fe.entropy(filled).tobytes()
    got = score(pa.table({"q": data, "p": fixed(Q)}), "kl_divergence", "p", "q", nulls="zero")
    assert got.to_numpy().tobytes() == fe.kl_divergence(Q, filled).tobytes()
    got = score(nullify(data, GONE), "entropy", nulls="zero")
    assert got.is_null().to_pylist() == GONE.tolist()
    assert got.drop_null().to_numpy().tobytes() == fe.entropy(filled[KEPT]).tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_zero_of_logits(layout: str, dtype: str) -> None:
    """Probability 0 is a logit of -inf."""
    logits = X.astype(dtype)
    filled = np.where(HOLES, -np.inf, logits)
    got = score(with_holes(layout, logits, HOLES), "softmax_entropy", nulls="zero")
    want = fe.softmax_entropy(filled.astype(dtype) if dtype == "float32" else filled)
    assert got.to_numpy().tobytes() == want.tobytes()
    with pytest.raises(ValueError, match=r'nulls="zero" \(a logit of -inf, probability 0\)'):
        score(with_holes(layout, logits, HOLES), "softmax_entropy")


def test_a_null_in_some_of_several_columns() -> None:
    """It is one within a row; in all of them it is a null row."""
    parts = {f"p_{i}": pa.array(P[:, i].copy(), mask=HOLES[:, i] | GONE) for i in range(P.shape[1])}
    batch = pa.record_batch(parts)
    with pytest.raises(ValueError, match=r"^column 'p_1', row 5 \(p, double\), is null: fill it"):
        score(batch, "entropy")
    got = score(batch, "entropy", nulls="zero")
    assert got.is_null().to_pylist() == GONE.tolist()
    assert got.drop_null().to_numpy().tobytes() == fe.entropy(np.where(HOLES, 0, P)[KEPT]).tobytes()


def test_a_null_is_no_class() -> None:
    """A null label makes a null result, whatever nulls mean; one within a row of labels is none."""
    table = pa.table({"y": pa.array([1, None, 0]), "p": pa.array([[0.5, 0.5]] * 3)})
    for nulls in ("null", "zero"):
        got = score(table, "log_loss", "y", "p", base=2, nulls=nulls)
        assert got.to_pylist() == [1, None, 1]
    rows = pa.array([[[0.5, 0.5], [0.5, 0.5]]], pa.list_(pa.list_(pa.float64(), 2), 2))
    batch = pa.record_batch({"y": pa.array([[1, None]], pa.list_(pa.int8(), 2)), "p": rows})
    for role, name in (("labels", "log_loss"), ("target", "score_logits")):
        with pytest.raises(
            ValueError, match=rf"entry 1 .*row 0 \({role}.*: fill it, or make the whole row null$"
        ):
            score(batch, name, "y", "p", nulls="zero")
    batch = pa.record_batch(
        {"x": pa.array([[1.0, 2.0]]), "i": pa.array([[None, 1]], pa.list_(pa.int8()))}
    )
    with pytest.raises(ValueError, match=r"entry 0 of column 'i', row 0 \(indices_or_k"):
        score(batch, "top_log_probs", "x", indices_or_k="i", nulls="zero")


@pytest.mark.parametrize("nulls", ["null", "zero"])
@pytest.mark.parametrize("layout", ["columns", *IN_ONE_COLUMN])
def test_what_lies_under_a_null_row_is_never_looked_at(layout: str, nulls: str) -> None:
    """No error, no warning, no NaN: of entries below 0, sums that are off, labels out of range."""
    rows = P.copy()
    rows[GONE] = np.resize([-1, np.nan, 7, np.inf, 0, -np.inf], rows[GONE].shape)
    labels = np.where(GONE, 1000, np.arange(len(P)) % P.shape[1])
    y = pa.array(labels)
    if layout == "columns":
        table = pa.table(
            {f"p_{i}": nullify(pa.array(x), GONE) for i, x in enumerate(rows.T.copy())}
        )
    else:
        table = pa.table({"p_": IN_ONE_COLUMN[layout](rows, GONE)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = score(table, "entropy", "p_*", check=True, nulls=nulls)
        pair = score(table.append_column("y", y), "log_loss", "y", "p_*", check=True, nulls=nulls)
        clean = pa.table({"y": nullify(y, GONE), "p": fixed(P)})
        other = score(clean, "log_loss", "y", "p", check=True, nulls=nulls)
    assert got.null_count == pair.null_count == other.null_count == GONE.sum()
    assert got.drop_null().to_numpy().tobytes() == fe.entropy(P[KEPT]).tobytes()
    want = fe.log_loss(labels[KEPT], P[KEPT]).tobytes()
    assert pair.drop_null().to_numpy().tobytes() == other.drop_null().to_numpy().tobytes() == want


def test_nothing_is_left_of_what_was_under_a_null() -> None:
    """The memory of a null result holds 0."""
    got = score(fixed(P, GONE), "entropy")
    entries = np.frombuffer(got.buffers()[1], np.float64)
    assert (entries[GONE] == 0).all()
    got.validate(full=True)


def test_a_null_inner_list() -> None:
    """A row of a table that is null is a null within a row."""
    kind = pa.list_(pa.list_(pa.float64(), 2), 2)
    tables = pa.array([[[0.25, 0.25], [0.25, 0.25]], [[0.5, 0.5], None]], kind)
    with pytest.raises(ValueError, match=r"^entry 2 of column 'joint', row 1 .* is null: fill it"):
        score(tables, "joint_entropy")
    assert score(tables, "joint_entropy", base=2, nulls="zero").to_pylist() == [2, 1]


def test_tensors_and_their_nulls() -> None:
    """Entries of tensors whose axes lie in another order are the right ones."""
    holes = np.zeros(JOINT.shape, np.bool_)
    holes[4, 1, 2] = True
    physical = JOINT.transpose(0, 2, 1).reshape(len(JOINT), -1).copy()
    entries = pa.array(physical.reshape(-1), mask=holes.transpose(0, 2, 1).reshape(-1))
    storage = pa.FixedSizeListArray.from_arrays(entries, 6)
    kind = pa.fixed_shape_tensor(pa.float64(), [3, 2], permutation=[1, 0])
    data = pa.ExtensionArray.from_storage(kind, storage)
    got = score(data, "conditional_entropy", nulls="zero").to_numpy()
    assert got.tobytes() == fe.conditional_entropy(np.where(holes, 0, JOINT)).tobytes()


# ---- traps ------------------------------------------------------------------------------------


def test_flatten_leaves_out_null_rows() -> None:
    """Three rows of three with a null row are no three rows of two."""
    rows = pa.array([[0.5, 0.25, 0.25], None, [1.0, 0.0, 0.0]], pa.list_(pa.float64(), 3))
    assert score(rows, "entropy", base=2).to_pylist() == [1.5, None, 0]
    assert score(rows[1:], "entropy", base=2).to_pylist() == [None, 0]


def test_fields_of_a_struct_know_nothing_of_its_nulls() -> None:
    """As a column, as the data, in a slice and in chunks."""
    data = IN_ONE_COLUMN["structs"](P, GONE)
    assert data.field(0).null_count == 0
    want = score(fixed(P, GONE), "entropy").to_pylist()
    assert score(data, "entropy").to_pylist() == want
    assert score(data[1:], "entropy").to_pylist() == want[1:]
    assert score(pa.chunked_array([data[:7], data[7:]]), "entropy").to_pylist() == want
    assert score(pa.record_batch({"s": data[2:]}), "entropy", "s").to_pylist() == want[2:]


def test_nulls_do_not_become_nan() -> None:
    """Neither here nor in the measures of arrays, to which they say where to go."""
    row = pa.array([0.5, None])
    assert row.to_numpy(zero_copy_only=False)[1] != row.to_numpy(zero_copy_only=False)[1]
    assert score(row, "surprisal", base=2).to_pylist() == [1, None]
    for data in (row, pa.chunked_array([row]), pa.table({"p": row}), pa.record_batch({"p": row})):
        with pytest.raises(TypeError, match=r"p has nulls, .* fastent.arrow.score"):
            fe.surprisal(data)
    assert fe.surprisal(pa.array([0.5]), base=2).tolist() == [1]
    assert fe.entropy(pa.table({"a": [0.5], "b": [0.5]}), base=2).tolist() == [1]


def test_nulls_of_polars_do_not_become_nan() -> None:
    """The same of series, frames and arrays within."""
    pl = pytest.importorskip("polars")
    inner = pl.Series([[0.5, None], [0.5, 0.5]], dtype=pl.Array(pl.Float64, 2))
    for data in (pl.Series([0.5, None]), pl.DataFrame({"p": [0.5, None]}), inner):
        with pytest.raises(TypeError, match=r"p has nulls, .* fastent.arrow.score"):
            fe.surprisal(data)
        with pytest.raises(TypeError, match="p has nulls"):
            fe.entropy(data)
    assert fe.entropy(inner[1:], base=2).tolist() == [1]
    with pytest.raises(ValueError, match="entry 1 of column 'p', row 0"):
        score(inner, "entropy")


def test_nan_is_no_null() -> None:
    """It gives NaN, silently."""
    got = score(pa.array([[0.5, np.nan], [0.5, 0.5]]), "entropy", base=2)
    assert got.null_count == 0
    assert np.isnan(got[0].as_py())
