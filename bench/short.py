"""What one call on a few elements costs, as an array and as a list."""

from typing import Any

import numpy as np

from bench.cases import MEASURES, Case
from bench.peers import as_peer, available, peer_calls, set_threads
from bench.timing import Thunk, no_collection, seconds

SHORT_MEASURES = (
    "entropy",
    "kl_divergence",
    "cross_entropy",
    "bce_out",
    "surprisal_out",
    "bce_mean_hard",
    "softmax_entropy",
    "softmax_cross_entropy",
    "softmax_cross_entropy_grad",
    "softmax",
    "score_logits",
)


def short_calls(entries: int = 8, peers: bool = True) -> list[dict[str, Any]]:
    """Return microseconds a call on `entries` elements, one thread."""
    set_threads(1)
    rows: list[dict[str, Any]] = []
    for name in SHORT_MEASURES:
        shown = name.removesuffix("_out")
        for dtype in ("float32", "float64"):
            operands = MEASURES[name].operands
            layout = "-" if "prob" in operands else str(entries)
            arrays = Case(name, dtype, layout).data(entries * np.dtype(dtype).itemsize)
            if "labels" not in operands:  # beside which it stays a row
                arrays = tuple(array.reshape(-1) for array in arrays)
            rows.append({"measure": shown, "dtype": dtype, "given": "array"})
            rows[-1].update(_short(name, arrays, peers))
        lists = tuple(array.tolist() for array in arrays)
        rows.append({"measure": shown, "dtype": "float64", "given": "list"})
        rows[-1].update(_short(name, lists, peers))
    return rows


def _short(name: str, inputs: tuple[Any, ...], peers: bool) -> dict[str, float]:
    """Time ours and each peer on inputs of one kind; peers convert lists within the call."""
    measure = MEASURES[name]
    given_lists = isinstance(inputs[0], list)
    calls: dict[str, Thunk] = {"fastent": lambda: measure.ours(inputs, -1, None)}
    for library, call in peer_calls(measure.peers, available() if peers else ()).items():
        calls[library] = _peer_call(library, call, inputs, given_lists)
    return {library: _microseconds(call) for library, call in calls.items()}


def _peer_call(library: str, call: Any, inputs: tuple[Any, ...], convert: bool) -> Thunk:
    if convert:
        return lambda: call(tuple(as_peer(library, item) for item in inputs), -1, None)
    converted = tuple(as_peer(library, item) for item in inputs)
    return lambda: call(converted, -1, None)


def _microseconds(call: Thunk) -> float:
    """Return the least time of a call, over batches of about two milliseconds."""
    once = min(seconds(call) for _ in range(50))
    repeats = max(1, round(2e-3 / once))
    with no_collection():
        return min(seconds(call, repeats) for _ in range(15)) / repeats * 1e6
