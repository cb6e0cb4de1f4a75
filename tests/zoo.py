"""The array zoo: the same entries, lying in memory in every way that NumPy allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def unaligned(x: np.ndarray) -> np.ndarray:
    """Copy to one byte off."""
    raw = np.empty(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def strided(x: np.ndarray) -> np.ndarray:
    """Copy into every second (third, ...) entry of a larger array on each axis."""
    big = np.zeros([n * (k + 2) for k, n in enumerate(x.shape)], x.dtype)
    view = big[tuple(slice(None, None, k + 2) for k in range(x.ndim))]
    view[...] = x
    return view


def readonly(x: np.ndarray) -> np.ndarray:
    """Copy and lock."""
    x = x.copy()
    x.flags.writeable = False
    return x


def reversed_twice(x: np.ndarray) -> np.ndarray:
    """Copy so that every stride is negative."""
    back = (slice(None, None, -1),) * x.ndim
    return x[back].copy()[back]


def record_field(x: np.ndarray) -> np.ndarray:
    """Copy to a field of packed records of 2 * itemsize + 1 bytes."""
    records = np.zeros(x.shape, [("flag", "i1"), ("x", x.dtype), ("y", x.dtype)])
    records["x"] = x
    return records["x"]


ZOO: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fortran": np.asfortranarray,
    "reversed": reversed_twice,
    "last axis reversed": lambda x: x[..., ::-1].copy()[..., ::-1],
    "strided": strided,
    "axes swapped": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
    "columns of a wider array": lambda x: np.concatenate([x, x], -1)[..., : x.shape[-1]],
    "read-only": readonly,
    "unaligned": unaligned,
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "byte-swapped and strided": lambda x: strided(x.astype(x.dtype.newbyteorder())),
    "field of a record": record_field,
    "subclass": lambda x: x.view(type("Sub", (np.ndarray,), {})),
}
