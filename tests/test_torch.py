"""PyTorch's tensors: read where they lie, the bits of the same ndarray, or an error that helps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastent as fe
from fastent._arrays import as_array
from fastent._measures import Measure, measures

torch: Any = pytest.importorskip("torch")

RNG = np.random.default_rng(29)
ROWS, CLASSES = 6, 4
P, Q = (torch.tensor(RNG.dirichlet(np.ones(CLASSES), ROWS)) for _ in range(2))
X = torch.tensor(RNG.normal(0, 3, (ROWS, CLASSES)))
JOINT = torch.tensor(RNG.dirichlet(np.ones(12), ROWS).reshape(ROWS, 3, 4))
LABELS = torch.tensor(RNG.integers(0, CLASSES, ROWS))
OPERANDS = {"p": P, "q": Q, "joint": JOINT, "prob": Q, "labels": LABELS, "logits": X}
OPERANDS |= {"logits_p": X, "logits_q": X + 0.1}
NAMES = sorted(measures())


def negated(tensor: Any) -> Any:
    """Return the same numbers as a view whose negation is still to be done."""
    return torch._neg_view(-tensor)


READ: dict[str, Callable[[Any], Any]] = {
    "float64": lambda t: t,
    "float32": lambda t: t.float(),
    "float16": lambda t: t.half(),
    "bfloat16": lambda t: t.bfloat16(),
    "every other": lambda t: torch.stack([t, t + 1], -1)[..., 0],
    "every other bfloat16": lambda t: torch.stack([t, t + 1], -1).bfloat16()[..., 0],
    "transposed": lambda t: t.mT.contiguous().mT,
    "expanded": lambda t: t[:1].expand(t.shape),
    "detached": lambda t: t.clone().requires_grad_().detach(),
    "negated bfloat16": lambda t: negated(t.bfloat16()),
    "inference": lambda t: _in_inference(t),
    "subclass": lambda t: t.as_subclass(Own),
}
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "gradient": (lambda t: t.clone().requires_grad_(), "requires grad.*detach"),
    "gradient of bfloat16": (lambda t: t.bfloat16().requires_grad_(), r"requires grad.*\.detach"),
    "parameter": (lambda t: torch.nn.Parameter(t), "requires grad.*detach"),
    "result with a gradient": (lambda t: t.clone().requires_grad_() * 1, "requires grad.*detach"),
    "negated": (negated, "negative bit.*resolve_neg"),
    "imaginary part of a conjugate": (
        lambda t: torch.complex(torch.zeros_like(t), -t).conj().imag,
        "negative bit.*resolve_neg",
    ),
    "complex": (lambda t: t.to(torch.complex64), "complex numbers are not defined"),
    "conjugate": (lambda t: t.to(torch.complex64).conj(), "conj"),
    "meta": (lambda t: t.to("meta"), "a tensor of the meta device has no values"),
    "sparse": (lambda t: t.to_sparse(), "to_dense"),
    "sparse rows": (
        lambda t: t[..., 0].to_sparse_csr() if t.ndim > 2 else t.to_sparse_csr(),
        "to_",
    ),
    "8 bits": (lambda t: t.to(torch.float8_e4m3fn), r"Float8_e4m3fn: pass \.float\(\)"),
}


class Own(torch.Tensor):  # type: ignore[misc]
    """A tensor of someone's own."""


def _in_inference(tensor: Any) -> Any:
    with torch.inference_mode():
        return tensor.clone()


def operands(measure: Measure) -> dict[str, Any]:
    """Return tensors for a measure."""
    target = (P > 0.3).double() if measure.elementwise else LABELS
    return {role: OPERANDS.get(role, target) for role in measure.operands}


def converted(given: dict[str, Any], make: Callable[[Any], Any]) -> dict[str, Any]:
    """Return operands of which those that hold numbers are made into something else."""
    return {k: make(t) if t.is_floating_point() else t for k, t in given.items()}


def as_numpy(tensor: Any) -> Any:
    """Return the same numbers as an ndarray of PyTorch's own."""
    tensor = tensor.resolve_neg()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("name", NAMES)
