"""Frames and series of pandas: the bits of the measure of the array, with the index."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np
import pytest
from arrow_cases import CASES, CLASSES, LABELS, ROWS, WEIGHT, P, Q, fixed, pa
from pandas_cases import (
    FRAME,
    HOLDS,
    INDEX,
    OTHER,
    Y,
    arrow_backed,
    arrow_lists,
    assert_same,
    call,
    door,
    ids,
    lists,
    nullable,
    numpy_backed,
    pd,
)

import fastent as fe
from fastent.arrow._measures import measures
from fastent.pandas import _column


@pytest.mark.parametrize("hold", HOLDS, ids=lambda hold: hold.__name__)
@pytest.mark.parametrize("index", range(len(CASES)), ids=ids)
def test_every_measure(index: int, hold: Any) -> None:
    """Of frames and series of every kind, with the index and the kind of results."""
    got, want = call(index, hold)
    assert_same(got, want)
    parts = got if isinstance(got, tuple) else [got]
    for part in parts:
        columns = [part] if isinstance(part, pd.Series) else [x for _, x in part.items()]
        for column in columns:
            if isinstance(column.dtype, pd.ArrowDtype):
                nested = pa.types.is_nested(column.dtype.pyarrow_dtype)
                assert nested or hold in (arrow_backed, arrow_lists) or CASES[index][1][0].ndim == 3
            else:
                assert hold not in (arrow_backed, arrow_lists)
                assert isinstance(column.dtype, np.dtype) == (hold is not nullable)
    if isinstance(got, pd.Series):
        assert got.name in (CASES[index][0], "gradient")


@pytest.mark.parametrize("hold", HOLDS[:3], ids=lambda hold: hold.__name__)
@pytest.mark.parametrize("index", range(len(CASES)), ids=ids)
def test_measures_of_arrays_take_frames(index: int, hold: Any) -> None:
    """The measure of arrays reads them itself, and returns arrays: never a frame that is broken."""
    name, operands, options = CASES[index]
    if any(rows is not None and rows.ndim == 3 for rows in operands):
        return
    got = getattr(fe, name)(*(None if x is None else hold(x) for x in operands), **options)
    want = getattr(fe, name)(*operands, **options)
    parts = got if isinstance(got, tuple) else (got,)
    for part, other in zip(parts, want if isinstance(want, tuple) else (want,), strict=True):
        assert type(part) is type(other)
        if part is not None:
            assert part.dtype == other.dtype
            assert part.tobytes() == other.tobytes()


def test_every_measure_is_here() -> None:
    """With the signature of fastent's but for what has no place, and a docstring."""
    assert door.__all__ == sorted(measures())
    for name in door.__all__:
        found = inspect.signature(getattr(door, name)).parameters
        known = inspect.signature(getattr(fe, name)).parameters
        left = {"axis", "out", "keepdims", "reduction", "offsets", "where", "return_weight"}
        assert list(found) == [n for n in known if n not in left] + ["nulls"]
        assert (
            getattr(door, name).__doc__.splitlines()[0] == getattr(fe, name).__doc__.splitlines()[0]
        )
        assert getattr(door, name).__module__ == "fastent.pandas"


# ---- operands ---------------------------------------------------------------------------------


