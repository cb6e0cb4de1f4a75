"""What other libraries hold, by protocol and as tensors; what is refused, with a way out."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import fastent as fe

P = np.random.default_rng(3).dirichlet(np.ones(5), 8)


class ByArray:
    """Has __array__ and nothing else."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Return the data."""
        return P


class ByDLPack:
    """Has DLPack's two methods and nothing else."""

    def __dlpack__(self, **keywords: Any) -> Any:
        """Return the data's capsule."""
        return P.__dlpack__(**keywords)

    def __dlpack_device__(self) -> Any:
        """Say where the data is."""
        return P.__dlpack_device__()


@pytest.mark.parametrize(
    "source", [ByArray(), ByDLPack(), P.data, P.tolist(), tuple(map(tuple, P))], ids=type
)
def test_protocols(source: Any) -> None:
    """The same bits, through every door."""
    assert fe.entropy(source).tobytes() == fe.entropy(P).tobytes()
    assert fe.kl_divergence(source, P[0]).tobytes() == fe.kl_divergence(P, P[0]).tobytes()
    assert fe.surprisal(source).tobytes() == fe.surprisal(P).tobytes()
    assert fe.entropy(source, axis=0, reduction="sum") == fe.entropy(P, axis=0, reduction="sum")
    assert (fe.entropy(P, weight=fe.entropy(source)) == fe.entropy(P) ** 2).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "p is of type NoneType: pass an array or a list"),
        ({1: 2}, "p is of type dict: pass"),
        ((x for x in P), "p is of type generator: pass"),
        (np.zeros(2, ml_dtypes.float8_e4m3fn), "float8_e4m3fn: pass float64, float32 or float16"),
        (np.zeros(2, ml_dtypes.float8_e5m2), "float8_e5m2: pass float64, float32 or float16"),
        (np.zeros(2, [("a", "f4")]), "take one of its fields"),
        (np.ma.array([0.5, 0.5]), "masked array"),
        (np.array([0.5], "g"), r"beyond float64 are not computed: pass .astype\(np.float64\)"),
    ],
)
def test_refused(source: Any, message: str) -> None:
    """A TypeError that names the argument and the remedy."""
    with pytest.raises(TypeError, match=message):
        fe.entropy(source)
    with pytest.raises(TypeError, match=message):
        fe.surprisal(source)
