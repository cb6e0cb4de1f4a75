"""All pairs: every pair to the bounds of its row function; the nearest, memory, files, errors."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import strategies
from mpmath import mp
from reference import MP, exact, ulp_error

import fastent as fe
from fastent import _core, _factors

Array = np.ndarray[Any, Any]

FLOOR = mp.exp(-100)
MP_LOG: Callable[..., Any] = np.frompyfunc(mp.log, 1, 1)

PAIRWISE: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "kl_divergence": (fe.pairwise_kl_divergence, fe.kl_divergence),
    "cross_entropy": (fe.pairwise_cross_entropy, fe.cross_entropy),
}


@pytest.fixture(params=PAIRWISE)
def both(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a function of all pairs and its function of rows."""
    return PAIRWISE[request.param]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small matrices into several blocks too."""
    monkeypatch.setattr("fastent._products.ROWS", 64)
    for module in ("fastent._pairs", "fastent._products"):
        monkeypatch.setattr(f"{module}.STRIP", 16)
        monkeypatch.setattr(f"{module}.COLUMNS", 64)


def softmax(rng: np.random.Generator, rows: int, columns: int, width: float = 2) -> Array:
    """Draw rows whose logits have this width."""
    weights = np.exp(width * rng.standard_normal((rows, columns)))
    return np.asarray(weights / weights.sum(1, keepdims=True))


def all_pairs(p: Array, q: Array) -> tuple[Array, Array]:
    """Return the rows of every pair."""
    return np.repeat(p, len(q), 0), np.tile(q, (len(p), 1))


def relative_error(got: Any, true: Any) -> float:
    """Return the largest error of any pair, relative but for a subnormal ulp."""
    worst = 0.0
    for one, value in zip(np.ravel(got), np.ravel(true), strict=True):
        if one != value:
            off = max(abs(float(one) - value) - float(np.finfo(got.dtype).smallest_subnormal), 0)
            worst = max(worst, float(off / value) if value else np.inf)
    return worst


def assert_within(name: str, got: Array, p: Array, q: Array, **keywords: Any) -> None:
    """Hold every pair against exact numbers."""
    twin = getattr(reference, f"exact_{name}")
    rows = (one.astype(np.float64) for one in all_pairs(p, q))
    true = exact(twin, *rows, **keywords).reshape(got.shape)
    bound = _core.bounds()[name][got.dtype == np.float64]
    if bound < 0.5:
        assert relative_error(got, true) <= bound
    else:
        assert ulp_error(got, true, got.dtype).max() <= bound


# ---- accuracy ----


@pytest.mark.parametrize("columns", [1, 7, 300])
@pytest.mark.parametrize("family", strategies.PAIRS)
@pytest.mark.parametrize("name", PAIRWISE)
def test_bound(name: str, family: str, columns: int, dtype: Any, rng: np.random.Generator) -> None:
    """Every pair of every family is within the bound of the row function."""
    p, q = strategies.PAIRS[family](rng, 6, columns, dtype)
    q = q[:5]
    got = PAIRWISE[name][0](p, q)
    assert got.dtype == dtype
    if name == "cross_entropy" and (q > 1).any():
        pytest.skip("ulps of a sum of both signs")
    assert_within(name, got, p, q)


@pytest.mark.parametrize("family", ["softmax", "sparse", "one_hot", "uniform", "two_values"])
@pytest.mark.parametrize("name", PAIRWISE)
def test_bound_of_long_rows(name: str, family: str, dtype: Any, rng: np.random.Generator) -> None:
    """Rows that are multiplied in parts; equal terms, where roundings add up."""
    p = strategies.ROWS[family](rng, 4, 3001, dtype)
    q = np.concatenate([p[:1], strategies.ROWS["softmax"](rng, 3, 3001, dtype), p[2:]])
    assert_within(name, PAIRWISE[name][0](p, q), p, q)


@pytest.mark.parametrize("closeness", [1.0, 0.1, 1e-2, 1e-4, 1e-8, 1e-14])
@pytest.mark.parametrize("kind", ["softmax", "sparse"])
def test_bound_of_clusters(
    kind: str, closeness: float, dtype: Any, rng: np.random.Generator
) -> None:
    """Rows around one, or around several; equal rows among them are 0 exactly."""
    for centres in (1, 3):
        middle = strategies.ROWS[kind](rng, centres, 60, np.float64)
        rows = np.repeat(middle, 4, 0) * np.exp(closeness * rng.standard_normal((4 * centres, 60)))
        p = (rows / rows.sum(1, keepdims=True)).astype(dtype)
        p[1] = p[0]
        got = fe.pairwise_kl_divergence(p)
        assert_within("kl_divergence", got, p, p)
        assert (np.diagonal(got) == 0).all()
        assert not np.signbit(got).any()
        assert got[0, 1] == got[1, 0] == 0


@pytest.mark.parametrize("log_floor", [None, -1.0, -5.0, -300.0, 0.0])
@pytest.mark.parametrize("family", ["sparse|sparse", "softmax|log_uniform", "softmax|sparse"])
@pytest.mark.parametrize("name", PAIRWISE)
def test_bound_of_other_floors(
    name: str, family: str, log_floor: float | None, dtype: Any, rng: np.random.Generator
) -> None:
    """The clamp where it matters, and none: infinite where q = 0 < p."""
    if name == "cross_entropy" and log_floor == 0:
        pytest.skip("every result is 0")
    p, q = strategies.PAIRS[family](rng, 6, 30, dtype)
    got = PAIRWISE[name][0](p, q, log_floor=log_floor)
    if log_floor is None:
        assert ((p[:, None] > 0) & (q == 0)).any(-1).tolist() == np.isinf(got).tolist()
        for i, k in np.argwhere(np.isfinite(got)):
            assert_within(name, got[i : i + 1, k], p[i : i + 1], q[k : k + 1], log_floor=None)
        return
    assert_within(name, got, p, q, log_floor=log_floor)


@pytest.mark.parametrize("kind", ["counts", "near", "softmax"])
def test_bound_of_weights(kind: str, dtype: Any, rng: np.random.Generator) -> None:
    """normalize=True: as if every row had been divided without a rounding."""
    p, q = (strategies.WEIGHTS["softmax"](rng, 5, 50, dtype) for _ in range(2))
    if kind == "counts":
        p, q = (strategies.counts(rng, 5, 50, dtype) for _ in range(2))
    if kind == "near":
        q = (1e3 * p * (1 + 1e-3 * rng.random(p.shape))).astype(dtype)
    got = fe.pairwise_kl_divergence(p, q, normalize=True)
    left, right = (reference.shares(rows) for rows in all_pairs(p, q))
    lifted = np.where(right == 0, np.where(left == 0, right, FLOOR), right)
    quotient = np.where(left == 0, MP(1.0), left) / np.where(left == 0, MP(1.0), lifted)
    true = (left * MP_LOG(quotient) - left + lifted).sum(-1)
    assert relative_error(got, true) <= _core.bounds()["kl_divergence"][dtype == np.float64]
    rows = fe.cross_entropy(p[:, None], q, normalize=True)
    np.testing.assert_allclose(
        fe.pairwise_cross_entropy(p, q, normalize=True), rows, rtol=4 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("width", [1e-3, 0.3, 1, 3])
def test_the_divergence_from_the_mean(width: float, rng: np.random.Generator) -> None:
    """What the bound of the second form takes the kernel's error to be is ten times what it is."""
    p = softmax(rng, 40, 300, width)
    mean = np.broadcast_to(p.mean(0), p.shape)
    for pair in ((p, mean), (mean, p)):
        true = exact(reference.exact_kl_divergence, *pair)
        error = relative_error(fe.kl_divergence(*pair), true)
        assert error <= 0.1 * _factors.NEAR_SUM * _factors.UNIT


