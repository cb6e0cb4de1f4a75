"""softmax_cross_entropy_grad: accuracy, PyTorch's autograd, edges, laws, layouts, bits, errors."""

from __future__ import annotations

from itertools import product
from math import inf, log, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from reference_gradients import exact_entry, exact_for_label
from reference_logits import DIGITS, ExactRow
from strategies import LOGITS, logits
from zoo import ZOO

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")

LENGTHS = (1, 2, 3, 10, 17, 256, 257, 1030)
LOOKED_AT = 40  # entries of a row that are held against exact numbers
REDUCTIONS = ("none", "mean", "sum", "weighted_mean")


def bound(dtype: Any) -> float:
    """Return the relative error that measures.def promises."""
    return float(_core.bounds()["softmax_cross_entropy_grad"][np.dtype(dtype) == np.float64])


@pytest.mark.parametrize("family", LOGITS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_accurate(family: str, temperature: float, dtype: Any, rng: np.random.Generator) -> None:
    """Of labels, relative to the derivative itself; of targets, to its terms."""
    least = mpf(float(np.finfo(dtype).tiny))
    for n in LENGTHS:
        x = LOGITS[family](rng, 3, n).astype(dtype)
        labels = x.argmax(-1) if n % 2 else rng.integers(0, n, 3)
        targets = rng.dirichlet(np.ones(n), 3).astype(dtype)
        got = fe.softmax_cross_entropy_grad(labels, x, temperature=temperature)
        soft = fe.softmax_cross_entropy_grad(targets, x, temperature=temperature)
        assert got.dtype == soft.dtype == x.dtype
        for r, row in enumerate(x):
            exact = ExactRow(row, temperature)
            if exact.is_empty:
                assert np.isnan(got[r]).all()
                continue
            places = {*rng.permutation(n)[:LOOKED_AT].tolist(), int(labels[r])}
            for j in places:
                true = exact_for_label(exact, labels[r], j, temperature)
                if abs(true) > least:
                    assert abs(got[r, j] - true) <= bound(dtype) * abs(true), (n, r, j)
                true, size = exact_entry(exact, targets[r], j, temperature)
                assert abs(soft[r, j] - true) <= bound(dtype) * size + least, (n, r, j)


@pytest.mark.parametrize("n", [5000, 32_001, 64_000, 64_001])
def test_kept_and_made_again(n: int, dtype: Any, rng: np.random.Generator) -> None:
    """Rows whose largest entry rises, now slowly, now far; about where exponentials are kept."""
    rise = np.repeat(rng.choice([0.0, 0.5, 30.0, 100.0], n // 1024 + 1).cumsum(), 1024)[:n]
    x = (rise + rng.standard_normal((2, n))).astype(dtype)
    wide = x.astype(np.longdouble)
    p = np.exp(wide - wide.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    labels, row, tiny = np.array([3, n - 1]), np.arange(2), np.finfo(dtype).tiny
    got = fe.softmax_cross_entropy_grad(labels, x)
    true = p.copy()
    true[row, labels] -= 1
    counted = np.abs(true) > tiny
    assert (np.abs(got - true)[counted] <= bound(dtype) * np.abs(true[counted])).all()
    targets = rng.dirichlet(np.ones(n), 2).astype(dtype)
    soft = fe.softmax_cross_entropy_grad(targets, x)
    total = targets.astype(np.longdouble).sum(-1, keepdims=True)
    allowed = bound(dtype) * np.maximum(total * p, targets) + tiny
    assert (np.abs(soft - (total * p - targets)) <= allowed).all()
    smooth = fe.softmax_cross_entropy_grad(labels, x, label_smoothing=0.3)
    true = p - 0.3 / n
    true[row, labels] -= 0.7
    allowed = bound(dtype) * np.maximum(p, 0.7 * (np.arange(n) == labels[:, None]) + 0.3 / n)
    assert (np.abs(smooth - true) <= allowed + tiny).all()


def test_pytorch_agrees(rng: np.random.Generator) -> None:
    """Every combination of options, in float64 to 1e-12; the losses are those of the forward."""
    torch = pytest.importorskip("torch")
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
        variable = torch.tensor(x, requires_grad=True)
        losses = torch.nn.functional.cross_entropy(
            variable / temperature,
            torch.from_numpy(target if soft else given),
            weight=None if class_weight is None else torch.from_numpy(class_weight),
            ignore_index=-1 if ignored is None else ignored,
            reduction="none",
            label_smoothing=smoothing,
        )
        divisor: Any = kept.size
        if reduction in ("none", "sum"):
            divisor = 1
        elif reduction == "weighted_mean":
            divisor = (kept * weight).sum()
        elif not soft:
            by_class = np.ones(7) if class_weight is None else class_weight
            divisor = (kept * by_class[np.where(kept, given, 0)]).sum()
        factor = np.ones(kept.shape) if weight is None else weight
        (losses * torch.from_numpy(factor)).sum().backward()
        want = variable.grad.numpy() / divisor / (log(base) if base else 1)
        options: dict[str, Any] = {
            "axis": 1,
            "base": base,
            "temperature": temperature,
            "class_weight": class_weight,
            "label_smoothing": smoothing,
            "reduction": reduction,
            "weight": weight,
            "ignore_index": ignored,
        }
        truth = target if soft else given
        loss, got = fe.softmax_cross_entropy_grad(truth, x, value_and_grad=True, **options)
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15 * scale)
        np.testing.assert_allclose(loss, fe.softmax_cross_entropy(truth, x, **options), rtol=1e-13)
        np.testing.assert_array_equal(fe.softmax_cross_entropy_grad(truth, x, **options), got)
        largest = max(largest, float(np.abs(got - want).max() / scale))
        compared += 1
    print(f"{compared} combinations, largest difference over the largest derivative {largest:.1e}")
    assert compared == 672


def test_differences(rng: np.random.Generator) -> None:
    """Central differences of the loss in 50 digits."""
    x, label, smoothing, step = rng.standard_normal(6), 2, 0.2, mpf("1e-20")
    weights = rng.random(6)
    got = fe.softmax_cross_entropy_grad(
        np.array(label), x, class_weight=weights, label_smoothing=smoothing, temperature=0.6
    )
    with mp.workdps(DIGITS):
        share = mpf(smoothing)
        target = [mpf(w) * ((1 - share) * (j == label) + share / 6) for j, w in enumerate(weights)]

        def loss(place: int, by: Any) -> Any:
            z = [(mpf(v) + (by if j == place else 0)) / mpf(0.6) for j, v in enumerate(x)]
            log_sum = mp.log(mp.fsum(mp.exp(v) for v in z))
            return mp.fsum(t * (log_sum - v) for t, v in zip(target, z, strict=True))

        for j in range(6):
            true = (loss(j, step) - loss(j, -step)) / (2 * step)
            assert abs(got[j] - true) <= mpf(1e-14)


EDGES: list[tuple[list[float], int, list[float]]] = [
    ([0.0], 0, [0]),
    ([1.0, 1.0], 1, [0.5, -0.5]),
    ([-inf, -inf], 0, [nan, nan]),
    ([inf, 0.0, -inf], 0, [0, 0, 0]),
    ([inf, 0.0, -inf], 1, [1, -1, 0]),
    ([inf, inf], 0, [nan, nan]),
    ([-inf, 5.0], 1, [0, 0]),
    ([-inf, 5.0], 0, [-1, 1]),
    ([nan, 0.0], 1, [nan, nan]),
    ([3e38, -3e38], 0, [0, 0]),
    ([3e38, -3e38], 1, [1, -1]),
]


@pytest.mark.parametrize(("x", "label", "want"), EDGES)
@pytest.mark.parametrize("masked", [0, 300, 1100])
def test_edges(x: list[float], label: int, want: list[float], masked: int, dtype: Any) -> None:
    """In silence, and among any number of masked classes, which have no derivative."""
    row = np.full(len(x) + masked, -inf, dtype)
    row[: len(x)] = x
    rest = [nan if np.isnan(want[0]) else 0.0] * masked
    with np.errstate(all="raise"):
        got = fe.softmax_cross_entropy_grad(np.array(label), row)
        np.testing.assert_allclose(got, [*want, *rest], rtol=bound(dtype))
        soft = fe.softmax_cross_entropy_grad((np.arange(row.size) == label).astype(dtype), row)
        np.testing.assert_allclose(soft, [*want, *rest], rtol=bound(dtype))
        smooth = fe.softmax_cross_entropy_grad(np.array(label), row, label_smoothing=1e-30)
        np.testing.assert_allclose(smooth, [*want, *rest], rtol=bound(dtype), atol=2e-30)
        zeros = fe.softmax_cross_entropy_grad(np.array(-5), row, ignore_index=-5)
        np.testing.assert_array_equal(zeros, np.zeros_like(row))


def test_shapes(dtype: Any) -> None:
    """No rows, no classes that are labels, nothing kept."""
    for shape in ((0, 4), (2, 0, 3)):
        got = fe.softmax_cross_entropy_grad(np.empty(shape[:-1], int), np.empty(shape, dtype))
        np.testing.assert_array_equal(got, np.empty(shape, dtype), strict=True)
    empty = fe.softmax_cross_entropy_grad(np.empty((3, 0), dtype), np.empty((3, 0), dtype))
    assert empty.shape == (3, 0)
    loss, got = fe.softmax_cross_entropy_grad(
        [7, 7], np.ones((2, 3), dtype), ignore_index=7, reduction="mean", value_and_grad=True
    )
    assert np.isnan(loss)
    np.testing.assert_array_equal(got, np.zeros((2, 3), dtype), strict=True)
    loss, _ = fe.softmax_cross_entropy_grad(1, np.ones(2, dtype), value_and_grad=True)
    assert type(loss) is dtype


@pytest.mark.parametrize("layout", ZOO)
@pytest.mark.parametrize("n", [7, 300])
def test_layouts(layout: str, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits from every layout, into every layout, and in place."""
    x = 3 * rng.standard_normal((6, n, 5)).astype(dtype)
    targets = np.moveaxis(rng.dirichlet(np.ones(n), (6, 5)), -1, 1).astype(dtype)
    labels = rng.integers(0, n, (6, 5))
    lying = ZOO[layout](x.copy())
    smooth: dict[str, Any] = {"label_smoothing": 0.1}
    for truth, options in ((labels, {}), (labels, smooth), (targets, {})):
        want = fe.softmax_cross_entropy_grad(truth, x.copy(), axis=1, **options)
        got = fe.softmax_cross_entropy_grad(truth, lying, axis=1, **options)
        np.testing.assert_array_equal(got, want)
        room = ZOO[layout](np.zeros_like(x))
        if room.flags.writeable:
            assert fe.softmax_cross_entropy_grad(truth, x, axis=1, out=room, **options) is room
            np.testing.assert_array_equal(room, want)
            own = ZOO[layout](x.copy())
            fe.softmax_cross_entropy_grad(truth, own, axis=1, out=own, **options)
            np.testing.assert_array_equal(own, want)
        alone = [
            fe.softmax_cross_entropy_grad(truth[i, ..., j], x[i, :, j], **options)
            for i in range(6)
            for j in range(5)
        ]
        rows = np.moveaxis(want, 1, -1).reshape(-1, n)
        np.testing.assert_array_equal(np.array(alone), rows)


@pytest.mark.parametrize("shape", [(3, 70000), (40, 3000), (9000, 10)])
@pytest.mark.usefixtures("threads_early")
def test_threads(shape: tuple[int, int], dtype: Any, rng: np.random.Generator) -> None:
    """The same bits on two threads, rows of several segments included."""
    x = rng.standard_normal(shape).astype(dtype)
    labels, weight = rng.integers(0, shape[1], shape[0]), rng.random(shape[0])
    labels[1] = -1
    options: dict[str, Any] = {
        "weight": weight,
        "ignore_index": -1,
        "reduction": "mean",
        "value_and_grad": True,
    }
    with fe.num_threads(1):
        want = fe.softmax_cross_entropy_grad(labels, x, **options)
    with fe.num_threads(2):
        got = fe.softmax_cross_entropy_grad(labels, x, **options)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


@given(x=logits(), seed=st.integers(0, 2**32 - 1))
def test_laws(x: Any, seed: int) -> None:
    """Derivatives of a row add up to 0; those of a label are negative there, and only there."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, x.shape[-1], x.shape[:-1])
    got = fe.softmax_cross_entropy_grad(labels, x)
    finite = np.isfinite(got).all(-1)
    np.testing.assert_allclose(got[finite].sum(-1), 0, atol=x.shape[-1] * bound(x.dtype))
    own = np.take_along_axis(got, labels[..., None], -1)[..., 0]
    assert (own[finite] <= 0).all()
    rest = got.copy()
    np.put_along_axis(rest, labels[..., None], 0, -1)
    assert (rest[finite] >= 0).all()


def test_halves(rng: np.random.Generator) -> None:
    """float16 logits have float32 derivatives, or their own kind where out is."""
    x, labels = rng.standard_normal((4, 30)).astype(np.float16), rng.integers(0, 30, 4)
    want = fe.softmax_cross_entropy_grad(labels, x.astype(np.float32))
    got = fe.softmax_cross_entropy_grad(labels, x)
    np.testing.assert_array_equal(got, want, strict=True)
    fe.softmax_cross_entropy_grad(labels, x, out=x)
    np.testing.assert_array_equal(x, want.astype(np.float16), strict=True)


def test_errors() -> None:
    """What is wrong, where, and what to do."""
    x, grad = np.ones((2, 3)), fe.softmax_cross_entropy_grad
    with pytest.raises(ValueError, match=r"target: element 1 is 3, but there are 3 classes"):
        grad([0, 3], x)
    with pytest.raises(ValueError, match="no axis"):
        grad(0, 1.0)
    with pytest.raises(ValueError, match=r"target has shape \(2, 4\)"):
        grad(np.ones((2, 4)), x)
    with pytest.raises(ValueError, match="differ in length"):
        grad(np.ones((2, 1)), x)
    with pytest.raises(TypeError, match="ignore_index goes with class indices"):
        grad(x, x, ignore_index=1)
    with pytest.raises(TypeError, match="class indices are integers"):
        grad([0.0, 1.0], x)
    with pytest.raises(ValueError, match="out has shape"):
        grad([0, 1], x, out=np.empty((3, 2)))
    with pytest.raises(ValueError, match="class_weight has shape"):
        grad([0, 1], x, class_weight=[1, 2])
    with pytest.raises(ValueError, match="label_smoothing must lie between 0 and 1"):
        grad([0, 1], x, label_smoothing=2)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        bad = grad([[0.5, 0.5, 0.0], [-1.0, 1.0, 1.0]], x)
    assert np.isnan(bad[1]).all()
    assert np.isfinite(bad[0]).all()
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="map_blocks"):
        grad([0, 1], da.ones((2, 3)))
