"""What a log loss is made of where it has options, and how its parts are added."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastent import _core
from fastent._arrays import Array, as_array
from fastent._labels import check_class_weight, mean_divisor, row_weights
from fastent._plan import check_out, deliver, parameters, weigh, weight_beside

SURPRISAL = _core.measures["surprisal"]
CROSS_ENTROPY = _core.measures["cross_entropy"]
BINARY_CROSS_ENTROPY = _core.measures["binary_cross_entropy"]
BINARY_CROSS_ENTROPY_WEIGHTED = _core.measures["binary_cross_entropy_weighted"]


class Options(NamedTuple):
    """What a loss is made with, and what becomes of the losses."""

    axis: int
    base: float | None
    log_floor: float | None
    class_weight: Any
    label_smoothing: float
    ignore_index: int | None
    reduction: str
    keepdims: bool
    check: bool
    return_weight: bool

    @property
    def plain(self) -> bool:
        """Whether a loss is -log p_label."""
        none_given = self.class_weight is None and self.ignore_index is None
        return none_given and self.label_smoothing == 0

    def parameters(self, measure: _core.Measure) -> Array:
        """Return what the kernel of a measure needs."""
        floor, smoothing = self.log_floor, self.label_smoothing
        return parameters(measure, self.base, floor, False, 1.0, smoothing)


class Part(NamedTuple):
    """A measure of each row or element, and what it is multiplied by for each label."""

    measure: _core.Measure
    views: tuple[Array, ...]
    cores: int
    by_label: Array | None

    def results(self, labels: Array, vector: Array, ignored: float, out: Array) -> int:
        """Fill `out` with the measure of each row; return status bits."""
        if not self.measure.pointwise:
            return self.measure.rows(self.views, self.cores, vector, out, labels, ignored)
        if self.cores:
            return self.measure.picked(self.views[0], labels, vector, out, ignored)
        return self.measure.elements(self.views, vector, out, labels, ignored)


def parts_of_two(labels: Array, prob: Array, options: Options) -> list[Part]:
    """Return the parts of losses of two classes: those of class 1 and of class 0, if not in one."""
    share, weights = options.label_smoothing, check_class_weight(options.class_weight, 2)
    if share == 0:
        return [Part(BINARY_CROSS_ENTROPY, (labels, prob), 0, weights)]
    zero, one = (np.broadcast_to(np.float64(i), prob.shape) for i in range(2))
    if weights is None:
        return [Part(BINARY_CROSS_ENTROPY_WEIGHTED, (labels, one, prob), 0, None)]
    has = np.array([share / 2, 1 - share / 2])  # of class 1, for each label; reversed of class 0
    return [
        Part(BINARY_CROSS_ENTROPY, (one, prob), 0, weights[1] * has),
        Part(BINARY_CROSS_ENTROPY, (zero, prob), 0, weights[0] * has[::-1]),
    ]


def parts_of_rows(rows: Array, options: Options) -> list[Part]:
    """Return the parts of losses of rows: that of the label, that of all classes."""
    share, classes, parts = options.label_smoothing, rows.shape[-1], []
    weights = check_class_weight(options.class_weight, classes)
    options.parameters(SURPRISAL)  # which says what is wrong with the share
    if share < 1:
        by_label = weights
        if share > 0:
            by_label = (1 - share) * (np.ones(classes) if weights is None else weights)
        parts.append(Part(SURPRISAL, (rows,), 1, by_label))
    if share > 0:
        each = share / classes * (np.ones(classes) if weights is None else weights)
        parts.append(Part(CROSS_ENTROPY, (np.broadcast_to(each, rows.shape), rows), 1, None))
    return parts


def sum_of_parts(
    parts: Sequence[Part],
    labels: Array,
    classes: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    options: Options,
    out: Array | None,
    weight: Any,
) -> Any:
    """Return the sum of the parts of each loss, or of all."""
    ignored = float("nan") if options.ignore_index is None else float(options.ignore_index)
    reduction, status = options.reduction, 0
    if weight is not None:
        weight = as_array(weight_beside(out, weight), "weight")
    total: Any = np.zeros(labels.shape, dtype) if reduction == "none" else np.float64(0)
    if reduction == "none":
        check_out(out, shape, dtype)
    for part in parts:
        vector = options.parameters(part.measure)
        _, each, _ = row_weights(labels, weight, part.by_label, options.ignore_index, "sum")
        if reduction == "none":
            losses = np.empty(labels.shape, dtype)
            status |= part.results(labels, vector, ignored, losses)
            total += weigh(losses, each)
        else:
            some, more = part.measure.reduced(
                part.views, part.cores, vector, dtype, "sum", each, labels, ignored
            )
            total += np.float64(some)
            status |= more
    invalid = status and np.isnan(total).any()  # not of an ignored row alone
    if reduction == "none":
        total = total.reshape(shape)
    else:
        weights = check_class_weight(options.class_weight, classes)
        divisor = 1.0
        if reduction != "sum":
            divisor = mean_divisor(labels, weight, weights, options.ignore_index, reduction)
        with np.errstate(all="ignore"):
            total = dtype.type(total / divisor)
    if invalid:
        _core.report_invalid("log_loss")
    return deliver(total, out)
