"""return_weight: sums of chunks and what their means divide by add up to the mean of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

import fastent as fe

ROWS, CLASSES = 23, 5
CUTS = (0, 1, 1, 9, 16, ROWS)  # of chunks, one of them without rows
PAIR: dict[str, Any] = {"reduction": "sum", "return_weight": True}
draw = np.random.default_rng(4)

P, Q = draw.dirichlet(np.ones(CLASSES), (2, ROWS))
X, Y = 3 * draw.standard_normal((2, ROWS, CLASSES))
LABELS = draw.integers(0, CLASSES, ROWS)
T, U = draw.random((2, ROWS, 3))
WEIGHT = draw.random(ROWS)
CLASS_WEIGHT = draw.random(CLASSES)

# Calls of two arrays with rows along their first axis, and the options that a call is tried with.
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, Any], dict[str, tuple[Any, ...]]]] = {
    "cross_entropy": (
        fe.cross_entropy,
        (P, Q),
        {"weight": (None, WEIGHT), "normalize": (False, True), "base": (None, 2)},
    ),
    "kl_divergence": (
        fe.kl_divergence,
        (P, Q),
        {"weight": (None, WEIGHT), "normalize": (False, True), "generalized": (False, True)},
    ),
    "softmax_kl_divergence": (
        fe.softmax_kl_divergence,
        (X, Y),
        {"weight": (None, WEIGHT), "temperature": (1, 2)},
    ),
    "binary_cross_entropy": (
        fe.binary_cross_entropy,
        (T, U),
        {
            "weight": (None, WEIGHT[:, None], 3.0),
            "pos_weight": (None, 2.0),
            "label_smoothing": (0, 0.1),
        },
    ),
    "binary_cross_entropy_with_logits": (
        fe.binary_cross_entropy_with_logits,
        (T, X[:, :3]),
        {
            "weight": (None, WEIGHT[:, None], 3.0),
            "pos_weight": (None, 2.0),
            "label_smoothing": (0, 0.1),
        },
    ),
    "log_loss": (
        fe.log_loss,
        (LABELS, P),
        {
            "weight": (None, WEIGHT),
            "class_weight": (None, CLASS_WEIGHT),
            "label_smoothing": (0, 0.1, 1),
            "ignore_index": (None, 2, -7),
        },
    ),
    "log_loss of two classes": (
        fe.log_loss,
        (LABELS % 2, U[:, 0]),
        {
            "weight": (None, WEIGHT),
            "class_weight": (None, CLASS_WEIGHT[:2]),
            "label_smoothing": (0, 0.1),
            "ignore_index": (None, 1),
        },
    ),
    "softmax_cross_entropy of labels": (
        fe.softmax_cross_entropy,
        (LABELS, X),
        {
            "weight": (None, WEIGHT),
            "class_weight": (None, CLASS_WEIGHT),
            "label_smoothing": (0, 0.1, 1),
            "ignore_index": (None, 2, -7),
        },
    ),
    "softmax_cross_entropy of targets": (
        fe.softmax_cross_entropy,
        (P, X),
        {
            "weight": (None, WEIGHT),
            "class_weight": (None, CLASS_WEIGHT),
            "label_smoothing": (0, 0.1, 1),
        },
    ),
}
Options = dict[str, Any]


def options_of(name: str) -> Iterator[Options]:
    """Yield every combination of the options of a case."""
    grid = CASES[name][2]
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def part(options: Options, rows: slice) -> Options:
    """Return the options for some of the rows: their part of the weights."""
    weight = options["weight"]
    return {**options, "weight": weight[rows] if isinstance(weight, np.ndarray) else weight}


def divisor_of(name: str, truth: Any, options: Options) -> float:
    """Return what the contract says that the mean divides by, one row after the other."""
    if name.startswith("binary"):
        return float(truth.size)
    total = 0.0
    for label in truth:
        by_class = options.get("class_weight")
        if truth.ndim == 1 and label != options.get("ignore_index"):
            total += 1.0 if by_class is None else by_class[label]
        elif truth.ndim == 2:
            total += 1.0
    return total


@pytest.mark.parametrize("name", CASES)
def test_chunks_add_up(name: str) -> None:
    """Every option: the pair of the whole, and that of its chunks, one of them empty."""
    call, arrays, _ = CASES[name]
    for options in options_of(name):
        total, divisor = call(*arrays, **options, **PAIR)
        assert type(total) is type(divisor) is np.float64
        assert total.tobytes() == call(*arrays, **options, reduction="sum").tobytes()
        assert divisor == pytest.approx(divisor_of(name, arrays[0], options), rel=1e-15)
        mean = call(*arrays, **options, reduction="mean")
        assert total / divisor == pytest.approx(mean, rel=1e-14)
        parts = np.zeros(2)
        for start, stop in pairwise(CUTS):
            rows = slice(start, stop)
            parts += call(*(array[rows] for array in arrays), **part(options, rows), **PAIR)
        assert parts[0] / parts[1] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_dtypes_layouts_and_out(name: str) -> None:
    """The sum is what it is without the divisor, which is float64 whatever the dtype."""
    call, (truth, judged), _ = CASES[name]
    single = judged.astype(np.float32)
    truths = truth if truth.dtype.kind == "i" else truth.astype(np.float32)
    for arrays in (
        (truths, single),
        (truths[::-2], single[::-2]),
        (np.asfortranarray(truths), np.asfortranarray(single)),
        (truths.tolist(), judged.tolist()),
        tuple(np.repeat(array, 900, axis=0) for array in (truths, single)),
    ):
        for options in ({}, {"base": 2}):
            want = call(*arrays, reduction="sum", **options)
            total, divisor = call(*arrays, **PAIR, **options)
            assert (type(total), total.tobytes()) == (type(want), want.tobytes())
            assert type(divisor) is np.float64
            assert divisor == divisor_of(name, np.asarray(arrays[0]), options)
        out = np.empty(())
        filled, beside = call(*arrays, **PAIR, **options, out=out)
        assert filled is out
        assert (out, beside) == (total, divisor)


def test_axes() -> None:
    """Rows along several axes, along the first, of one distribution, of broadcast operands."""
    cube = draw.dirichlet(np.ones(4), (2, 3))
    calls: list[tuple[Callable[..., Any], tuple[Any, ...], Options, float]] = [
        (fe.kl_divergence, (cube, cube[0, 0]), {}, 6),
        (fe.kl_divergence, (cube[0], cube[:, :1]), {}, 6),
        (fe.cross_entropy, (cube, cube), {"axis": 1}, 8),
        (fe.cross_entropy, (cube, cube), {"axis": (0, 1)}, 4),
        (fe.softmax_kl_divergence, (cube, cube), {"axis": None}, 1),
        (fe.softmax_cross_entropy, (np.zeros((2, 4), int), cube), {"axis": 1}, 8),
        (fe.log_loss, (np.zeros((3, 4), int), cube), {"axis": 0}, 12),
        (fe.softmax_cross_entropy, (2, cube[0, 0]), {}, 1),
        (fe.binary_cross_entropy, (1, cube), {}, 24),
        (fe.binary_cross_entropy, (1, 0.5), {}, 1),
        (fe.binary_cross_entropy_with_logits, (cube[0], cube[:, :1]), {}, 24),
    ]
    for call, arrays, options, rows in calls:
        total, divisor = call(*arrays, **options, **PAIR)
        assert divisor == rows
        assert total == call(*arrays, **options, reduction="sum")


def test_targets_that_share_a_row_of_logits() -> None:
    """Smoothed or not, a row of logits counts once for each target."""
    every = np.broadcast_to(X[0], P.shape)
    for logits, whole, weight in (
        (X[0], every, WEIGHT),
        (X[:1], every, WEIGHT),
        (X[None, :2], np.broadcast_to(X[:2], (ROWS, 2, CLASSES)), WEIGHT[:, None]),
    ):
        target = P if logits.ndim < 3 else P[:, None]
        for options in options_of("softmax_cross_entropy of targets"):
            given = {**options, "weight": None if options["weight"] is None else weight}
            total, divisor = fe.softmax_cross_entropy(target, logits, **given, **PAIR)
            want = fe.softmax_cross_entropy(target, whole, **given, reduction="sum")
            assert total == pytest.approx(want, rel=1e-14)
            assert divisor == np.prod(whole.shape[:-1])
            mean = fe.softmax_cross_entropy(target, logits, **given, reduction="mean")
            assert total / divisor == pytest.approx(mean, rel=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_no_rows(name: str) -> None:
    """The sum is 0, and so is the divisor; what is added to them is the whole."""
    call, arrays, _ = CASES[name]
    for options in options_of(name):
        rows = slice(0, 0)
        pair = call(*(array[rows] for array in arrays), **part(options, rows), **PAIR)
        assert pair == (0, 0)
        assert [type(number) for number in pair] == [np.float64, np.float64]


@pytest.mark.parametrize("name", [name for name in CASES if "ignore_index" in CASES[name][2]])
def test_every_row_ignored(name: str) -> None:
    """They cost 0, and count for nothing."""
    call, (labels, judged), _ = CASES[name]
    for options in options_of(name):
        pair = call(np.ones_like(labels), judged, **{**options, "ignore_index": 1}, **PAIR)
        assert pair == (0, 0)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lazy", [False, True])
def test_errors(name: str, lazy: bool) -> None:
    """No other reduction has a divisor to give, and the message says which to ask for."""
    call, arrays, _ = CASES[name]
    if lazy:
        da = pytest.importorskip("dask.array")
        arrays = tuple(map(da.asarray, arrays))
    for options in options_of(name):
        weight = 1.0 if options["weight"] is None else options["weight"]
        for reduction in ("none", "mean", "weighted_mean"):
            given = {**options, "weight": weight, "reduction": reduction}
            with pytest.raises(ValueError, match=f"needs reduction=\"sum\", not '{reduction}'"):
                call(*arrays, **given, return_weight=True)
    with pytest.raises(ValueError, match='needs reduction="sum"'):
        call(*arrays, return_weight=True)
    with pytest.raises(ValueError, match="reduction must be one of"):
        call(*arrays, reduction="max", return_weight=True)


def test_what_is_wrong_with_the_data_is_said_as_without() -> None:
    """A bad label, a row that is no distribution, an invalid entry."""
    with pytest.raises(ValueError, match="target: element 1 is 9"):
        fe.softmax_cross_entropy([0, 9], X[:2], class_weight=CLASS_WEIGHT, **PAIR)
    with pytest.raises(ValueError, match="labels: element 1 is 9"):
        fe.log_loss([0, 9], P[:2], class_weight=CLASS_WEIGHT, **PAIR)
    with pytest.raises(ValueError, match="sums to"):
        fe.kl_divergence(2 * P, Q, check=True, **PAIR)
    for call in (fe.cross_entropy, fe.binary_cross_entropy):
        with pytest.warns(RuntimeWarning, match=f"in {call.__name__}") as caught:
            total, divisor = call([0.5, -0.5], [0.5, 0.5], **PAIR)
        assert len(caught) == 1
        assert np.isnan(total)
        assert divisor == (1 if call is fe.cross_entropy else 2)


@pytest.mark.parametrize("name", CASES)
def test_dask(name: str) -> None:
    """A pair of lazy numbers: the numbers of the arrays in memory."""
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    call, arrays, _ = CASES[name]
    pairs, wanted = [], []
    blocks = tuple(da.from_array(a, chunks=(7, -1)[: a.ndim]) for a in arrays)
    for options in options_of(name):
        given = dict(options)
        if isinstance(given["weight"], np.ndarray):
            given["weight"] = da.from_array(given["weight"], chunks=5)
        pair = call(*blocks, **given, **PAIR)
        assert [type(number) for number in pair] == [da.Array, da.Array]
        assert [(number.shape, number.dtype) for number in pair] == 2 * [((), np.float64)]
        pairs.append(pair)
        wanted.append(call(*arrays, **options, **PAIR))
    got = dask.compute(pairs, scheduler="synchronous")[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-14)


def test_dask_reads_a_block_once() -> None:
    """Sum and divisor come from the same parts; the sum has the bits that it has alone."""
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    seen: list[Any] = []

    def load(block: Any) -> Any:
        seen.append(block.shape)
        return block

    source = da.from_array(X.astype(np.float32), chunks=(4, -1)).map_blocks(
        load, meta=np.empty((0, 0), np.float32)
    )
    options: Options = {"class_weight": CLASS_WEIGHT, "ignore_index": 2}
    pair = fe.softmax_cross_entropy(LABELS, source, **options, **PAIR)
    assert seen == []
    assert [number.dtype for number in pair] == [np.float32, np.float64]
    total, divisor = dask.compute(*pair, scheduler="synchronous")
    assert len(seen) == source.npartitions
    alone = fe.softmax_cross_entropy(LABELS, source, **options, reduction="sum").compute()
    assert np.asarray(total).tobytes() == np.asarray(alone).tobytes()
    assert divisor == pytest.approx(divisor_of("labels", LABELS, options), rel=1e-15)
    some = source[da.from_array(WEIGHT > 0.5, chunks=4)]  # of unknown lengths
    total, divisor = dask.compute(*fe.softmax_kl_divergence(some, X[0], **PAIR))
    assert divisor == (WEIGHT > 0.5).sum()
    with pytest.raises(TypeError, match="out cannot take"):
        fe.softmax_kl_divergence(source, X, out=np.empty(()), **PAIR)


def test_dask_targets_that_share_a_row_of_logits() -> None:
    """Lazily too, whichever of both is lazy."""
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    options: Options = {"label_smoothing": 0.1, "class_weight": CLASS_WEIGHT}
    want = fe.softmax_cross_entropy(P, np.broadcast_to(X[0], P.shape), **options, **PAIR)
    lazy, row = da.from_array(P, chunks=(6, -1)), da.from_array(X[0], chunks=-1)
    for arrays in ((lazy, X[0]), (P, row), (lazy, row)):
        pair = fe.softmax_cross_entropy(arrays[0], arrays[1], **options, **PAIR)
        got = dask.compute(*pair)
        np.testing.assert_allclose(got, want, rtol=1e-14)


def test_derivatives_do_not_take_it() -> None:
    """They say so as Python does."""
    gradient: Any = fe.softmax_cross_entropy_grad
    with pytest.raises(TypeError, match="return_weight"):
        gradient(LABELS, X, reduction="sum", return_weight=True)
