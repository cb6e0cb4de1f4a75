"""Reading ``.npy`` files without holding them in memory, and writing them whole or not at all."""

from __future__ import annotations

import math
import mmap
import os
import secrets
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import array_utils
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from fastent.cli.errors import DataError, UseError

_PIECE_BYTES = 8 << 20
_DONT_NEED: int | None = getattr(mmap, "MADV_DONTNEED", None)


class NpyFile:
    """A memory-mapped ``.npy`` file whose pages can be given back as the reading goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        mapped = _open_mapped(path)
        self.array: NDArray[Any] = mapped.view(np.ndarray)
        self._mapping: mmap.mmap | None = getattr(mapped, "_mmap", None)
        # A mapping can only begin at a multiple of the granularity, so before the data.
        before = getattr(mapped, "offset", 0) % mmap.ALLOCATIONGRANULARITY
        self._address = array_utils.byte_bounds(mapped)[0] - before

    def read(self, view: NDArray[Any]) -> NDArray[Any]:
        """Return the values of `view`, a part of the array.

        A view whose elements lie scattered over much of the file, such as a few columns, is
        copied piece by piece: used as it is, it would keep a page in memory for each element.
        """
        if not is_scattered(view):
            return view
        copy = np.empty_like(view, order="K")
        axis = int(np.argmax(view.strides))
        step = max(1, _PIECE_BYTES // view.strides[axis])
        for start in range(0, view.shape[axis], step):
            piece = (slice(None),) * axis + (slice(start, start + step),)
            copy[piece] = view[piece]
            self.release(view[piece])
        return copy

    def release(self, view: NDArray[Any]) -> None:
        """Drop the pages under `view` from this process; they are read again when used again."""
        if self._mapping is None or _DONT_NEED is None or view.size == 0:
            return
        low, high = (address - self._address for address in array_utils.byte_bounds(view))
        low -= low % mmap.PAGESIZE
        self._mapping.madvise(_DONT_NEED, low, high - low)


def is_scattered(view: NDArray[Any]) -> bool:
    """Tell whether the elements of `view` lie apart, over more memory than is read at a time."""
    if view.size == 0:
        return False
    low, high = array_utils.byte_bounds(view)
    return high - low > max(_PIECE_BYTES, 2 * view.nbytes)


def _open_mapped(path: Path) -> NDArray[Any]:
    """Map the array in the file, after a look at whether the file is what it says it is."""
    if path.suffix != ".npy":
        raise UseError(f"{path}: only .npy files can be read")
    if not path.exists():
        raise UseError(f"{path}: no such file")
    if not path.is_file():
        raise UseError(f"{path}: not a file")
    try:
        with open(path, "rb") as file:
            shape, dtype = _read_header(file)
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


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return the shape and dtype the header states, with `file` left where the data begin."""
    version = npy_format.read_magic(file)
    # Version 3 exists for field names of records alone, and records are no probabilities.
    read = {
        (1, 0): npy_format.read_array_header_1_0,
        (2, 0): npy_format.read_array_header_2_0,
    }[version]
    with warnings.catch_warnings():
        # Files of Python 2 make NumPy tell of its effort, and damaged ones Python of odd syntax.
        warnings.simplefilter("ignore")
        shape, _, dtype = read(file)
    if min(shape, default=0) < 0:
        raise ValueError("negative length")
    return shape, dtype


class NpyWriter:
    """Writes a ``.npy`` file block by block under a temporary name, and renames it at the end.

    Leaving the ``with`` block by an exception removes what was written, and an older file of
    the same name stays as it was.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], turned: bool = False) -> None:
        # Through a symbolic link, to the file it stands for.
        self._path = Path(os.path.realpath(path))
        self._temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.tmp")
        self._shape = shape
        self._turned = turned
        self._file: BinaryIO | None = None

    def __enter__(self) -> NpyWriter:
        """Begin. The file is made later, within the block, where no Ctrl-C can orphan it."""
        return self

    def write(self, values: NDArray[Any], tail: tuple[int, ...] = ()) -> None:
        """Append `values`; the first block decides the dtype of the file.

        Each row has results of the shape `tail`. In a turned file their one axis is the first, and
        that of the rows the second.
        """
        if self._file is None:
            # In the same folder, so that it can be renamed.
            self._file = open(self._temporary, "xb")  # noqa: SIM115
            shape, turned = self._shape + tail, self._turned and bool(tail)
            header = {
                "descr": npy_format.dtype_to_descr(values.dtype),
                "fortran_order": turned,
                "shape": shape[::-1] if turned else shape,
            }
            npy_format.write_array_header_1_0(self._file, header)
        self._file.write(np.ascontiguousarray(values).data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the file in its place, or remove it after a failure."""
        try:
            if self._file is not None:
                with self._file as file:
                    if kind is None:
                        file.flush()
                        os.fsync(file.fileno())
                if kind is None:
                    os.replace(self._temporary, self._path)
        finally:
            self._temporary.unlink(missing_ok=True)


def refuse_overwriting(output: Path, inputs: Iterable[Path]) -> None:
    """Stop before an output takes the place of a file that is being read."""
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise UseError(f"{output}: would overwrite an input file")
