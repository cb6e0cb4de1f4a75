"""Ragged rows: the bits of each row by itself, whatever lies where; reductions, checks, errors."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import reference
from children import run
from zoo import ZOO

import fastent as fe
from fastent import _core

LENGTHS = (0, 1, 2, 10, 255, 256, 257, 5000, 40_000)
THREADS = (1, 2, 5)

Call = Callable[..., Any]
CALLS: dict[str, Call] = {
    "entropy": lambda p, q, **kw: fe.entropy(p, **kw),
    "entropy base 2": lambda p, q, **kw: fe.entropy(p, base=2, **kw),
    "entropy normalize": lambda p, q, **kw: fe.entropy(p, normalize=True, **kw),
    "perplexity": lambda p, q, **kw: fe.perplexity(p, **kw),
    "cross_entropy": fe.cross_entropy,
    "cross_entropy no floor": lambda p, q, **kw: fe.cross_entropy(p, q, log_floor=None, **kw),
    "cross_entropy normalize": lambda p, q, **kw: fe.cross_entropy(p, q, normalize=True, **kw),
    "kl_divergence": fe.kl_divergence,
    "kl_divergence plain": lambda p, q, **kw: fe.kl_divergence(p, q, generalized=False, **kw),
    "kl_divergence normalize": lambda p, q, **kw: fe.kl_divergence(p, q, normalize=True, **kw),
    "total_variation_distance": fe.total_variation_distance,
    "logsumexp": lambda p, q, **kw: fe.logsumexp(p, **kw),
    "softmax_entropy": lambda p, q, **kw: fe.softmax_entropy(p, temperature=0.7, **kw),
    "softmax_kl_divergence": lambda p, q, **kw: fe.softmax_kl_divergence(p, q, base=10, **kw),
}
SUMMED = [name for name in CALLS if name != "logsumexp"]  # what has reductions
every = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def offsets_of(lengths: Any, first: int = 0) -> Any:
    """Return where rows of these lengths begin and end."""
    return np.concatenate([[first], first + np.cumsum(lengths, dtype=np.int64)])


def draw(rng: np.random.Generator, entries: int, dtype: Any) -> tuple[Any, Any]:
    """Draw two flat arrays of weights, with a few zeros and a wide range."""
    p, q = 10.0 ** rng.uniform(-6, 0, (2, entries)) * (rng.random((2, entries)) > 0.05)
    return p.astype(dtype), q.astype(dtype)


def mixed(rng: np.random.Generator) -> Any:
    """Lengths of all kinds in any order, some in runs, and one row that is much of the whole."""
    lengths = [*rng.choice(LENGTHS[:-2], 150), *rng.integers(0, 21, 2500), *LENGTHS]
    runs = [np.full(count, n) for n, count in ((10, 100), (3, 64), (300, 20), (0, 5), (256, 70))]
    every = np.concatenate([*np.split(rng.permutation(lengths), [50, 700, 701, 2000]), *runs])
    return np.insert(every, rng.integers(len(every)), 300_000)


def row_by_row(call: Call, p: Any, q: Any, offsets: Any) -> Any:
    """Return what the measure makes of each row by itself."""
    return np.array([call(p[a:b], q[a:b]) for a, b in itertools.pairwise(offsets.tolist())])


def same(got: Any, want: Any) -> None:
    """Equal bits."""
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes(), np.flatnonzero(got != want)[:5]


@every
def test_row_by_row(call: Call, isa: str, dtype: Any, rng: np.random.Generator) -> None:
    """Every measure, rows of all lengths, on one, two and five threads; into `out` too."""
    offsets = offsets_of(mixed(rng), 7)
    p, q = draw(rng, offsets[-1] + 5, dtype)
    want = row_by_row(call, p, q, offsets)
    out = np.empty(3 * len(want), dtype)[::3]
    for threads in THREADS:
        with fe.num_threads(threads):
            same(call(p, q, offsets=offsets), want)
            assert call(p, q, offsets=offsets, out=out) is out
            same(out.copy(), want)


@every
def test_row_by_row_in_many_tasks(
    call: Call, dtype: Any, rng: np.random.Generator, threads_early: None
) -> None:
    """Short rows alone, many rows or few, and rows that end where a task or a window does."""
    for lengths in (
        rng.integers(0, 21, 6000),
        rng.integers(1, 257, 3000),
        rng.integers(200, 300, 700),
        np.full(5000, 10),
        np.full(2048, 17),
        [70_000] * 3,
        [0] * 9000,
        [2_100_000, 3],
        [5],
        [],
    ):
        offsets = offsets_of(lengths)
        p, q = draw(rng, offsets[-1], dtype)
        want = row_by_row(call, p, q, offsets).astype(dtype)
        for threads in (1, 3):
            with fe.num_threads(threads):
                same(call(p, q, offsets=offsets), want)


@pytest.mark.parametrize("n", [1, 2, 10, 256, 257, 1000])
@every
def test_rows_of_one_length(call: Call, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """What a two-dimensional array gives; slices of the offsets give slices of it."""
    p, q = draw(rng, 300 * n, dtype)
    offsets = np.arange(301) * n
    want = call(p.reshape(300, n), q.reshape(300, n))
    same(call(p, q, offsets=offsets), want)
    same(call(p, q, offsets=offsets[17:200]), want[17:199])
    same(call(p, q, offsets=offsets[::2]), call(p.reshape(150, -1), q.reshape(150, -1)))
    same(call(p, q, offsets=offsets[5:6]), want[:0])


@pytest.mark.parametrize("name", ["entropy", "kl_divergence normalize", "softmax_entropy"])
@pytest.mark.parametrize("layout", ZOO)
def test_layouts(name: str, layout: str, dtype: Any, rng: np.random.Generator) -> None:
    """Values that lie in memory in any way are read as they are."""
    lengths = rng.permutation([*LENGTHS, *rng.integers(0, 30, 300), *[7] * 100])
    offsets = offsets_of(lengths, 3)
    p, q = draw(rng, offsets[-1] + 2, dtype)
    want = CALLS[name](p, q, offsets=offsets)
    same(CALLS[name](ZOO[layout](p), ZOO[layout](q), offsets=offsets), want)
    same(CALLS[name](ZOO[layout](p), q, offsets=offsets), want)


@every
def test_dtypes(call: Call, rng: np.random.Generator) -> None:
    """float16, bfloat16 and integers give what their conversion gives; mixed ones the wider."""
    offsets = offsets_of(rng.integers(0, 300, 200))
    p, q = draw(rng, offsets[-1], np.float32)
    for small in (np.float16, ml_dtypes.bfloat16):
        a, b = p.astype(small), q.astype(small)
        want = call(a.astype(np.float32), b.astype(np.float32), offsets=offsets)
        same(call(a, b, offsets=offsets), want)
    wide = p.astype(float)
    same(call(wide, q, offsets=offsets), call(wide, q.astype(float), offsets=offsets))
    bits, others = rng.integers(0, 2, (2, len(p)))
    want = call(bits.astype(float), others.astype(float), offsets=offsets)
    for dtype in (np.int8, np.uint64, bool):
        same(call(bits.astype(dtype), others.astype(dtype), offsets=offsets), want)
    one = np.broadcast_to(np.float32(0.5), len(p))
    same(call(one, one, offsets=offsets), call(one.copy(), one.copy(), offsets=offsets))


def test_offsets_of_any_integers(rng: np.random.Generator) -> None:
    """Of any width, sign, order and stride; lists; more than a block of them; read-only."""
    lengths = rng.integers(0, 4, 5000)
    offsets = offsets_of(lengths)
    p, _ = draw(rng, offsets[-1], np.float32)
    want = fe.entropy(p, offsets=offsets)
    for kind in ("i4", "i8", "u2", "u4", "u8", ">i4", ">i8", ">u8"):
        for make in (lambda x: x, lambda x: np.repeat(x, 3)[::3], lambda x: x[::-1].copy()[::-1]):
            turned = make(offsets.astype(kind))
            turned.flags.writeable = False
            same(fe.entropy(p, offsets=turned), want)
    same(fe.entropy(p, offsets=offsets.tolist()), want)
    wide = p.astype(float)
    same(fe.entropy(wide.tolist(), offsets=tuple(offsets)), fe.entropy(wide, offsets=offsets))
    few = np.array([0, 3, 100, 127], np.int8)
    same(fe.entropy(p, offsets=few), fe.entropy(p, offsets=few.astype(int)))


def test_against_the_reference(dtype: Any, rng: np.random.Generator) -> None:
    """The plain formulas, in float64 NumPy."""
    offsets = offsets_of(rng.integers(1, 400, 150))
    p, q = draw(rng, offsets[-1], dtype)
    ends = list(itertools.pairwise(offsets))
    near = 20 * float(np.finfo(dtype).eps)
    formulas: dict[str, Call] = {
        "entropy": lambda a, b: reference.entropy(a),
        "perplexity": lambda a, b: reference.perplexity(a),
        "logsumexp": lambda a, b: reference.logsumexp(a),
        "cross_entropy": reference.cross_entropy,
        "kl_divergence": reference.kl_divergence,
        "total_variation_distance": reference.total_variation_distance,
    }
    for name, formula in formulas.items():
        got = CALLS[name](p, q, offsets=offsets)
        want = [float(np.squeeze(formula(p[a:b], q[a:b]))) for a, b in ends]
        np.testing.assert_allclose(got, want, rtol=max(near, 1e-12))


def test_empty_rows() -> None:
    """0; perplexity 1; logsumexp -inf; normalised NaN, silently. No rows: none, mean NaN."""
    p, offsets = np.array([0.5, 0.5]), [0, 0, 2, 2, 2]
    for name, call in CALLS.items():
        empty: float = {"perplexity": 1, "logsumexp": -np.inf}.get(name, 0)
        got = call(p, p, offsets=offsets)
        np.testing.assert_array_equal(got[[0, 2, 3]], np.nan if "normalize" in name else empty)
        assert not np.signbit(got[0]) or empty < 0
        assert call(p, p, offsets=[1]).shape == (0,)
    for name in SUMMED:
        assert CALLS[name](p, p, offsets=[2], reduction="sum") == 0
        assert np.isnan(CALLS[name](p, p, offsets=[2], reduction="mean"))
    assert fe.perplexity([], offsets=[0, 0], reduction="mean") == 1
    assert fe.entropy(np.zeros(0, np.float32), offsets=[0]).dtype == np.float32


@pytest.mark.parametrize("name", SUMMED)
def test_reductions(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Sums of the rows' results, with and without weights: the same bits on all threads."""
    call = CALLS[name]
    lengths = np.where(rng.random(90_000) < 1e-4, 3000, rng.integers(1, 6, 90_000))
    lengths[70_000] = 200_000
    offsets = offsets_of(lengths, 2)
    p, q = draw(rng, offsets[-1] + 9, dtype)
    p, q = np.maximum(p, 1e-7), np.maximum(q, 1e-7)  # no row is all zeros
    each = call(p.astype(float), q.astype(float), offsets=offsets)
    weight = rng.random(len(each))
    scale = 6 * float(np.finfo(dtype).eps)
    for reduction, weights, want in (
        ("sum", None, each.sum()),
        ("mean", None, each.mean()),
        ("sum", weight, (each * weight).sum()),
        ("mean", weight, (each * weight).mean()),
        ("weighted_mean", weight, (each * weight).sum() / weight.sum()),
        ("weighted_mean", 3, each.mean()),
    ):
        got = []
        for threads in THREADS:
            with fe.num_threads(threads):
                got.append(call(p, q, offsets=offsets, reduction=reduction, weight=weights))
        assert got[0].dtype == dtype
        assert got[0] == got[1] == got[2]
        assert float(got[0]) == pytest.approx(want, rel=scale if "kl" not in name else 1e-6)


