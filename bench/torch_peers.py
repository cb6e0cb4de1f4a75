"""The measures as one writes them in PyTorch: run as they are, and compiled.

Nothing but PyTorch is called in here, so that torch.compile takes each function whole.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

Inputs = tuple[Any, ...]


def entropy(a: Inputs, axis: int, out: Any) -> Any:
    """Sum of -p log p."""
    return torch.special.entr(a[0]).sum(axis)


def perplexity(a: Inputs, axis: int, out: Any) -> Any:
    """Exponential of the entropy."""
    return torch.special.entr(a[0]).sum(axis).exp()


def cross_entropy(a: Inputs, axis: int, out: Any) -> Any:
    """Sum of -p log q."""
    return -(a[0] * a[1].log()).sum(axis)


def kl_divergence(a: Inputs, axis: int, out: Any) -> Any:
    """Return the library's own loss, which takes log q first and p second."""
    return functional.kl_div(a[1].log(), a[0], reduction="none").sum(axis)


def binary_cross_entropy_mean(a: Inputs, axis: int, out: Any) -> Any:
    """Return the library's own loss."""
    return functional.binary_cross_entropy(a[1], a[0], reduction="mean")


def binary_cross_entropy_with_logits_mean(a: Inputs, axis: int, out: Any) -> Any:
    """Return the library's own loss."""
    return functional.binary_cross_entropy_with_logits(a[1], a[0], reduction="mean")


def binary_cross_entropy(a: Inputs, axis: int, out: Any) -> Any:
    """Return the library's own loss, one an element."""
    losses = functional.binary_cross_entropy(a[1], a[0], reduction="none")
    if out is None:
        return losses
    out[...] = losses
    return out


def surprisal(a: Inputs, axis: int, out: Any) -> Any:
    """-log p."""
    return torch.log(a[0], out=out).neg_()


def log_loss(a: Inputs, axis: int, out: Any) -> Any:
    """-log p of each row's label."""
    return -a[1].gather(axis, a[0].unsqueeze(axis)).squeeze(axis).log()


def softmax_cross_entropy(a: Inputs, axis: int, out: Any) -> Any:
    """Return the library's own loss, which wants classes along axis 1."""
    return functional.cross_entropy(a[1].movedim(axis, 1), a[0], reduction="none")


def softmax_entropy(a: Inputs, axis: int, out: Any) -> Any:
    """-sum p log p of log p = log_softmax(logits)."""
    log_p = torch.log_softmax(a[0], axis)
    return -(log_p.exp() * log_p).sum(axis)


EXPRESSIONS: dict[str, Callable[[Inputs, int, Any], Any]] = {
    function.__name__: function
    for function in (
        entropy,
        perplexity,
        cross_entropy,
        kl_divergence,
        binary_cross_entropy_mean,
        binary_cross_entropy_with_logits_mean,
        binary_cross_entropy,
        surprisal,
        log_loss,
        softmax_cross_entropy,
        softmax_entropy,
    )
}
