"""What is held against exact numbers: measures, the rows drawn for them, calls, true values.

A new measure is one entry in ``MEASURES``, or in those of ``accuracy_family``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import reference
import strategies
from mpmath import mp, mpf
from reference import exact, shares

import fastent
from fastent import _core

COLUMNS = (1, 2, 3, 10, 32, 100, 1000, 5000)
ELEMENTS = 3000  # of one draw: rows = ELEMENTS // columns, from 2 to 100
RELATIVE = {  # bounds of the contract that are relative errors, (float32, float64)
    "entropy, normalize": (1e-6, 1e-13),
    "perplexity, normalize": (1e-6, 1e-13),
    "cross_entropy, normalize": (1e-6, 1e-13),
    "kl_divergence, normalize": (1e-6, 1e-14),
}
Arrays = tuple[np.ndarray, ...]


def bound(name: str, dtype: Any) -> float:
    """Return the number the library promises for this measure and dtype."""
    own = {"log_loss": "surprisal"}.get(name, name)  # one logarithm, as there
    pair = RELATIVE[name] if name in RELATIVE else _core.bounds()[own]
    return float(pair[np.dtype(dtype) == np.float64])


def relative_error(got: Any, true: Any, scale: Any, dtype: Any) -> np.ndarray:
    """Return |got - true| / scale, less the one subnormal ulp of results below the normals."""
    tiny, ulp = float(np.finfo(dtype).tiny), float(np.finfo(dtype).smallest_subnormal)

    def one(got: float, true: Any, scale: Any) -> float:
        if not np.isfinite(got):
            return np.inf
        gap = abs(true - float(got))
        if 0 < float(true) < tiny:
            gap = max(gap - ulp, mpf(0))
        return float(gap / scale) if scale else np.inf if gap else 0.0

    return np.asarray(np.frompyfunc(one, 3, 1)(got, true, scale), dtype=np.float64)


@dataclass(frozen=True)
class Call:
    """One way to ask for a measure: its keywords, and the true value made from nats."""

    label: str
    call: Callable[..., Any]
    true: Callable[[Any], Any] = lambda nats: nats
    unit: str = "ulp"
    limit: Callable[[Any, Any], Any] | None = None  # (dtype, nats) -> allowed, or from the label


@dataclass(frozen=True)
class Measure:
    """Draws of arguments, their exact value in nats, and the calls to hold against it."""

    name: str
    draws: Mapping[str, Callable[..., Arrays]]
    nats: Callable[..., Any]
    calls: tuple[Call, ...]
    scale: Callable[..., Any] | None = None
    columns: tuple[int, ...] = COLUMNS
    elements: int = ELEMENTS


def bases(name: str, function: Callable[..., Any], unit: str = "ulp") -> tuple[Call, ...]:
    """List the calls of one function in nats and three other bases."""

    def call(base: float | None) -> Call:
        extra = 1.0 if base == 3 and unit == "ulp" else 0.0
        return Call(
            f"{name}, base {base}" if base else name,
            functools.partial(function, base=base),
            lambda nats: nats / mp.log(base) if base else nats,
            unit,
            lambda dtype, nats: bound(name, dtype) + extra,
        )

    return tuple(call(base) for base in (None, 2, 10, 3))


def normalized(name: str, function: Callable[..., Any]) -> tuple[Call, ...]:
    """List the calls with normalize=True, in bits too where there is a base."""
    label = f"{name}, normalize"
    calls = [Call(label, functools.partial(function, normalize=True), unit="relative")]
    if "base" in inspect.signature(function).parameters:
        bits = functools.partial(function, normalize=True, base=2)
        limit = bound(label, np.float32), bound(label, np.float64)
        calls.append(
            Call(
                f"{label}, base 2",
                bits,
                lambda nats: nats / mp.log(2),
                "relative",
                lambda dtype, _: limit[dtype == np.float64],
            )
        )
    return tuple(calls)


def _perplexity_limit(dtype: Any, nats: Any) -> Any:
    """Return H's bound times H, plus 2 ulp."""
    return bound("entropy", dtype) * nats + 2


def draws_of_rows(families: dict[str, Any]) -> dict[str, Callable[..., Arrays]]:
    """Draw one array."""
    return {name: lambda *args, f=f: (f(*args),) for name, f in families.items()}


def _vectors(
    first: dict[str, Any], *others: Callable[..., Any]
) -> dict[str, Callable[..., Arrays]]:
    """Draw vectors of probabilities: of a family, after those of the others."""
    return {
        name: lambda rng, rows, n, dtype, f=f: (
            *(o(rng, n, dtype) for o in others),
            f(rng, n, dtype),
        )
        for name, f in first.items()
    }


def _labelled(families: dict[str, Any]) -> dict[str, Callable[..., Arrays]]:
    """Draw labels and rows."""
    return {
        name: lambda rng, rows, n, dtype, f=f: (rng.integers(n, size=rows), f(rng, rows, n, dtype))
        for name, f in families.items()
    }


def _picked(labels: np.ndarray, prob: np.ndarray) -> Any:
    """Return the exact log loss."""
    taken = np.take_along_axis(prob, labels[:, None], -1)[:, 0]
    return exact(reference.exact_surprisal, taken, log_floor=reference.FLOOR)


