"""Cross entropies of softmaxes with their options: class weights, label smoothing, ignored rows.

Label smoothing gives the share e of a target to all K classes that are not masked, so a loss is

    (1 - e) w_label (-log p_label) + (e/K) sum_j w_j (-log p_j)

with the weights w of classes; of labels both parts come from one read of the logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array, kernel_dtype
from fastent._elements import broadcast_shape
from fastent._labels import (
    LOGITS_AXIS,
    block_divisor,
    check_class_weight,
    check_labels,
    mean_divisor,
    row_weights,
)
from fastent._lazy import call_lazily, is_lazy, lazy_operands
from fastent._plan import (
    check_out,
    deliver,
    parameters,
    result_array,
    to_last,
    weigh,
    weight_beside,
)
from fastent._rows import reduce_rows

OF_LABELS = _core.measures["softmax_cross_entropy"]
OF_CLASSES = _core.measures["softmax_cross_entropy_of_classes"]
OF_TARGETS = _core.measures["softmax_cross_entropy_of_targets"]
OF_WEIGHTED_TARGETS = _core.measures["softmax_cross_entropy_of_weighted_targets"]


@dataclass(frozen=True)
class Options:
    """What a loss is made with, and what becomes of the losses."""

    base: float | None
    temperature: float
    class_weight: Any
    label_smoothing: float
    ignore_index: int | None
    reduction: str
    keepdims: bool
    return_weight: bool


def plain_losses(
    labels: Array, logits: Array, base: float | None, temperature: float, reduction: str
) -> Any:
    """Return what label_losses does, of what _core.plain_rows() has looked at, without options."""
    vector = parameters(OF_LABELS, base, None, False, temperature)
    if reduction != "none":
        return OF_LABELS.reduced((logits,), 1, vector, logits.dtype, reduction, None, labels)[0]
    losses = np.empty(labels.shape, logits.dtype)
    OF_LABELS.rows((logits,), 1, vector, losses, labels)
    return losses[()]


def label_losses(
    labels: Any, logits: Any, position: int, options: Options, weight: Any, out: Array | None
) -> Any:
    """Return the loss of each row of logits, whose classes lie along `position`, or a reduction."""
    if any(map(is_lazy, (labels, logits, weight))):
        return _label_losses_lazily(labels, logits, position, options, weight, out)
    rows = to_last(logits, position)
    classes = rows.shape[-1]
    ignore_index, reduction = options.ignore_index, options.reduction
    check_labels(labels, classes, LOGITS_AXIS, "target", ignore_index)
    class_weight = check_class_weight(options.class_weight, classes)
    if weight is not None:
        weight = as_array(weight_beside(out, weight), "weight")
    smoothing = options.label_smoothing
    vector = parameters(OF_LABELS, options.base, None, False, options.temperature, smoothing)
    dtype = kernel_dtype([logits])
    measure = OF_LABELS
    operands: tuple[Array, ...] = (rows,)
    if smoothing > 0:
        weights = np.ones(classes) if class_weight is None else class_weight
        measure = OF_CLASSES
        operands = (np.broadcast_to(weights.astype(dtype), rows.shape), rows)
    how, each, divisor = row_weights(
        labels, weight, class_weight, ignore_index, reduction, weighted=smoothing > 0
    )
    ignored = float("nan") if ignore_index is None else float(ignore_index)
    if reduction != "none":
        total, _ = measure.reduced(operands, 1, vector, dtype, how, each, labels, ignored)
        if divisor is not None:
            with np.errstate(all="ignore"):
                total = dtype.type(np.float64(total) / divisor)
        total = deliver(total, out)
        if not options.return_weight:
            return total
        return total, np.float64(mean_divisor(labels, None, class_weight, ignore_index, "mean"))
    kept = (1,) if options.keepdims else ()
    shape = logits.shape[:position] + kept + logits.shape[position + 1 :]
    check_out(out, shape, dtype)
    result = result_array(out, shape, dtype, (logits, labels))
    flat = np.squeeze(result, axis=position) if kept else result
    measure.rows(operands, 1, vector, flat, labels, ignored)
    weigh(flat, each)
    return deliver(result, out)


def _label_losses_lazily(
    labels: Any, logits: Any, position: int, options: Options, weight: Any, out: Any
) -> Any:
    """Return the Dask array that the same call on its blocks makes up, or both of a pair."""
    axis = position - logits.ndim
    class_weight = check_class_weight(options.class_weight, logits.shape[position])
    ignored, reduction, pair = options.ignore_index, options.reduction, options.return_weight
    return call_lazily(
        partial(_block_of_losses, axis, options),
        lazy_operands((labels, logits), ("target", "logits"), out),
        ("target", "logits"),
        (False, True),
        (axis,),
        kernel_dtype([logits]),
        options.keepdims,
        reduction,
        weight,
        block_divisor(class_weight, ignored, reduction, pair),
        pair,
    )


def _block_of_losses(
    axis: int, options: Options, blocks: Any, weight: Any, reduction: str, keepdims: bool
) -> Any:
    """Return the losses of a block of a Dask array, or their sum."""
    labels, logits = blocks
    block = replace(options, reduction=reduction, keepdims=keepdims, return_weight=False)
    return label_losses(labels, logits, axis % logits.ndim, block, weight, None)


def target_losses(
    target: Any, logits: Any, axis: int, options: Options, weight: Any, out: Array | None
) -> Any:
    """Return the same of targets that are distributions over the classes."""
    if options.ignore_index is not None:
        raise TypeError(
            "ignore_index goes with class indices, but target holds distributions "
            f"(dtype {target.dtype}, shape {target.shape})"
        )
    share = options.label_smoothing
    parameters(OF_TARGETS, options.base, None, False, options.temperature, share)
    reduced = partial(_reduced, axis=axis, options=options, weight=weight)
    measure, names, values = OF_TARGETS, ["target", "logits"], [target, logits]
    position = axis % max(logits.ndim, 1)
    classes = logits.shape[position] if logits.ndim else 1
    class_weight = check_class_weight(options.class_weight, classes)
    rows: Any = np.ones(classes) if class_weight is None else class_weight
    rows = rows.reshape(-1, *(1,) * (logits.ndim - 1 - position)).astype(kernel_dtype([logits]))
    if class_weight is not None:
        measure = OF_WEIGHTED_TARGETS
        names.insert(0, "class_weight")
        values.insert(0, rows)
    if share == 0:
        return reduced(measure, names, values, out=out)
    losses: Any = 0
    if share < 1:
        alone = replace(options, return_weight=False)
        losses = (1 - share) * reduced(measure, names, values, options=alone)
    values = [rows, _for_each_target(logits, target)]
    of_classes = reduced(OF_CLASSES, ("class_weight", "logits"), values, smoothing=1.0)
    of_classes, *divisor = of_classes if options.return_weight else (of_classes,)
    losses = losses + share * of_classes
    losses = losses if is_lazy(losses) else deliver(np.asarray(losses), out)
    return (losses, *divisor) if divisor else losses


def _for_each_target(logits: Any, target: Any) -> Any:
    """Return the logits with a row for each of the target's, where they have fewer."""
    lengths = zip(target.shape[::-1], logits.shape[::-1], strict=False)
    if target.ndim <= logits.ndim and all(n == 1 or m != 1 for n, m in lengths):
        return logits
    return np.broadcast_to(logits, broadcast_shape([target, logits], ("target", "logits")))


def _reduced(
    measure: _core.Measure,
    names: Sequence[str],
    values: Sequence[Any],
    axis: int,
    options: Options,
    weight: Any,
    out: Array | None = None,
    smoothing: float = 0.0,
) -> Any:
    """Return losses of rows, or their reduction."""
    return reduce_rows(
        measure,
        tuple(names),
        tuple(values),
        axis,
        options.base,
        None,
        False,
        options.keepdims,
        out,
        options.reduction,
        weight,
        False,
        options.return_weight,
        additive=False,
        temperature=options.temperature,
        smoothing=smoothing,
    )
