"""The losses of softmaxes with all their options at once: PyTorch's arithmetic, and the edges."""

from itertools import product
from math import inf, log, nan
from typing import Any

import numpy as np
import pytest

import fastent as fe

REDUCTIONS = ("none", "mean", "sum", "weighted_mean")


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request: pytest.FixtureRequest) -> Any:
    """Return one of the dtypes that kernels have."""
    return request.param


def _reduced(losses: Any, weight: Any, divisor: Any, reduction: str) -> Any:
    """Return the reduction of losses that are weighted by class already."""
    losses = losses if weight is None else losses * weight
    if reduction == "none":
        return losses
    return losses.sum() / (divisor if reduction != "sum" else 1)


def test_pytorch_agrees(rng: np.random.Generator) -> None:
    """Every combination of options, of labels and of distributions, in float64 to 1e-12."""
    torch = pytest.importorskip("torch")
    loss = torch.nn.functional.cross_entropy
    compared, largest = 0, 0.0
    grid = product(
        (False, True),
        (None, rng.random(7)),
        (None, 3, -100),
        (0, 0.1, 1),
        (None, rng.random((12, 4))),
        REDUCTIONS,
        (1, 1.7),
        (None, 2),
    )
    x = 3 * rng.standard_normal((12, 7, 4))
    x[0, 2] -= 200
    labels = rng.integers(0, 7, (12, 4))
    labels[::3] = 3
    target = np.moveaxis(rng.dirichlet(np.ones(7), (12, 4)), -1, 1)
    for soft, class_weight, ignored, smoothing, weight, reduction, temperature, base in grid:
        if (soft and ignored is not None) or (reduction == "weighted_mean" and weight is None):
            continue
        given = np.where(labels == 3, ignored, labels) if ignored else labels
        kept = np.ones(given.shape, bool) if ignored is None else given != ignored
        want = loss(
            torch.from_numpy(x / temperature),
            torch.from_numpy(target if soft else given),
            weight=None if class_weight is None else torch.from_numpy(class_weight),
            ignore_index=-1 if ignored is None else ignored,
            reduction="none",
            label_smoothing=smoothing,
        ).numpy()
        divisor: Any = kept.size
        if reduction == "weighted_mean":
            divisor = (kept * weight).sum()
        elif not soft:
            by_class = np.ones(7) if class_weight is None else class_weight
            divisor = (kept * by_class[np.where(kept, given, 0)]).sum()
        want = _reduced(want, weight, divisor, reduction) / (log(base) if base else 1)
        got = fe.softmax_cross_entropy(
            target if soft else given,
            x,
            axis=1,
            base=base,
            temperature=temperature,
            class_weight=class_weight,
            label_smoothing=smoothing,
            reduction=reduction,
            weight=weight,
            ignore_index=ignored,
        )
        np.testing.assert_allclose(got, want, rtol=1e-12)
        with np.errstate(all="ignore"):
            largest = max(largest, float(np.nanmax(abs(got - want) / want)))
        compared += 1
    print(f"{compared} combinations, largest relative difference {largest:.1e}")
    assert compared == 672


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("soft", [False, True])
def test_pytorch_divides_so(reduction: str, soft: bool, rng: np.random.Generator) -> None:
    """PyTorch's own reductions, which the grid above reckons from its losses."""
    torch = pytest.importorskip("torch")
    x, class_weight = rng.standard_normal((50, 7)), rng.random(7)
    target = rng.dirichlet(np.ones(7), 50) if soft else rng.integers(0, 7, 50)
    for smoothing, ignored in product((0, 0.1, 1), (None,) if soft else (None, 3)):
        want = torch.nn.functional.cross_entropy(
            torch.from_numpy(x),
            torch.from_numpy(target),
            weight=torch.from_numpy(class_weight),
            ignore_index=-1 if ignored is None else ignored,
            reduction=reduction,
            label_smoothing=smoothing,
        )
        got = fe.softmax_cross_entropy(
            target,
            x,
            class_weight=class_weight,
            label_smoothing=smoothing,
            reduction=reduction,
            ignore_index=ignored,
        )
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("soft", [False, True])
def test_lazy(soft: bool, reduction: str, rng: np.random.Generator) -> None:
    """Dask arrays give what arrays give, divisors of means included."""
    da = pytest.importorskip("dask.array")
    x, weight = rng.standard_normal((40, 9)), rng.random(40)
    target = rng.dirichlet(np.ones(9), 40) if soft else rng.integers(0, 9, 40)
    options: dict[str, Any] = {"class_weight": rng.random(9), "reduction": reduction}
    if not soft:
        options["ignore_index"] = 4
    for smoothing in (0, 0.2):
        options |= {"label_smoothing": smoothing, "weight": weight}
        got = fe.softmax_cross_entropy(target, da.from_array(x, chunks=(7, 9)), **options)
        assert isinstance(got, da.Array)
        want = fe.softmax_cross_entropy(target, x, **options)
        np.testing.assert_allclose(got.compute(), want, rtol=1e-14)


