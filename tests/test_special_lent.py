"""The dtypes of fastent.special's ufuncs that are left to SciPy: complex numbers, long double."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from special_cases import UFUNCS

from fastent import _core

LENT = [
    (name, letter)
    for name, ufunc in UFUNCS.items()
    for letter in ("g", "F", "D")
    if any(types.startswith(letter) for types in ufunc.types)
]


def same(got: Any, want: Any) -> None:
    """Compare dtype, shape and bits."""
    np.testing.assert_array_equal(got, want, strict=True)
    for part in (np.real, np.imag):
        np.testing.assert_array_equal(np.signbit(part(got)), np.signbit(part(want)))


@pytest.mark.parametrize(("name", "letter"), LENT)
def test_lent_dtypes_are_scipys(name: str, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, in every layout, also when SciPy's public names are ours."""
    scipy_special = pytest.importorskip("scipy.special")
    ours, theirs = UFUNCS[name], getattr(scipy_special, name)
    monkeypatch.setattr(f"scipy.special.{name}", ours)
    x, y = np.random.default_rng(3).uniform(0.5, 2, (2, 600)).astype(letter)
    if letter != "g":
        x, y = x + 1j * y, y - 0.5j * x
    arrays = (x, y)[: ours.nin]
    want = theirs(*arrays)
    assert want.dtype == np.dtype(letter)
    same(ours(*arrays), want)
    same(ours(*(a[::-2] for a in arrays)), want[::-2])
    same(ours(*(a.reshape(20, 30).T for a in arrays)), want.reshape(20, 30).T)
    same(ours(*arrays, where=x.real > 1, out=x.copy()), np.where(x.real > 1, want, x))
    if ours.nin == 2:
        same(ours(x[:, None], y[:3]), theirs(x[:, None], y[:3]))
        same(ours.accumulate(x[:20]), theirs.accumulate(x[:20]))
        assert ours.reduce(x[:20]) == theirs.reduce(x[:20])
        mixed = ours(x, y.real.astype(np.float32))
        same(mixed, theirs(x, y.real.astype(np.float32)))


@pytest.mark.parametrize(("name", "letter"), LENT)
def test_lent_dtypes_without_scipy(name: str, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TypeError that says so, whatever the call; floats are computed as ever."""
    monkeypatch.setattr(_core, "_lenders", {})
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    ufunc = UFUNCS[name]
    arrays = (np.ones(2000, letter),) * ufunc.nin
    message = f"{name} of .*: install scipy, or pass float64 or float32"
    calls = [arrays, tuple(a[0] for a in arrays), tuple(a[::2] for a in arrays)]
    for operands in calls:
        with pytest.raises(TypeError, match=message):
            ufunc(*operands)
    with pytest.raises(TypeError, match=message):
        ufunc(*arrays, where=np.arange(2000) % 3 == 0, out=np.ones(2000, letter))
    if ufunc.nin == 2:
        with pytest.raises(TypeError, match=message):
            ufunc.reduce(arrays[0])
    assert ufunc(*[0.5] * ufunc.nin) is not None
