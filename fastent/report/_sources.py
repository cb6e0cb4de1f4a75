"""Files as blocks of rows: ``.npy`` arrays here, tables in ``_tables``, one block in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fastent._arrays import Array

BLOCK_BYTES = 8 << 20
"""About how much of a file is in memory at a time."""

NO_LABEL = np.iinfo(np.int64).min
"""Stands among class indices for a row without one."""

TABLES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".ipc": "ipc",
    ".csv": "csv",
}


class EndingError(ValueError):
    """The name of a file does not say what it holds."""


class Source(Protocol):
    """A file that can be read from its beginning as often as wanted."""

    path: Path

    def __contains__(self, name: str) -> bool:
        """Whether there is a column of this name, of whatever type."""

    def rows(self) -> Iterator[Array]:
        """Yield blocks of distributions or logits: 2-D, or 1-D where a row is one number."""

    def labels(self) -> Iterator[Array]:
        """Yield blocks of class indices; NO_LABEL where there is none."""

    def names(self) -> list[str]:
        """Return the columns of numbers."""

    def numbers(self, names: Sequence[str]) -> Iterator[Array]:
        """Yield blocks of these columns as 2-D float64; NaN where a number is missing."""


def open_source(
    path: Path, columns: str | None = None, labels: str | None = None, logits: bool = False
) -> Source:
    """Return the file for reading; of a table, `columns` hold the rows and `labels` their class."""
    if path.suffix == ".npy":
        if columns is not None:
            raise ValueError(f"{path}: has no named columns, so columns={columns!r} chooses none")
        return NpySource(path)
    if path.suffix not in TABLES:
        known = ", ".join([".npy", *TABLES])
        raise EndingError(f"{path}: its name ends in none of {known}")
    try:
        from fastent.report._tables import TableSource
    except ImportError as error:
        raise ImportError(
            f'{path}: tables need the package pyarrow: pip install "fastent-numpy[report]"'
        ) from error
    return TableSource(path, TABLES[path.suffix], columns, labels, logits)


class NpySource:
    """A ``.npy`` file of one or more axes, the last of which are the classes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        array = self._map()
        if array.dtype.kind not in "fiub" or array.ndim == 0:
            raise TypeError(
                f"{path}: holds {array.dtype} of shape {array.shape}; rows of numbers are wanted"
            )
        if array.ndim > 2 and not array.flags.c_contiguous:
            raise ValueError(
                f"{path}: has {array.ndim} axes in Fortran order: save a C-ordered copy"
            )
        self._dtype, self._plain = array.dtype, array.flags.c_contiguous
        self._shape: tuple[int, ...] = (array.size,)
        if array.ndim > 1:
            self._shape = (array.size // max(array.shape[-1], 1), array.shape[-1])
        self._offset = int(getattr(array, "offset", 0))

    def __contains__(self, name: str) -> bool:
        """Columns of an array have no names."""
        return False

    def _map(self) -> Any:
        """Map the file, which compares its size with what its header claims."""
        try:
            return np.load(self.path, mmap_mode="r", allow_pickle=False)
        except OSError:
            raise
        except Exception as error:
            # a damaged header is Python source with errors: the reader can raise nearly anything
            raise ValueError(f"{self.path}: not a readable .npy file of numbers") from error

    def rows(self) -> Iterator[Array]:
        """Yield blocks of the rows."""
        width = self._shape[1] if len(self._shape) > 1 else 1
        step = max(1, BLOCK_BYTES // max(1, width * self._dtype.itemsize))
        if not self._plain:
            array = self._map()
            for start in range(0, len(array), step):
                yield np.array(array[start : start + step])
            return
        # read, not mapped: pages of a mapping would count as memory of this process
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            for start in range(0, self._shape[0], step):
                count = min(step, self._shape[0] - start)
                block = np.fromfile(file, self._dtype, count * width)
                if block.size < count * width:
                    raise ValueError(f"{self.path}: became shorter while it was read")
                yield block.reshape(count, *self._shape[1:])

    def labels(self) -> Iterator[Array]:
        """Yield blocks of class indices."""
        if len(self._shape) > 1 or self._dtype.kind not in "biu":
            raise TypeError(
                f"{self.path}: labels are integers, one a row, not {self._dtype} of shape "
                f"{self._shape}"
            )
        for block in self.rows():  # in which NO_LABEL, what NaN becomes as an integer, is an error
            yield np.maximum(block.astype(np.int64), NO_LABEL + 1)

    def names(self) -> list[str]:
        """Return the places along the last axis."""
        return [f"column {i}" for i in range(self._shape[1] if len(self._shape) > 1 else 1)]

    def numbers(self, names: Sequence[str]) -> Iterator[Array]:
        """Yield blocks of all columns; `names` begin with those there are."""
        for block in self.rows():
            yield block.reshape(len(block), -1)[:, : len(names)].astype(np.float64)


class Feed:
    """Blocks of any sizes, given out in the sizes that are asked for."""

    def __init__(self, blocks: Iterator[Array]) -> None:
        self._blocks = blocks
        self._rest: list[Array] = []

    def take(self, count: int) -> Array:
        """Return the next `count` rows, fewer only at the end."""
        held = sum(map(len, self._rest))
        while held < count:
            block = next(self._blocks, None)
            if block is None:
                break
            self._rest.append(block)
            held += len(block)
        joined = np.concatenate(self._rest) if self._rest else np.empty(0, np.int64)
        self._rest = [joined[count:]]
        return joined[:count]
