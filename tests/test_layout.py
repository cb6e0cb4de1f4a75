"""However the array lies in memory, the result has the bits of the contiguous native copy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import FAMILY, SAMPLE, WITHOUT_BASE
from zoo import ZOO, reversed_twice, strided, unaligned

from fastent import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    binary_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    log_loss,
    perplexity,
    surprisal,
)

pytestmark = pytest.mark.usefixtures("isa")

POINTWISE: dict[str, Callable[..., Any]] = {
    "surprisal": lambda p, q, **kw: surprisal(p, **kw),
    "binary_entropy": lambda p, q, **kw: binary_entropy(p, **kw),
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
}
ROWS: dict[str, Callable[..., Any]] = {
    "entropy": lambda p, q, **kw: entropy(p, **kw),
    "entropy normalize": lambda p, q, **kw: entropy(p, normalize=True, **kw),
    "perplexity": lambda p, q, **kw: perplexity(p, **kw),
    "cross_entropy": cross_entropy,
    "kl_divergence": kl_divergence,
    "kl_divergence normalize": lambda p, q, **kw: kl_divergence(p, q, normalize=True, **kw),
    **{name: FAMILY[name] for name in SAMPLE},
}
MEASURES = POINTWISE | ROWS
SHAPES = [(6, 5), (3, 4, 7), (40, 33), (2, 3, 2, 5), (300, 10), (9, 1), (1, 1000), (2, 4097)]
every_measure = pytest.mark.parametrize("name", MEASURES)
every_row_measure = pytest.mark.parametrize("name", ROWS)


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, ...]:
    """Two arrays of distributions, the first with some zeros."""
    p, q = rng.dirichlet(np.ones(shape[-1]), (2, *shape[:-1]))
    p[rng.random(shape) < 0.2] = 0
    p[..., 0] += 1e-3
    return np.minimum(p, 1).astype(dtype), q.astype(dtype)


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits."""
    got, want = np.asarray(got), np.asarray(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@every_measure
@pytest.mark.parametrize("beast", ZOO)
def test_zoo(name: str, beast: str, dtype: Any, rng: np.random.Generator) -> None:
    """Both operands, either operand, every reduction."""
    measure, wild = MEASURES[name], ZOO[beast]
    for shape in SHAPES:
        p, q = draw(rng, shape, dtype)
        for reduction in ("none", "mean", "sum"):
            want = measure(p, q, reduction=reduction)
            for a, b in ((wild(p), wild(q)), (wild(p), q), (p, wild(q))):
                same(measure(a, b, reduction=reduction), want)


@every_row_measure
@pytest.mark.parametrize("beast", ["plain", *ZOO])
def test_axes(name: str, beast: str, dtype: Any, rng: np.random.Generator) -> None:
    """Any axis, counted from either end, tuples and None: as if moved last and copied."""
    measure, wild = ROWS[name], ZOO.get(beast, np.asarray)
    for shape in ((4, 5, 6), (3, 17, 40), (2, 3, 4, 5)):
        p, q = draw(rng, shape, dtype)
        a, b = wild(p), wild(q)
        ndim = len(shape)
        for size in (1, 2, ndim):
            for axes in itertools.combinations(range(ndim), size):
                rest = [i for i in range(ndim) if i not in axes]
                lead = [shape[i] for i in rest]
                want = measure(
                    *(
                        np.ascontiguousarray(x.transpose(*rest, *axes)).reshape(*lead, -1)
                        for x in (p, q)
                    )
                )
                kept = np.expand_dims(want, axes)
                for axis in (axes, tuple(i - ndim for i in axes), *(axes if size == 1 else ())):
                    same(measure(a, b, axis=axis), want)
                    same(measure(a, b, axis=axis, keepdims=True), kept)
        want = measure(p.ravel(), q.ravel())
        same(measure(a, b, axis=None), want)
        same(measure(a, b, axis=None, keepdims=True), np.reshape(want, (1,) * ndim))
        same(measure(a, b), measure(a, b, axis=ndim - 1))


@every_row_measure
@pytest.mark.parametrize("shape", [(10, 3000), (1000, 70), (2, 20_000), (5000, 3), (100, 16, 9)])
def test_first_axis_of_larger_arrays(
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    rng: np.random.Generator,
) -> None:
    """Columns of a C-ordered array, and rows of a Fortran-ordered one."""
    p, q = draw(rng, shape, dtype)
    want = ROWS[name](*(np.ascontiguousarray(np.moveaxis(x, 0, -1)) for x in (p, q)), axis=-1)
    same(ROWS[name](p, q, axis=0), want)
    same(ROWS[name](np.asfortranarray(p), np.asfortranarray(q), axis=0), want)


@pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence", "binary_cross_entropy"])
def test_broadcasting(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """One row against many, many against one, an outer product of batches; stride 0."""
    measure = MEASURES[name]
    p, q = draw(rng, (5, 4, 33), dtype)
    cases: list[Any] = [(p, q[0, 0]), (p[0, 0], q), (p[:, :1], q[:1]), (p[:1, 0], q), (p, q[:, :1])]
    if name in POINTWISE:  # distributions of different lengths are refused
        cases += [(p[..., :1], q), (p, dtype(0.5)), (0.5, q)]
    for a, b in cases:
        shape = np.broadcast_shapes(np.shape(a), np.shape(b))
        wide = [np.broadcast_to(np.asarray(x, dtype), shape) for x in (a, b)]
        want = measure(*(x.copy() for x in wide))
        same(measure(a, b), want)
        same(measure(*wide), want)
        same(measure(a, b, reduction="mean"), measure(*(x.copy() for x in wide), reduction="mean"))
    if name in ROWS:
        same(
            measure(p, q[:, :1], axis=0),
            measure(p, np.broadcast_to(q[:, :1], p.shape).copy(), axis=0),
        )


@every_row_measure
def test_stride_zero_along_the_row(name: str, dtype: Any) -> None:
    """A row that is one number in memory."""
    flat = np.broadcast_to(dtype(1 / 64), (3, 64))
    same(ROWS[name](flat, flat), ROWS[name](flat.copy(), flat.copy()))
    same(ROWS[name](flat, flat, axis=0), ROWS[name](flat.copy(), flat.copy(), axis=0))


@every_measure
def test_lists_tuples_and_buffers(name: str, rng: np.random.Generator) -> None:
    """Anything NumPy can view."""
    measure = MEASURES[name]
    p, q = draw(rng, (3, 5), np.float64)
    want = measure(p, q)
    same(measure(p.tolist(), q.tolist()), want)
    same(measure(tuple(map(tuple, p)), list(q)), want)
    same(measure(p.data, q.data), want)

    class Boxed:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return p

    same(measure(Boxed(), q), want)


@every_measure
def test_memory_mapped(name: str, dtype: Any, rng: np.random.Generator, tmp_path: Path) -> None:
    """A file opened read-only."""
    p, q = draw(rng, (50, 20), dtype)
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "q.npy", q)
    mapped = [np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in "pq"]
    got = MEASURES[name](*mapped)
    assert type(got) is np.ndarray
    same(got, MEASURES[name](p, q))


@every_measure
def test_float16(name: str, rng: np.random.Generator) -> None:
    """Read as it is, in any layout: the bits of the float32 copy."""
    p, q = draw(rng, (20, 33), np.float16)
    for wild in (np.asarray, strided, np.asfortranarray, unaligned, ZOO["byte-swapped"]):
        same(
            MEASURES[name](wild(p), wild(q)),
            MEASURES[name](p.astype(np.float32), q.astype(np.float32)),
        )


@every_measure
def test_bfloat16(name: str, rng: np.random.Generator) -> None:
    """ml_dtypes' bfloat16 too."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    p, q = draw(rng, (20, 33), np.float32)
    p, q = (x.astype(ml_dtypes.bfloat16) for x in (p, q))
    for wild in (np.asarray, strided, np.asfortranarray):
        same(
            MEASURES[name](wild(p), wild(q)),
            MEASURES[name](p.astype(np.float32), q.astype(np.float32)),
        )


@every_measure
def test_out(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Any writable array of the right shape, whatever its strides; it is what is returned."""
    measure = MEASURES[name]
    for shape in SHAPES:
        p, q = draw(rng, shape, dtype)
        want = measure(p, q)
        for make in (
            np.copy,
            strided,
            np.asfortranarray,
            reversed_twice,
            unaligned,
            ZOO["byte-swapped"],
        ):
            out = make(np.full_like(want, 7))
            assert measure(p, q, out=out) is out
            same(out.astype(dtype), want)
    scalar = np.empty((), dtype)
    for reduction in ("mean", "sum"):
        assert measure(p, q, reduction=reduction, out=scalar) is scalar
        same(scalar, measure(p, q, reduction=reduction))


@pytest.mark.parametrize("name", POINTWISE)
def test_out_may_be_an_argument(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """In place, shifted and reversed: as if the arguments had been copied first."""
    measure = POINTWISE[name]
    for n in (10, 5000, 200_000):
        p, q = (x[0] for x in draw(rng, (1, n), dtype))
        want = measure(p, q)
        everything, head, tail, back = slice(None), slice(-1), slice(1, None), slice(None, None, -1)
        for given, written in (
            (everything, everything),
            (head, tail),
            (tail, head),
            (everything, back),
        ):
            for operand in (0, 1):
                arrays = [p.copy(), q.copy()]
                out = arrays[operand][written]
                measure(*(a[given] for a in arrays), out=out)
                same(out, want[given])


@pytest.mark.parametrize("name", POINTWISE)
def test_where(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """A mask of any layout, broadcast; what it leaves out stays."""
    p, q = draw(rng, (30, 40), dtype)
    want = POINTWISE[name](p, q)
    for mask in (
        rng.random((30, 40)) < 0.5,
        np.asfortranarray(rng.random((30, 40)) < 0.5),
        rng.random(40) < 0.5,
        (rng.random((30, 1)) < 0.5),
        True,
        False,
    ):
        out = np.full_like(want, 7)
        POINTWISE[name](p, q, where=mask, out=out)
        same(out, np.where(mask, want, dtype(7)))


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.int8, np.uint64, bool])
def test_labels_of_any_kind(kind: Any, dtype: Any, rng: np.random.Generator) -> None:
    """Widths, signs, strides, byte order, lists; classes along any axis."""
    prob = draw(rng, (30, 20, 2), dtype)[1]
    labels = rng.integers(0, 2, (30, 20))
    want = surprisal(np.take_along_axis(prob, labels[..., None], -1)[..., 0], log_floor=-100)
    given = labels.astype(kind)
    same(log_loss(given, prob), want)
    for wild in ("fortran", "reversed", "unaligned", "byte-swapped"):
        same(log_loss(ZOO[wild](given), ZOO[wild](prob)), want)
    same(log_loss(given[::2, ::3], prob[::2, ::3]), want[::2, ::3])
    same(log_loss(given, np.moveaxis(prob, -1, 1), axis=1), want)
    same(log_loss(given, np.moveaxis(prob, -1, 0).copy(), axis=0), want)
    same(log_loss(given, prob, keepdims=True), want[..., None])
    same(log_loss(given.tolist(), prob), want)
    same(
        log_loss(given, prob, reduction="mean"),
        log_loss(given.ravel(), prob.reshape(-1, 2), reduction="mean"),
    )


def test_integer_targets_of_any_layout(rng: np.random.Generator, dtype: Any) -> None:
    """8-bit and wide targets, strided and swapped, give what float targets give."""
    prob = draw(rng, (30, 40), dtype)[1]
    target = rng.integers(0, 2, (30, 40))
    want = binary_cross_entropy(target.astype(dtype), prob)
    for kind in (np.int64, np.uint8, bool, ">i4", "<i2"):
        for wild in (np.asarray, strided, np.asfortranarray, reversed_twice):
            same(binary_cross_entropy(wild(target.astype(kind)), prob), want)


@every_row_measure
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [2, 3, 10, 63, 256])
def test_axis_0_with_entries_of_every_kind(name: str, dtype: Any, columns: int) -> None:
    """Zeros, subnormals, infinities, NaN and negatives: the careful form sees the right row."""
    rng = np.random.default_rng(columns)
    tiny = np.finfo(dtype).smallest_subnormal
    for rows in (2, 15, 16, 17, 50):
        p, q = (rng.dirichlet(np.ones(columns), rows).astype(dtype) for _ in range(2))
        for array in (p, q):
            for value in (0, tiny, 3 * tiny, np.inf, np.nan, -1):
                places = rng.random(array.shape) < 0.1 / columns
                array[places] = value
            array[rng.integers(rows)] *= 4 * tiny  # a sum below the normal numbers
        based = not name.startswith(WITHOUT_BASE)
        for keywords in ({}, {"base": 2}) if based else ({},):
            with np.errstate(all="ignore"):
                expected = ROWS[name](p, q, **keywords)
                got = ROWS[name](np.asfortranarray(p), np.asfortranarray(q), **keywords)
                mixed = ROWS[name](np.asfortranarray(p), q, **keywords)
            np.testing.assert_array_equal(got, expected)
            np.testing.assert_array_equal(mixed, expected)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_out_of_a_class_that_keeps_two_axes(rng: np.random.Generator) -> None:
    """Such as numpy.matrix: written where the results belong, and handed back."""
    p = rng.dirichlet(np.ones(4), 100)
    out = np.matrix(np.zeros((100, 1)))
    assert entropy(p, keepdims=True, out=out) is out
    assert (np.asarray(out).ravel() == entropy(p)).all()


