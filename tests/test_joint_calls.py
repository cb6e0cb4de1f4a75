"""Joint tables: layouts, dtypes, blocks, and the usual keywords."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from zoo import ZOO

import fastent as fe
from fastent import _by_blocks

nan, inf, ln2 = np.nan, np.inf, np.log(2)

FUNCTIONS = (fe.mutual_information, fe.conditional_entropy, fe.joint_entropy)
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)


# --- layouts, dtypes, blocks ----------------------------------------------------------------------


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits."""
    np.testing.assert_array_equal(got, want, strict=True)


@every_function
@pytest.mark.parametrize("beast", ZOO)
def test_layouts(
    function: Callable[..., Any], beast: str, dtype: Any, rng: np.random.Generator
) -> None:
    """However tables lie in memory: the bits of the contiguous native copy."""
    for shape in ((3, 4), (30, 2, 2), (5, 2, 7, 3), (2, 20, 30), (2, 200, 60)):
        tables = (rng.random(shape) * (rng.random(shape) < 0.8)).astype(dtype)
        tables[..., 0, 0] += 1
        for keywords in ({}, {"normalize": True}, {"reduction": "mean"}):
            same(function(ZOO[beast](tables), **keywords), function(tables, **keywords))
        wide = np.broadcast_to(tables[..., :1, :], shape)
        same(function(wide), function(wide.copy()))


