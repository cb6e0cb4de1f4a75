"""Weights of class 1 and smoothed targets of binary losses: PyTorch's arithmetic, laws, edges."""

from __future__ import annotations

from itertools import product
from math import inf, log, nan
from typing import Any

import numpy as np
import pytest
from binary_cases import LOSSES, MEASURES, draw, every_loss
from strategies import PROBS
from test_logits import LOGITS, TARGETS

import fastent as fe
from fastent import _core, binary_cross_entropy, binary_cross_entropy_with_logits

REDUCTIONS = ("none", "mean", "sum", "weighted_mean")

# ---- PyTorch ----------------------------------------------------------------------------------


def peer(judged: str, target: Any, x: Any, pos_weight: Any, smoothing: float) -> Any:
    """Return what PyTorch makes of smoothed targets; it has no weight of probabilities."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    smoothed = target * (1 - smoothing) + smoothing / 2
    rest = (1 - target) * (1 - smoothing) + smoothing / 2
    if judged == "logits":
        weight = None if pos_weight is None else torch.as_tensor(pos_weight)
        return functional.binary_cross_entropy_with_logits(
            torch.from_numpy(x), torch.from_numpy(smoothed), pos_weight=weight, reduction="none"
        ).numpy()
    if pos_weight is None:
        return functional.binary_cross_entropy(
            torch.from_numpy(x), torch.from_numpy(smoothed), reduction="none"
        ).numpy()
    return -pos_weight * smoothed * np.log(x) - rest * np.log1p(-x)


@every_loss
def test_pytorch_agrees(judged: str, rng: np.random.Generator) -> None:
    """Every combination of options, of labels and of soft targets, in float64 to 1e-12."""
    shape = (12, 5)
    soft, x = draw(judged, rng, shape)
    if judged == "logits":
        x = rng.uniform(-4, 4, shape)  # PyTorch's terms cancel: larger ones leave it 1e-11
    hard = rng.integers(0, 2, shape)
    every_weight = (None, 0.0, 2.5, rng.random(5), 7 * rng.random((12, 1)), 3 * rng.random(shape))
    compared, largest = 0, 0.0
    grid = product(
        (hard, soft),
        every_weight,
        (0.0, 0.1, 1.0),
        (None, rng.random(shape), 0.5 + rng.random(5)),
        REDUCTIONS,
        (None, 2, 10),
    )
    for target, pos_weight, smoothing, weight, reduction, base in grid:
        if reduction == "weighted_mean" and weight is None:
            continue
        want = peer(judged, target.astype(float), x, pos_weight, smoothing)
        want = want / (log(base) if base else 1)
        if weight is not None:
            want = want * weight
        if reduction != "none":
            divisors = {
                "sum": 1.0,
                "mean": want.size,
                "weighted_mean": np.broadcast_to(1.0 if weight is None else weight, shape).sum(),
            }
            want = want.sum() / divisors[reduction]
        got = LOSSES[judged](
            target,
            x,
            pos_weight=pos_weight,
            label_smoothing=smoothing,
            weight=weight,
            reduction=reduction,
            base=base,
        )
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=0)
        with np.errstate(all="ignore"):
            differences = np.nan_to_num(abs(got - want) / want)
            largest = max(largest, float(differences.max()))
        compared += 1
    print(f"{judged}: {compared} combinations, largest relative difference {largest:.1e}")
    assert compared == 2 * 6 * 3 * 3 * 11


def test_pytorch_divides_so(rng: np.random.Generator) -> None:
    """PyTorch's own reductions, which the grid above reckons from its losses."""
    torch = pytest.importorskip("torch")
    target, x = draw("logits", rng, (20, 5))
    pos_weight, weight = rng.random(5), rng.random((20, 5))
    for reduction in ("mean", "sum"):
        want = torch.nn.functional.binary_cross_entropy_with_logits(
            *map(torch.from_numpy, (x, target, weight)),
            pos_weight=torch.from_numpy(pos_weight),
            reduction=reduction,
        )
        got = binary_cross_entropy_with_logits(
            target, x, pos_weight=pos_weight, weight=weight, reduction=reduction
        )
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-12)


