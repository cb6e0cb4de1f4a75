"""Class weights, label smoothing and ignored rows of log_loss: PyTorch's arithmetic, edges."""

from __future__ import annotations

from itertools import product
from math import inf, log, nan
from typing import Any

import numpy as np
import pytest
import reference
from mpmath import mp, mpf
from reference import ulp_error

import fastent as fe
from fastent import _core, log_loss

REDUCTIONS = ("none", "mean", "sum", "weighted_mean")


def draw(rng: np.random.Generator, shape: tuple[int, ...], classes: int | None) -> tuple[Any, Any]:
    """Return labels and rows of probabilities; of class 1, if no number of classes is given."""
    if classes is None:
        return rng.integers(0, 2, shape), rng.uniform(1e-6, 1 - 1e-6, shape)
    return rng.integers(0, classes, shape), rng.dirichlet(np.ones(classes), shape)


def log_probs(prob: Any, flat: bool) -> Any:
    """Return what PyTorch takes: logarithms of rows of all classes, which lie along axis 1."""
    return np.stack([np.log1p(-prob), np.log(prob)], 1) if flat else np.log(prob)


# ---- PyTorch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flat", [False, True], ids=["rows", "class 1"])
def test_pytorch_agrees(flat: bool, rng: np.random.Generator) -> None:
    """Every combination of options, in float64 to 1e-12."""
    torch = pytest.importorskip("torch")
    shape, classes = ((60,), 2) if flat else ((12, 4), 7)
    labels, prob = draw(rng, shape, None if flat else classes)
    if not flat:
        prob = np.moveaxis(prob, -1, 1)
    compared, largest = 0, 0.0
    grid = product(
        (None, rng.random(classes), np.arange(classes)),
        (None, 1, -100),
        (0, 0.1, 1),
        (None, rng.random(shape), 0.5 + rng.random(shape[-1])),
        REDUCTIONS,
        (None, 2, 10),
    )
    for class_weight, ignored, smoothing, weight, reduction, base in grid:
        if reduction == "weighted_mean" and weight is None:
            continue
        given = np.where(labels == 1, ignored, labels) if ignored else labels
        kept = np.ones(shape, bool) if ignored is None else given != ignored
        by_class = np.ones(classes) if class_weight is None else class_weight
        want = torch.nn.functional.cross_entropy(
            torch.from_numpy(log_probs(prob, flat)),
            torch.from_numpy(given),
            weight=None if class_weight is None else torch.from_numpy(by_class).double(),
            ignore_index=-1 if ignored is None else ignored,
            reduction="none",
            label_smoothing=smoothing,
        ).numpy()
        want = want / (log(base) if base else 1)
        weights = np.broadcast_to(1.0 if weight is None else weight, shape)
        if reduction == "none":
            want = want * weights
        else:
            divisors = {
                "sum": 1.0,
                "mean": (kept * by_class[np.where(kept, given, 0)]).sum(),
                "weighted_mean": (kept * weights).sum(),
            }
            with np.errstate(all="ignore"):  # of two classes, nothing may be left
                want = (want * weights).sum() / divisors[reduction]
        got = log_loss(
            given,
            prob,
            axis=0 if flat else 1,
            class_weight=class_weight,
            label_smoothing=smoothing,
            ignore_index=ignored,
            weight=weight,
            reduction=reduction,
            base=base,
        )
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=0)
        with np.errstate(all="ignore"):
            differences = np.nan_to_num(abs(got - want) / want)
            largest = max(largest, float(differences.max()))
        compared += 1
    print(f"{compared} combinations, largest relative difference {largest:.1e}")
    assert compared == 3 * 3 * 3 * 11 * 3


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_pytorch_divides_so(reduction: str, rng: np.random.Generator) -> None:
    """Its own reductions, of nll_loss and of cross_entropy."""
    torch = pytest.importorskip("torch")
    labels, prob = draw(rng, (50,), 7)
    class_weight = rng.random(7)
    keywords = {"weight": torch.from_numpy(class_weight), "ignore_index": 3, "reduction": reduction}
    operands = torch.from_numpy(np.log(prob)), torch.from_numpy(labels)
    options: Any = {"class_weight": class_weight, "ignore_index": 3, "reduction": reduction}
    want = torch.nn.functional.nll_loss(*operands, **keywords)
    np.testing.assert_allclose(log_loss(labels, prob, **options), want.numpy(), rtol=1e-12)
    want = torch.nn.functional.cross_entropy(*operands, label_smoothing=0.2, **keywords)
    got = log_loss(labels, prob, label_smoothing=0.2, **options)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-12)


