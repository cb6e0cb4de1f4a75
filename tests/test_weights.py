"""weight, and what each reduction divides by: against NumPy, PyTorch and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from family import FAMILY
from zoo import ZOO

import fastent as fe

pytestmark = pytest.mark.usefixtures("threads_early")
SHAPE = (70, 3)
CALLS: dict[str, Callable[..., Any]] = {
    "surprisal": lambda p, q, t, y, **kw: fe.surprisal(p[..., 0], **kw),
    "binary_entropy": lambda p, q, t, y, **kw: fe.binary_entropy(p[..., 0], **kw),
    "binary_cross_entropy": lambda p, q, t, y, **kw: fe.binary_cross_entropy(t, p[..., 0], **kw),
    "with_logits": lambda p, q, t, y, **kw: fe.binary_cross_entropy_with_logits(
        t, 9 * p[..., 0] - 4, **kw
    ),
    "entropy": lambda p, q, t, y, **kw: fe.entropy(p, **kw),
    "entropy normalize": lambda p, q, t, y, **kw: fe.entropy(3 * p, normalize=True, **kw),
    "perplexity": lambda p, q, t, y, **kw: fe.perplexity(p, **kw),
    "cross_entropy": lambda p, q, t, y, **kw: fe.cross_entropy(p, q, **kw),
    "kl_divergence": lambda p, q, t, y, **kw: fe.kl_divergence(p, q, **kw),
    "plain": lambda p, q, t, y, **kw: fe.kl_divergence(p, q, generalized=False, **kw),
    **{name: lambda p, q, t, y, f=f, **kw: f(p, q, **kw) for name, f in FAMILY.items()},
    "log_loss": lambda p, q, t, y, **kw: fe.log_loss(y, p, **kw),
    "log_loss of two classes": lambda p, q, t, y, **kw: fe.log_loss(
        (y > 2).ravel(), p[..., 0].ravel(), **{k: flat(v) for k, v in kw.items()}
    ),
}


def flat(value: Any) -> Any:
    """Return a weight for a flattened result."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.broadcast_to(value, SHAPE).ravel()
    return value


def draw(rng: np.random.Generator, dtype: Any) -> tuple[Any, ...]:
    """Return two arrays of distributions, targets, labels."""
    p, q = (rng.dirichlet(np.ones(6), SHAPE).astype(dtype) for _ in range(2))
    return p, q, rng.random(SHAPE).astype(dtype), rng.integers(0, 6, SHAPE)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, bool, np.float16])
@pytest.mark.parametrize("shape", [SHAPE, (3,), (70, 1), ()])
@pytest.mark.parametrize("name", CALLS)
def test_weight(
    name: str, shape: tuple[int, ...], kind: Any, dtype: Any, rng: np.random.Generator
) -> None:
    """It multiplies results; it never raises their dtype; it enters no mean's divisor but one."""
    call, arrays = CALLS[name], draw(rng, dtype)
    weight = (rng.random(shape) * 3 + 1).astype(kind)
    each = call(*arrays).astype(np.longdouble)
    whole = flat(weight) if each.ndim == 1 else np.broadcast_to(weight, SHAPE)
    product = each * whole.astype(np.longdouble)
    tolerance = 4 * float(np.finfo(dtype).eps)
    for reduction, want in (
        ("none", product),
        ("sum", product.sum()),
        ("mean", product.sum() / each.size),
        ("weighted_mean", product.sum() / whole.astype(np.longdouble).sum()),
    ):
        got = call(*arrays, weight=weight, reduction=reduction)
        assert got.dtype == dtype
        assert np.shape(got) == np.shape(want)
        np.testing.assert_allclose(got.astype(np.longdouble), want, rtol=tolerance)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rows", [1, 32768, 32769, 200_001])
def test_bits_of_weighted_reductions(rows: int, threads: int) -> None:
    """Whatever the threads."""
    rng = np.random.default_rng(rows)
    p, weight = rng.dirichlet(np.ones(4), rows), rng.random(rows)
    for reduction in ("mean", "sum", "weighted_mean"):
        with fe.num_threads(1):
            want = fe.entropy(p, weight=weight, reduction=reduction)
            loss = fe.binary_cross_entropy(weight > 0.5, p[:, 0], weight=weight)
            low = fe.log_loss(np.zeros(rows, int), p, weight=weight, reduction=reduction)
        with fe.num_threads(threads):
            assert fe.entropy(p, weight=weight, reduction=reduction) == want
            again = fe.binary_cross_entropy(weight > 0.5, p[:, 0], weight=weight)
            assert again.tobytes() == loss.tobytes()
            assert fe.log_loss(np.zeros(rows, int), p, weight=weight, reduction=reduction) == low


def test_digits_of_a_weighted_sum(rng: np.random.Generator, dtype: Any) -> None:
    """2.5 ulp of the sum of magnitudes, weights over many orders of magnitude, of both signs."""
    x = rng.uniform(1e-6, 1, 5000).astype(dtype)
    weight = rng.standard_normal(x.size) * 10.0 ** rng.uniform(-12, 12, x.size)
    with mpmath.workdps(50):
        terms = [
            -mpmath.mpf(float(w)) * mpmath.log(float(v)) for w, v in zip(weight, x, strict=True)
        ]
        want, scale = mpmath.fsum(terms), mpmath.fsum(abs(term) for term in terms)
        for got, exact, size in (
            (fe.surprisal(x, weight=weight, reduction="sum"), want, scale),
            (fe.surprisal(x, weight=weight, reduction="mean"), want / x.size, scale / x.size),
        ):
            ulp = float(np.spacing(dtype(size)))
            assert abs(mpmath.mpf(float(got)) - exact) <= 2.5 * ulp