@every_function
def test_same_bits_alone(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """A table has the same result alone as in a batch, whatever else is in it."""
    for shape in ((700, 2, 3), (700, 3, 2), (90, 17, 20), (5, 100, 100)):
        tables = rng.random(shape)
        tables[::7] = 1e-9 * rng.random(shape[1:]) + 1 / tables[0].size
        tables[1::7] *= 1e-310
        tables[2::7, 0] = 0
        tables[3, 1, 1] = nan
        got = function(tables, normalize=True)
        assert np.nonzero(np.isnan(got))[0].tolist() == [3]
        for i in rng.integers(0, shape[0], 10):
            same(function(tables[i], normalize=True), got[i])
        same(function(tables[::-1], normalize=True), got[::-1])
        same(function(tables.reshape(-1, 1, *shape[1:]), normalize=True), got[:, None])


@every_function
def test_dtypes(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """float64 of float64, lists and integers; float32 of the smaller ones, as if converted."""
    table = np.array([[0.5, 0.25], [0.0, 0.25]])
    assert type(function(table)) is np.float64
    assert type(function(table.tolist())) is np.float64
    assert type(function(np.eye(2, dtype=np.uint8))) is np.float64
    for small in (np.float32, np.float16):
        got = function(table.astype(small))
        assert type(got) is np.float32
        assert got == pytest.approx(function(table), rel=1e-7)
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    same(function(table.astype(bfloat16)), np.float32(function(table)))
    counts = rng.integers(0, 200, (4, 3, 3))
    for kind in (np.uint8, np.int64, np.int32, ">u4"):
        want = function(counts.astype(np.float64), normalize=True)
        same(function(counts.astype(kind), normalize=True), want)


@every_function
def test_memory(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """A large table, or a batch of many: no copy of its size, whatever its shape."""
    for shape in ((1500, 1400), (2, 1_000_000), (1_000_000, 2), (1, 2_000_000), (500_000, 2, 2)):
        table = rng.random(shape)
        keywords: Any = {"normalize": True, "reduction": "sum"}
        function(table[:1], **keywords)
        tracemalloc.start()
        function(table, **keywords)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20, (shape, peak)


# --- the usual keywords ---------------------------------------------------------------------------


@every_function
def test_reductions(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """Mean, sum, weights, as NumPy would have them of the results."""
    for shape in ((5000, 4, 3), (3, 700, 2, 2), (4, 5)):
        tables, weight = rng.random(shape), rng.random(shape[:-2])
        each = function(tables, normalize=True)
        keywords: list[tuple[Any, Any]] = [
            ({"reduction": "mean"}, each.mean()),
            ({"reduction": "sum"}, each.sum()),
            ({"weight": weight}, each * weight),
            ({"weight": weight, "reduction": "sum"}, (each * weight).sum()),
            ({"weight": weight, "reduction": "mean"}, (each * weight).mean()),
            (
                {"weight": weight, "reduction": "weighted_mean"},
                (each * weight).sum() / weight.sum(),
            ),
            ({"weight": 2, "reduction": "weighted_mean"}, each.mean()),
        ]
        for given, want in keywords:
            got = function(tables, normalize=True, **given)
            assert got.dtype == np.float64
            np.testing.assert_allclose(got, want, rtol=1e-13)
    none = np.zeros((0, 2, 2), np.float32)
    same(function(none), np.zeros(0, np.float32))
    same(function(none, reduction="sum"), np.float32(0))
    assert np.isnan(function(none, reduction="mean"))


def test_sums_of_many_blocks(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    """However many blocks there are, their sums are joined without a loss."""
    tables, weight = rng.random((9000, 2, 2)), rng.random(9000)
    keywords: Any = {"normalize": True, "reduction": "mean"}
    want = [fe.mutual_information(tables, **keywords, weight=w) for w in (None, weight)]
    monkeypatch.setattr(_by_blocks, "PARTS", 3)
    got = [fe.mutual_information(tables, **keywords, weight=w) for w in (None, weight)]
    np.testing.assert_allclose(got, want, rtol=1e-15)


@every_function
def test_keepdims_and_out(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """Results go where they are wanted, over the input too."""
    tables = rng.random((4, 3, 5, 2))
    want = function(tables, normalize=True)
    same(function(tables, normalize=True, keepdims=True), want[..., None, None])
    for out in (np.empty((4, 3)), np.empty((3, 4)).T, np.empty((4, 3), ">f8"), tables[..., 0, 0]):
        assert function(tables.copy(), normalize=True, out=out) is out
        np.testing.assert_array_equal(out, want)
    tables = rng.random((4, 3, 5, 2))
    want = function(tables, normalize=True)
    function(tables, normalize=True, out=tables[..., 0, 0])
    np.testing.assert_array_equal(tables[..., 0, 0], want)
    scalar = np.empty(())
    assert function(tables[0, 0], normalize=True, out=scalar) is scalar
    with pytest.raises(ValueError, match=r"out has shape \(3,\)"):
        function(tables, out=np.empty(3))


@every_function
def test_errors(function: Callable[..., Any]) -> None:
    """They name the argument and the remedy."""
    with pytest.raises(ValueError, match=r"joint has shape \(3,\): a table lies along two axes"):
        function([1.0, 0, 0])
    with pytest.raises(ValueError, match=r"joint holds integers above 1, .* pass normalize=True"):
        function([[3, 1], [1, 1]])
    with pytest.raises(ValueError, match="joint: row 1 sums to 2"):
        function([[[0.5, 0.5]], [[1.0, 1.0]]], check=True)
    with pytest.raises(ValueError, match=r"joint: row 1 holds -0.5 at"):
        function([[[0.5, 0.5]], [[1.5, -0.5]]], check=True)
    with pytest.raises(ValueError, match="joint: row 0 sums to 0"):
        function(np.zeros((1, 2, 2)), check=True, normalize=True)
    function([[0.5, 0.25], [0.25, 0.0]], check=True)
    with pytest.raises(TypeError, match="joint is a masked array"):
        function(np.ma.ones((2, 2)))
    with pytest.raises(TypeError, match="joint has dtype complex128"):
        function(np.ones((2, 2), complex))
    with pytest.raises(ValueError, match="reduction must be one of"):
        function(np.eye(2), reduction="max")
    with pytest.raises(ValueError, match="base must be a positive number"):
        function(np.eye(2), base=1)
    with pytest.raises(ValueError, match="weight has shape"):
        function(np.ones((2, 2, 2)), weight=[1, 2, 3])


def test_unknown_average() -> None:
    """The known ones are listed, and the nearest is named."""
    with pytest.raises(ValueError, match="'max' or None, not 'arithmetical': did you mean 'arith"):
        fe.mutual_information(np.eye(2), normalized="arithmetical")
    with pytest.raises(ValueError, match=r"normalized must be one of .* not True"):
        fe.mutual_information(np.eye(2), normalized=True)  # type: ignore[arg-type]


@every_function
def test_dask(function: Callable[..., Any], rng: np.random.Generator) -> None:
    """Lazy in, lazy out; a table lies in one chunk."""
    da = pytest.importorskip("dask.array")
    tables, weight = rng.random((40, 3, 4, 5)), rng.random((40, 3))
    lazy = da.from_array(tables, chunks=(7, 2, -1, -1))
    cases: list[Any] = [{}, {"base": 2}, {"keepdims": True}, {"weight": weight}]
    if function is fe.mutual_information:
        cases.append({"normalized": "max"})
    for keywords in cases:
        got = function(lazy, normalize=True, **keywords)
        assert isinstance(got, da.Array)
        same(got.compute(), function(tables, normalize=True, **keywords))
    for reduction in ("mean", "sum", "weighted_mean"):
        got = function(lazy, normalize=True, reduction=reduction, weight=da.from_array(weight))
        want = function(tables, normalize=True, reduction=reduction, weight=weight)
        assert got.compute() == pytest.approx(want, rel=1e-14)
    with pytest.raises(ValueError, match="chunks along axis -1"):
        function(da.from_array(tables, chunks=(40, 3, 4, 2)))
    with pytest.raises(ValueError, match="a table lies along two axes"):
        function(lazy[0, 0, 0])
