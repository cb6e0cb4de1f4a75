"""Where the rows of a measure lie in its operands, and how to walk over them in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastent.cli.errors import DataError, UseError
from fastent.cli.measures import Measure
from fastent.cli.npy import NpyFile, is_scattered

BLOCK_BYTES = 8 << 20
_SCATTERED_BLOCKS = 4

Index = tuple[int | slice | None, ...]


@dataclass(frozen=True)
class Rows:
    """Operands laid out so that one index into `shape` picks the same rows of each.

    What is left of an operand's axes after those of `shape` is the row itself.
    """

    files: tuple[NpyFile, ...]
    operands: tuple[NDArray[Any], ...]
    shape: tuple[int, ...]
    """The shape of the result."""

    @property
    def count(self) -> int:
        """The number of rows."""
        return math.prod(self.shape)

    def lengths(self, batch_rows: int | None, block_bytes: int | None = None) -> list[int]:
        """Return the number of rows of each block."""
        result = np.broadcast_to(np.int8(0), self.shape)
        indices = block_indices(self.shape, batch_rows or self._rows_per_block(block_bytes))
        return [result[index].size for index in indices]

    def blocks(
        self,
        batch_rows: int | None,
        block_bytes: int | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield the operands of one block after the other, all or some, in the result's order.

        At least one block comes, an empty one if there are no rows, because it shows the dtype
        of the result. The next block takes its memory.
        """
        indices = block_indices(self.shape, batch_rows or self._rows_per_block(block_bytes))
        for index in islice(indices, start, stop):
            pairs = zip(self.files, self.operands, strict=True)
            yield tuple(file.read(operand[index]) for file, operand in pairs)

    def none(self) -> tuple[NDArray[Any], ...]:
        """Return the operands without any row."""
        operands = self.operands if self.shape else [each[np.newaxis] for each in self.operands]
        return tuple(operand[:0] for operand in operands)

    def outer_axes(self, block: tuple[NDArray[Any], ...]) -> int:
        """Return how many axes of a block come before those of a row."""
        return block[-1].ndim - (self.operands[-1].ndim - len(self.shape))

    def flatten(self, block: tuple[NDArray[Any], ...]) -> list[NDArray[Any]]:
        """Return the operands of a block with its rows along one axis, the first."""
        flat = []
        for part, operand in zip(block, self.operands, strict=True):
            row = operand.shape[len(self.shape) :]
            flat.append(part.reshape(math.prod(part.shape[: part.ndim - len(row)]), *row))
        return flat

    def _rows_per_block(self, block_bytes: int | None) -> int:
        """Return how many rows make up a block of about so many bytes, or `BLOCK_BYTES`."""
        block_bytes = block_bytes or BLOCK_BYTES
        total = sum(operand.nbytes for operand in self.operands)
        per_row = max(1.0, total / max(1, self.count))
        rows = max(1, int(block_bytes / per_row))
        index = next(block_indices(self.shape, rows))
        if any(is_scattered(operand[index]) for operand in self.operands):
            # Each block reads pages all over the file, so the fewer blocks the better.
            rows = max(1, int(_SCATTERED_BLOCKS * block_bytes / per_row))
        return rows


def arrange(measure: Measure, files: tuple[NpyFile, ...], axis: int) -> Rows:
    """Return the rows of `measure` in the arrays of `files`, one file for each operand."""
    arrays = [file.array for file in files]
    labels = len(files) > 1 and "labels" in measure.options and _are_labels(measure, files)
    if labels:
        operands, rank = _arrange_labels(files, axis)
    elif measure.pointwise:
        operands, rank = arrays, arrays[0].ndim
    else:
        operands = [_distribution_last(file, axis) for file in files]
        rank = operands[0].ndim - 1
    if not labels and arrays[0].shape != arrays[-1].shape:
        _refuse_shapes(files)
    return Rows(files, tuple(operands), operands[0].shape[:rank])


def _are_labels(measure: Measure, files: tuple[NpyFile, ...]) -> bool:
    """Whether the first file holds class indices, where it may hold distributions too."""
    if measure.labels_last:
        return len(files) == 3
    of_class_1 = measure.second == "prob" and files[1].array.ndim == 1
    return measure.first == "labels" or of_class_1 or files[0].array.ndim < files[1].array.ndim


def _arrange_labels(files: tuple[NpyFile, ...], axis: int) -> tuple[list[NDArray[Any]], int]:
    """Return labels and what is judged by them, and how many axes they share."""
    labels, judged = files[0].array, [file.array for file in files[1:]]
    # One axis of probabilities means two classes, and the probability of the second.
    if judged[0].ndim != 1 or len(judged) > 1:
        judged = [_distribution_last(file, axis) for file in files[1:]]
        if any(labels.shape != array.shape[:-1] for array in judged):
            _refuse_shapes(files)
    elif labels.shape != judged[0].shape:
        _refuse_shapes(files)
    return [labels, *judged], labels.ndim


def _distribution_last(file: NpyFile, axis: int) -> NDArray[Any]:
    """Return the array with the axis of the distributions moved to the end."""
    dimensions = file.array.ndim
    if dimensions == 0:
        raise DataError(f"{file.path}: holds a single number, not distributions")
    if not -dimensions <= axis < dimensions:
        raise UseError(f"{file.path}: has {dimensions} axes, so there is no axis {axis}")
    return np.moveaxis(file.array, axis, -1)


def _refuse_shapes(files: tuple[NpyFile, ...]) -> None:
    """Raise the error for operands that do not go together."""
    shapes = ", ".join(f"{file.path} of shape {file.array.shape}" for file in files)
    raise DataError(f"shapes do not match: {shapes}")


def block_indices(shape: tuple[int, ...], rows: int) -> Iterator[Index]:
    """Yield indices that cover `shape` in order, each of at most `rows` rows.

    An index never flattens axes, which would copy an array that is not contiguous: it takes
    single positions of the leading axes and a slice of the first axis that is small enough.
    """
    if not shape:
        yield (np.newaxis,)
        return
    if math.prod(shape) == 0:
        yield tuple(slice(0, length) for length in shape)
        return
    depth = 0
    while depth < len(shape) - 1 and math.prod(shape[depth + 1 :]) > rows:
        depth += 1
    step = max(1, rows // math.prod(shape[depth + 1 :]))
    for lead in np.ndindex(shape[:depth]):
        for start in range(0, shape[depth], step):
            yield (*lead, slice(start, start + step))