def test_every_measure(name: str, kind: str) -> None:
    """The bits of the ndarray; what comes back is one."""
    given = converted(operands(measures()[name]), READ[kind])
    needed = dict.fromkeys(measures()[name].needed, 2)
    got = getattr(fe, name)(*given.values(), **needed)
    want = getattr(fe, name)(*map(as_numpy, given.values()), **needed)
    pairs = zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]
    for one, other in pairs:
        assert type(one) is type(other) is np.ndarray
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", NAMES)
def test_refused(name: str, kind: str) -> None:
    """A TypeError that names the argument and says what to do, from every measure."""
    make, message = REFUSED[kind]
    measure = measures()[name]
    plain = operands(measure)
    floats = [role for role in plain if plain[role].is_floating_point()]
    for role in floats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's own, of sparse tensors
            given = {**plain, role: make(plain[role])}
        with pytest.raises(TypeError, match=f"{role} .*{message}"):
            getattr(fe, name)(*given.values(), **dict.fromkeys(measure.needed, 2))


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16", "every other"])
def test_nothing_is_copied(kind: str) -> None:
    """The memory that is read is the tensor's."""
    tensor = READ[kind](P)
    array = as_array(tensor, "p")
    assert array.__array_interface__["data"][0] == tensor.data_ptr()
    assert as_array(LABELS, "labels").__array_interface__["data"][0] == LABELS.data_ptr()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "uint16"])
def test_labels(dtype: str) -> None:
    """Of any type of integers; floats are no labels."""
    labels = LABELS.to(getattr(torch, dtype))
    assert fe.log_loss(labels, Q).tobytes() == fe.log_loss(LABELS.numpy(), Q.numpy()).tobytes()
    two = LABELS > 1
    want = fe.binary_cross_entropy(two.numpy(), Q[:, 0].float().numpy())
    assert fe.binary_cross_entropy(two, Q[:, 0].float()).tobytes() == want.tobytes()
    with pytest.raises(TypeError, match="class indices are integers"):
        fe.log_loss(LABELS.float(), Q)


def test_options() -> None:
    """Weights, masks, offsets and places are read in the same way; `out` takes arrays alone."""
    weight = torch.arange(ROWS).float()
    want = fe.entropy(P.numpy(), weight=weight.numpy())
    assert fe.entropy(P, weight=weight).tobytes() == want.tobytes()
    assert fe.entropy(P, weight=weight.bfloat16()).tobytes() == want.tobytes()
    of_classes = torch.tensor([1.0, 2, 3, 4])
    want = fe.log_loss(LABELS.numpy(), Q.numpy(), class_weight=of_classes.numpy())
    assert fe.log_loss(LABELS, Q, class_weight=of_classes).tobytes() == want.tobytes()
    want = fe.binary_cross_entropy(P.numpy(), Q.numpy(), pos_weight=of_classes.numpy())
    assert fe.binary_cross_entropy(P, Q, pos_weight=of_classes).tobytes() == want.tobytes()
    places = torch.tensor([2, 0])
    assert (fe.top_log_probs(X, places).indices == [2, 0]).all()
    flat, offsets = P.reshape(-1), torch.tensor([0, CLASSES, ROWS * CLASSES])
    want = fe.entropy(flat.numpy(), offsets=offsets.numpy())
    assert fe.entropy(flat, offsets=offsets).tobytes() == want.tobytes()
    for option, value in {"weight": weight, "class_weight": of_classes}.items():
        with pytest.raises(TypeError, match=f"{option} cannot be read .*requires grad"):
            fe.log_loss(LABELS, Q, **{option: value.clone().requires_grad_()})
    with pytest.raises(TypeError, match="out must be an ndarray, not Tensor"):
        fe.entropy(P, out=torch.empty(ROWS))
    with pytest.raises(TypeError, match=r"base must be a number or None, not tensor\(2\)"):
        fe.entropy(P, base=torch.tensor(2))


def test_lists_of_tensors() -> None:
    """Are what NumPy makes of them, or refused with the remedy."""
    assert fe.entropy(list(P)).tobytes() == fe.entropy(P).tobytes()
    with pytest.raises(TypeError, match=r"BFloat16: pass \.float\(\)"):
        fe.entropy(list(P.bfloat16()))
    with pytest.raises(TypeError, match="requires grad"):
        fe.entropy([P[0].clone().requires_grad_()])


def test_back_to_a_tensor() -> None:
    """Shares the memory of the result."""
    result = fe.entropy(P)
    assert torch.from_numpy(result).data_ptr() == result.__array_interface__["data"][0]
    assert (torch.from_numpy(result) == torch.as_tensor(fe.entropy(P.numpy()))).all()
