"""What joint tables have in common with independent ones, and what their rows leave open."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array
from fastent._by_blocks import (
    BLOCK,
    ENTROPY,
    PLAIN,
    SHARES,
    SUM,
    TOTAL,
    WEIGHTED_SUM,
    any_lazy,
    as_float64,
    call_on_rows_lazily,
    joined,
    joined_entropies,
    of_rows,
    reduce_by_blocks,
    shares_in,
)
from fastent._plan import Axis, parameters

KL_DIVERGENCE = _core.measures["kl_divergence"]
LOG = _core.measures["log"]
AXES = (-2, -1)

NEAR = 2.0**-20  # relative distance up to which phi is made from its series
EQUAL = 2.0**-76  # and up to which it may be all rounding, of products kept to twice the digits
OTHERS = 4  # numbers that are held of a row or column, beside those of its entries
LARGEST, SMALLEST = 2.0**300, 2.0**-300  # tables whose sums lie beyond are multiplied by
SCALE = 2.0**600  # or its inverse: then what roundings leave is in range
TINY = 2.0**-900  # products below it have lost theirs
SPLIT = 2.0**27 + 1

# Makes of tables what `reduce_by_blocks` wants: in which base, normalised or not, and so on.
Call = Callable[..., Any]


def check_tables(joint: Any) -> Any:
    """Return tables as an array, or a Dask array; raise if they are none."""
    if not any_lazy(joint, None):
        joint = as_array(joint, "joint")
    if joint.ndim < 2:
        raise ValueError(
            f"joint has shape {joint.shape}: a table lies along two axes, the last two"
        )
    return joint


def call_on_tables(
    call: Call,
    joint: Any,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    weight: Any,
) -> Any:
    """Return what a call makes of tables, lazily of those of a Dask array."""
    joint = check_tables(joint)
    if any_lazy(joint, weight):
        return call_on_rows_lazily(call, joint, "joint", AXES, keepdims, out, reduction, weight)
    return call(joint, AXES, keepdims, out, reduction, weight)


# ---- mutual information ------------------------------------------------------------------------


def mutual_information_of(
    base: float | None,
    normalize: bool,
    normalized: str | None,
    check: bool,
    joint: Any,
    axes: Axis,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    weight: Any,
) -> Any:
    """Return the mutual information of each table."""
    vectors = parameters(KL_DIVERGENCE, base), parameters(SUM, base)
    compute = partial(_information, vectors, normalize, normalized)
    settings = (normalize, keepdims, out, reduction, weight, check)
    return reduce_by_blocks("mutual_information", "joint", joint, axes, compute, _held, *settings)


def _held(shape: tuple[int, ...]) -> int:
    """Return how many numbers are held of a table."""
    return math.prod(shape) + OTHERS * sum(shape)


def _information(
    vectors: tuple[Array, Array],
    normalize: bool,
    normalized: str | None,
    tables: Array,
    cores: int,
) -> tuple[Array, int]:
    """Return the mutual information of some tables, which are cut along their longer axis."""
    if tables.shape[-1] > tables.shape[-2]:
        tables = tables.swapaxes(-2, -1)
    columns, status = of_rows(TOTAL, (tables.swapaxes(-2, -1),), 1)
    total, _ = of_rows(TOTAL, (columns,), 1)
    scale = np.where(total > LARGEST, 1 / SCALE, np.where(total < SMALLEST, SCALE, 1.0))
    columns *= scale[..., None]
    total *= scale
    halves = _halves(columns)
    parts, sums, entropies = [], [], []
    step = max(1, BLOCK // (tables.shape[-1] + OTHERS))
    for start in range(0, max(1, tables.shape[-2]), step):
        p = as_float64(tables[..., start : start + step, :], 2)
        p *= scale[..., None, None]
        rows, bits = of_rows(TOTAL, (p,), 1)
        status |= bits
        if normalized is not None:
            sums.append(of_rows(TOTAL, (rows,), 1)[0])
            entropies.append(of_rows(ENTROPY, (rows,), 1, SHARES)[0])
        q, excess = _products(p, rows, columns, halves, np.where(total > 0, total, 1.0))
        phi, bits = of_rows(KL_DIVERGENCE, (p, q), 2, vectors[0])
        status |= bits
        parts.append(phi - of_rows(SUM, (excess,), 2, vectors[1])[0])
    result = joined(parts)
    result = np.where(np.count_nonzero(columns, axis=-1) > 1, result, 0.0)
    result = np.where(np.isfinite(total), result, np.nan)
    if normalized is None:
        return result / (total if normalize else scale), status
    either = joined_entropies(sums, entropies), of_rows(ENTROPY, (columns,), 1, SHARES)[0]
    quotient = _quotient(result / total, *either, normalized)
    return np.where(total == 0, np.nan if normalize else 1.0, quotient), status


def _products(
    p: Array, rows: Array, columns: Array, halves: tuple[Array, Array], total: Array
) -> tuple[Array, Array]:
    """Return products of the marginals over the total, and by what phi(p, product) is too large.

    The product is rounded; with what the rounding left, d, it is q + d to twice the digits, and

        phi(p, q + d) = phi(p, q) - (p - q) d/q + p/2 (d/q)^2 ...             p far from q
        phi(p, q + d) = q x^2 (1/2 - x/6 + x^2/12 ...), where q x = p - q - d    p near q

    where the first is no difference of two that are close, and of the second, with q made p, all
    that is left to the kernel is phi(p, p) = 0. What is lost otherwise is q times the rounding, to
    first order, and more than phi itself near independence. Sums of rows and columns, which are
    rounded too, are right to second order: no other product is nearer to the table.
    """
    shares, left = _divided(rows, total[..., None])
    column, (column_high, column_low) = columns[..., None, :], halves
    q = shares[..., :, None] * column
    high, low = _halves(shares)
    delta = high[..., :, None] * column_high[..., None, :]
    delta -= q
    delta += high[..., :, None] * column_low[..., None, :]
    delta += (low + left)[..., :, None] * column
    gap = p - q
    distance = gap - delta
    near = np.abs(distance) < NEAR * q
    small = not q.min(initial=1.0) >= TINY  # or NaN
    divisor = np.maximum(q, TINY) if small else q
    delta /= divisor
    delta *= gap  # now the excess
    if near.any():
        apart, places = distance[near], np.nonzero(near)
        x = apart / divisor[places]
        x[np.abs(x) < EQUAL] = 0
        delta[places] = apart * x * (x * (1 / 6 - x * (1 / 12)) - 0.5)
        q[places] = p[places]
    if small:
        _separate(p, q, delta, (q < TINY) & (p > 0), rows, columns, total)
    return q, delta


def _divided(rows: Array, total: Array) -> tuple[Array, Array]:
    """Return quotients, and what their rounding left; 0 for those too small to have any."""
    shares = rows / total
    shares[shares < TINY] = 0
    high, low = _halves(shares)
    total_high, total_low = _halves(total)
    product = shares * total
    error = ((high * total_high - product) + high * total_low + low * total_high) + low * total_low
    left = ((rows - product) - error) / total
    left[shares == 0] = 0
    return shares, left


def _halves(x: Array) -> tuple[Array, Array]:
    """Return two numbers of 26 bits whose sum is x: products of such are exact (Dekker)."""
    large = x * SPLIT
    high = large - (large - x)
    return high, x - high


def _separate(
    p: Array, q: Array, excess: Array, chosen: Array, rows: Array, columns: Array, total: Array
) -> None:
    """Move phi from p and q, where a product is out of range, to the rest: by four logarithms."""
    places = np.nonzero(chosen)
    one, other = p[places], q[places]
    logs = []
    for part in (one, rows[places[:-1]], columns[(*places[:-2], places[-1])], total[places[:-2]]):
        log = np.empty(len(one))
        LOG.elements((np.broadcast_to(part, log.shape),), PLAIN, log)
        logs.append(log)
    distance = (logs[0] - logs[1]) + (logs[3] - logs[2])
    excess[places] = -np.maximum(one * distance - one + other, 0)
    p[places] = q[places] = 0


def _quotient(information: Array, one: Array, other: Array, average: str) -> Array:
    """Return the information over an average of the entropies, as scikit-learn has it."""
    if average == "arithmetic":
        divisor = one / 2 + other / 2
    elif average == "geometric":
        divisor = np.sqrt(one) * np.sqrt(other)
    else:
        divisor = np.minimum(one, other) if average == "min" else np.maximum(one, other)
    quotient = np.minimum(information / divisor, 1)
    quotient = np.where((divisor == 0) & (information == information), 0.0, quotient)
    return np.where((one == 0) & (other == 0), 1.0, quotient)


# ---- conditional entropy -----------------------------------------------------------------------


def conditional_entropy_of(
    base: float | None,
    normalize: bool,
    check: bool,
    joint: Any,
    axes: Axis,
    keepdims: bool,
    out: Array | None,
    reduction: str,
    weight: Any,
) -> Any:
    """Return the entropy of the last axis of each table given the one before."""
    vector = shares_in(base)
    settings = (normalize, keepdims, out, reduction, weight, check)
    return reduce_by_blocks(
        "conditional_entropy",
        "joint",
        joint,
        axes,
        partial(_conditional, vector, normalize),
        lambda shape: shape[0],
        *settings,
    )


def _conditional(vector: Array, normalize: bool, tables: Array, cores: int) -> tuple[Array, int]:
    """Return what the rows of some tables leave open: their entropies, weighed by their sums."""
    parts, totals, status = [], [], 0
    for start in range(0, max(1, tables.shape[-2]), BLOCK):
        piece = tables[..., start : start + BLOCK, :]
        rows, bits = of_rows(TOTAL, (piece,), 1)
        inside, more = of_rows(ENTROPY, (piece,), 1, vector)
        status |= bits | more
        inside[rows == 0] = 0  # that was nothing over nothing
        totals.append(of_rows(TOTAL, (rows,), 1)[0])
        rows /= 64  # no entropy of a row is larger, so no product is out of range
        parts.append(of_rows(WEIGHTED_SUM, (rows, inside), 1)[0])
    total = joined(totals)
    result = np.asarray(joined(parts) / ((total if normalize else 1.0) / 64))
    small = (total > 0) & (total < SMALLEST)
    if normalize and small.any():
        result[small], _ = _conditional(vector, normalize, SCALE * tables[small], cores)
    return np.where(np.isfinite(total), result, np.nan), status
