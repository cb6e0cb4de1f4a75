"""Label smoothing: a share of every target, spread over the classes that are not masked."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from fastent import _core
from fastent._arrays import Array, kernel_dtype
from fastent._labels import check_class_weight
from fastent._plan import deliver, weigh, weights_of
from fastent._rows import reduce_rows

SOFTMAX_CROSS_ENTROPY_OF_CLASSES = _core.measures["softmax_cross_entropy_of_classes"]


@dataclass(frozen=True)
class Smoothing:
    """What is smoothed, by how much."""

    share: float
    labels: Array | None  # None: targets are distributions
    class_weight: Any
    ignore_index: int | None

    def __post_init__(self) -> None:
        """Raise for a share that is none, and for what needs labels."""
        if not isinstance(self.share, Real):
            raise TypeError(f"label_smoothing must be a number, not {self.share!r}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"label_smoothing must lie between 0 and 1, not {self.share!r}")
        if self.labels is None and not (self.class_weight is self.ignore_index is None):
            raise TypeError(
                "class_weight and ignore_index go with class indices, but target holds "
                "distributions"
            )

    def mixed(
        self, losses: Any, logits: Array, axis: int, base: float | None, temperature: float
    ) -> Array:
        """Return each row's loss: the part of its target, and that of all classes.

        Both are weighted by class: the first by that of the label, the second each by its own.
        """
        dtype = kernel_dtype([logits])
        classes = logits.shape[axis]
        weights = check_class_weight(self.class_weight, classes)
        shares = np.ones(classes) if weights is None else weights
        settings = (base, None, False, False, None, "none", None, False, False)
        spread = reduce_rows(
            SOFTMAX_CROSS_ENTROPY_OF_CLASSES,
            ("class_weight", "logits"),
            (shares.astype(dtype).reshape(-1, *(1,) * (logits.ndim - 1 - axis)), logits),
            axis,
            *settings,
            temperature,
        )
        result = self.share * np.asarray(spread, np.float64)
        if self.share < 1:
            result = result + (1 - self.share) * (np.asarray(losses) * self._by_label(weights))
        return np.where(self._kept(), result, 0.0).astype(dtype)

    def reduced(
        self, losses: Array, weight: Any, reduction: str, kept_axis: int | None, out: Array | None
    ) -> Any:
        """Return losses times weights, or their reduction."""
        weights: Any = None if weight is None else weights_of(weight, losses.shape)
        if reduction == "none":
            result = weigh(losses, weights)
            return deliver(result if kept_axis is None else np.expand_dims(result, kept_axis), out)
        if weights is None:
            weights = 1.0
        divisor: Any = 1.0
        if reduction == "mean" and self.class_weight is not None:
            divisor = self._by_label(np.asarray(self.class_weight, np.float64))
        elif reduction == "weighted_mean":
            divisor = weights
        total = np.sum(losses.astype(np.float64) * weights)
        whole = np.sum(np.broadcast_to(self._kept() * divisor, losses.shape), dtype=np.float64)
        with np.errstate(all="ignore"):
            return deliver(losses.dtype.type(total if reduction == "sum" else total / whole), out)

    def _kept(self) -> Any:
        """Which rows count."""
        if self.labels is None or self.ignore_index is None:
            return True
        return self.labels != self.ignore_index

    def _by_label(self, weights: Array | None) -> Any:
        """Return the weight of each row's label."""
        if weights is None or self.labels is None:
            return 1.0
        return weights[np.where(self._kept(), self.labels, 0)]
