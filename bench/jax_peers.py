"""Measures of logits as one writes them in JAX: each compiled whole, for shapes of its first call.

JAX takes the threads that it finds, whatever the others are given, and has no preallocated results.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from bench.peers import TOP

jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
jax.config.update("jax_enable_x64", True)  # else float64 becomes float32
Inputs = tuple[Any, ...]
Function = Callable[[Inputs, int], Any]


def as_array(array: Any) -> Any:
    """Return an array of JAX's."""
    return jnp.asarray(array)


def softmax(a: Inputs, axis: int) -> Any:
    """exp(x) over its sum."""
    return jax.nn.softmax(a[0], axis)


def log_softmax(a: Inputs, axis: int) -> Any:
    """Log of exp(x) over its sum."""
    return jax.nn.log_softmax(a[0], axis)


def softmax_entropy(a: Inputs, axis: int) -> Any:
    """-sum p log p of log p = log_softmax(logits)."""
    log_p = jax.nn.log_softmax(a[0], axis)
    return -(jnp.exp(log_p) * log_p).sum(axis)


def softmax_kl_divergence(a: Inputs, axis: int) -> Any:
    """Sum of p log(p / q)."""
    log_p, log_q = (jax.nn.log_softmax(x, axis) for x in a)
    return (jnp.exp(log_p) * (log_p - log_q)).sum(axis)


def softmax_cross_entropy(a: Inputs, axis: int) -> Any:
    """-log p of each row's label."""
    log_p = jax.nn.log_softmax(a[1], axis)
    return -jnp.take_along_axis(log_p, jnp.expand_dims(a[0], axis), axis).squeeze(axis)


def softmax_cross_entropy_grad(a: Inputs, axis: int) -> Any:
    """Differentiate the sum of the losses."""
    return jax.grad(lambda x: softmax_cross_entropy((a[0], x), axis).sum())(a[1])


def score_logits(a: Inputs, axis: int) -> Any:
    """Cross entropy, entropy, confidence, margin, prediction, rank."""
    x, labels = a[1], jnp.expand_dims(a[0], axis)
    log_p = jax.nn.log_softmax(x, axis)
    p = jnp.exp(log_p)
    first, second = jnp.moveaxis(jax.lax.top_k(jnp.moveaxis(p, axis, -1), 2)[0], -1, 0)
    loss = -jnp.take_along_axis(log_p, labels, axis).squeeze(axis)
    rank = (x > jnp.take_along_axis(x, labels, axis)).sum(axis)
    return loss, -(p * log_p).sum(axis), first, first - second, x.argmax(axis), rank


def top_log_probs(a: Inputs, axis: int) -> Any:
    """Return the largest."""
    log_p = jax.nn.log_softmax(a[0], axis)
    return jnp.moveaxis(jax.lax.top_k(jnp.moveaxis(log_p, axis, -1), TOP)[0], -1, axis)


FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        softmax,
        log_softmax,
        softmax_entropy,
        softmax_cross_entropy,
        softmax_cross_entropy_grad,
        softmax_kl_divergence,
        score_logits,
        top_log_probs,
    )
}


def calls_of(expression: str) -> dict[str, Callable[[Inputs, int, Any], Any]]:
    """Return the call of an expression, if there is one here."""
    function = FUNCTIONS.get(expression)
    return {} if function is None else {"jax": partial(_call, jax.jit(function, static_argnums=1))}


def _call(compiled: Callable[[Inputs, int], Any], a: Inputs, axis: int, out: Any) -> Any:
    """Call, with bfloat16 as float32, and wait for the result."""
    wide = tuple(x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x for x in a)
    return jax.block_until_ready(compiled(wide, axis))