# ---- laws -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@every_loss
def test_a_weight_of_1_changes_no_bit(judged: str, dtype: Any, rng: np.random.Generator) -> None:
    """Nor does no smoothing: as an array and as a number, in nats, bits and any base."""
    loss = LOSSES[judged]
    families: Any = LOGITS if judged == "logits" else PROBS
    for family, kind in product(families, TARGETS):
        x, t = families[family](rng, 500, dtype), TARGETS[kind](rng, 500, dtype)
        for base in (None, 2, 3.5):
            want = loss(t, x, base=base)
            for one in (1, np.ones(500, dtype), np.ones(500, np.int8)):
                got = loss(t, x, pos_weight=one, base=base, label_smoothing=0.0)
                assert got.tobytes() == want.tobytes(), (family, kind)


@every_loss
def test_laws(judged: str, dtype: Any, rng: np.random.Generator) -> None:
    """What weights and smoothing do to labels; both act on the target alone."""
    loss = LOSSES[judged]
    labels = rng.integers(0, 2, 400)
    _, x = draw(judged, rng, 400, dtype)
    np.testing.assert_array_equal(
        loss(labels, x, pos_weight=4), np.where(labels == 1, 4, 1) * loss(labels, x)
    )
    np.testing.assert_array_equal(loss(labels, x, pos_weight=0)[labels == 1], 0)
    even = loss(np.full(400, 0.5, dtype), x)
    tolerance = {"rtol": 4 * np.finfo(dtype).eps}
    np.testing.assert_allclose(loss(labels, x, label_smoothing=1), even, **tolerance)
    smoothed = (labels * 0.75 + 0.125).astype(dtype)
    for weight in (None, 3.0):
        got = loss(labels, x, label_smoothing=0.25, pos_weight=weight)
        np.testing.assert_allclose(got, loss(smoothed, x, pos_weight=weight), **tolerance)


@every_loss
def test_smoothing_keeps_the_digits_of_sure_predictions(judged: str) -> None:
    """1 - z' is made of 1 - z, not of z': a target of 1 leaves e/2 to class 0."""
    x = 40.0 if judged == "logits" else 1 - 2.0**-53
    for smoothing in (1e-20, 1e-12, 1e-3):
        got = LOSSES[judged](1, x, label_smoothing=smoothing)
        other = 40.0 if judged == "logits" else 53 * log(2)
        own = 4.248354255291589e-18 if judged == "logits" else 2.0**-53
        np.testing.assert_allclose(got, (1 - smoothing / 2) * own + smoothing / 2 * other, 1e-14)


# ---- edges ------------------------------------------------------------------------------------

