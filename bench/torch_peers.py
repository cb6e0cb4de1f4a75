"""The measures as one writes them in PyTorch: run as they are, and compiled.

Nothing but PyTorch is called in here, so that torch.compile takes each function whole.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from bench.peers import TOP

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


def softmax_cross_entropy_grad(a: Inputs, axis: int, out: Any) -> Any:
    """Differentiate the library's own loss: forward and backward."""

    def total(x: Any) -> Any:
        return functional.cross_entropy(x.movedim(axis, 1), a[0], reduction="sum")

    gradient = torch.func.grad(total)(a[1])
    if out is None:
        return gradient
    out[...] = gradient
    return out


def softmax_entropy(a: Inputs, axis: int, out: Any) -> Any:
    """-sum p log p of log p = log_softmax(logits)."""
    log_p = torch.log_softmax(a[0], axis)
    return -(log_p.exp() * log_p).sum(axis)


def softmax_kl_divergence(a: Inputs, axis: int, out: Any) -> Any:
    """Return the library's own divergence of log-probabilities, q first."""
    log_p, log_q = (torch.log_softmax(x, axis) for x in a)
    return functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(axis)


def softmax(a: Inputs, axis: int, out: Any) -> Any:
    """exp(x) over its sum."""
    return _into(torch.softmax(a[0], axis), out)


def log_softmax(a: Inputs, axis: int, out: Any) -> Any:
    """Log of exp(x) over its sum."""
    return _into(torch.log_softmax(a[0], axis), out)


def _into(result: Any, out: Any) -> Any:
    if out is None:
        return result
    out[...] = result
    return out


def score_logits(a: Inputs, axis: int, out: Any) -> Any:
    """Cross entropy, entropy, confidence, margin, prediction, rank."""
    labels, x = a[0].unsqueeze(axis), a[1]
    log_p = torch.log_softmax(x, axis)
    p = log_p.exp()
    first, second = p.topk(2, axis).values.unbind(axis)
    loss = -log_p.gather(axis, labels).squeeze(axis)
    rank = (x > x.gather(axis, labels)).sum(axis)
    return loss, -(p * log_p).sum(axis), first, first - second, x.argmax(axis), rank


def top_log_probs(a: Inputs, axis: int, out: Any) -> Any:
    """Return the largest."""
    return torch.log_softmax(a[0], axis).topk(TOP, axis).values


def _widened(function: Callable[[Inputs, int, Any], Any]) -> Callable[[Inputs, int, Any], Any]:
    """Return a function that makes bfloat16 float32 first, to have a float32's digits."""

    def run(a: Inputs, axis: int, out: Any) -> Any:
        return function(tuple(x.float() if x.dtype is torch.bfloat16 else x for x in a), axis, out)

    return run


EXPRESSIONS: dict[str, Callable[[Inputs, int, Any], Any]] = {
    function.__name__: _widened(function)
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
        softmax_cross_entropy_grad,
        softmax_entropy,
        softmax_kl_divergence,
        softmax,
        log_softmax,
        score_logits,
        top_log_probs,
    )
}
