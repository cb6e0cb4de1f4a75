"""Reading ``.npy`` files without holding them in memory, and writing them whole or not at all."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import array_utils
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from fastent.cli.errors import DataError, UseError
from fastent.cli.output import Output

_PIECE_BYTES = 8 << 20


class NpyFile:
    """A ``.npy`` file that is read in parts.

    It is mapped for its layout alone: memory that is mapped could not be told from a crash, if
    somebody cut the file off meanwhile. Values are read into the same memory, one part after the
    other.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mapped = _open_mapped(path)
        self._before = self._state()
        self.array: NDArray[Any] = mapped.view(np.ndarray)
        self._address = array_utils.byte_bounds(mapped)[0]
        self._offset: int = getattr(mapped, "offset", 0)
        self._buffer = np.empty(0, np.uint8)

    def _state(self) -> tuple[int, int]:
        found = os.stat(self.path)
        return found.st_size, found.st_mtime_ns

    def check_unchanged(self) -> None:
        """Raise if somebody wrote to the file while it was read."""
        if self._state() != self._before:
            raise DataError(f"{self.path}: was changed while it was read; run again")

    def read(self, view: NDArray[Any]) -> NDArray[Any]:
        """Return the values of `view`, a part of the array, until something else is read.

        A view whose elements lie scattered over much of the file, such as a few columns, is
        gathered piece by piece.
        """
        if not is_scattered(view):
            return self._fetch(view)
        copy = np.empty_like(view, order="K")
        axis = int(np.argmax(view.strides))
        step = max(1, _PIECE_BYTES // view.strides[axis])
        for start in range(0, view.shape[axis], step):
            piece = (slice(None),) * axis + (slice(start, start + step),)
            copy[piece] = self._fetch(view[piece])
        return copy

    def _fetch(self, view: NDArray[Any]) -> NDArray[Any]:
        """Return a view with the same layout of memory that the file is read into."""
        if view.size == 0:
            return view
        low, high = array_utils.byte_bounds(view)
        size = high - low
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.uint8)
        rest = memoryview(self._buffer.data)[:size]
        try:
            with open(self.path, "rb", buffering=0) as file:
                file.seek(low - self._address + self._offset)
                while rest and (count := file.readinto(rest)):
                    rest = rest[count:]
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror or error}") from error
        if rest:
            raise DataError(f"{self.path}: was cut off while it was read; run again")
        return np.ndarray(view.shape, view.dtype, self._buffer.data, 0, view.strides)


def is_scattered(view: NDArray[Any]) -> bool:
    """Tell whether the elements of `view` lie apart, over more memory than is read at a time."""
    if view.size == 0:
        return False
    low, high = array_utils.byte_bounds(view)
    return high - low > max(_PIECE_BYTES, 2 * view.nbytes)


def _open_mapped(path: Path) -> NDArray[Any]:
    """Map the array in the file, after a look at whether the file is what it says it is."""
    if path.suffix != ".npy":
        raise UseError(
            f"{path}: not a .npy file, as its operands are: name all of them .npy, or none"
        )
    if not path.exists():
        raise UseError(f"{path}: no such file")
    if not path.is_file():
        raise UseError(f"{path}: not a file")
    try:
        with open(path, "rb") as file:
            shape, dtype, _ = read_header(file)
            expected = file.tell() + math.prod(shape) * dtype.itemsize
            found = os.fstat(file.fileno()).st_size
        if not dtype.hasobject and found == expected:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except Exception as error:
        # A damaged header is Python source with errors: NumPy's reader can raise nearly anything.
        raise DataError(f"{path}: not a readable .npy file") from error
    if dtype.hasobject:
        raise DataError(f"{path}: holds Python objects, which are never loaded")
    raise DataError(f"{path}: damaged: its header asks for {expected} bytes, the file has {found}")


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return shape, dtype and whether the order is Fortran's, with `file` left at the data."""
    version = npy_format.read_magic(file)
    # Version 3 exists for field names of records alone, and records are no probabilities.
    read = {
        (1, 0): npy_format.read_array_header_1_0,
        (2, 0): npy_format.read_array_header_2_0,
    }[version]
    with warnings.catch_warnings():
        # Files of Python 2 make NumPy tell of its effort, and damaged ones Python of odd syntax.
        warnings.simplefilter("ignore")
        shape, turned, dtype = read(file)
    if min(shape, default=0) < 0:
        raise ValueError("negative length")
    return shape, dtype, turned


class NpyWriter(Output):
    """Writes a ``.npy`` file block by block, whole or not at all."""

    def __init__(self, path: Path, shape: tuple[int, ...], turned: bool = False) -> None:
        super().__init__(path)
        self._shape = shape
        self._turned = turned
        self._begun = False

    def __enter__(self) -> NpyWriter:
        """Begin."""
        return self

    def write(self, values: NDArray[Any], tail: tuple[int, ...] = ()) -> None:
        """Append `values`; the first block decides the dtype of the file.

        Each row has results of the shape `tail`. In a turned file their one axis is the first, and
        that of the rows the second.
        """
        if not self._begun:
            self._begun = True
            shape, turned = self._shape + tail, self._turned and bool(tail)
            header = {
                "descr": npy_format.dtype_to_descr(values.dtype),
                "fortran_order": turned,
                "shape": shape[::-1] if turned else shape,
            }
            npy_format.write_array_header_1_0(self.file, header)
        self.file.write(np.ascontiguousarray(values).data)
