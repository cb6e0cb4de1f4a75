"""Ragged rows: offsets that are none, and what does not go with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastent as fe

P = np.full(10, 0.5)


@pytest.mark.parametrize(
    ("values", "offsets", "message"),
    [
        (P.reshape(2, 5), [0, 5], r"p has shape \(2, 5\): with offsets, rows lie in an array of"),
        (np.float64(0.5), [0, 1], r"p has shape \(\)"),
        (P, [[0, 5]], r"offsets has shape \(1, 2\): it needs one axis"),
        (P, 3, r"offsets has shape \(\): it needs one axis"),
        (P, [], "offsets is empty: n rows have n [+] 1 offsets"),
        (P, [[0, 1], [2]], "offsets cannot be read as an array"),
        (P, [0, 4, 3, 2, 10], r"offsets\[2\] is 3, below the one before, 4"),
        (P, np.array([0, 9, 7], np.uint8), r"offsets\[2\] is 7, below the one before, 9"),
        (P, [-1, 4], r"offsets\[0\] is -1: offsets are 0 or more"),
        (P, [2, -3, 11], r"offsets\[1\] is -3: offsets are 0 or more"),
        (P, [2, 3, 11, 12], r"offsets\[2\] is 11, but p has 10 entries"),
        (P, np.array([0, 2**64 - 1], np.uint64), r"offsets\[1\] is 18446744073709551615, but"),
        (P, np.array([0, 2**63 - 1, 2**63 - 2]), r"offsets\[1\] is 9223372036854775807, but"),
        (P, [*range(1000)], r"offsets\[11\] is 11, but p has 10 entries"),
        (P, [*[3] * 600, 2], r"offsets\[600\] is 2, below the one before, 3"),
        (np.arange(10), [0, 10], "p holds integers above 1, such as 9: pass normalize=True"),
    ],
)
def test_refused(values: Any, offsets: Any, message: str) -> None:
    """A ValueError that names the first bad place."""
    for reduction in ("none", "mean"):
        with pytest.raises(ValueError, match=message):
            fe.entropy(values, offsets=offsets, reduction=reduction)


def test_refused_otherwise() -> None:
    """Offsets that are no integers, and keywords that rows without axes have no use for."""
    for wrong in ([0.0, 10.0], [False, True], ["0", "1"], [None, 3]):
        with pytest.raises(TypeError, match=r"offsets has dtype .*: offsets are integers, such as"):
            fe.entropy(P, offsets=wrong)
    for axis in (0, None, (0,)):
        with pytest.raises(ValueError, match=r"axis=.* cannot be given with offsets"):
            fe.entropy(P, offsets=[0, 10], axis=axis)
    with pytest.raises(ValueError, match="keepdims=True cannot be given with offsets"):
        fe.kl_divergence(P, P, offsets=[0, 10], keepdims=True)
    with pytest.raises(ValueError, match="p has 10 entries and q 9: with offsets, one entry lies"):
        fe.kl_divergence(P, P[:9], offsets=[0, 9])
    with pytest.raises(ValueError, match=r"out has shape \(2,\), the result \(1,\)"):
        fe.entropy(P, offsets=[0, 10], out=np.empty(2))
    with pytest.raises(ValueError, match=r"weight has shape \(2,\), the results"):
        fe.entropy(P, offsets=[0, 10], weight=[1, 2])
    with pytest.raises(ValueError, match="reduction must be one of"):
        fe.entropy(P, offsets=[0, 10], reduction="max")
    with pytest.raises(TypeError, match="p is a masked array"):
        fe.entropy(np.ma.masked_array(P), offsets=[0, 10])
    with pytest.raises(TypeError):
        fe.surprisal(P, offsets=[0, 10])  # type: ignore[call-arg]


def test_dask_says_what_to_do() -> None:
    """A TypeError, whichever argument is lazy."""
    da = pytest.importorskip("dask.array")
    lazy, offsets = da.from_array(P), da.from_array(np.array([0, 10]))
    for p, q, places, weight in (
        (lazy, P, [0, 10], None),
        (P, lazy, [0, 10], None),
        (P, P, offsets, None),
        (P, P, [0, 10], lazy[:1]),
    ):
        with pytest.raises(TypeError, match=r"takes no Dask arrays: call .compute\(\) first"):
            fe.kl_divergence(p, q, offsets=places, weight=weight)