@pytest.mark.parametrize("base", [2, 10, 3.7, 0.5])
def test_bases(both: Any, base: float, dtype: Any, rng: np.random.Generator) -> None:
    """As the rows in that base."""
    pairwise, rows = both
    p, q = (softmax(rng, 6, 50).astype(dtype) for _ in range(2))
    got, true = pairwise(p, q, base=base), rows(p[:, None], q, base=base)
    np.testing.assert_allclose(got, true, rtol=32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("family", ["scaled|softmax", "near_half|softmax", "softmax|sparse"])
def test_plain(family: str, normalize: bool, dtype: Any, rng: np.random.Generator) -> None:
    """generalized=False is the plain sum, to the bound relative to both of its parts."""
    p, q = strategies.PAIRS[family](rng, 6, 50, dtype)
    keywords: dict[str, Any] = {"generalized": False, "normalize": normalize}
    got = fe.pairwise_kl_divergence(p, q, **keywords)
    true = fe.kl_divergence(p[:, None].astype(np.float64), q.astype(np.float64), **keywords)
    size = abs(true) + 2 * abs(p.sum(1)[:, None] - q.sum(1)) * (not normalize)
    assert (
        abs(got - true) <= 2 * _core.bounds()["kl_divergence"][dtype == np.float64] * size
    ).all()


# ---- the same as the rows ----


@pytest.mark.parametrize("dtypes", ["f4 f8", "i8 i8", "f2 f2", "? f4", ">f8 <f4"])
def test_dtypes(both: Any, dtypes: str, rng: np.random.Generator) -> None:
    """The result's dtype and values are those of rows of these dtypes."""
    pairwise, rows = both
    p, q = (rng.integers(0, 2, (7, 9)).astype(d) for d in dtypes.split())
    got, true = pairwise(p, q), rows(p[:, None], q)
    assert got.dtype == true.dtype
    np.testing.assert_allclose(got, true, rtol=3e-7 if got.dtype == np.float32 else 1e-15)
    counts = rng.integers(1, 100, (4, 5))
    np.testing.assert_allclose(
        pairwise(counts, normalize=True), rows(counts[:, None], counts, normalize=True), rtol=1e-14
    )
    with pytest.raises(ValueError, match="P holds integers above 1"):
        pairwise(counts + 1)


def test_layouts(both: Any, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits from any layout, and from lists."""
    pairwise, _ = both
    p, q = softmax(rng, 30, 20).astype(dtype), softmax(rng, 40, 20).astype(dtype)
    p.flags.writeable = q.flags.writeable = False
    true = pairwise(p, q)
    wide = np.zeros((60, 40), dtype)
    wide[::2, ::2] = p
    for view in (np.asfortranarray(p), wide[::2, ::2], p.astype(p.dtype.newbyteorder())):
        assert pairwise(view, q).tobytes() == true.tobytes()
    if dtype == np.float64:
        assert pairwise(p.tolist(), q.tolist()).tobytes() == true.tobytes()


@pytest.mark.usefixtures("small_blocks")
def test_blocks(both: Any, dtype: Any, rng: np.random.Generator) -> None:
    """Blocks meet without a gap."""
    pairwise, rows = both
    p, q = softmax(rng, 75, 30).astype(dtype), softmax(rng, 200, 30).astype(dtype)
    np.testing.assert_allclose(pairwise(p, q), rows(p[:, None], q), rtol=32 * np.finfo(dtype).eps)


# ---- edges ----


def test_bad_rows(both: Any, dtype: Any, rng: np.random.Generator) -> None:
    """NaN rows make NaN silently, negative ones with one warning; infinite ones as rows do."""
    pairwise, rows = both
    p, q = softmax(rng, 5, 8).astype(dtype), softmax(rng, 6, 8).astype(dtype)
    p[1, 3] = q[2, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = pairwise(p, q)
    bad = np.zeros(got.shape, bool)
    bad[1], bad[:, 2] = True, True
    assert (np.isnan(got) == bad).all()
    p[3, 1] = q[4, 1] = -0.1
    with pytest.warns(RuntimeWarning, match="invalid value") as caught:
        got = pairwise(p, q)
    assert len(caught) == 1
    bad[3], bad[:, 4] = True, True
    assert (np.isnan(got) == bad).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        pairwise(p, q)
    with np.errstate(invalid="ignore"):
        pairwise(p, q, k_nearest=2)
    p, q = softmax(rng, 5, 8).astype(dtype), softmax(rng, 6, 8).astype(dtype)
    p[1, 3] = q[2, 0] = np.inf
    with np.errstate(invalid="ignore"):
        got, true = pairwise(p, q), rows(p[:, None], q)
    np.testing.assert_allclose(got, true, rtol=32 * np.finfo(dtype).eps)


def test_extreme_rows(both: Any, rng: np.random.Generator) -> None:
    """Rows too large or too small for a product are computed as rows."""
    pairwise, rows = both
    p = softmax(rng, 6, 8) * np.array([1e300, 1e-300, 1e-320, 1, 1e120, 0])[:, None]
    for q in (p, softmax(rng, 6, 8)):
        np.testing.assert_allclose(pairwise(p, q), rows(p[:, None], q), rtol=1e-14)
        with np.errstate(invalid="ignore"):
            got = pairwise(p, q, normalize=True)
            true = rows(p[:, None], q, normalize=True)
        np.testing.assert_allclose(got, true, rtol=1e-13)


def test_nothing(both: Any, dtype: Any) -> None:
    """No rows, no entries: results of the right shape."""
    pairwise, _ = both
    for shapes in ((0, 4, 3), (4, 0, 3), (0, 0, 0), (2, 3, 0)):
        rows, columns, length = shapes
        p, q = np.ones((rows, length), dtype), np.ones((columns, length), dtype)
        got = pairwise(p, q)
        assert got.shape == (rows, columns)
        assert got.dtype == dtype
        assert (got == 0).all()
        assert pairwise(p, q, k_nearest=0).indices.shape == (rows, 0)
    assert np.isnan(pairwise(np.ones((2, 0)), normalize=True)).all()
    assert pairwise(np.ones((1, 3), dtype), k_nearest=0).distances.shape == (1, 0)


def test_zeros_are_positive(both: Any, dtype: Any) -> None:
    """Certain and right costs +0.0."""
    got = both[0](np.eye(3, dtype=dtype))
    assert (np.diagonal(got) == 0).all()
    assert not np.signbit(got).any()


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        ((np.ones((2, 3)), np.ones((2, 4))), {}, ValueError, r"P has shape \(2, 3\) and Q .*2, 4"),
        (
            (np.ones(3), np.ones((2, 3))),
            {},
            ValueError,
            r"P has shape \(3,\) and Q has shape \(2, 3",
        ),
        ((np.ones((2, 2, 3)),), {}, ValueError, r"P has shape \(2, 2, 3\): pairs"),
        ((np.ones((2, 3)), 1j * np.ones((2, 3))), {}, TypeError, "Q has dtype complex128"),
        ((np.ones((2, 3)),), {"base": 1}, ValueError, "base must be"),
        ((np.ones((2, 3)),), {"log_floor": 1}, ValueError, "log_floor must be"),
        ((np.ones((2, 3)),), {"k_nearest": 2}, ValueError, "k_nearest is 2, but there are 1 other"),
        ((np.ones((2, 3)),), {"k_nearest": -1}, ValueError, "k_nearest is -1"),
        ((np.ones((2, 3)),), {"k_nearest": 1.0}, TypeError, "k_nearest must be an integer"),
        ((np.ones((2, 3)),), {"k_nearest": 1, "out": np.ones((2, 2))}, ValueError, "drop one"),
        ((np.ones((2, 3)),), {"out": np.ones((2, 3))}, ValueError, r"out has shape \(2, 3\)"),
        ((np.ones((2, 3)),), {"out": np.ones((2, 2), int)}, TypeError, "out has dtype int64"),
        ((np.ones((2, 3)),), {"out": [[0]]}, TypeError, "out must be an ndarray"),
        ((np.ones((2, 3)),), {"progress": 3}, TypeError, "progress must be callable"),
        ((np.ones((2, 3)),), {"check": True}, ValueError, "P: row 0 sums to 3.0"),
        ((np.eye(3), np.ones((2, 3))), {"check": True}, ValueError, "Q: row 0 sums to 3.0"),
    ],
)
def test_errors(
    both: Any, arguments: Any, keywords: Any, error: type[Exception], message: str
) -> None:
    """What is wrong, and with which argument."""
    with pytest.raises(error, match=message):
        both[0](*arguments, **keywords)


def test_dask(both: Any) -> None:
    """Dask arrays: what to do instead."""
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match=r"Q is a Dask array.*Q\.compute\(\)"):
        both[0](np.eye(2), da.ones((2, 2)))


# ---- the nearest ----


def by_sorting(matrix: Array, count: int, same: bool) -> tuple[Array, Array]:
    """Return the least of each row of the matrix: NaN last, ties by index, itself never."""
    places = np.broadcast_to(np.arange(matrix.shape[1]), matrix.shape)
    itself = np.eye(*matrix.shape) * same
    order = np.lexsort((places, matrix, itself), axis=1)[:, :count]
    return order, np.take_along_axis(matrix, order, 1)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("count", [1, 3, 40, 79])
@pytest.mark.parametrize("kind", ["plain", "ties", "NaN", "equal"])
def test_nearest(both: Any, kind: str, count: int, dtype: Any, rng: np.random.Generator) -> None:
    """What sorting the whole matrix gives."""
    p, q = softmax(rng, 80, 12).astype(dtype), softmax(rng, 150, 12).astype(dtype)
    if kind == "ties":
        p, q = p[rng.integers(0, 9, 80)], p[rng.integers(0, 9, 150)]
    elif kind == "NaN":
        p[[3, 70]] = q[[0, 1, 99]] = np.nan
        q[2:60] = np.nan
    elif kind == "equal":
        p[:], q[:] = 1 / 12, 1 / 12
    for other in (q, None):
        matrix = both[0](p, other)
        indices, distances = both[0](p, other, k_nearest=count)
        places, values = by_sorting(matrix, count, other is None)
        assert indices.dtype == np.int64
        assert distances.dtype == dtype
        np.testing.assert_array_equal(indices, places)
        assert distances.tobytes() == values.tobytes()


def test_nearest_never_makes_the_matrix(both: Any, rng: np.random.Generator) -> None:
    """A bounded block beside the logarithms and the results, however many pairs there are."""
    p = softmax(rng, 5000, 10)
    both[0](p[:20])
    tracemalloc.start()
    result = both[0](p, k_nearest=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.indices.shape == (5000, 5)
    assert peak < 8 * p.nbytes + 64 * 2**20 < 5000 * 5000 * 8


def test_the_matrix_is_all_there_is(both: Any, dtype: Any, rng: np.random.Generator) -> None:
    """Memory: the output, the logarithms, a block."""
    p, q = (softmax(rng, 2500, 20).astype(dtype) for _ in range(2))
    both[0](p[:20])
    tracemalloc.start()
    result = both[0](p, q)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes < 8 * 8 * q.size + 64 * 2**20


# ---- out, progress ----


def test_out(both: Any, dtype: Any, rng: np.random.Generator, tmp_path: Path) -> None:
    """An array, a view, a wider dtype, one that overlaps an operand, a file: all are filled."""
    pairwise, _ = both
    p = softmax(rng, 300, 300).astype(dtype)
    true = pairwise(p)
    file = np.memmap(tmp_path / "matrix", dtype, "w+", shape=true.shape)
    wide = np.zeros((300, 600), dtype)[:, ::2]
    for out in (np.empty_like(true), np.empty(true.shape, np.float64), wide, file, p):
        assert pairwise(p, out=out) is out
        assert (out == true).all()
    file.flush()
    assert (np.fromfile(tmp_path / "matrix", dtype).reshape(true.shape) == true).all()


@pytest.mark.usefixtures("small_blocks")
def test_progress(both: Any, rng: np.random.Generator) -> None:
    """A call after each block of rows; what it raises ends the work."""
    p = softmax(rng, 150, 5)
    calls: list[tuple[int, int]] = []
    for keywords in ({}, {"k_nearest": 3}):
        both[0](p, progress=lambda *call: calls.append(call), **keywords)
    assert calls == [(64, 150), (128, 150), (150, 150)] * 2

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        both[0](p, progress=stop)
