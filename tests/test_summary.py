"""Summaries of parts, merged, are the summary of the whole: every number, whatever the parts."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastent.cli import summary
from fastent.cli.fields import Comparison, FieldMeans
from fastent.cli.summary import Histogram, Mean, Spread, Statistics, Summary
from fastent.cli.sums import ExactSum

Array = NDArray[Any]
SPECIAL = st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan])
EVERY = st.floats(-1e300, 1e300) | st.floats(0, 1, width=32) | SPECIAL
FINITE = st.floats(allow_nan=False, allow_infinity=False)
DTYPES = st.sampled_from([np.float32, np.float64])


def arrays(values: Sequence[float], dtype: Any) -> Array:
    """Return numbers as an array; what float32 cannot hold is infinite."""
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(dtype)


def split(values: Array, places: Sequence[int]) -> list[Array]:
    """Return the parts between places, some of them perhaps empty."""
    cuts = sorted(place % (len(values) + 1) for place in places)
    return np.split(values, cuts)


def merged(parts: Sequence[Summary], travel: bool) -> Summary:
    """Return the first part with all others in it, perhaps after a journey."""
    if travel:
        parts = [pickle.loads(pickle.dumps(part)) for part in parts]
    first, *others = parts
    for other in others:
        before = repr(other.as_dict())
        first.merge(other)
        assert repr(other.as_dict()) == before
    return first


def check_laws(
    new: Callable[[], Summary], blocks: Sequence[Any], order: Sequence[int], travel: bool
) -> dict[str, Any]:
    """Assert that parts give the whole: one after the other, in any order, in any grouping."""

    def parts() -> list[Summary]:
        made = [new() for _ in blocks]
        for place, (part, block) in enumerate(zip(made, blocks, strict=True)):
            part.add(block, place)
        return made

    whole = new()
    for place, block in enumerate(blocks):
        whole.add(block, place)
    assert whole.null_rows == whole.as_dict()["null_rows"] == sum(range(len(blocks)))
    want = repr(whole.as_dict())
    assert repr(merged([new(), *parts(), new()], travel).as_dict()) == want
    made = parts()
    assert repr(merged([made[place] for place in order], travel).as_dict()) == want
    middle = len(blocks) // 2
    made = parts()
    halves = [merged(half, travel) for half in (made[:middle], made[middle:]) if half]
    for half in halves:
        half.as_dict()  # to look at it changes nothing
    together = merged(halves, travel)
    assert repr(together.as_dict()) == want
    assert (together.rows, together.nan_rows) == (whole.rows, whole.nan_rows)
    return whole.as_dict()


BLOCKS = {
    "values": st.lists(EVERY, max_size=60),
    "places": st.lists(st.integers(0, 60), max_size=5),
    "dtype": DTYPES,
    "travel": st.booleans(),
    "data": st.data(),
}


@given(limit=st.sampled_from([1, 7, 40, 1 << 21]), **BLOCKS)
def test_statistics(
    values: list[float], places: list[int], dtype: Any, travel: bool, data: Any, limit: int
) -> None:
    """Counts, mean, extremes, quartiles: kept values or a histogram, here or from elsewhere."""
    blocks = split(arrays(values, dtype), places)
    order = data.draw(st.permutations(range(len(blocks))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "KEPT_VALUES", limit)
        found = check_laws(Statistics, blocks, order, travel)
        numbers = np.concatenate(blocks)
        numbers = numbers[~np.isnan(numbers)]
        assert found["quartiles"] == ("exact" if len(numbers) <= limit else "approximate")
    if len(numbers):
        assert (found["min"], found["max"]) == (numbers.min(), numbers.max())
    if len(numbers) and np.isfinite(numbers).all():
        exact = sum(map(Fraction, numbers.tolist()), Fraction()) / len(numbers)
        assert found["mean"] == float(exact)
    if found["quartiles"] == "exact" and len(numbers):
        ordered = np.sort(numbers)
        places = [k * (len(numbers) - 1) // 4 for k in (1, 2, 3)]
        for name, place in zip(("quartile_1", "median", "quartile_3"), places, strict=True):
            low, high = ordered[place], ordered[min(place + 1, len(numbers) - 1)]
            assert low <= found[name] <= high


@given(**BLOCKS)
def test_comparison(
    values: list[float], places: list[int], dtype: Any, travel: bool, data: Any
) -> None:
    """Means and standard errors of all fields, and the quantiles."""
    blocks = []
    for part in split(arrays(values, dtype), places):
        fields = {"kl_divergence": part, "same_prediction": part > 0.5, "entropy_p": part[::-1]}
        blocks.append(fields)
    order = data.draw(st.permutations(range(len(blocks))))
    check_laws(Comparison, blocks, order, travel)


@given(**BLOCKS)
def test_field_means(
    values: list[float], places: list[int], dtype: Any, travel: bool, data: Any
) -> None:
    """Means, accuracy, perplexity."""
    blocks = []
    for part in split(arrays(values, dtype), places):
        fields: dict[str, Array] = {"entropy": part, "cross_entropy": part[::-1]}
        fields |= {"rank": np.arange(len(part)) % 3, "log_probs": -np.stack([part, part], 1)}
        blocks.append(fields)
    order = data.draw(st.permutations(range(len(blocks))))
    with np.errstate(over="ignore", invalid="ignore"):
        check_laws(lambda: FieldMeans(None), blocks, order, travel)


@given(st.lists(FINITE, max_size=40), st.integers(0, 3000), DTYPES, st.integers(-40, 40))
def test_exact_sum(few: list[float], count: int, dtype: Any, scale: int) -> None:
    """No bit is lost, among numbers of any sizes and signs."""
    rng = np.random.default_rng(count)
    numbers = rng.standard_normal(count) * np.exp2(rng.integers(-abs(scale), 1, count))
    values = np.concatenate([arrays(few, np.float64), numbers]).astype(np.float64)
    with np.errstate(over="ignore"):
        values = values.astype(dtype)
    values = values[np.isfinite(values)]
    found = ExactSum()
    for part in np.array_split(values, 3):
        found.add(part)
    exact = sum(map(Fraction, values.tolist()), Fraction())
    assert found.exact() == exact
    assert pickle.loads(pickle.dumps(found)).exact() == exact


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("octaves", [0, 15, 25, 40, 70])
@pytest.mark.parametrize("sign", [1, -1])
def test_exact_sum_of_many(dtype: Any, octaves: int, sign: int, rng: np.random.Generator) -> None:
    """Each of its ways: narrow and wide ranges, more than a piece, zeros among them."""
    values = rng.random(40_001) + 0.5
    values *= np.exp2(-octaves * rng.random(len(values)))
    values[rng.random(len(values)) < 0.1] = 0
    values = (sign * values).astype(dtype)
    for chosen in (values, values[values != 0]):
        found = ExactSum()
        found.add(chosen)
        assert found.mean(1) == math.fsum(chosen.tolist())
        assert found.exact() == sum(map(Fraction, chosen.tolist()), Fraction())


def test_sums_beyond_the_range() -> None:
    """A mean that is a number is found, though the sum is none."""
    mean = Mean()
    for _ in range(3000):
        mean.add(np.array([1.5e308, 1e308]))
    assert mean.value == 1.25e308
    mean.add(np.array([math.inf]))
    assert mean.value == math.inf
    mean.add(np.array([-math.inf]))
    assert math.isnan(mean.value)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(-1e9, 1e9), DTYPES)
def test_standard_error(values: list[float], shift: float, dtype: Any) -> None:
    """Of numbers far from zero too, where the difference of two sums would lose all digits."""
    numbers = arrays(values, dtype) + dtype(shift)
    spread = Spread()
    for part in np.array_split(numbers, 3):
        spread.add(part)
    exact = [Fraction(number) for number in numbers.tolist()]
    mean = sum(exact, Fraction()) / len(exact)
    variance = sum(((x - mean) ** 2 for x in exact), Fraction()) / (len(exact) - 1)
    assert spread.mean == float(mean)
    # A square of less than 1e-292 may lose digits that no double has.
    assert spread.standard_error == pytest.approx(
        math.sqrt(variance / len(exact)), rel=1e-15, abs=1e-150
    )


def test_what_travels_is_small(rng: np.random.Generator) -> None:
    """Kept values alone, not the blocks they are parts of; counts that are not 0; few sums."""
    blocks = rng.random((100, 10_000)).astype(np.float32)
    statistics = Statistics()
    for block in blocks:
        statistics.add(block[:100])
    assert len(pickle.dumps(statistics)) < 4 * 100 * 100 + 2000
    want = statistics.as_dict()
    assert pickle.loads(pickle.dumps(statistics)).as_dict() == want
    for block in blocks:
        statistics.add(block)
    statistics.condense()
    assert len(pickle.dumps(statistics)) < 1 << 18
    mean = Mean()
    for block in rng.standard_normal((5000, 7)):
        mean.add(block)
    assert len(pickle.dumps(mean)) < 500


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=50))
def test_histogram(values: list[float]) -> None:
    """Values come back in order, each by less than 0.05 % nearer to zero."""
    histogram = Histogram()
    histogram.add(np.array(values, np.float32))
    found = [histogram.value_at(rank) for rank in range(len(values))]
    want = np.sort(np.array(values, np.float32)).tolist()
    # Zeros of either sign are equal; subnormal numbers have fewer bits.
    np.testing.assert_allclose(found, want, rtol=1 / 2048, atol=1e-41)
    assert all(abs(one) <= abs(other) for one, other in zip(found, want, strict=True))


def test_a_summary_that_is_merged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is taken in again by another one has not grown meanwhile."""
    monkeypatch.setattr(summary, "KEPT_VALUES", 3)
    parts = [Statistics(), Statistics()]
    for part in parts:
        part.add(np.arange(5.0))
    first, second = merged([Statistics(), *parts], False), merged([Statistics(), *parts], False)
    assert first.as_dict() == second.as_dict()
    assert first.as_dict()["quartile_3"] == 3
