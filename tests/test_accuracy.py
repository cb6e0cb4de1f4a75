"""Every measure against exact numbers, on every ISA, within the bounds the library states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import strategies
from accuracy_cases import bound, relative_error
from accuracy_report import MEASURES, compare
from reference import DD, MP, exact, ulp_error

import fastent
from fastent import _core

CASES = [(m.name, family) for m in MEASURES.values() for family in m.draws]


@pytest.mark.parametrize(("name", "family"), CASES, ids=[f"{m}-{f}" for m, f in CASES])
def test_bound(name: str, family: str, dtype: Any, rng: np.random.Generator) -> None:
    """The worst of each draw is within the bound."""
    measure = MEASURES[name]
    beyond = [
        str(row)
        for columns in measure.columns
        for row in compare(measure, family, dtype, columns, rng)
        if not row.within
    ]
    assert not beyond, "\n".join(beyond)


def test_every_function_states_its_bound() -> None:
    """A bound for each function, as (float32, float64)."""
    names = {
        "surprisal",
        "binary_entropy",
        "entropy",
        "cross_entropy",
        "kl_divergence",
        "binary_cross_entropy",
    }
    bounds = _core.bounds()
    assert names <= bounds.keys()
    assert all(0 < b <= (1e-6 if "kl" in n else 2.5) for n in names for b in bounds[n])
    assert bounds["kl_divergence"][1] <= 1e-14
    assert bounds["surprisal"][0] <= 1
    assert bounds["surprisal"][1] <= 0.85


def test_surprisal_of_powers_of_two(isa: str, dtype: Any) -> None:
    """surprisal(2**-k, base=2) is exactly k, down to the smallest subnormal."""
    info = np.finfo(dtype)
    k = np.arange(0, info.nmant - info.minexp + 1)
    got = fastent.surprisal(np.ldexp(dtype(1), -k), base=2)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, k)
    np.testing.assert_array_equal(
        fastent.surprisal(np.ldexp(dtype(1), np.arange(120)), base=2), -np.arange(120)
    )


def test_entropy_in_bits(isa: str, dtype: Any) -> None:
    """Rows of 2^k equal entries have exactly k bits."""
    for k in range(13):
        row = np.full((3, 2**k), 2.0**-k, dtype=dtype)
        np.testing.assert_array_equal(fastent.entropy(row, base=2), [k] * 3)
    assert fastent.entropy(np.array([0.5, 0.25, 0.25], dtype), base=2) == 1.5
    assert fastent.binary_entropy(dtype(0.5), base=2) == 1


# --- the float64 points and the float32 line, densely ---------------------------------------------

UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "surprisal": (fastent.surprisal, reference.exact_surprisal),
    "binary_entropy": (fastent.binary_entropy, reference.exact_binary_entropy),
}


def dense_error(got: np.ndarray, true: DD) -> float:
    """Largest error in ulps of got's dtype, for true values in the range of DD."""
    spacing = np.spacing(np.abs(true.hi).astype(got.dtype)).astype(np.float64)
    return float(np.max(np.abs((got.astype(np.float64) - true.hi) - true.lo) / spacing))


@pytest.mark.parametrize("name", ["kl_divergence", "jeffreys_divergence"])
def test_divergences_of_the_smallest_normal_numbers(name: str, isa: str, dtype: Any) -> None:
    """Rows whose q are within two binades of the smallest normal number, p of every size."""
    tiny = np.finfo(dtype).tiny
    q = np.linspace(0.9, 4, 60).astype(dtype) * tiny
    for p in np.ldexp(np.linspace(1, 2, 9), [-3, -9, -40, -60, -80, -100, -110, -119, -123]):
        first = np.repeat(dtype(p), 60)
        columns = first[:, None], q[:, None]
        true = reference.exact_kl_divergence(MP, *columns, None)
        if name == "jeffreys_divergence":
            true = true + reference.exact_kl_divergence(MP, *columns[::-1], None)
        for n in (1, 300):
            rows = (np.repeat(x, n, axis=1) for x in columns)
            got = getattr(fastent, name)(*rows, log_floor=None)
            error = relative_error(got, n * true, n * true, dtype)
            assert error.max() <= _core.bounds()[name][dtype == np.float64]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("family", ["uniform", "near 1", "near 1/2"])
def test_unary_densely(
    name: str,
    family: str,
    dtype: Any,
    isa: str,
    rng: np.random.Generator,
) -> None:
    """Many points where the logarithm is hardest."""
    function, twin = UNARY[name]
    p = strategies.PROBS[family](rng, 50_000, dtype)
    p = p[p < 1]
    assert dense_error(function(p), twin(DD, p)) <= bound(name, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNARY)
