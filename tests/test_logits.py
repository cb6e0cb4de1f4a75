"""Measures of logits: accuracy, edges, laws, agreement with PyTorch, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from reference import MP, ulp_error

from fastent import _core, binary_cross_entropy, binary_cross_entropy_with_logits, sigmoid

pytestmark = pytest.mark.usefixtures("isa")

inf, nan = np.inf, np.nan
Draw = Callable[[np.random.Generator, int, Any], Any]
LOGITS: dict[str, Draw] = {
    "ordinary": lambda rng, n, dtype: (3 * rng.standard_normal(n)).astype(dtype),
    "near 0": lambda rng, n, dtype: (10.0 ** rng.uniform(-40, 0, n) * _signs(rng, n)).astype(dtype),
    "wide": lambda rng, n, dtype: rng.uniform(-80, 80, n).astype(dtype),
    "extreme": lambda rng, n, dtype: rng.uniform(-760, 760, n).astype(dtype),
    "sure": lambda rng, n, dtype: (_signs(rng, n) * rng.uniform(30, 37, n)).astype(dtype),
}
TARGETS: dict[str, Draw] = {
    "labels": lambda rng, n, dtype: rng.integers(0, 2, n).astype(dtype),
    "soft": lambda rng, n, dtype: rng.random(n).astype(dtype),
    "nearly hard": lambda rng, n, dtype: (10.0 ** rng.uniform(-30, 0, n)).astype(dtype),
}
every_draw = pytest.mark.parametrize("family", LOGITS)


def _signs(rng: np.random.Generator, n: int) -> Any:
    return rng.choice([-1.0, 1.0], n)


def bound(name: str, dtype: Any) -> float:
    """Return what measures.def promises."""
    return float(_core.bounds()[name][np.dtype(dtype) == np.float64])


@every_draw
def test_sigmoid_is_accurate(family: str, dtype: Any, rng: np.random.Generator) -> None:
    """Against exact numbers."""
    x = LOGITS[family](rng, 3000, dtype)
    got, true = sigmoid(x), reference.exact_sigmoid(x)
    assert got.dtype == dtype
    limit = np.where(true.astype(float) < np.finfo(dtype).tiny, 1, bound("sigmoid", dtype))
    assert (ulp_error(got, true, dtype) <= limit).all()


@every_draw
@pytest.mark.parametrize("kind", TARGETS)
def test_losses_are_accurate(family: str, kind: str, dtype: Any, rng: np.random.Generator) -> None:
    """Each element, in nats and bits, and sums of any length."""
    t, x = TARGETS[kind](rng, 2000, dtype), LOGITS[family](rng, 2000, dtype)
    true = reference.exact_binary_cross_entropy_with_logits(t, x)
    tiny = true.astype(float) < np.finfo(dtype).tiny
    name = "binary_cross_entropy_with_logits"
    for base, unit in ((None, mpf(1)), (2, 1 / mp.log(2))):
        got = binary_cross_entropy_with_logits(t, x, base=base)
        assert got.dtype == dtype
        error = ulp_error(got, true * unit, dtype)
        assert (error <= np.where(tiny, 1, bound(name, dtype))).all()
    allowed = bound(name + "_sum", dtype)
    for n in (1, 15, 16, 17, 300, 2000):
        total = binary_cross_entropy_with_logits(t[:n], x[:n], reduction="sum")
        exact = sum(true[:n])
        least = mpf(float(np.finfo(dtype).smallest_subnormal))
        assert abs(mpf(float(total)) - exact) <= allowed * exact + least, n


@pytest.mark.parametrize("x", [0.0, 1e-20, 0.3, 30.0, 86.9, 87.1, 100.0, 707.0, 709.0, 740.0])
def test_constant_losses(x: float, dtype: Any) -> None:
    """One logit many times: what is lost once is lost every time."""
    for target in (0, 1, 0.5, 1e-30):
        for sign in (1, -1):
            logits, t = np.full(9000, sign * x, dtype), np.full(9000, target, dtype)
            got = binary_cross_entropy_with_logits(t, logits, reduction="sum")
            one = reference.exact_binary_cross_entropy_with_logits(t[:1], logits[:1])[0]
            error = abs(mpf(float(got)) - 9000 * one)
            least = mpf(float(np.finfo(dtype).smallest_subnormal))
            allowed = bound("binary_cross_entropy_with_logits_sum", dtype) * 9000 * one
            assert error <= allowed + least * (9000 if one < np.finfo(dtype).tiny else 1)


def test_equal_losses(dtype: Any, rng: np.random.Generator) -> None:
    """Fresh logits, sixteen times a lane each: the worst that additions can lose."""
    target = np.ones(400, dtype)
    logits = rng.uniform(0, 25, 400).astype(dtype)
    exact = 256 * reference.exact_binary_cross_entropy_with_logits(target, logits)
    rows = np.repeat(logits, 256).reshape(400, 256)
    allowed = bound("binary_cross_entropy_with_logits_sum", dtype)
    for row, true in zip(rows, exact, strict=True):
        got = binary_cross_entropy_with_logits(np.ones(256, dtype), row, reduction="sum")
        assert abs(mpf(float(got)) - true) <= allowed * true


EDGES = [  # target, logit, loss
    (1, inf, 0),
    (0, -inf, 0),
    (0, inf, inf),
    (1, -inf, inf),
    (0.5, inf, inf),
    (0.5, -inf, inf),
    (1, 1e30, 0),
    (0, 1e30, 1e30),
    (1, nan, nan),
    (0, nan, nan),
    (nan, 0, nan),
    (nan, inf, nan),
    (0, 0, np.log(2)),
    (1, -0.0, np.log(2)),
    (True, 0, np.log(2)),
]


@pytest.mark.parametrize(("target", "logit", "want"), EDGES)
def test_edges(target: Any, logit: float, want: float, dtype: Any) -> None:
    """Alone, and summed at lengths that take every path."""
    for n in (1, 3, 16, 40, 5000):
        t, x = np.full(n, target), np.full(n, logit, dtype)
        t = t if t.dtype.kind in "bi" else t.astype(dtype)
        got = binary_cross_entropy_with_logits(t, x)
        np.testing.assert_allclose(got, np.full(n, want, dtype), rtol=1e-6)
        assert not (np.signbit(got) & (got == 0)).any()
        total = binary_cross_entropy_with_logits(t, x, reduction="mean")
        np.testing.assert_allclose(total, dtype(want), rtol=1e-6)


@pytest.mark.parametrize("target", [-0.5, 1.5, -inf, inf, 2])
def test_a_target_that_is_no_probability(target: Any, dtype: Any) -> None:
    """NaN and one warning, in results and sums of any length; with check=True an error."""
    for n in (1, 16, 50, 5000):
        t = np.zeros(n, np.asarray(target).dtype)
        t[n // 2] = target
        x = np.full(n, 0.5, dtype)
        for reduction in ("none", "sum", "mean"):
            with pytest.warns(RuntimeWarning, match="in binary_cross_entropy_with_logits") as seen:
                got = binary_cross_entropy_with_logits(t, x, reduction=reduction)
            assert np.isnan(got).sum() == 1
            assert len(seen) == 1
        with pytest.raises(ValueError, match=rf"target: element {n // 2} is .*\[0, 1\]"):
            binary_cross_entropy_with_logits(t, x, check=True)


def test_logits_are_not_checked() -> None:
    """check=True asks for targets in [0, 1]; logits may be anything."""
    assert binary_cross_entropy_with_logits([1], [50.0], check=True)[0] > 0


def test_sigmoid_at_the_edges() -> None:
    """0, 1 and 1/2 where they belong; NaN passes silently."""
    got = sigmoid([-inf, inf, 0, -0.0, nan, -800, 800])
    np.testing.assert_array_equal(got, [0, 1, 0.5, 0.5, nan, 0, 1])
    assert sigmoid(-745.0) > 0
    assert sigmoid(np.float32(-100)) > 0
    out = np.full(3, -1.0)
    result = sigmoid(np.zeros(3), where=np.array([True, False, True]), out=out)
    assert result is out
    np.testing.assert_array_equal(out, [0.5, -1, 0.5])


@given(st.floats(-750, 750), st.floats(0, 1))
def test_laws(x: float, t: float) -> None:
    """Symmetric under x -> -x and t -> 1 - t, monotone, and the loss of the sigmoid."""
    left, right = sigmoid(x), sigmoid(-x)
    assert left + right == pytest.approx(1, abs=4e-16)
    assert sigmoid(np.nextafter(x, inf)) >= left * (1 - 1e-15)
    one, other = (float(binary_cross_entropy_with_logits(a, b)) for a, b in ((t, x), (1 - t, -x)))
    assert one == pytest.approx(other, rel=1e-13, abs=abs(x) * 1e-16)
    assert one >= 0
    if abs(x) < 15:
        assert one == pytest.approx(float(binary_cross_entropy(t, left)), rel=1e-9, abs=1e-12)


def test_like_pytorch(rng: np.random.Generator) -> None:
    """Values, means and sums of torch.nn.functional's function."""
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.binary_cross_entropy_with_logits
    x, t = 20 * rng.standard_normal((50, 7)), rng.random((50, 7))
    weight = rng.random(7)
    for reduction in ("none", "mean", "sum"):
        for w in (None, weight):
            want = theirs(
                torch.from_numpy(x),
                torch.from_numpy(t),
                weight=None if w is None else torch.from_numpy(w),
                reduction=reduction,
            )
            got = binary_cross_entropy_with_logits(t, x, weight=w, reduction=reduction)
            np.testing.assert_allclose(got, want.numpy(), rtol=1e-12)


def test_the_references(rng: np.random.Generator) -> None:
    """NumPy's twins and the exact ones agree."""
    t, x = rng.random(50), 10 * rng.standard_normal(50)
    np.testing.assert_allclose(reference.sigmoid(x), reference.exact_sigmoid(x).astype(float))
    exact = reference.exact_binary_cross_entropy_with_logits(t, x)
    plain = reference.binary_cross_entropy_with_logits(t, x)
    np.testing.assert_allclose(plain, exact.astype(float), rtol=1e-12)
    assert MP(t).dtype == object
