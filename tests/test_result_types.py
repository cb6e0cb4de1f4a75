"""Shapes and types of results."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastent
from fastent import (
    binary_cross_entropy,
    binary_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    log_loss,
    log_softmax,
    perplexity,
    score_logits,
    softmax,
    softmax_cross_entropy,
    softmax_entropy,
    surprisal,
    top_log_probs,
)

pytestmark = pytest.mark.usefixtures("isa")
nan, inf, ln2 = np.nan, np.inf, np.log(2)


def test_no_rows_have_a_shape(dtype: Any) -> None:
    """No rows: an empty result of the right shape and dtype; sum 0, mean NaN, in silence."""
    p = np.zeros((0, 5), dtype)
    for got in (
        entropy(p),
        cross_entropy(p, p),
        kl_divergence(p, p),
        perplexity(p),
        log_loss(np.zeros(0, int), p),
        entropy(p, normalize=True),
    ):
        assert (got.shape, got.dtype) == ((0,), dtype)
    assert entropy(np.zeros((2, 0, 3), dtype)).shape == (2, 0)
    assert entropy(np.zeros((2, 0, 3), dtype), keepdims=True).shape == (2, 0, 1)
    with np.errstate(invalid="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for f in (entropy, surprisal, binary_entropy, perplexity):
            assert f(p, reduction="sum") == 0
            assert np.isnan(f(p, reduction="mean"))
        assert binary_cross_entropy(p, p, reduction="sum") == 0
        assert np.isnan(log_loss(np.zeros(0, int), p, reduction="mean"))


def each_function(x: np.ndarray, labels: Any = (1, 0)) -> dict[str, Any]:
    """Every function of the release, applied to two rows."""
    return {
        "surprisal": surprisal(x),
        "binary_entropy": binary_entropy(x),
        "entropy": entropy(x),
        "perplexity": perplexity(x),
        "cross_entropy": cross_entropy(x, x),
        "kl_divergence": kl_divergence(x, x),
        "log_loss": log_loss(np.array(labels), x),
        "binary_cross_entropy": binary_cross_entropy(x, x),
        "softmax": softmax(x),
        "log_softmax": log_softmax(x),
        "softmax_entropy": softmax_entropy(x),
        "softmax_cross_entropy": softmax_cross_entropy(np.array(labels), x),
        "score_logits": score_logits(np.array(labels), x).margin,
        "top_log_probs": top_log_probs(x, 1).log_probs,
    }


@pytest.mark.parametrize(
    ("given", "result"),
    [(np.float64, np.float64), (np.float32, np.float32), (np.float16, np.float32)],
)
def test_result_dtype(given: Any, result: Any) -> None:
    """float64 gives float64; float32 and float16 give float32, float16 as if converted first."""
    x = np.array([[0.25, 0.75], [0.5, 0.5]], given)
    for name, got in each_function(x).items():
        assert got.dtype == result, name
        np.testing.assert_array_equal(got, each_function(x.astype(result))[name], strict=True)


def test_lists_and_scalars_follow_numpy() -> None:
    """Lists are float64; scalars are weak; labels and targets never raise the dtype."""
    x32 = np.array([0.25, 0.75], np.float32)
    assert surprisal([0.5]).dtype == np.float64
    assert surprisal(0.5).dtype == np.float64
    assert binary_cross_entropy(1.0, x32).dtype == np.float32
    assert binary_cross_entropy(x32, 0.5).dtype == np.float32
    assert binary_cross_entropy([1.0, 0.0], x32).dtype == np.float64
    for kind in (np.int64, np.int32, np.uint8, np.int8, bool):
        target = np.array([1, 0], kind)
        for prob in (x32, x32.astype(np.float16)):
            assert binary_cross_entropy(target, prob).dtype == np.float32
            assert log_loss(target, prob).dtype == np.float32
            assert log_loss(target, np.stack([prob, prob])).dtype == np.float32
        np.testing.assert_array_equal(
            binary_cross_entropy(target, x32), binary_cross_entropy(target.astype(np.float32), x32)
        )
    assert cross_entropy(x32, x32.astype(np.float64)).dtype == np.float64
    assert kl_divergence(x32.astype(np.float16), x32).dtype == np.float32


def test_zero_dimensional_results_are_numpy_scalars(dtype: Any) -> None:
    """Not Python floats, not 0-d arrays."""
    x = np.array([0.25, 0.75], dtype)
    results = [
        entropy(x),
        perplexity(x),
        cross_entropy(x, x),
        kl_divergence(x, x),
        surprisal(x[0]),
        binary_entropy(x[0]),
        binary_cross_entropy(1, x[0]),
        entropy(x, reduction="mean"),
        surprisal(x, reduction="sum"),
        binary_cross_entropy(x, x, reduction="mean"),
        log_loss(np.array([1, 0]), x, reduction="mean"),
        entropy(x[0], axis=None),
        softmax(x[0], axis=None),
        *score_logits(1, x)[:4],
        top_log_probs(x, 1).entropy,
    ]
    assert [type(r) for r in results] == [dtype] * len(results)
    assert isinstance(entropy(x, keepdims=True), np.ndarray)


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_integer_distributions(kind: Any) -> None:
    """0 and 1 count as float64; above 1 they are counts, and the message names the flag."""
    hot, many = np.eye(3, dtype=kind), np.array([[3, 1], [1, 1]], kind)
    np.testing.assert_array_equal(entropy(hot), np.zeros(3), strict=True)
    assert kl_divergence(hot, hot).dtype == np.float64
    calls: list[Callable[[], Any]] = [
        lambda: entropy(many),
        lambda: perplexity(many),
        lambda: kl_divergence(many, many),
        lambda: cross_entropy(many, [0.5, 0.5]),
        lambda: cross_entropy([0.5, 0.5], many),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="normalize=True"):
            call()
    np.testing.assert_array_equal(
        entropy(many, normalize=True), entropy(many.astype(float), normalize=True)
    )
    np.testing.assert_array_equal(
        kl_divergence(many, many[::-1], normalize=True),
        kl_divergence(many * 1.0, many[::-1] * 1.0, normalize=True),
    )


def test_results_are_new_and_inputs_untouched(rng: np.random.Generator) -> None:
    """No function writes to its arguments."""
    x = rng.dirichlet(np.ones(4), 2)
    x[0, 0] = -x[0, 0]
    before = x.copy()
    with np.errstate(invalid="ignore"):
        for got in each_function(x, [1, 3]).values():
            assert not np.shares_memory(got, x)
    np.testing.assert_array_equal(x, before)
    assert fastent.__version__


def test_weights_whose_sum_overflows(isa: str) -> None:
    """A sum beyond the largest double is no divisor: NaN, not a plausible number."""
    with np.errstate(invalid="ignore"):
        assert np.isnan(entropy([1e308, 1e308], normalize=True))
        assert np.isnan(kl_divergence([1e308, 1e308], [1.0, 1.0], normalize=True))
        assert np.isnan(cross_entropy([1.0, 1.0], [1e308, 1e308], normalize=True))