def test_unary_every_float32(name: str, isa: str) -> None:
    """All float32 from 0 to 1 (surprisal: to infinity); float64 logarithms are exact enough."""
    function = UNARY[name][0]
    last = np.array(np.inf if name == "surprisal" else 1, np.float32).view(np.int32)
    for start in range(1, int(last), 2**22):
        p = np.arange(start, min(start + 2**22, int(last)), dtype=np.int32).view(np.float32)
        x, got = p.astype(np.float64), function(p)
        true = -np.log(x) if name == "surprisal" else -x * np.log(x) - (1 - x) * np.log1p(-x)
        assert dense_error(got, DD(true)) <= bound(name, np.float32) + 1e-7, start


@pytest.mark.slow
@pytest.mark.parametrize("family", ["uniform", "near 1", "near 1/2"])
def test_unary_float64_by_the_million(family: str, isa: str, rng: np.random.Generator) -> None:
    """Five million float64 points of each kind."""
    for _ in range(50):
        p = strategies.PROBS[family](rng, 100_000, np.float64)
        p = p[p < 1]
        for name, (function, twin) in UNARY.items():
            assert dense_error(function(p), twin(DD, p)) <= bound(name, np.float64), name


# --- one enormous row -----------------------------------------------------------------------------

LONG: dict[str, tuple[Callable[..., Any], Callable[..., Any], int]] = {
    "entropy": (fastent.entropy, reference.exact_entropy, 1),
    "cross_entropy": (fastent.cross_entropy, reference.exact_cross_entropy, 2),
    "kl_divergence": (fastent.kl_divergence, reference.exact_kl_divergence, 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("family", ["exponential", "uniform", "ascending"])
def test_ten_million_columns(name: str, family: str, dtype: Any, rng: np.random.Generator) -> None:
    """Rows of 10^7 keep the bound of short rows."""
    function, twin, operands = LONG[name]
    n = 10_000_000
    arrays = [strategies.ROWS[f](rng, 1, n, dtype)[0] for f in (family, "softmax")[:operands]]
    true = sum(
        reference.as_mpf(twin(DD, *(a[i : i + 2**15] for a in arrays)))[()]
        for i in range(0, n, 2**15)
    )
    for isa in _core.available_isas():
        with _core.using_isa(isa):
            got = function(*arrays)
        error = (
            abs(float(got) - true) / true
            if name == "kl_divergence"
            else ulp_error(got, true, dtype)
        )
        assert error <= bound(name, dtype), (isa, got, true)


# --- the references themselves --------------------------------------------------------------------

TWINS: dict[str, tuple[Callable[..., Any], Callable[..., Any], int]] = {
    "surprisal": (reference.surprisal, reference.exact_surprisal, 1),
    "binary_entropy": (reference.binary_entropy, reference.exact_binary_entropy, 1),
    "binary_cross_entropy": (
        reference.binary_cross_entropy,
        reference.exact_binary_cross_entropy,
        2,
    ),
    "entropy": (reference.entropy, reference.exact_entropy, 1),
    "cross_entropy": (reference.cross_entropy, reference.exact_cross_entropy, 2),
    "kl_divergence": (reference.kl_divergence, reference.exact_kl_divergence, 2),
}


@pytest.mark.parametrize("name", TWINS)
def test_the_twins_agree(name: str, rng: np.random.Generator) -> None:
    """NumPy, pairs of floats and mpmath give the same values, each to its own precision."""
    plain, twin, operands = TWINS[name]
    for family in ("softmax|log_uniform", "sparse|sparse", "near 1e-01", "near 1e-07"):
        p, q = strategies.PAIRS[family](rng, 3, 20, np.float64)
        arrays = (p, q)[:operands]
        slow = reference.as_mpf(twin(MP, *arrays))
        near = name == "kl_divergence" and family.startswith("near")
        for value, true in zip(exact(twin, *arrays).ravel(), slow.ravel(), strict=True):
            assert value == true or abs(value - true) <= abs(true) * (1e-20 if near else 1e-26)
        np.testing.assert_allclose(plain(*arrays), slow.astype(float), rtol=1e-13, atol=1e-15)


def test_the_twins_agree_with_scipy(rng: np.random.Generator) -> None:
    """The definitions are those of scipy.special where no clamp is at work."""
    special = pytest.importorskip("scipy.special")
    p, q = strategies.PAIRS["sparse|softmax"](rng, 5, 30, np.float64)
    near: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(reference.entropy(p), special.entr(p).sum(-1), **near)
    np.testing.assert_allclose(reference.kl_divergence(p, q), special.kl_div(p, q).sum(-1), **near)
    plain = reference.kl_divergence(p, q, generalized=False, log_floor=None)
    np.testing.assert_allclose(plain, special.rel_entr(p, q).sum(-1), **near)
    np.testing.assert_allclose(reference.binary_entropy(p), special.entr(p) + special.entr(1 - p))