def test_arrays_beside_frames() -> None:
    """They go by position: rows, labels, weights; one distribution stands beside each row."""
    assert_same(door.kl_divergence(FRAME, Q), fe.kl_divergence(P, Q))
    assert_same(door.kl_divergence(P, OTHER), fe.kl_divergence(P, Q))
    assert_same(door.kl_divergence(FRAME, Q[0]), fe.kl_divergence(P, Q[0]))
    assert_same(door.kl_divergence(Q[0].tolist(), FRAME), fe.kl_divergence(Q[0], P))
    assert_same(
        door.kl_divergence(FRAME, FRAME.mean()), fe.kl_divergence(P, FRAME.mean().to_numpy())
    )
    for hold in (arrow_backed, nullable):
        one = pd.Series(P[0], FRAME.columns).astype(hold(P[:, 0]).dtype)
        assert_same(door.js_distance(hold(P), one), fe.js_distance(P, P[0]))
    assert_same(door.log_loss(LABELS, FRAME), fe.log_loss(LABELS, P))
    assert_same(door.log_loss(LABELS.tolist(), FRAME), fe.log_loss(LABELS, P))
    assert_same(
        door.log_loss(Y, FRAME, weight=WEIGHT.tolist()), fe.log_loss(LABELS, P, weight=WEIGHT)
    )
    assert_same(door.binary_cross_entropy(1, FRAME["class 0"]), fe.binary_cross_entropy(1, P[:, 0]))
    many = pd.DataFrame(np.tile(P, (5000, 1)))
    want = np.tile(fe.kl_divergence(P, Q[0]), 5000)
    assert_same(door.kl_divergence(many, Q[0]), want, many.index)


def test_an_index_that_differs() -> None:
    """Rows are never put beside others silently."""
    with pytest.raises(
        ValueError, match=r"index of q is not that of p: row 0 is 'row 36', not 'row"
    ):
        door.kl_divergence(FRAME, OTHER[::-1])
    with pytest.raises(ValueError, match=r"p has 37 rows and q has 36: align them"):
        door.kl_divergence(FRAME, OTHER[1:])
    with pytest.raises(
        ValueError, match=r"index of labels is not that of prob|prob is not that of"
    ):
        door.log_loss(Y.reset_index(drop=True), FRAME)
    with pytest.raises(ValueError, match="weight is not that of p"):
        door.entropy(FRAME, weight=pd.Series(WEIGHT))
    with pytest.raises(ValueError, match="p has 37 rows and q has 5"):
        door.kl_divergence(FRAME, Q[:5])
    with pytest.raises(ValueError, match=r"or pass q.set_axis\(p.index\) to go by position"):
        door.kl_divergence(FRAME, OTHER.reset_index(drop=True))
    got = door.kl_divergence(FRAME, OTHER.reset_index(drop=True).set_axis(INDEX))
    assert_same(got, fe.kl_divergence(P, Q))
    levels = pd.MultiIndex.from_arrays([np.arange(ROWS), np.arange(ROWS)])
    with pytest.raises(ValueError, match=r"row 0 is \(0, 0\), not 'row 0'"):
        door.kl_divergence(FRAME, OTHER.set_axis(levels))
    got = door.kl_divergence(FRAME, OTHER[::-1].reindex(INDEX))
    assert_same(got, fe.kl_divergence(P, Q))


def test_columns_that_differ() -> None:
    """One name at two places is an error; other names go by position."""
    with pytest.raises(ValueError, match=r"column 'class 5' is number 0 of q and number 5 of p"):
        door.kl_divergence(FRAME, OTHER[OTHER.columns[::-1]])
    assert_same(door.kl_divergence(FRAME, OTHER.add_prefix("q_")), fe.kl_divergence(P, Q))
    with pytest.raises(ValueError, match="the index of q is not the columns of p"):
        door.kl_divergence(FRAME, FRAME.mean()[::-1])
    with pytest.raises(ValueError, match="6 numbers a row and 5 numbers a row"):
        door.kl_divergence(FRAME, OTHER[OTHER.columns[:5]])


