"""Plain arrays go straight to the loops: they give what planned calls give, no label slips by."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastent as fe
from fastent._core import plain_rows

SHAPES = ((3, 4), (20, 300), (5, 7, 11), (40, 1), (2, 5000), (9,), (0, 4))
REDUCTIONS = ("none", "mean", "sum")
Data = tuple[Any, Any]


@pytest.fixture(params=SHAPES, ids=str)
def data(request: pytest.FixtureRequest, dtype: Any, rng: np.random.Generator) -> Data:
    """Labels and logits."""
    shape = request.param
    logits = (3 * rng.standard_normal(shape)).astype(dtype)
    return np.asarray(rng.integers(0, shape[-1], shape[:-1])), logits


def planned(array: Any) -> Any:
    """Return the same entries two apart, which are planned."""
    if array.ndim == 0:
        return array.astype(np.int16)
    apart = np.repeat(array, 2, axis=-1)[..., ::2]
    assert array.size <= 1 or not plain_rows(apart)
    return apart


def same(got: Any, want: Any) -> None:
    """Compare values, dtypes and types, of all results."""
    for one, other in zip(
        *([a] if not isinstance(a, tuple) else a for a in (got, want)), strict=True
    ):
        assert type(one) is type(other)
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_losses(data: Data, kind: Any, reduction: str) -> None:
    """A loss of each row, or of all; its gradient; and what log_loss makes of the softmax."""
    labels, logits = data
    assert plain_rows(logits, labels.astype(kind))
    calls: tuple[Callable[..., Any], ...] = (
        lambda y, x: fe.softmax_cross_entropy(y, x, reduction=reduction, base=2, temperature=3),
        lambda y, x: fe.softmax_cross_entropy_grad(y, x, reduction=reduction),
        lambda y, x: fe.softmax_cross_entropy_grad(y, x, reduction=reduction, value_and_grad=True),
    )
    for call in calls:
        with np.errstate(all="ignore"):  # of no rows
            same(call(labels.astype(kind), logits), call(planned(labels), planned(logits)))
    if logits.ndim > 1:
        prob = fe.softmax(logits)
        want = fe.log_loss(planned(labels), planned(prob), reduction=reduction)
        same(fe.log_loss(labels.astype(kind), prob, reduction=reduction), want)


def test_rows(data: Data) -> None:
    """Several results a row, or one an entry."""
    labels, logits = data
    other = logits[..., ::-1].copy()
    for target in (labels, None):
        apart = None if target is None else planned(target)
        same(fe.score_logits(target, logits), fe.score_logits(apart, planned(logits)))
        want = fe.compare_logits(planned(logits), planned(other), apart)
        same(fe.compare_logits(logits, other, target), want)
    same(fe.softmax(logits), fe.softmax(planned(logits)))
    same(fe.log_softmax(logits), fe.log_softmax(planned(logits)))


def test_lists() -> None:
    """A list is read as an array is."""
    labels, logits = [0, 1], [[1.0, 2.0], [3.0, 4.5]]
    for call in (fe.softmax_cross_entropy, fe.softmax_cross_entropy_grad, fe.score_logits):
        same(call(labels, logits), call(np.array(labels), np.array(logits)))


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("bad", [-1, 4, -(2**31), 2**31 - 1])
@pytest.mark.parametrize(
    "function",
    [fe.softmax_cross_entropy, fe.softmax_cross_entropy_grad, fe.score_logits, fe.log_loss],
)
def test_a_bad_label_is_named(function: Callable[..., Any], bad: int, kind: Any) -> None:
    """By its place, and the number of classes."""
    with pytest.raises(ValueError, match=rf"element 1 is {bad}, .* 4 classes"):
        function(np.array([0, bad, 1], kind), np.full((3, 4), 0.25))


def test_what_is_not_plain() -> None:
    """Another shape, layout, dtype or type: somebody else has to look."""
    rows, labels = np.ones((3, 4)), np.zeros(3, int)
    assert plain_rows(rows)
    assert plain_rows(rows, labels)
    for array in (
        rows.T,
        rows[:, ::2],
        rows.astype(np.float16),
        rows.astype(">f8"),
        [1.0],
        rows[0, 0],
    ):
        assert not plain_rows(array)
    assert not plain_rows(np.ones((3, 0)))
    assert not plain_rows(np.ma.masked_array(rows))
    wrongs: list[Any] = [labels[:2], labels[:, None], labels > 0, labels.tolist(), 0]
    wrongs += [labels + 4, labels - 1, labels.astype(float), labels.astype(np.uint64)]
    for wrong in [*wrongs, labels.astype(">i8")]:
        assert not plain_rows(rows, wrong)