def test_same_bits(dtype: Any, rng: np.random.Generator) -> None:
    """A row alone, any number of threads: the same losses, the same mean."""
    x = (3 * rng.standard_normal((600, 300))).astype(dtype)
    labels = rng.integers(0, 300, 600)
    options: dict[str, Any] = {"class_weight": rng.random(300), "label_smoothing": 0.1}
    want = fe.softmax_cross_entropy(labels, x, **options)
    mean = fe.softmax_cross_entropy(labels, x, **options, reduction="mean")
    for threads in (1, 2, 5):
        with fe.num_threads(threads):
            np.testing.assert_array_equal(fe.softmax_cross_entropy(labels, x, **options), want)
            assert mean == fe.softmax_cross_entropy(labels, x, **options, reduction="mean")
    for r in (0, 17, 599):
        assert want[r] == fe.softmax_cross_entropy(labels[r], x[r], **options)
        swapped = x[r : r + 1].T.astype(x.dtype.newbyteorder())
        got = fe.softmax_cross_entropy(labels[r : r + 1], swapped, axis=0, **options)
        assert want[r] == got[0]


def test_smoothing_leaves_masked_classes_alone(dtype: Any, rng: np.random.Generator) -> None:
    """The share of a masked class goes to the others; axis, keepdims and out as ever."""
    for n in (5, 300, 1500):
        x = (3 * rng.standard_normal((4, n))).astype(dtype)
        masked = rng.random((4, n)) < 0.4
        masked[:, 1] = False
        x[masked] = -inf
        labels = np.ones(4, int)
        got = fe.softmax_cross_entropy(labels, x, label_smoothing=0.2)
        for r in range(4):
            few = x[r, ~masked[r]]
            label = int((~masked[r])[:1].sum())
            want = fe.softmax_cross_entropy(label, few, label_smoothing=0.2)
            np.testing.assert_allclose(got[r], want, rtol=1e-6 if dtype == np.float32 else 1e-13)
        kept = fe.softmax_cross_entropy(labels, x.T, axis=0, keepdims=True, label_smoothing=0.2)
        np.testing.assert_array_equal(kept, got[None])
        out = np.empty(4, dtype)
        assert fe.softmax_cross_entropy(labels, x, label_smoothing=0.2, out=out) is out
        np.testing.assert_array_equal(out, got)


def test_weights_and_ignored_rows(dtype: Any, rng: np.random.Generator) -> None:
    """What a weighted mean divides by; an ignored row costs 0 whatever its logits."""
    x = rng.standard_normal((6, 4)).astype(dtype)
    labels = np.array([0, 1, 2, 3, -1, 1])
    weight = rng.random(6)
    losses = fe.softmax_cross_entropy(labels, x, ignore_index=-1)
    assert losses[4] == 0
    x[4] = nan
    kept = labels >= 0
    for reduction, want in (
        ("mean", (losses * weight)[kept].sum() / 5),
        ("weighted_mean", (losses * weight)[kept].sum() / weight[kept].sum()),
        ("sum", (losses * weight)[kept].sum()),
    ):
        got = fe.softmax_cross_entropy(
            labels, x, ignore_index=-1, weight=weight, reduction=reduction
        )
        np.testing.assert_allclose(got, want, rtol=1e-6)
    nothing = fe.softmax_cross_entropy([-1], x[:1], ignore_index=-1, reduction="mean")
    assert np.isnan(nothing)


def test_float16(rng: np.random.Generator) -> None:
    """Smaller types count as float32, in every operand."""
    x = rng.standard_normal((9, 50)).astype(np.float16)
    labels = rng.integers(0, 50, 9)
    options: dict[str, Any] = {"class_weight": rng.random(50), "label_smoothing": 0.1}
    got = fe.softmax_cross_entropy(labels, x, **options)
    assert got.dtype == np.float32
    want = fe.softmax_cross_entropy(labels, x.astype(np.float32), **options)
    np.testing.assert_array_equal(got, want)
    target = rng.dirichlet(np.ones(50)).astype(np.float32)  # one row: all three of one shape
    options = {"class_weight": rng.random(50)}
    got = fe.softmax_cross_entropy(target, x[0], **options)
    assert got == fe.softmax_cross_entropy(target, x[0].astype(np.float32), **options)
