"""One row has the same bits whatever stands around it: batch, position, neighbours, alignment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from family import FAMILY, SAMPLE

from fastent import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    binary_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    log_loss,
    perplexity,
    surprisal,
)

pytestmark = pytest.mark.usefixtures("isa")

COLUMNS = [1, 2, 3, 7, 10, 15, 16, 17, 31, 33, 64, 65, 100, 1000, 4096, 4097, 10_000, 70_000]
ROWS: dict[str, Callable[..., Any]] = {
    "entropy": lambda p, q, **kw: entropy(p, **kw),
    "entropy base 3": lambda p, q, **kw: entropy(p, base=3, **kw),
    "entropy normalize": lambda p, q, **kw: entropy(p, normalize=True, **kw),
    "perplexity": lambda p, q, **kw: perplexity(p, **kw),
    "cross_entropy": cross_entropy,
    "cross_entropy normalize": lambda p, q, **kw: cross_entropy(p, q, normalize=True, **kw),
    "kl_divergence": kl_divergence,
    **{name: FAMILY[name] for name in SAMPLE},
    "kl_divergence plain": lambda p, q, **kw: kl_divergence(p, q, generalized=False, **kw),
    "kl_divergence normalize": lambda p, q, **kw: kl_divergence(p, q, normalize=True, **kw),
}
POINTS: dict[str, Callable[..., Any]] = {
    "surprisal": lambda p, q, **kw: surprisal(p, **kw),
    "surprisal base 10": lambda p, q, **kw: surprisal(p, base=10, **kw),
    "binary_entropy": lambda p, q, **kw: binary_entropy(p, **kw),
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy hard": lambda p, q, **kw: binary_cross_entropy(p > 0.5, q, **kw),
    "binary_cross_entropy_with_logits": lambda p, q, **kw: binary_cross_entropy_with_logits(
        p, 60 * q - 20, **kw
    ),
    "log_loss": lambda p, q, **kw: log_loss((p > 0.5).astype(int), q, **kw),
}
every_row_measure = pytest.mark.parametrize("name", ROWS)
every_point_measure = pytest.mark.parametrize("name", POINTS)


def draw(rng: np.random.Generator, n: int, dtype: Any) -> Any:
    """Draw a pair of rows, (2, n), with a few zeros and a wide range."""
    weights = 10.0 ** rng.uniform(-6, 0, (2, n)) * (rng.random((2, n)) > 0.1)
    weights[:, rng.integers(n)] = 1
    return (weights / weights.sum(-1, keepdims=True)).astype(dtype)


def neighbours(rng: np.random.Generator, n: int, dtype: Any) -> list[np.ndarray]:
    """Rows that a kernel may be tempted to treat in another way."""
    tiny = np.finfo(dtype).smallest_subnormal
    plain = draw(rng, n, dtype)[0]
    rows = [np.full(n, np.nan), -plain, np.zeros(n), np.full(n, 5 * tiny), np.full(n, np.inf)]
    for special in (np.nan, -0.5, 0, tiny, np.inf, 2) if n < 10_000 else (np.nan, -0.5):
        rows.append(plain.copy())
        rows[-1][rng.integers(n)] = special
    return [row.astype(dtype) for row in rows]


def alone(measure: Callable[..., Any], pair: np.ndarray) -> Any:
    """Compute a row that is the whole input, in memory of its own."""
    return measure(pair[0].copy(), pair[1].copy())


def check(got: Any, want: Any, *where: Any) -> None:
    """Equal bits (no NaN here)."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    assert (got == np.broadcast_to(want, got.shape)).all(), (*where, got, want)