# ---- digits -----------------------------------------------------------------------------------


def exact_losses(labels: Any, prob: Any, class_weight: Any, smoothing: float) -> Any:
    """Return losses of rows as exact numbers."""
    surprisals = -np.frompyfunc(mp.log, 1, 1)(reference.MP(prob.astype(float)))
    rows = np.arange(len(labels))
    weights = reference.MP(class_weight)
    share = mpf(smoothing)
    spread = (weights * surprisals).sum(-1) * share / len(class_weight)
    return spread + (1 - share) * weights[labels] * surprisals[rows, labels]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("classes", [3, 40, 1000])
def test_losses_are_accurate(classes: int, dtype: Any, rng: np.random.Generator) -> None:
    """Within 4 ulp: two products of 0.5 + 0.85 and of 2 ulp and of rounded weights, and a sum."""
    rows = 40 if classes < 1000 else 6
    labels = rng.integers(0, classes, rows)
    prob = rng.dirichlet(np.ones(classes), rows).astype(dtype)
    class_weight = rng.integers(1, 9, classes) / 4
    for smoothing in (0.0, 0.1, 0.5, 1.0):
        true = exact_losses(labels, prob, class_weight, smoothing)
        got = log_loss(labels, prob, class_weight=class_weight, label_smoothing=smoothing)
        assert got.dtype == dtype
        assert (ulp_error(got, true, dtype) <= 4).all()
        total = log_loss(
            labels, prob, class_weight=class_weight, label_smoothing=smoothing, reduction="sum"
        )
        assert ulp_error(np.array([total]), np.array([true.sum()]), dtype)[0] <= 4