def test_more_axes_than_numpy_broadcasts(rng: np.random.Generator) -> None:
    """Up to NumPy's 64."""
    p = rng.dirichlet(np.ones(4)).reshape((1,) * 40 + (4,))
    assert entropy(p).shape == (1,) * 40
    assert surprisal(p[..., ::-1]).shape == p.shape
    total = surprisal(p[..., ::-1], reduction="sum")
    assert total == surprisal(p.ravel()[::-1].copy(), reduction="sum")


@pytest.mark.slow
def test_more_than_two_to_the_31_elements() -> None:
    """Positions are 64 bits wide: rows and elements behind 2^31 are read, and told apart."""
    size = 2**31 + 4096
    memory = np.full(size, 1, np.uint8)
    memory[-4096:] = 0
    losses = binary_cross_entropy(memory.view(bool), np.float32(0.25), reduction="sum", base=2)
    expected = (size - 4096) * 2 + 4096 * -np.log2(0.75)
    assert losses == pytest.approx(expected, rel=1e-7)
    p = np.broadcast_to(np.float32(0.5), (2**31 + 2, 2))
    assert entropy(p, base=2, reduction="mean") == 1
    rows = memory[: 2**31 + 4096].reshape(-1, 4096)
    whole = entropy(rows, normalize=True, base=2)
    assert whole[-2] == 12
    assert np.isnan(whole[-1])
    labels = np.array([rows.shape[0] % 2] * 3)
    assert np.isinf(log_loss(labels, rows[-3:], log_floor=None)[-1])