@pytest.mark.parametrize("name", SUMMED)
def test_reductions_of_rows_of_one_length(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """The bits of the reduction of a two-dimensional array."""
    call = CALLS[name]
    p, q = draw(rng, 400_000, dtype)
    weight = rng.random(40_000)
    for reduction, weights in (("sum", None), ("mean", None), ("weighted_mean", weight)):
        settings = {"reduction": reduction, "weight": weights}
        want = call(p.reshape(-1, 10), q.reshape(-1, 10), **settings)
        same(call(p, q, offsets=np.arange(40_001) * 10, **settings), want)


def test_sum_meets_its_bound(dtype: Any, rng: np.random.Generator) -> None:
    """Within 2.5 ulp of the exact sum of the true terms."""
    offsets = offsets_of(rng.integers(0, 30, 300))
    p, _ = draw(rng, offsets[-1], dtype)
    true = sum(reference.exact(reference.exact_entropy, p[None, : offsets[-1]]).ravel())
    for reduction, divisor in (("sum", 1), ("mean", 300)):
        got = fe.entropy(p, offsets=offsets, reduction=reduction)
        assert reference.ulp_error(got, true / divisor, dtype) <= 2.5
    ones = fe.entropy(p, offsets=offsets, reduction="sum", weight=1)
    assert reference.ulp_error(ones, true, dtype) <= 2.5


def test_weights_and_out(rng: np.random.Generator) -> None:
    """Weights multiply the rows' results; `out` takes them, of another dtype too, or a sum."""
    offsets = offsets_of(rng.integers(0, 30, 300))
    p, _ = draw(rng, offsets[-1], np.float32)
    each, weight = fe.entropy(p, offsets=offsets), rng.random(300).astype(np.float32)
    same(fe.entropy(p, offsets=offsets, weight=weight), each * weight)
    same(fe.entropy(p, offsets=offsets, weight=2), each * 2)
    out = np.empty(300)
    assert fe.entropy(p, offsets=offsets, out=out) is out
    same(out, each.astype(float))
    total = np.empty((), np.float32)
    assert fe.entropy(p, offsets=offsets, out=total, reduction="sum") is total
    assert total == fe.entropy(p, offsets=offsets, reduction="sum")
    over = p[:300]
    assert fe.entropy(p.copy(), offsets=offsets, out=over) is over
    same(over, each)
    p, _ = draw(rng, offsets[-1], np.float32)
    each = fe.entropy(p, offsets=offsets)
    assert fe.entropy(p, offsets=offsets, out=p[:300]) is not None
    same(p[:300], each)


def test_bad_rows_warn_once(rng: np.random.Generator) -> None:
    """Negative entries make their rows NaN with one warning; NaN does so silently."""
    offsets = offsets_of(rng.integers(1, 30, 50_000))
    p = rng.random(offsets[-1])
    clean = fe.entropy(p, offsets=offsets)
    p[offsets[:-1:100]] = np.nan
    silent = fe.entropy(p, offsets=offsets)
    assert (np.flatnonzero(np.isnan(silent)) == np.arange(0, 50_000, 100)).all()
    p[offsets[7:-1:100]] = -1
    bad = np.isin(np.arange(50_000) % 100, (0, 7))
    for threads in THREADS:
        with fe.num_threads(threads):
            with pytest.warns(RuntimeWarning, match="invalid value encountered in entropy") as seen:
                got = fe.entropy(p, offsets=offsets)
            assert len(seen) == 1
            same(got, np.where(bad, np.nan, clean))
            for weight in (None, 2):
                with pytest.warns(RuntimeWarning, match="invalid value") as seen:
                    assert np.isnan(fe.entropy(p, offsets=offsets, reduction="mean", weight=weight))
                assert len(seen) == 1
            with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
                fe.entropy(p, offsets=offsets)
    p[:5] = -1
    fe.entropy(p, offsets=[5, offsets[7]])  # what lies outside is not looked at


def test_check(rng: np.random.Generator) -> None:
    """The first row that is no distribution is named, with its sum or its entry."""
    lengths = rng.integers(1, 40, 40_000)
    offsets = offsets_of(lengths, 1)
    p = np.zeros(offsets[-1] + 1)
    p[offsets[:-1]] = 1
    p[0] = 9
    assert (fe.entropy(p, offsets=offsets, check=True) == 0).all()
    assert (fe.kl_divergence(p, p, offsets=offsets, check=True) == 0).all()
    p[offsets[20_000]] = 0.5
    with pytest.raises(ValueError, match=r"p: row 20000 sums to 0\.5, not to 1 within"):
        fe.entropy(p, offsets=offsets, check=True)
    good = np.where(p == 0.5, 1, p)
    with pytest.raises(ValueError, match=r"q: row 20000 sums to 0\.5"):
        fe.kl_divergence(good, p, offsets=offsets.astype(np.uint32), check=True)
    p[offsets[20_000]] = 0
    with pytest.raises(ValueError, match=r"p: row 20000 sums to 0.0: weights need a positive"):
        fe.entropy(p, offsets=offsets, check=True, normalize=True)
    p[offsets[1]] = -1
    with pytest.raises(ValueError, match=r"p: row 1 holds -1\.0 at 0: probabilities must be 0 or"):
        fe.entropy(p, offsets=offsets, check=True, reduction="mean")
    short = np.array([0, 2, 101], np.int8)
    fe.entropy([0.5, 0.5, *[1 / 99] * 99], offsets=short, check=True)


def test_a_million_rows(rng: np.random.Generator) -> None:
    """Nothing is done a row in Python."""
    offsets = offsets_of(rng.integers(0, 6, 1_000_000))
    p = rng.random(offsets[-1], np.float32)
    got = fe.entropy(p, offsets=offsets)
    places = rng.integers(0, 1_000_000, 200)
    want = [fe.entropy(p[offsets[i] : offsets[i + 1]]) for i in places]
    same(got[places], np.array(want, np.float32))


@pytest.mark.parametrize("reduction", ["none", "weighted_mean"])
@pytest.mark.parametrize("kind", ["f4", "f8", ">f8", "f2"])
@pytest.mark.parametrize("longest", [20, 200_000])
def test_memory(kind: str, reduction: str, longest: int, rng: np.random.Generator) -> None:
    """At most 1 MiB a thread beside input and output."""
    offsets = offsets_of(rng.integers(0, longest, 4_000_000 // longest)).astype(np.int32)
    p = rng.random(offsets[-1]).astype(kind)
    weight = np.broadcast_to(2.0, len(offsets) - 1)
    settings: Any = {"offsets": offsets, "reduction": reduction, "normalize": True}
    for threads in (1, 2):
        with fe.num_threads(threads):
            fe.kl_divergence(p, p, weight=weight, **settings)
            _core.scratch_peak()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            result = fe.kl_divergence(p, p, weight=weight, **settings)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        beside = peak - before - result.nbytes + _core.scratch_peak()
        assert beside <= threads * 2**20


CTRL_C = """
import os, signal, threading, time, numpy as np, fastent as fe
fe.set_num_threads({threads})
offsets = np.arange(0, 4_000_000_001, {length})
p = np.broadcast_to(np.float32(0.1), offsets[-1])  # seconds of work
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
start = time.perf_counter()
try:
    fe.perplexity(p, offsets=offsets, reduction={reduction!r})
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted", time.perf_counter() - start < 2.5)
print(fe.perplexity(np.full(400, 0.25), offsets=range(0, 401, 4)).sum())
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("length", [2000, 4_000_000_000])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_ctrl_c(reduction: str, length: int, threads: int) -> None:
    """A long call ends soon after the signal, with KeyboardInterrupt; the next one is right."""
    done = run(CTRL_C.format(threads=threads, length=length, reduction=reduction))
    assert done.stdout == "interrupted True\n400.0\n", done.stderr
