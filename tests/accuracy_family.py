"""Cases as those of ``accuracy_cases``, of the divergences and entropies beside the main four."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import reference_family as reference
from accuracy_cases import Call, Measure, bases, draws_of_rows
from mpmath import mpf
from reference import MP, exact, exact_kl_divergence, exact_total_variation_distance, shares
from strategies import PAIRS, ROWS, WEIGHTS

import fastent
from fastent import _core

SMALL: dict[str, Any] = {"columns": (2, 17, 300), "elements": 100}  # of slow exact numbers
MIDDLE: dict[str, Any] = {"columns": (1, 3, 10, 100, 1000), "elements": 1000}
ORDERS = (0, 0.25, 1 - 1e-6, 1, 1 + 1e-9, 1.5, 2, 30, math.inf)
# Of orders, rows that sum to 1 or less: their logarithms have one sign.
SHARES = draws_of_rows(
    {n: ROWS[n] for n in ("softmax", "sparse", "one_hot", "dominant", "log_uniform", "subnormal")}
)
NEAR = ("near 1e-02", "near 1e-05", "near 1e-07", "neighbours", "sparse|softmax")


def _limit(name: str) -> Callable[[Any, Any], float]:
    """Return what a measure's bound is for a dtype."""
    return lambda dtype, _: float(_core.bounds()[name][np.dtype(dtype) == np.float64])


def _of_pairs(name: str, twin: Callable[..., Any], **keywords: Any) -> Measure:
    """Return the case of a measure of pairs without a base, in ulps."""
    function = getattr(fastent, name)
    return Measure(name, PAIRS, twin, (Call(name, function),), **keywords)


def _relative(
    label: str, name: str, draws: Any, twin: Any, function: Any = None, **keywords: Any
) -> Measure:
    """Return the case of a measure whose bound is a relative error."""
    call = Call(label, function or getattr(fastent, name), unit="relative", limit=_limit(name))
    return Measure(label, draws, twin, (call,), **{**SMALL, **keywords})


def _apart(p: np.ndarray, q: np.ndarray, order: float) -> Any:
    """Return what an error of a Renyi divergence is measured against: it and |sum p - sum q|.

    Of order 0, which is 0 for rows of the same events, KL's too.
    """
    divergence = abs(reference.exact_renyi_divergence(p, q, order))
    kl = exact(exact_kl_divergence, p, q) if order == 0 else 0
    return divergence + abs(MP(p).sum(-1) - MP(q).sum(-1)) + kl


def _orders() -> Iterator[Measure]:
    """Yield the cases of measures of an order."""
    for order in ORDERS:
        for name in ("renyi_entropy", "tsallis_entropy"):
            function = getattr(fastent, name)
            tsallis = name.startswith("tsallis")
            yield _relative(
                f"{name}, {order}",
                name,
                {n: f for n, f in SHARES.items() if n != "subnormal" or not tsallis},
                functools.partial(reference.exact_renyi_entropy, alpha=order, tsallis=tsallis),
                lambda p, f=function, a=order: f(p, a),
            )
        twin = functools.partial(reference.exact_renyi_divergence, alpha=order)
        yield _relative(
            f"renyi_divergence, {order}",
            "renyi_divergence",
            {n: PAIRS[n] for n in NEAR},
            twin,
            lambda p, q, a=order: fastent.renyi_divergence(p, q, a),
            scale=functools.partial(_apart, order=order),
        )


def _normalized() -> Iterator[Measure]:
    """Yield the cases of rows that are divided by their sums."""
    pairs = {n: PAIRS[n] for n in NEAR}
    for name in ("js_divergence", "jeffreys_divergence"):
        twin = getattr(reference, f"exact_{name}")
        yield _relative(
            f"{name}, normalize",
            name,
            pairs,
            lambda p, q, twin=twin: twin(MP, shares(p), shares(q)),
            functools.partial(getattr(fastent, name), normalize=True),
        )
    for name, exactly in (
        ("hellinger_distance", reference.exact_hellinger_distance),
        ("total_variation_distance", functools.partial(exact_total_variation_distance, MP)),
    ):
        function = functools.partial(getattr(fastent, name), normalize=True)
        yield Measure(
            f"{name}, normalize",
            pairs,
            lambda p, q, twin=exactly: twin(shares(p), shares(q)),
            (Call(name, function),),
            **SMALL,
        )
    counts = {n: f for n, f in WEIGHTS.items() if n in ("counts", "nearly_one_hot")}
    for order in (0.5, 1, 2, math.inf):
        yield _relative(
            f"renyi_entropy, {order}, normalize",
            "renyi_entropy",
            draws_of_rows(counts),
            lambda p, a=order: reference.exact_renyi_entropy(shares(p), a),
            lambda p, a=order: fastent.renyi_entropy(p, a, normalize=True),
        )


def _root(nats: Any) -> Any:
    """Return the square roots of exact numbers."""
    return nats ** mpf(0.5)


MEASURES = {
    m.name: m
    for m in (
        _of_pairs(
            "total_variation_distance",
            lambda *a: exact(exact_total_variation_distance, *a),
            **MIDDLE,
        ),
        _of_pairs("hellinger_distance", reference.exact_hellinger_distance, **SMALL),
        _of_pairs("brier_score", lambda *a: exact(reference.exact_brier_score, *a), **MIDDLE),
        Measure(
            "js_divergence",
            PAIRS,
            functools.partial(exact, reference.exact_js_divergence),
            (
                *bases("js_divergence", fastent.js_divergence, "relative"),
                Call("js_distance", fastent.js_distance, _root, "relative", _limit("js_distance")),
            ),
            **MIDDLE,
        ),
        Measure(
            "jeffreys_divergence",
            PAIRS,
            functools.partial(exact, reference.exact_jeffreys_divergence),
            bases("jeffreys_divergence", fastent.jeffreys_divergence, "relative"),
            **MIDDLE,
        ),
        _relative(
            "population_stability_index",
            "population_stability_index",
            PAIRS,
            reference.exact_population_stability_index,
        ),
        *_normalized(),
        *_orders(),
    )
}