def test_names_of_all_kinds() -> None:
    """Levels of names, the same name twice, names that look like patterns, an index of levels."""
    levels = pd.MultiIndex.from_product([["a", "b"], range(CLASSES // 2)])
    index = pd.MultiIndex.from_arrays(
        [np.arange(ROWS) // 10, np.arange(ROWS) % 10], names=list("xy")
    )
    for columns in (levels, ["p"] * CLASSES, ["*", "p_*", "[", "q", "p", "'"], range(CLASSES)):
        frame = FRAME.set_axis(columns, axis=1).set_axis(index)
        assert_same(door.entropy(frame), fe.entropy(P), index)
        assert_same(door.kl_divergence(frame, frame), np.zeros(ROWS), index)
        soft = door.softmax(frame)
        assert soft.columns.equals(frame.columns)
        assert_same(soft, fe.softmax(P), index)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64", "bool"])
def test_types(dtype: str) -> None:
    """The dtype of the results is that of the measure; of several, of all columns together."""
    rows = (P * 100).astype(dtype)
    rows[rows.sum(1) == 0] = 1
    for hold in (numpy_backed, arrow_backed, lists, arrow_lists):
        assert_same(door.entropy(hold(rows), normalize=True), fe.entropy(rows, normalize=True))
    in_place = pd.DataFrame(rows, copy=False)
    assert_same(
        door.entropy(in_place, normalize=True), fe.entropy(rows, normalize=True), in_place.index
    )
    mixed = FRAME.assign(**{"class 1": rows[:, 1], "class 2": rows[:, 2].astype("f8")})
    want = mixed.astype("f8").to_numpy()
    assert_same(door.perplexity(mixed, normalize=True), fe.perplexity(want, normalize=True))
    assert fe.perplexity(mixed, normalize=True).tobytes() == (
        fe.perplexity(want, normalize=True).tobytes()
    )


def test_other_columns() -> None:
    """Categories stand for their values, sparse columns for all; objects may be numbers."""
    small = FRAME.round(1)
    want = fe.entropy(small.to_numpy(), normalize=True)
    for frame in (small.astype("category"), small.astype(object)):
        assert_same(door.entropy(frame, normalize=True), want)
    sparse = small.astype(pd.SparseDtype("float64", 0))
    assert_same(door.entropy(sparse, normalize=True), want)
    assert_same(door.log_loss(Y.astype("category"), FRAME), fe.log_loss(LABELS, P))
    swapped = FRAME.astype(">f8") if sys.byteorder == "little" else FRAME.astype("<f8")
    assert_same(door.entropy(swapped), fe.entropy(P))
    records = pd.Series([{"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 0.0}])
    assert door.entropy(records, base=2).tolist() == [1, 0]


def test_lists_of_different_lengths() -> None:
    """A series of lists, as of Arrow."""
    words = pd.Series([[0.5, 0.5], [1.0], None, [0.25] * 4], list("abcd"))
    got = door.entropy(words, base=2)
    assert got.fillna(-1).tolist() == [1, 0, -1, 2]
    assert list(got.index) == list("abcd")


def test_results_may_be_written_to() -> None:
    """They are the caller's own."""
    frame = FRAME.copy()
    for got in (door.entropy(frame), door.surprisal(frame["class 0"]), door.score_logits(Y, frame)):
        got.iloc[0] = 7
        assert (np.asarray(got)[0] == 7).all()
    soft = door.softmax(frame)
    soft.iloc[0, 0] = 7
    assert soft.iloc[0, 0] == 7
    assert frame.equals(FRAME)


def test_rows_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a frame of one block, of lists of Arrow; and columns of NumPy."""
    from fastent.arrow import Scorer

    seen: list[int] = []
    call = Scorer._call

    def spy(self: Any, operands: Any) -> Any:
        seen.extend(part.ctypes.data for part in operands.values() if len(part))
        return call(self, operands)

    monkeypatch.setattr(Scorer, "_call", spy)
    rows = P.copy()
    assert_same(door.entropy(pd.DataFrame(rows, INDEX, copy=False)), fe.entropy(P))
    held = fixed(rows)
    door.entropy(pd.Series(pd.arrays.ArrowExtensionArray(held)))
    assert seen == [rows.ctypes.data, held.values.buffers()[1].address]
    column = pd.Series(P[:, 0].copy())
    assert _column("p", 0, column).buffers()[1].address == column.to_numpy().ctypes.data
