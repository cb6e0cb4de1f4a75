"""What people call today for each measure: NumPy, SciPy, PyTorch eager and compiled, JAX.

Every call takes the arrays of its library, the axis and an optional preallocated output.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import fastent

Call = Callable[[tuple[Any, ...], int, Any], Any]

LIBRARIES = ("numpy", "scipy", "torch", "jax")
COMPILED = "compile"  # the peer "torch" through torch.compile
NAMES = (*LIBRARIES, COMPILED)
TOP = 5  # of the largest log-probabilities


@cache
def available() -> tuple[str, ...]:
    """Return the installed libraries."""
    return tuple(name for name in LIBRARIES if importlib.util.find_spec(name))


def set_threads(count: int) -> None:
    """Let fastent and PyTorch use as many threads; NumPy and SciPy have one whatever is set."""
    fastent.set_num_threads(count)
    if "torch" in sys.modules:  # importing it takes seconds, and it may not be wanted
        sys.modules["torch"].set_num_threads(count)


@cache
def _load(name: str) -> Any:
    """Import a module when it is first asked for: SciPy and PyTorch may be missing."""
    return importlib.import_module(name)


@cache
def compile_trouble() -> str | None:
    """Say why torch.compile does not work here, or None: one small function is compiled."""
    if "torch" not in available():
        return "PyTorch is not installed: pip install torch"
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no processes left waiting
    torch = _load("torch")
    try:
        compiled(torch.exp)(torch.ones(8))
    except Exception as error:  # whatever the compiler's tool chain raises
        reason = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {reason} (it needs a C++ compiler: install g++ or set CXX)"
    return None


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function to be compiled at its first call, for shapes and threads of that call."""
    torch = _load("torch")
    torch.compiler.reset()  # else a function stops being compiled after eight shapes
    result: Callable[..., Any] = torch.compile(function, fullgraph=True, dynamic=False)
    return result


def as_peer(library: str, array: Any) -> Any:
    """Return an array (or a list) as the library's own type, without a copy where possible."""
    if library in ("torch", COMPILED):
        torch = _load("torch")
        if isinstance(array, np.ndarray) and array.dtype.name == "bfloat16":
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array) if isinstance(array, np.ndarray) else torch.tensor(array)
    return _load("bench.jax_peers").as_array(array) if library == "jax" else np.asarray(array)


def peer_calls(expression: str, names: tuple[str, ...]) -> dict[str, Call]:
    """Return how the named peers compute an expression of EXPRESSIONS."""
    calls = {name: _widened(call) for name, call in EXPRESSIONS[expression].items()}
    if "torch" in available():
        calls["torch"] = _load("bench.torch_peers").EXPRESSIONS[expression]
        if COMPILED in names:
            calls[COMPILED] = compiled(calls["torch"])
    if "jax" in names and "jax" in available():
        calls |= _load("bench.jax_peers").calls_of(expression)
    return {name: calls[name] for name in names if name in calls}


def _widened(call: Call) -> Call:
    """Return a call that makes bfloat16 float32 first: NumPy has no arithmetic for it."""

    def run(a: tuple[Any, ...], axis: int, out: Any) -> Any:
        return call(tuple(_wide(x) for x in a), axis, out)

    return run


def _wide(x: Any) -> Any:
    return x.astype(np.float32) if getattr(x, "dtype", None) == "bfloat16" else x


def _numpy_bce(target: Any, prob: Any) -> Any:
    return -(target * np.log(prob) + (1 - target) * np.log1p(-prob))


def _scipy_bce(target: Any, prob: Any) -> Any:
    special = _load("scipy.special")
    return -(special.xlogy(target, prob) + special.xlog1py(1 - target, -prob))


def _scipy_logits(target: Any, logits: Any) -> Any:
    log_expit = _load("scipy.special").log_expit
    return -(target * log_expit(logits) + (1 - target) * log_expit(-logits))


def _numpy_picked(labels: Any, table: Any, axis: int) -> Any:
    entries = np.take_along_axis(table, np.expand_dims(labels, axis), axis)
    return -np.log(np.squeeze(entries, axis))


def _numpy_logsumexp(x: Any, axis: int) -> Any:
    largest = x.max(axis, keepdims=True)
    return np.squeeze(largest, axis) + np.log(np.exp(x - largest).sum(axis))


def _numpy_softmax_cross_entropy(labels: Any, x: Any, axis: int) -> Any:
    entries = np.take_along_axis(x, np.expand_dims(labels, axis), axis)
    return _numpy_logsumexp(x, axis) - np.squeeze(entries, axis)


def _scipy_softmax_cross_entropy(labels: Any, x: Any, axis: int) -> Any:
    log_p = _load("scipy.special").log_softmax(x, axis=axis)
    return -np.squeeze(np.take_along_axis(log_p, np.expand_dims(labels, axis), axis), axis)


def _less_one(p: Any, labels: Any, axis: int) -> Any:
    """Take 1 from what each row has at its label."""
    index = np.expand_dims(labels, axis)
    np.put_along_axis(p, index, np.take_along_axis(p, index, axis) - 1, axis)
    return p


def _numpy_softmax_entropy(x: Any, axis: int) -> Any:
    log_p = x - np.expand_dims(_numpy_logsumexp(x, axis), axis)
    return -(np.exp(log_p) * log_p).sum(axis)


def _scipy_softmax_entropy(x: Any, axis: int) -> Any:
    return _load("scipy.special").entr(_load("scipy.special").softmax(x, axis=axis)).sum(axis)


def _numpy_log_softmax(x: Any, axis: int) -> Any:
    return x - np.expand_dims(_numpy_logsumexp(x, axis), axis)