def _plain_scale(p: np.ndarray, q: np.ndarray) -> Any:
    """Return what an error of the plain KL is measured against: sum phi + |sum p - sum q|."""
    return exact(reference.exact_kl_divergence, p, q) + abs(
        reference.MP(p).sum(-1) - reference.MP(q).sum(-1)
    )


_soft = strategies.PROBS["uniform"]
_hard = strategies.PROBS["hard"]
_WEIGHT_PAIRS = {
    "counts|counts": lambda *a: (strategies.counts(*a), strategies.counts(*a) + 1),
    "nearly_one_hot|counts": lambda *a: (strategies.nearly_one_hot(*a), strategies.counts(*a) + 1),
    "huge|subnormal": lambda *a: (strategies.huge(*a), strategies.subnormal(*a)),
    **{
        n: strategies.PAIRS[n]
        for n in ("near 1e-02", "near 1e-05", "near 1e-07", "neighbours", "sparse|softmax")
    },
}
_SMALL: dict[str, Any] = {"columns": (1, 2, 3, 10, 32, 100, 1000), "elements": 400}
_POINT: dict[str, Any] = {"columns": (2000,)}

MEASURES = {
    m.name: m
    for m in (
        Measure(
            "surprisal",
            _vectors(strategies.PROBS),
            functools.partial(exact, reference.exact_surprisal),
            bases("surprisal", fastent.surprisal),
            **_POINT,
        ),
        Measure(
            "binary_entropy",
            _vectors(strategies.PROBS),
            functools.partial(exact, reference.exact_binary_entropy),
            bases("binary_entropy", fastent.binary_entropy),
            **_POINT,
        ),
        Measure(
            "binary_cross_entropy, soft",
            _vectors(strategies.PROBS, _soft),
            functools.partial(exact, reference.exact_binary_cross_entropy),
            bases("binary_cross_entropy", fastent.binary_cross_entropy),
            **_POINT,
        ),
        Measure(
            "binary_cross_entropy, hard",
            _vectors(strategies.PROBS, _hard),
            functools.partial(exact, reference.exact_binary_cross_entropy),
            bases("binary_cross_entropy", fastent.binary_cross_entropy),
            **_POINT,
        ),
        Measure(
            "log_loss", _labelled(strategies.ROWS), _picked, bases("log_loss", fastent.log_loss)
        ),
        Measure(
            "log_loss, two classes",
            _vectors(strategies.PROBS, lambda rng, n, _: rng.integers(2, size=n)),
            functools.partial(exact, reference.exact_binary_cross_entropy),
            bases("log_loss", fastent.log_loss),
            **_POINT,
        ),
        Measure(
            "entropy",
            draws_of_rows(strategies.ROWS),
            functools.partial(exact, reference.exact_entropy),
            (
                *bases("entropy", fastent.entropy),
                Call(
                    "perplexity",
                    fastent.perplexity,
                    np.frompyfunc(mp.exp, 1, 1),
                    limit=_perplexity_limit,
                ),
            ),
        ),
        Measure(
            "entropy, normalize",
            draws_of_rows(strategies.WEIGHTS),
            lambda p: reference.exact_entropy(reference.MP, shares(p)),
            normalized("entropy", fastent.entropy),
            **_SMALL,
        ),
        Measure(
            "perplexity, normalize",
            draws_of_rows(strategies.WEIGHTS),
            lambda p: np.frompyfunc(mp.exp, 1, 1)(reference.exact_entropy(reference.MP, shares(p))),
            normalized("perplexity", fastent.perplexity),
            **_SMALL,
        ),
        Measure(
            "cross_entropy",
            strategies.PAIRS,
            functools.partial(exact, reference.exact_cross_entropy),
            bases("cross_entropy", fastent.cross_entropy),
        ),
        Measure(
            "cross_entropy, normalize",
            _WEIGHT_PAIRS,
            lambda p, q: reference.exact_cross_entropy(reference.MP, shares(p), shares(q)),
            normalized("cross_entropy", fastent.cross_entropy),
            **_SMALL,
        ),
        Measure(
            "kl_divergence",
            strategies.PAIRS,
            functools.partial(exact, reference.exact_kl_divergence),
            bases("kl_divergence", fastent.kl_divergence, "relative"),
        ),
        Measure(
            "kl_divergence, plain",
            strategies.PAIRS,
            functools.partial(exact, reference.exact_kl_divergence, generalized=False),
            (
                Call(
                    "kl_divergence, plain",
                    functools.partial(fastent.kl_divergence, generalized=False),
                    unit="relative",
                    limit=lambda dtype, nats: bound("kl_divergence", dtype),
                ),
            ),
            scale=_plain_scale,
            columns=(1, 3, 10, 100),
            elements=500,
        ),
        Measure(
            "kl_divergence, normalize",
            _WEIGHT_PAIRS,
            lambda p, q: reference.exact_kl_divergence(reference.MP, shares(p), shares(q)),
            normalized("kl_divergence", fastent.kl_divergence),
            **_SMALL,
        ),
    )
}