EDGES = [  # what is judged, target, prediction, pos_weight, smoothing, loss
    ("logits", 1, inf, 3.0, 0, 0),
    ("logits", 0, -inf, 3.0, 0, 0),
    ("logits", 1, -inf, 3.0, 0, inf),
    ("logits", 1, -inf, 0.0, 0, 0),
    ("logits", 0.5, -inf, 0.0, 0, 0),
    ("logits", 0, inf, 0.0, 0, inf),
    ("logits", 1, inf, 1.0, 0.1, inf),
    ("logits", 0, -inf, 1.0, 0.1, inf),
    ("logits", 0, -inf, 0.0, 0.1, 0),
    ("logits", 1, 0.0, 3.0, 0, 3 * log(2)),
    ("logits", 1, 1e30, 1e38, 0, 0),
    ("logits", nan, 0.0, 1.0, 0, nan),
    ("logits", 1, nan, 0.0, 0, nan),
    ("logits", 0, nan, 2.0, 0, nan),
    ("logits", 0, 1.0, nan, 0, nan),
    ("logits", 1, inf, nan, 0, nan),
    ("prob", 1, 0.0, 3.0, 0, 300),
    ("prob", 0, 0.0, 3.0, 0, 0),
    ("prob", 1, 1.0, 3.0, 0, 0),
    ("prob", 0, 1.0, 3.0, 0, 100),
    ("prob", 1, 0.0, 0.0, 0, 0),
    ("prob", 0.25, 0.0, 2.0, 0, 50),
    ("prob", 1, 0.0, 1.0, 0.1, 95),
    ("prob", 1, 1.0, 1.0, 0.1, 5),
    ("prob", 0, 0.0, 3.0, 1, 150),
    ("prob", 0, 1.0, 3.0, 1, 50),
    ("prob", 1, 0.5, 1e38, 0, 1e38 * log(2)),
    ("prob", nan, 0.5, 1.0, 0, nan),
    ("prob", 0, nan, 0.0, 0, nan),
    ("prob", 0, 0.0, nan, 0, nan),
    ("prob", 1, 1.0, nan, 0, nan),
]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize(("judged", "target", "x", "pos_weight", "smoothing", "want"), EDGES)
def test_edges(
    judged: str, target: Any, x: float, pos_weight: float, smoothing: float, want: float, dtype: Any
) -> None:
    """Zeros, certainty, NaN: alone and in arrays of any length, results and means, no warning."""
    options: Any = {"label_smoothing": smoothing}
    for n in (1, 15, 16, 40):
        t, predicted = np.full(n, target, dtype), np.full(n, x, dtype)
        weights = np.full(n, pos_weight, dtype)
        for w in (weights, pos_weight):
            got = LOSSES[judged](t, predicted, pos_weight=w, **options)
            np.testing.assert_allclose(got, np.full(n, want), rtol=1e-6)
            assert not (np.signbit(got) & (got == 0)).any()
        mean = LOSSES[judged](t, predicted, pos_weight=weights, reduction="mean", **options)
        np.testing.assert_allclose(mean, want, rtol=1e-6)


def test_no_floor() -> None:
    """log_floor=None: infinite, but for a weight of 0."""
    options: Any = {"log_floor": None}
    assert binary_cross_entropy(1, 0.0, pos_weight=2.0, **options) == inf
    assert binary_cross_entropy(1, 0.0, pos_weight=0.0, **options) == 0
    assert binary_cross_entropy(0, 0.0, pos_weight=2.0, **options) == 0
    assert binary_cross_entropy(1, 1.0, label_smoothing=0.1, **options) == inf
    assert binary_cross_entropy(1, 0.0, pos_weight=3.0, log_floor=-10) == 30


def test_certainty_costs_nothing_in_any_base() -> None:
    """1/log(base) may be large: e^-746 times it was no longer 0."""
    for base in (None, 2, 1.0001, 1 + 2.0**-50):
        assert binary_cross_entropy_with_logits(1, inf, base=base) == 0
        assert binary_cross_entropy_with_logits(1, 1000.0, base=base) == 0
        assert binary_cross_entropy_with_logits(1, 1000.0, base=base, pos_weight=1e38) == 0


# ---- errors -----------------------------------------------------------------------------------


@every_loss
def test_errors(judged: str) -> None:
    """What is wrong, by its name and place; before anything is computed."""
    loss: Any = LOSSES[judged]
    half = np.full(3, 0.5)
    for bad in (-1.0, 1e39, inf):
        with pytest.raises(ValueError, match=r"pos_weight: element 1 is .*\[0, 1e\+38\]"):
            loss(half, half, pos_weight=[1, bad, nan])
    with pytest.raises(ValueError, match=r"pos_weight is -2: it must lie"):
        loss(half, half, pos_weight=-2)
    with pytest.raises(ValueError, match=r"label_smoothing must lie between 0 and 1, not 1\.5"):
        loss(half, half, label_smoothing=1.5)
    with pytest.raises(TypeError, match="label_smoothing must be a number"):
        loss(half, half, label_smoothing="0.1")
    with pytest.raises(TypeError, match="pos_weight has dtype complex128"):
        loss(half, half, pos_weight=1j)
    with pytest.raises(ValueError, match=r"pos_weight has shape \(2,\).*do not broadcast"):
        loss(half, half, pos_weight=[1, 2])
    with pytest.raises(ValueError, match="target: element 1 is 2"):
        loss([0, 2, 1], half, pos_weight=2, check=True)
    for reduction in ("none", "mean"):
        with pytest.warns(RuntimeWarning, match=f"in {MEASURES[judged]}") as seen:
            got = loss([0, 2, 1], half, pos_weight=2, reduction=reduction)
        assert np.isnan(got).sum() == 1
        assert len(seen) == 1
    if judged == "prob":
        with pytest.raises(ValueError, match=r"prob: element 0 is 1\.5"):
            loss([0, 1], [1.5, 0.5], pos_weight=9, check=True)