def _kl_divergence(log_p: Any, log_q: Any, axis: int) -> Any:
    return (np.exp(log_p) * (log_p - log_q)).sum(axis)


def _scipy_log_softmax(x: Any, axis: int) -> Any:
    return _load("scipy.special").log_softmax(x, axis=axis)


def _numpy_softmax(x: Any, axis: int) -> Any:
    exponentials = np.exp(x - x.max(axis, keepdims=True))
    return exponentials / exponentials.sum(axis, keepdims=True)


def _score(log_p: Any, labels: Any, x: Any, axis: int) -> Any:
    indices = np.expand_dims(labels, axis)
    p = np.exp(log_p)
    second, first = np.moveaxis(np.partition(p, -2, axis).take([-2, -1], axis), axis, 0)
    loss = -np.squeeze(np.take_along_axis(log_p, indices, axis), axis)
    rank = (x > np.take_along_axis(x, indices, axis)).sum(axis)
    return loss, -(p * log_p).sum(axis), first, first - second, x.argmax(axis), rank


def _top(log_p: Any, axis: int) -> Any:
    return -np.sort(np.partition(-log_p, TOP - 1, axis).take(range(TOP), axis), axis)


def _into(result: Any, out: Any) -> Any:
    """Write a result where the caller wants it."""
    if out is None:
        return result
    out[...] = result
    return out


EXPRESSIONS: dict[str, dict[str, Call]] = {
    "entropy": {
        "numpy": lambda a, axis, out: -(a[0] * np.log(a[0])).sum(axis),
        "scipy": lambda a, axis, out: _load("scipy.stats").entropy(a[0], axis=axis),
    },
    "perplexity": {
        "numpy": lambda a, axis, out: np.exp(-(a[0] * np.log(a[0])).sum(axis)),
        "scipy": lambda a, axis, out: np.exp(_load("scipy.stats").entropy(a[0], axis=axis)),
    },
    "cross_entropy": {
        "numpy": lambda a, axis, out: -(a[0] * np.log(a[1])).sum(axis),
        "scipy": lambda a, axis, out: -_load("scipy.special").xlogy(*a).sum(axis),
    },
    "kl_divergence": {
        "numpy": lambda a, axis, out: (a[0] * np.log(a[0] / a[1])).sum(axis),
        "scipy": lambda a, axis, out: _load("scipy.stats").entropy(*a, axis=axis),
    },
    "softmax_cross_entropy": {
        "numpy": lambda a, axis, out: _numpy_softmax_cross_entropy(a[0], a[1], axis),
        "scipy": lambda a, axis, out: _scipy_softmax_cross_entropy(a[0], a[1], axis),
    },
    "softmax_cross_entropy_grad": {
        "numpy": lambda a, axis, out: _into(_less_one(_numpy_softmax(a[1], axis), a[0], axis), out),
        "scipy": lambda a, axis, out: _into(
            _less_one(_load("scipy.special").softmax(a[1], axis=axis), a[0], axis), out
        ),
    },
    "softmax_entropy": {
        "numpy": lambda a, axis, out: _numpy_softmax_entropy(a[0], axis),
        "scipy": lambda a, axis, out: _scipy_softmax_entropy(a[0], axis),
    },
    "softmax_kl_divergence": {
        "numpy": lambda a, axis, out: _kl_divergence(
            _numpy_log_softmax(a[0], axis), _numpy_log_softmax(a[1], axis), axis
        ),
        "scipy": lambda a, axis, out: _kl_divergence(
            _scipy_log_softmax(a[0], axis), _scipy_log_softmax(a[1], axis), axis
        ),
    },
    "softmax": {
        "numpy": lambda a, axis, out: _into(_numpy_softmax(a[0], axis), out),
        "scipy": lambda a, axis, out: _into(_load("scipy.special").softmax(a[0], axis=axis), out),
    },
    "log_softmax": {
        "numpy": lambda a, axis, out: _into(_numpy_log_softmax(a[0], axis), out),
        "scipy": lambda a, axis, out: _into(
            _load("scipy.special").log_softmax(a[0], axis=axis), out
        ),
    },
    "score_logits": {
        "numpy": lambda a, axis, out: _score(_numpy_log_softmax(a[1], axis), a[0], a[1], axis),
        "scipy": lambda a, axis, out: _score(
            _load("scipy.special").log_softmax(a[1], axis=axis), a[0], a[1], axis
        ),
    },
    "top_log_probs": {
        "numpy": lambda a, axis, out: _top(_numpy_log_softmax(a[0], axis), axis),
        "scipy": lambda a, axis, out: _top(
            _load("scipy.special").log_softmax(a[0], axis=axis), axis
        ),
    },
    "binary_cross_entropy_mean": {
        "numpy": lambda a, axis, out: _numpy_bce(*a).mean(),
        "scipy": lambda a, axis, out: _scipy_bce(*a).mean(),
    },
    "binary_cross_entropy_with_logits_mean": {
        "numpy": lambda a, axis, out: (np.logaddexp(0, a[1]) - a[0] * a[1]).mean(),
        "scipy": lambda a, axis, out: _scipy_logits(*a).mean(),
    },
    "binary_cross_entropy": {
        "numpy": lambda a, axis, out: _into(_numpy_bce(*a), out),
        "scipy": lambda a, axis, out: _into(_scipy_bce(*a), out),
    },
    "surprisal": {
        "numpy": lambda a, axis, out: np.negative(np.log(a[0], out=out), out=out),
    },
    "log_loss": {
        "numpy": lambda a, axis, out: _numpy_picked(a[0], a[1], axis),
    },
}
