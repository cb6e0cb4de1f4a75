"""The derivatives of binary cross entropies: accuracy, autograd, edges, layouts, out, errors."""

from __future__ import annotations

from itertools import product
from math import inf, log, nan
from typing import Any

import numpy as np
import pytest
from reference_gradients import exact_binary
from zoo import ZOO

import fastent as fe
from fastent import _core

pytestmark = pytest.mark.usefixtures("isa")

REDUCTIONS = ("none", "mean", "sum", "weighted_mean")


def ulps(name: str, dtype: Any) -> float:
    """Return what measures.def promises, as a relative error."""
    return float(_core.bounds()[name][np.dtype(dtype) == np.float64] * np.finfo(dtype).eps)


@pytest.mark.parametrize("soft", [False, True])
def test_accurate(soft: bool, dtype: Any, rng: np.random.Generator) -> None:
    """Of labels relative to the derivative itself, of soft targets to its terms."""
    n, tiny = 400, float(np.finfo(dtype).tiny)
    target = (rng.random(n) if soft else rng.integers(0, 2, n)).astype(dtype)
    x = np.concatenate([rng.normal(0, 3, n // 2), rng.uniform(-80, 80, n // 2)]).astype(dtype)
    prob = np.concatenate([rng.random(n // 2), 10.0 ** rng.uniform(-9, 0, n // 2)]).astype(dtype)
    for name, function, judged in (
        ("binary_cross_entropy_with_logits_grad", fe.binary_cross_entropy_with_logits_grad, x),
        ("binary_cross_entropy_grad", fe.binary_cross_entropy_grad, prob),
    ):
        gradient, hessian = function(target, judged)
        assert gradient.dtype == hessian.dtype == dtype
        for i in range(n):
            logits = judged is x
            first, second, size = exact_binary(float(target[i]), float(judged[i]), logits)
            allowed = ulps(name, dtype) * (size if soft else abs(first))
            assert abs(gradient[i] - first) <= allowed + tiny, (name, target[i], judged[i])
            assert abs(hessian[i] - second) <= ulps(name, dtype) * second + tiny


@pytest.mark.parametrize("logits", [False, True])
def test_pytorch_agrees(logits: bool, rng: np.random.Generator) -> None:
    """Every combination of options, in float64 to 1e-12, second derivatives too."""
    torch = pytest.importorskip("torch")
    compared, largest = 0, 0.0
    shape = (40, 3)
    x = 3 * rng.standard_normal(shape) if logits else rng.uniform(1e-3, 1 - 1e-3, shape)
    grid = product(
        (False, True),
        (None, 3.0, rng.random(3) + 0.5),
        (0, 0.1, 1),
        (None, rng.random(shape)),
        REDUCTIONS,
        (None, 2),
    )
    for soft, pos_weight, smoothing, weight, reduction, base in grid:
        if reduction == "weighted_mean" and weight is None:
            continue
        target = rng.random(shape) if soft else rng.integers(0, 2, shape)
        z = torch.from_numpy(target * (1 - smoothing) + smoothing / 2)
        of_one = z if pos_weight is None else z * torch.tensor(pos_weight, dtype=torch.float64)
        variable = torch.tensor(x, requires_grad=True)
        p = torch.sigmoid(variable) if logits else variable
        losses = -(of_one * torch.log(p) + (1 - z) * torch.log(1 - p))
        divisor = {"mean": x.size, "weighted_mean": 0 if weight is None else weight.sum()}
        factor = (1 if weight is None else weight) / divisor.get(reduction, 1)
        factor = factor / (log(base) if base else 1)
        total = (losses * torch.tensor(factor, dtype=torch.float64)).sum()
        (first,) = torch.autograd.grad(total, variable, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), variable)
        function = (
            fe.binary_cross_entropy_with_logits_grad if logits else fe.binary_cross_entropy_grad
        )
        forward = fe.binary_cross_entropy_with_logits if logits else fe.binary_cross_entropy
        options: dict[str, Any] = {
            "pos_weight": pos_weight,
            "label_smoothing": smoothing,
            "weight": weight,
            "reduction": reduction,
            "base": base,
        }
        loss, *got = function(target, x, value_and_grad=True, **options)
        np.testing.assert_array_equal(loss, forward(target, x, **options))
        for one, want in zip(got, (first.detach().numpy(), second.numpy()), strict=True):
            scale = np.abs(want).max()
            np.testing.assert_allclose(one, want, rtol=1e-11, atol=1e-13 * scale)
            largest = max(largest, float(np.abs(one - want).max() / scale))
        compared += 1
    print(f"{compared} combinations, largest difference over the largest derivative {largest:.1e}")
    assert compared == 252


NUMBERS: list[tuple[float, float, float, float]] = [
    # target, logit, gradient, Hessian
    (1, 0, -0.5, 0.25),
    (1, inf, 0, 0),
    (0, inf, 1, 0),
    (1, -inf, -1, 0),
    (0, -inf, 0, 0),
    (0.5, 0, 0, 0.25),
    (nan, 0, nan, nan),
    (1, nan, nan, nan),
]


@pytest.mark.parametrize(("target", "x", "first", "second"), NUMBERS)
def test_edges(target: float, x: float, first: float, second: float, dtype: Any) -> None:
    """In silence; a target outside [0, 1] warns."""
    with np.errstate(all="raise"):
        got = fe.binary_cross_entropy_with_logits_grad(dtype(target), np.full(20, x, dtype))
    np.testing.assert_array_equal(got[0], np.full(20, first, dtype), strict=True)
    np.testing.assert_array_equal(got[1], np.full(20, second, dtype), strict=True)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        got = fe.binary_cross_entropy_with_logits_grad(dtype(2), dtype(0))
    assert np.isnan(got).all()
    got = fe.binary_cross_entropy_grad(dtype(1), np.array([0, 1], dtype))
    np.testing.assert_allclose(got, [[-1e12, 0], [1e24, 1]], rtol=1e-6)


@pytest.mark.parametrize("layout", ZOO)
def test_layouts(layout: str, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits from every layout, in place, and on two threads."""
    x, target = rng.standard_normal((60, 70)).astype(dtype), rng.integers(0, 2, (60, 70))
    want = fe.binary_cross_entropy_with_logits_grad(target, x)
    got = fe.binary_cross_entropy_with_logits_grad(target, ZOO[layout](x))
    np.testing.assert_array_equal(got, want)
    got = fe.binary_cross_entropy_with_logits_grad(ZOO[layout](target), x)
    np.testing.assert_array_equal(got, want)
    first, second = ZOO[layout](np.zeros_like(x)), np.zeros_like(x)
    if first.flags.writeable:
        got = fe.binary_cross_entropy_with_logits_grad(target, x, out=(first, second))
        assert got[0] is first
        assert got[1] is second
        np.testing.assert_array_equal(got, want)
    own = x.copy()
    fe.binary_cross_entropy_with_logits_grad(target, own, out=(own, None))
    np.testing.assert_array_equal(own, want[0])
    with fe.num_threads(2):
        many = fe.binary_cross_entropy_with_logits_grad(np.tile(target, 200), np.tile(x, 200))
    np.testing.assert_array_equal(many[1][:, :70], want[1])


def test_types(rng: np.random.Generator) -> None:
    """What counts for the dtype, and single numbers."""
    x, target = rng.standard_normal(30), rng.integers(0, 2, 30)
    assert fe.binary_cross_entropy_with_logits_grad(target, x.astype(np.float16))[0].dtype == "f4"
    assert fe.binary_cross_entropy_with_logits_grad(0.5, x.astype(np.float32))[1].dtype == "f4"
    assert fe.binary_cross_entropy_with_logits_grad(target, x)[0].dtype == "f8"
    gradient, hessian = fe.binary_cross_entropy_with_logits_grad(1, 0.0)
    assert type(gradient) is type(hessian) is np.float64
    empty = fe.binary_cross_entropy_grad(np.empty(0), np.empty(0), reduction="mean")
    assert empty[0].shape == (0,)


def test_errors() -> None:
    """What is wrong, where, and what to do."""
    grad, x = fe.binary_cross_entropy_grad, np.full(3, 0.5)
    with pytest.raises(TypeError, match="tuple of two ndarrays"):
        grad([0, 1, 1], x, out=x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="share memory"):
        grad([0, 1, 1], x, out=(x, x))
    with pytest.raises(ValueError, match="they do not broadcast"):
        grad([0, 1], x)
    with pytest.raises(ValueError, match="out has shape"):
        grad([0, 1, 1], x, out=(np.empty(2), None))
    with pytest.raises(ValueError, match="prob"):
        grad([0, 1, 1], [0.5, 0.5, 2.0], check=True)
    with pytest.raises(ValueError, match="pos_weight"):
        grad([0, 1, 1], x, pos_weight=-1)
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="map_blocks"):
        grad([0, 1, 1], da.ones(3))