# ---- arrays of every kind ---------------------------------------------------------------------


@every_loss
def test_layouts_and_dtypes(judged: str, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits from any layout and dtype that holds the same numbers; the result's dtype."""
    loss = LOSSES[judged]
    t, x = draw(judged, rng, (40, 33), dtype)
    t = np.rint(t)
    w = rng.integers(0, 9, (40, 33))
    options: Any = {"label_smoothing": 0.1}
    want = loss(t, x, pos_weight=w.astype(dtype), **options)
    mean = loss(t, x, pos_weight=w.astype(dtype), reduction="mean", **options)
    for kind in (np.int8, np.uint16, np.int64, np.float16, np.float32, np.float64):
        weights = w.astype(kind)
        for target in (t, t.astype(bool), t.astype(np.int32), np.asfortranarray(t)):
            got = loss(target, x, pos_weight=weights, **options)
            assert got.dtype == dtype
            assert got.tobytes() == want.tobytes()
            assert loss(target, x, pos_weight=weights, reduction="mean", **options) == mean
    swapped = x.astype(x.dtype.newbyteorder())
    got = loss(t[::-1, ::-1], swapped[::-1, ::-1], pos_weight=w[::-1, ::-1], **options)
    assert got[::-1, ::-1].tobytes() == want.tobytes()
    assert loss(t[3, 4], x[3, 4], pos_weight=w[3, 4], **options) == want[3, 4]
    for one in (2, 2.0, [2.0], np.float64(2), np.full((40, 1), 2.0), np.full(33, 2, np.int16)):
        got = loss(t, x, pos_weight=one)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, loss(t, x, pos_weight=np.full_like(t, 2)))


@every_loss
def test_float16(judged: str, rng: np.random.Generator) -> None:
    """Smaller types count as float32, in every operand; none is read as another."""
    t, x = draw(judged, rng, 3000, np.float16)
    w = rng.random(3000).astype(np.float16)
    single = [a.astype(np.float32) for a in (t, w, x)]
    want = LOSSES[judged](single[0], single[2], pos_weight=single[1], label_smoothing=0.1)
    for chosen in product((0, 1), repeat=3):
        one, other, last = ((a, b)[i] for a, b, i in zip((t, w, x), single, chosen, strict=True))
        got = LOSSES[judged](one, last, pos_weight=other, label_smoothing=0.1)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, want)


@every_loss
def test_out_and_where(judged: str, dtype: Any, rng: np.random.Generator) -> None:
    """Elements that are not chosen stay; out may be an operand, or of another dtype or layout."""
    loss = LOSSES[judged]
    t, x = draw(judged, rng, (30, 20), dtype)
    w = rng.random(20)
    options: Any = {"pos_weight": w, "label_smoothing": 0.1}
    want = loss(t, x, **options)
    chosen = rng.random((30, 20)) < 0.5
    out = np.full((30, 20), 7, dtype)
    assert loss(t, x, where=chosen, out=out, **options) is out
    np.testing.assert_array_equal(out, np.where(chosen, want, 7))
    wide = np.empty((20, 30)).T
    assert loss(t, x, out=wide, **options) is wide
    np.testing.assert_array_equal(wide, want)
    weight = rng.random((30, 20))
    got = loss(t, x, out=out, weight=weight, **options)
    np.testing.assert_allclose(got, want * weight, rtol=1e-6)
    loss(t, x, out=x, **options)
    np.testing.assert_array_equal(x, want)
    with pytest.raises(ValueError, match="where= chooses elements"):
        loss(t, x, where=chosen, reduction="mean", **options)