# ---- laws and edges ---------------------------------------------------------------------------


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("flat", [False, True], ids=["rows", "class 1"])
def test_options_that_change_nothing(flat: bool, dtype: Any, rng: np.random.Generator) -> None:
    """Weights of 1, no smoothing and a label that no row has: the same losses, bit for bit."""
    labels, prob = draw(rng, (300,), None if flat else 5)
    prob = prob.astype(dtype)
    want = log_loss(labels, prob)
    ones = np.ones(2 if flat else 5)
    for options in ({"class_weight": ones}, {"ignore_index": -1}, {"label_smoothing": 0}):
        some: Any = options
        assert log_loss(labels, prob, **some).tobytes() == want.tobytes()
        for reduction in ("mean", "sum"):
            got = log_loss(labels, prob, reduction=reduction, **some)
            plain = log_loss(labels, prob, reduction=reduction)
            np.testing.assert_allclose(got, plain, rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("flat", [False, True], ids=["rows", "class 1"])
def test_definition(flat: bool, dtype: Any, rng: np.random.Generator) -> None:
    """The NumPy twin, with probabilities of 0 and 1: one of 0 is no masked class."""
    labels, prob = draw(rng, (60,), None if flat else 6)
    prob[:20] = rng.integers(0, 2, 20) if flat else np.eye(6)[rng.integers(0, 6, 20)]
    prob = prob.astype(dtype)
    class_weight = rng.random(2 if flat else 6)
    for floor, smoothing, ignored, weights in product(
        (-100.0, -3.0, None), (0, 0.25, 1), (None, 1), (None, class_weight)
    ):
        options: Any = {
            "log_floor": floor,
            "label_smoothing": smoothing,
            "ignore_index": ignored,
            "class_weight": weights,
        }
        want = reference.log_loss(labels, prob, **options)
        np.testing.assert_allclose(log_loss(labels, prob, **options), want, rtol=1e-5)


def test_two_classes_agree_with_rows(rng: np.random.Generator) -> None:
    """Probabilities of class 1 are rows of two; with smoothing they are binary losses."""
    labels = rng.integers(0, 2, 200)
    prob = rng.integers(1, 1024, 200) / 1024
    rows = np.stack([1 - prob, prob], -1)
    for weights, smoothing in product((None, [1, 3], [0, 2], [2, 0], [-1, 2]), (0, 0.1, 1)):
        options: Any = {"class_weight": weights, "label_smoothing": smoothing}
        if weights == [-1, 2] and smoothing > 0:
            continue  # a row's weights are no distribution's
        got, want = log_loss(labels, prob, **options), log_loss(labels, rows, **options)
        np.testing.assert_allclose(got, want, rtol=1e-13)
    binary = fe.binary_cross_entropy(labels, prob, label_smoothing=0.1)
    np.testing.assert_array_equal(log_loss(labels, prob, label_smoothing=0.1), binary)
    binary = fe.binary_cross_entropy(labels, prob, label_smoothing=0.1, pos_weight=3)
    got = log_loss(labels, prob, label_smoothing=0.1, class_weight=[1, 3])
    np.testing.assert_allclose(got, binary, rtol=1e-14)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("flat", [False, True], ids=["rows", "class 1"])
@pytest.mark.parametrize("smoothing", [0, 0.1, 1])
def test_ignored_rows_cost_nothing(flat: bool, smoothing: float, dtype: Any) -> None:
    """Whatever they hold, without a warning, and whatever their weight; they leave the mean."""
    for n, label in product((1, 2, 15, 16, 70, 3000), (-100, 7, 1)):
        labels = np.zeros(n, np.int16)
        prob = np.full(n if flat else (n, 3), 0.25, dtype)
        weight = np.ones(n)
        labels[::2], weight[::2] = label, nan
        prob[::2] = nan
        prob[::4] = -1
        options: Any = {"ignore_index": label, "label_smoothing": smoothing}
        got = log_loss(labels, prob, **options)
        assert (got[::2] == 0).all()
        assert not np.signbit(got).any()
        assert (got[1::2] > 0.2).all()
        for reduction in ("mean", "sum", "weighted_mean"):
            some = log_loss(labels, prob, weight=weight, reduction=reduction, **options)
            kept = got[1::2].sum(dtype=float) / (1 if reduction == "sum" else max(n // 2, 1))
            if n == 1 and reduction != "sum":
                assert np.isnan(some)
                continue
            np.testing.assert_allclose(some, kept, rtol=1e-6)


def test_invalid_probabilities() -> None:
    """NaN and one warning, as without options, under log_loss's own name."""
    for prob in (np.array([0.5, -0.5, 0.25]), np.array([[0.5, 0.5], [-0.5, 1.5], [0.25, 0.75]])):
        labels = np.zeros(3, int)
        for reduction, smoothing in product(("none", "mean"), (0, 0.1)):
            options: Any = {"reduction": reduction, "label_smoothing": smoothing}
            with pytest.warns(RuntimeWarning, match="encountered in log_loss") as seen:
                got = log_loss(labels, prob, class_weight=[1, 2], **options)
            assert np.isnan(got).sum() == 1
            assert len(seen) == 1


def test_errors() -> None:
    """What is wrong, by its name."""
    prob = np.full((3, 4), 0.25)
    with pytest.raises(ValueError, match=r"class_weight has shape \(3,\), but there are 4 classes"):
        log_loss([0, 1, 2], prob, class_weight=[1, 1, 1])
    with pytest.raises(ValueError, match=r"class_weight has shape \(4,\), but there are 2 classes"):
        log_loss([0, 1, 1], prob[:, 0], class_weight=np.ones(4))
    for bad in (-0.1, 1.5, nan):
        for reduction in ("none", "mean"):
            with pytest.raises(ValueError, match="label_smoothing must lie between 0 and 1"):
                log_loss([0, 1, 2], prob, label_smoothing=bad, reduction=reduction)
            with pytest.raises(ValueError, match="label_smoothing must lie between 0 and 1"):
                log_loss([0, 1, 1], prob[:, 0], label_smoothing=bad, reduction=reduction)
    with pytest.raises(TypeError, match="label_smoothing must be a number"):
        log_loss([0, 1, 2], prob, label_smoothing="0.1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"labels: element 1 is -1, but there are 4 classes"):
        log_loss([-100, -1, 2], prob, ignore_index=-100)
    with pytest.raises(ValueError, match=r"labels: element 2 is 2, but there are 2 classes"):
        log_loss([-100, 1, 2], prob[:, 0], ignore_index=-100)
    with pytest.raises(ValueError, match="prob: row 1 sums to"):
        log_loss([0, 1], [[0.5, 0.5], [0.5, 0.25]], label_smoothing=0.1, check=True)
    with pytest.raises(ValueError, match="prob: element 1 is 2"):
        log_loss([0, 1], [0.5, 2.0], label_smoothing=0.1, check=True)
    with pytest.raises(ValueError, match=r"weight has shape \(2,\)"):
        log_loss([0, 1, 2], prob, label_smoothing=0.1, weight=[1, 2])


# ---- arrays of every kind ---------------------------------------------------------------------


@pytest.mark.parametrize("label_dtype", [np.uint8, np.int16, np.uint64, np.int64])
def test_layouts_and_dtypes(label_dtype: Any, dtype: Any, rng: np.random.Generator) -> None:
    """The same bits along any axis, from any layout; keepdims, out."""
    labels, prob = draw(rng, (6, 5), 40)
    labels, prob = labels.astype(label_dtype), prob.astype(dtype)
    options: Any = {
        "class_weight": rng.random(40),
        "label_smoothing": 0.1,
        "ignore_index": int(labels[0, 0]),
    }
    want = log_loss(labels, prob, **options)
    assert want.dtype == dtype
    assert want[0, 0] == 0
    moved = np.ascontiguousarray(np.moveaxis(prob, -1, 1))
    np.testing.assert_array_equal(log_loss(labels, moved, axis=1, **options), want)
    kept = log_loss(labels, moved, axis=1, keepdims=True, **options)
    np.testing.assert_array_equal(kept, want[:, None])
    swapped = prob.astype(prob.dtype.newbyteorder())[::-1]
    np.testing.assert_array_equal(log_loss(labels[::-1], swapped, **options)[::-1], want)
    out = np.empty((6, 5))
    assert log_loss(labels, prob, out=out, **options) is out
    np.testing.assert_array_equal(out, want)
    with pytest.raises(ValueError, match="out has shape"):
        log_loss(labels, prob, out=np.empty(5), **options)
    assert log_loss(labels[2:3, 3], prob[2:3, 3], **options)[0] == want[2, 3]


def test_weights_multiply(dtype: Any, rng: np.random.Generator) -> None:
    """Losses times weights, which may share memory with out."""
    labels, prob = draw(rng, (50,), 6)
    weight = rng.random(50).astype(dtype)
    options: Any = {"class_weight": rng.random(6), "label_smoothing": 0.1, "ignore_index": 2}
    losses = log_loss(labels, prob.astype(dtype), **options)
    got = log_loss(labels, prob.astype(dtype), weight=weight, out=weight, **options)
    assert got is weight
    weight = np.random.default_rng(0).random(50).astype(dtype)
    got = log_loss(labels, prob.astype(dtype), weight=weight, **options)
    np.testing.assert_allclose(got, losses * weight, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("flat", [False, True], ids=["rows", "class 1"])
def test_lazy(flat: bool, reduction: str, rng: np.random.Generator) -> None:
    """Dask arrays give what arrays give, divisors of means included."""
    da = pytest.importorskip("dask.array")
    labels, prob = draw(rng, (40,), None if flat else 9)
    lazy = da.from_array(prob, chunks=7 if flat else (7, 9))
    weight = rng.random(40)
    grid = product((0, 0.2), (None, 1, -100), (None, rng.random(2 if flat else 9)))
    for smoothing, ignored, class_weight in grid:
        given = np.where(labels == 1, ignored, labels) if ignored else labels
        options: Any = {
            "label_smoothing": smoothing,
            "ignore_index": ignored,
            "class_weight": class_weight,
            "reduction": reduction,
            "weight": weight,
        }
        got = log_loss(given, lazy, **options)
        assert isinstance(got, da.Array)
        np.testing.assert_allclose(got.compute(), log_loss(given, prob, **options), rtol=1e-14)
    with pytest.raises(ValueError, match="label_smoothing must lie"):
        log_loss(labels, lazy, label_smoothing=2)
    with pytest.raises(ValueError, match="class_weight has shape"):
        log_loss(labels, lazy, class_weight=[1, 2, 3])


@pytest.mark.usefixtures("threads_early")
@pytest.mark.parametrize("flat", [False, True], ids=["rows", "class 1"])
def test_same_bits(flat: bool, dtype: Any, rng: np.random.Generator) -> None:
    """A row alone, any number of threads, any instruction set with FMA."""
    labels, prob = draw(rng, (9000,), None if flat else 11)
    prob = prob.astype(dtype)
    options: Any = {"class_weight": rng.random(2 if flat else 11), "label_smoothing": 0.1}
    options["ignore_index"] = 1

    def all_bits() -> list[bytes]:
        calls = [{"reduction": reduction} for reduction in ("none", "mean", "sum")]
        some: list[Any] = calls
        return [np.asarray(log_loss(labels, prob, **options, **call)).tobytes() for call in some]

    with fe.num_threads(1):
        want = all_bits()
    for threads in (2, 5):
        with fe.num_threads(threads):
            assert all_bits() == want
    for name in _core.available_isas()[1:]:
        with _core.using_isa(name):
            assert all_bits() == want
    losses = log_loss(labels, prob, **options)
    for r in (0, 17, 8999):
        part = slice(r, r + 1)
        assert log_loss(labels[part], prob[part], **options)[0] == losses[r]


def test_long_rows(dtype: Any, rng: np.random.Generator) -> None:
    """Rows of several segments, of which each thread takes some."""
    labels, prob = draw(rng, (3,), 100000)
    prob = prob.astype(dtype)
    options: Any = {"class_weight": rng.random(100000), "label_smoothing": 0.1}
    want = reference.log_loss(labels, prob, ignore_index=int(labels[1]), **options)
    got = log_loss(labels, prob, ignore_index=int(labels[1]), **options)
    np.testing.assert_allclose(got, want, rtol=1e-5 if dtype == np.float32 else 1e-13)
    assert got[1] == 0


def test_float16(rng: np.random.Generator) -> None:
    """Smaller types count as float32."""
    labels, prob = draw(rng, (30,), 9)
    prob = prob.astype(np.float16)
    options: Any = {"class_weight": rng.random(9), "label_smoothing": 0.1, "ignore_index": 4}
    got = log_loss(labels, prob, **options)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, log_loss(labels, prob.astype(np.float32), **options))


def test_a_floor_of_none_is_exact() -> None:
    """A probability of 0 costs infinity: in its own row, and in all by the share of smoothing."""
    prob = [[0.0, 0.5, 0.5]]
    assert log_loss([0], prob, class_weight=[1, 1, 1], log_floor=None)[0] == inf
    assert log_loss([1], prob, class_weight=[1, 1, 1], log_floor=None)[0] == pytest.approx(log(2))
    assert log_loss([1], prob, label_smoothing=0.1, log_floor=None)[0] == inf
    options: Any = {"label_smoothing": 0.3, "class_weight": [0, 1, 1], "log_floor": None}
    assert log_loss([1], prob, **options)[0] == pytest.approx(0.9 * log(2))