@every_row_measure
@pytest.mark.parametrize("n", COLUMNS)
def test_batch_and_position(name: str, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """Alone, or anywhere in a batch of any size, by rows or by columns."""
    measure, pair = ROWS[name], draw(rng, n, dtype)
    want = alone(measure, pair)
    for size in (1, 2, 3, 4, 5, 8, 13, 16, 17, 31, 64, 100, 257):
        if size > 3 and size * n > 50_000:
            break
        p, q = (np.tile(row, (size, 1)) for row in pair)
        check(measure(p, q), want, "batch of equal rows", size)
        check(measure(p.T.copy(), q.T.copy(), axis=0), want, "columns", size)
        others = np.stack([draw(rng, n, dtype) for _ in range(min(size, 7))], 1)
        p, q = (np.resize(side, (size, n)) for side in others)
        for at in {0, size // 2, size - 1}:
            p[at], q[at] = pair
            check(measure(p, q)[at], want, "position", at, "of", size)
            check(measure(p.T.copy(), q.T.copy(), axis=0)[at], want, "column", at, "of", size)


@every_row_measure
@pytest.mark.parametrize("n", COLUMNS)
def test_bad_neighbours(name: str, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """Beside rows of NaN, negative, zero, subnormal, infinite and large entries."""
    measure, pair = ROWS[name], draw(rng, n, dtype)
    want = alone(measure, pair)
    bad = neighbours(rng, n, dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for other in (bad, [*bad[::-1]]):
            p = np.stack([x for row in bad for x in (row, pair[0])])
            q = np.stack([x for row in other for x in (row, pair[1])])
            check(measure(p, q)[1::2], want, "among bad rows")
            check(measure(p.T.copy(), q.T.copy(), axis=0)[1::2], want, "among bad columns")
        check(measure(p, np.stack([pair[1]] * len(p)))[1::2], want, "one side bad")


@every_row_measure
@pytest.mark.parametrize("n", COLUMNS)
def test_alignment_and_strides(name: str, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """At any offset in memory, each operand by itself; repeated by a stride of 0."""
    measure, pair = ROWS[name], draw(rng, n, dtype)
    want = alone(measure, pair)
    size = np.dtype(dtype).itemsize
    room = [np.zeros(row.nbytes + 256, np.uint8) for row in pair]
    for offset in (*range(0, 72, size), 1, 2, 3, 5):
        for shifts in ((offset, offset), (offset, 0), (0, offset)):
            views = [r[s : s + n * size].view(dtype) for r, s in zip(room, shifts, strict=True)]
            for view, row in zip(views, pair, strict=True):
                view[...] = row
            check(measure(*views), want, "byte offset", shifts)
        if n > 5000 and offset > 16:
            break
    check(measure(*pair), want, "again")
    rows = 3 if n > 1000 else 40
    p, q = (np.broadcast_to(row, (rows, n)) for row in pair)
    check(measure(p, q), want, "broadcast")
    check(measure(p.copy(), pair[1]), want, "many against one")
    check(measure(pair[0], q.copy()), want, "one against many")


@every_point_measure
def test_elements_of_vectors(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """An element has one value: as a scalar, at any position, length and offset."""
    measure = POINTS[name]
    p, q = rng.random((2, 200)).astype(dtype)
    p[::17], q[::19], p[1::23] = 0, 1, 1
    want = np.array([measure(p[i : i + 1], q[i : i + 1])[0] for i in range(200)])
    assert want.dtype == dtype
    if not name.startswith("log_loss"):
        check([measure(a, b) for a, b in zip(p, q, strict=True)], want, "scalars")
    for n in (*range(1, 70), 128, 199):
        for start in {0, 1, 3, 200 - n}:
            check(
                measure(p[start : start + n], q[start : start + n]),
                want[start : start + n],
                start,
                n,
            )


@every_point_measure
def test_elements_beside_bad_ones(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """NaN, negative, subnormal and large neighbours change nothing."""
    measure = POINTS[name]
    p, q = rng.random((2, 300)).astype(dtype)
    want = measure(p, q)
    tiny = np.finfo(dtype).smallest_subnormal
    for special in (np.nan, -1, 0, tiny, np.inf, 1):
        for step in (2, 3, 7, 50):
            a, b = p.copy(), q.copy()
            a[::step], b[::step] = special, special
            keep = np.arange(300) % step != 0
            with np.errstate(invalid="ignore"):
                check(measure(a, b)[keep], want[keep], special, step)


@every_point_measure
def test_elements_of_large_arrays(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Chunks and threads change nothing."""
    measure = POINTS[name]
    p, q = rng.random((2, 300_001)).astype(dtype)
    got = measure(p, q)
    for start in (0, 65_535, 131_072, 262_143, 299_990):
        part = slice(start, start + 11)
        check(got[part], measure(p[part].copy(), q[part].copy()), start)


@every_row_measure
@pytest.mark.parametrize("n", [2, 10, 100, 1000])
def test_rows_of_large_batches(name: str, n: int, dtype: Any, rng: np.random.Generator) -> None:
    """Chunks and threads change nothing; nor does the size of the batch."""
    measure, rows = ROWS[name], 200_000 // n + 1
    p, q = (rng.random((2, rows, n)) / n).astype(dtype)
    got = measure(p, q)
    for start in rng.integers(0, rows, 5):
        part = slice(start, start + 7)
        check(got[part], measure(p[part].copy(), q[part].copy()), start)
    half = rows // 2
    check(np.concatenate([measure(p[:half], q[:half]), measure(p[half:], q[half:])]), got, "halves")


def test_callers_threads(rng: np.random.Generator) -> None:
    """Calls from many threads at once give what one call gives."""
    p, q = (rng.random((2, 20_000, 10)) / 10).astype(np.float32)
    work = [*ROWS.values(), *(f for n, f in POINTS.items() if n != "log_loss")] * 3
    want = [measure(p, q) for measure in work]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda measure: measure(p, q), work))
    for one, other in zip(got, want, strict=True):
        check(one, other)


def test_flush_to_zero_changes_nothing(dtype: Any, rng: np.random.Generator) -> None:
    """A library that sets flush-to-zero in this thread changes no bit, and finds it as it was."""
    torch = pytest.importorskip("torch")
    tiny = np.finfo(dtype).smallest_subnormal
    p, q = (rng.integers(1, 1000, (2, 50, 33)) * tiny).astype(dtype)
    measures = ROWS | {n: f for n, f in POINTS.items() if n != "log_loss"}
    calls = [(f, kw) for f in measures.values() for kw in ({}, {"reduction": "sum"})]
    want = [f(p, q, **kw) for f, kw in calls]
    assert torch.set_flush_denormal(True)
    try:
        got = [f(p, q, **kw) for f, kw in calls]
        halved = np.full(3, tiny * 8, dtype) / dtype(2)
    finally:
        torch.set_flush_denormal(False)
    assert halved.tobytes() == bytes(halved.nbytes)
    assert [np.asarray(x).tobytes() for x in got] == [np.asarray(x).tobytes() for x in want]