@every_loss
def test_lazy(judged: str, rng: np.random.Generator) -> None:
    """Dask arrays give what arrays give; a weight that is lazy is looked at when computed."""
    da = pytest.importorskip("dask.array")
    loss = LOSSES[judged]
    t, x = draw(judged, rng, (40, 9))
    w, weight = rng.random((40, 9)), rng.random((40, 9))

    def lazy(array: Any) -> Any:
        return da.from_array(array, chunks=(7, 4))

    for reduction, given in product(REDUCTIONS, (w, w[0], 2.5, None)):
        options: Any = {"reduction": reduction, "weight": weight, "label_smoothing": 0.1}
        want = loss(t, x, pos_weight=given, **options)
        weights = [given] if np.ndim(given) < 2 else [given, lazy(given)]
        for pos_weight in weights:
            got = loss(lazy(t), lazy(x), pos_weight=pos_weight, **options)
            assert isinstance(got, da.Array)
            np.testing.assert_allclose(got.compute(), want, rtol=1e-14)
    single = loss(lazy(t), lazy(x.astype(np.float32)), pos_weight=lazy(w), base=2)
    assert single.dtype == np.float64  # as the targets
    single = loss(lazy(t > 0.5), lazy(x.astype(np.float32)), pos_weight=lazy(w), base=2)
    assert single.dtype == single.compute().dtype == np.float32
    chosen = lazy(t > 0.5)
    got = loss(t, lazy(x), pos_weight=w, where=chosen).compute()
    np.testing.assert_array_equal(got[t > 0.5], loss(t, x, pos_weight=w)[t > 0.5])
    with pytest.raises(ValueError, match="pos_weight: element"):
        loss(lazy(t), x, pos_weight=-w)
    result = loss(t, x, pos_weight=lazy(-w))
    with pytest.raises(ValueError, match="pos_weight: element"):
        result.compute()


@pytest.mark.usefixtures("threads_early")
@every_loss
def test_same_bits(judged: str, dtype: Any, rng: np.random.Generator) -> None:
    """Any number of threads, any instruction set with FMA, any position in an array."""
    loss = LOSSES[judged]
    t, x = draw(judged, rng, 70001, dtype)
    w = rng.uniform(0, 3, 70001).astype(dtype)
    calls: list[Any] = [{"reduction": r, "label_smoothing": 0.1} for r in ("none", "mean", "sum")]
    with fe.num_threads(1):
        want = [np.asarray(loss(t, x, pos_weight=w, **call)).tobytes() for call in calls]
    for threads in (2, 5):
        with fe.num_threads(threads):
            got = [np.asarray(loss(t, x, pos_weight=w, **call)).tobytes() for call in calls]
        assert got == want
    for name in _core.available_isas()[1:]:
        with _core.using_isa(name):
            got = [np.asarray(loss(t, x, pos_weight=w, **call)).tobytes() for call in calls]
        assert got == want or _core.isa() == "portable"
    whole = loss(t, x, pos_weight=w)
    for start in (1, 15, 16, 69990):
        part = slice(start, start + 11)
        np.testing.assert_array_equal(loss(t[part], x[part], pos_weight=w[part]), whole[part])


def test_no_temporary_as_large_as_the_input(rng: np.random.Generator) -> None:
    """Means of broadcast weights and of labels take blocks alone."""
    tracemalloc = pytest.importorskip("tracemalloc")
    x = rng.standard_normal((1000, 1000)).astype(np.float32)
    labels, w = x > 0, np.linspace(0, 2, 1000)
    settings: Any = {"pos_weight": w, "label_smoothing": 0.1, "reduction": "mean"}
    binary_cross_entropy_with_logits(labels, x, **settings)
    tracemalloc.start()
    _core.scratch_peak()
    binary_cross_entropy_with_logits(labels, x, **settings)
    peak = tracemalloc.get_traced_memory()[1] + _core.scratch_peak()
    tracemalloc.stop()
    assert peak < 2e6
