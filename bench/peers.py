"""What people call today for each measure: NumPy expressions, SciPy, PyTorch in eager mode.

Every call takes the arrays of its library, the axis and an optional preallocated output.
"""

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import fastent

Call = Callable[[tuple[Any, ...], int, Any], Any]

LIBRARIES = ("numpy", "scipy", "torch")


@cache
def available() -> tuple[str, ...]:
    """Return the installed peers; PyTorch is held to as many threads as fastent uses."""
    found = tuple(name for name in LIBRARIES if importlib.util.find_spec(name))
    if "torch" in found:
        importlib.import_module("torch").set_num_threads(fastent.get_num_threads())
    return found


@cache
def _load(name: str) -> Any:
    """Import a module when it is first asked for: SciPy and PyTorch may be missing."""
    return importlib.import_module(name)


def as_peer(library: str, array: Any) -> Any:
    """Return an array (or a list) as the library's own type, without a copy where possible."""
    if library == "torch":
        torch = _load("torch")
        return torch.from_numpy(array) if isinstance(array, np.ndarray) else torch.tensor(array)
    return np.asarray(array)


def _torch_bce(a: tuple[Any, ...], reduction: str) -> Any:
    functional = _load("torch.nn.functional")
    return functional.binary_cross_entropy(a[1], a[0], reduction=reduction)


def _numpy_bce(target: Any, prob: Any) -> Any:
    return -(target * np.log(prob) + (1 - target) * np.log1p(-prob))


def _scipy_bce(target: Any, prob: Any) -> Any:
    special = _load("scipy.special")
    return -(special.xlogy(target, prob) + special.xlog1py(1 - target, -prob))


def _numpy_picked(labels: Any, table: Any, axis: int) -> Any:
    entries = np.take_along_axis(table, np.expand_dims(labels, axis), axis)
    return -np.log(np.squeeze(entries, axis))


def _torch_picked(labels: Any, table: Any, axis: int) -> Any:
    return -table.gather(axis, labels.unsqueeze(axis)).squeeze(axis).log()


def _into(result: Any, out: Any) -> Any:
    """Write a result where the caller wants it."""
    if out is None:
        return result
    out[...] = result
    return out


def _torch_kl(a: tuple[Any, ...], axis: int) -> Any:
    divergence = _load("torch.nn.functional").kl_div
    return divergence(a[1].log(), a[0], reduction="none").sum(axis)


PEERS: dict[str, dict[str, Call]] = {
    "entropy": {
        "numpy": lambda a, axis, out: -(a[0] * np.log(a[0])).sum(axis),
        "scipy": lambda a, axis, out: _load("scipy.stats").entropy(a[0], axis=axis),
        "torch": lambda a, axis, out: _load("torch").special.entr(a[0]).sum(axis),
    },
    "perplexity": {
        "numpy": lambda a, axis, out: np.exp(-(a[0] * np.log(a[0])).sum(axis)),
        "scipy": lambda a, axis, out: np.exp(_load("scipy.stats").entropy(a[0], axis=axis)),
        "torch": lambda a, axis, out: _load("torch").special.entr(a[0]).sum(axis).exp(),
    },
    "cross_entropy": {
        "numpy": lambda a, axis, out: -(a[0] * np.log(a[1])).sum(axis),
        "scipy": lambda a, axis, out: -_load("scipy.special").xlogy(*a).sum(axis),
        "torch": lambda a, axis, out: -(a[0] * a[1].log()).sum(axis),
    },
    "kl_divergence": {
        "numpy": lambda a, axis, out: (a[0] * np.log(a[0] / a[1])).sum(axis),
        "scipy": lambda a, axis, out: _load("scipy.stats").entropy(*a, axis=axis),
        "torch": lambda a, axis, out: _torch_kl(a, axis),
    },
    "binary_cross_entropy_mean": {
        "numpy": lambda a, axis, out: _numpy_bce(*a).mean(),
        "scipy": lambda a, axis, out: _scipy_bce(*a).mean(),
        "torch": lambda a, axis, out: _torch_bce(a, "mean"),
    },
    "binary_cross_entropy": {
        "numpy": lambda a, axis, out: _into(_numpy_bce(*a), out),
        "scipy": lambda a, axis, out: _into(_scipy_bce(*a), out),
        "torch": lambda a, axis, out: _into(_torch_bce(a, "none"), out),
    },
    "surprisal": {
        "numpy": lambda a, axis, out: np.negative(np.log(a[0], out=out), out=out),
        "torch": lambda a, axis, out: _load("torch").log(a[0], out=out).neg_(),
    },
    "log_loss": {
        "numpy": lambda a, axis, out: _numpy_picked(a[0], a[1], axis),
        "torch": lambda a, axis, out: _torch_picked(a[0], a[1], axis),
    },
}