def test_edges() -> None:
    """No rows, no weight, weights that do not fit, infinities."""
    empty = np.empty((0, 4))
    assert np.isnan(fe.entropy(empty, reduction="weighted_mean", weight=1.0))
    assert fe.entropy(empty, reduction="sum", weight=1.0) == 0
    assert np.isnan(fe.entropy(np.full((2, 4), 0.25), weight=0, reduction="weighted_mean"))
    assert fe.surprisal([0.0, 0.5], weight=[2, 0], reduction="sum") == np.inf
    assert np.isnan(fe.surprisal([0.0, 0.5], weight=[0, 1], reduction="sum"))
    with pytest.raises(ValueError, match="divides by the sum of weight, which is missing"):
        fe.entropy([0.5, 0.5], reduction="weighted_mean")
    with pytest.raises(ValueError, match=r"weight has shape \(3,\), the results .* \(2,\)"):
        fe.entropy(np.full((2, 4), 0.25), weight=np.ones(3))
    with pytest.raises(TypeError, match="weight has dtype complex128"):
        fe.surprisal([0.5], weight=[1j])
    out = np.empty(2)
    result = fe.entropy(np.full((2, 4), 0.25), weight=[1, 2], out=out, base=2)
    assert result is out
    assert out.tolist() == [2, 4]
    kept = fe.entropy(np.full((2, 4), 0.25), weight=[1, 2], keepdims=True, base=2)
    assert kept.tolist() == [[2], [4]]
    where = fe.surprisal([0.5, 0.25], weight=[3, 3], where=[True, False], out=np.ones(2), base=2)
    assert where.tolist() == [3, 1]


def test_weights_of_any_layout(rng: np.random.Generator) -> None:
    """Fortran order, strides, byte order: as the plain copy."""
    weight = rng.random((50, 60))
    x = rng.random((50, 60))
    want = fe.surprisal(x, weight=weight, reduction="weighted_mean")
    for layout in ZOO.values():
        assert fe.surprisal(x, weight=layout(weight), reduction="weighted_mean") == want


def test_a_result_written_over_its_weights(rng: np.random.Generator) -> None:
    """The weights are read before they are gone."""
    p = rng.dirichlet(np.ones(4), 10)
    calls: list[Callable[..., Any]] = [
        lambda **kw: fe.entropy(p, **kw),
        lambda **kw: fe.surprisal(p[:, 0], **kw),
        lambda **kw: fe.log_loss([0] * 10, p, **kw),
        lambda **kw: fe.log_loss([0] * 10, p[:, 0], **kw),
    ]
    for call in calls:
        weight = rng.random(10)
        want = call(weight=weight.copy())
        assert call(weight=weight, out=weight) is weight
        assert (weight == want).all()


def test_against_scikit_learn(rng: np.random.Generator) -> None:
    """sample_weight is weight, and the mean is the weighted one."""
    metrics = pytest.importorskip("sklearn.metrics")
    prob, labels = rng.dirichlet(np.ones(5), 400), rng.integers(0, 5, 400)
    weight = rng.random(400)
    want = metrics.log_loss(labels, prob, labels=range(5))
    assert fe.log_loss(labels, prob, reduction="mean") == pytest.approx(want, rel=1e-14)
    want = metrics.log_loss(labels, prob, sample_weight=weight, labels=range(5))
    got = fe.log_loss(labels, prob, weight=weight, reduction="weighted_mean")
    assert got == pytest.approx(want, rel=1e-14)
    want = metrics.log_loss(labels, prob, labels=range(5), normalize=False)
    assert fe.log_loss(labels, prob, reduction="sum") == pytest.approx(want, rel=1e-14)
    two = metrics.log_loss(labels > 2, prob[:, 0], sample_weight=weight)
    got = fe.log_loss(labels > 2, prob[:, 0], weight=weight, reduction="weighted_mean")
    assert got == pytest.approx(two, rel=1e-14)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_against_pytorch(reduction: str, rng: np.random.Generator) -> None:
    """BCELoss with its weight, NLLLoss of logarithms, KLDivLoss with batchmean."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    t, x, weight = (rng.random((40, 7)) for _ in range(3))
    t[:5], x[0, :3] = t[:5] > 0.5, (0, 1, 1e-50)
    for w in (None, weight, weight[0]):
        tensor = None if w is None else torch.tensor(np.broadcast_to(w, t.shape).copy())
        want = functional.binary_cross_entropy(
            torch.tensor(x), torch.tensor(t), weight=tensor, reduction=reduction
        )
        got = fe.binary_cross_entropy(t, x, weight=w, reduction=reduction)
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-13)
    p, q = (rng.dirichlet(np.ones(7), 40) for _ in range(2))
    labels = rng.integers(0, 7, 40)
    want = functional.nll_loss(torch.tensor(p).log(), torch.tensor(labels), reduction=reduction)
    got = fe.log_loss(torch.tensor(labels), torch.tensor(p), reduction=reduction)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-13)
    kind = {"mean": "batchmean"}.get(reduction, reduction)
    want = functional.kl_div(torch.tensor(q).log(), torch.tensor(p), reduction=kind)
    want = want.sum(-1) if reduction == "none" else want
    got = fe.kl_divergence(p, q, reduction=reduction)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-12)
    entropies = torch.distributions.Categorical(probs=torch.tensor(p)).entropy()
    want = getattr(entropies, reduction)() if reduction != "none" else entropies
    np.testing.assert_allclose(fe.entropy(p, reduction=reduction), want.numpy(), rtol=1e-6)
