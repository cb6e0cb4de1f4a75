"""What the readers and writers of all formats have in common."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa

from fastent.cli.errors import CommandError, DataError
from fastent.cli.sizes import DEFAULT_MEMORY
from fastent.cli.urls import is_remote

BLOCK_BYTES = 4 << 20
"""About how many bytes of rows make up a batch, where memory allows it."""
COPIES = 32
"""Batches take at most this part of the memory: about seven are alive at a time (being read, two
waiting, scored, waiting, written), decoding one takes two or three times its size, and so does
encoding; allocators keep as much again."""


EVERY = slice(None)


@dataclass(frozen=True)
class Settings:
    """What readers are told of the command line."""

    memory: int = DEFAULT_MEMORY
    header: bool | None = None
    """Whether the first line of a CSV file has names; None: look."""
    text: bool = False
    """Whether columns of CSV that are not scored stay text as it is."""


class Reader(Protocol):
    """A file of rows."""

    schema: pa.Schema
    rows: int | None
    """How many there are, perhaps about; None if that cannot be known."""

    def use(self, columns: Sequence[str], counts: Collection[str]) -> None:
        """Hear which columns will be read, and which of them are class indices."""

    def row_bytes(self) -> float:
        """Return about how many bytes a row of the columns takes in memory."""

    def largest(self) -> tuple[str, float]:
        """Return what has to be in memory as a whole, by its name, and its bytes."""

    def stretches(self, rows: int) -> list[int]:
        """Return how many rows there are in stretches that can be read by themselves.

        No batch of at most `rows` rows goes beyond its stretch. Empty if there is no way into the
        middle of the file.
        """

    def batches(self, rows: int, stretches: slice = EVERY) -> Iterator[pa.RecordBatch]:
        """Yield batches of at most so many rows, of all stretches or some."""

    def close(self) -> None:
        """Close the file."""


class Writer(Protocol):
    """A file that is being written.

    It is made from an open file, the schema, and which of the columns are results.
    """

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""

    def finish(self) -> None:
        """Write what comes last. The file itself is closed by who opened it."""

    def abandon(self) -> None:
        """Let go of everything, and write no more."""


class File:
    """An input, opened; it can tell whether it was changed since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with boundary(path):
            if str(path) == "-":
                # Without Python's buffer, whose lock a waiting thread would hold at the exit.
                self.file: IO[bytes] = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
            else:
                self.file = path.open("rb")
            self._before = self._state()
            self.size: int | None = None if self._before is None else self._before[0]
        if self.size == 0:
            self.file.close()
            raise DataError(f"{path}: is empty")

    def _state(self) -> tuple[int, int] | None:
        """Return size and time of change of what is a file."""
        if str(self.path) == "-":
            return None
        found = self.path.stat() if is_remote(self.path) else os.fstat(self.file.fileno())
        return found.st_size, found.st_mtime_ns

    def check_unchanged(self) -> None:
        """Raise if somebody wrote to the file while it was read."""
        if self._state() != self._before:
            raise DataError(f"{self.path}: was changed while it was read; run again")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@contextmanager
def boundary(path: Path | str, kind: str = "") -> Iterator[None]:
    """Turn whatever a reader raises into one line that names the file.

    Readers of damaged files raise nearly anything, so this is the place for `Exception`.
    """
    try:
        yield
    except CommandError:
        raise
    except MemoryError as error:
        raise DataError(f"{path}: not enough memory to read it") from error
    except OSError as error:
        if error.errno is not None and error.strerror:
            raise DataError(f"{path}: {error.strerror}") from error
        raise DataError(f"{path}: {_unreadable(kind, error)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: its names are not UTF-8 ({error}): write it anew") from error
    except Exception as error:
        raise DataError(f"{path}: {_unreadable(kind, error)}") from error


def _unreadable(kind: str, error: Exception) -> str:
    """Return what is said of a file that its reader gave up."""
    lines = str(error).strip().splitlines()
    reason = lines[0][:200] if lines else type(error).__name__
    what = f"not a readable {kind} file" if kind else "cannot be read"
    return f"{what} ({reason}): is it damaged, or cut off? Write it anew"


def width_of(type: pa.DataType) -> float | None:
    """Return the bytes of a value in memory; None where each has its own size."""
    if isinstance(type, pa.BaseExtensionType):
        return width_of(type.storage_type)
    if pa.types.is_fixed_size_list(type):
        inner = width_of(type.value_type)
        return None if inner is None else inner * type.list_size
    if pa.types.is_struct(type):
        parts = [width_of(field.type) for field in type]
        return None if None in parts else float(sum(part for part in parts if part))
    try:
        return float(type.bit_width) / 8
    except ValueError:
        return None


def fields_of(schema: pa.Schema, columns: Sequence[str]) -> list[pa.Field]:
    """Return the fields of some columns, in the order of the schema."""
    wanted = set(columns)
    return [field for field in schema if field.name in wanted]


def in_slices(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a batch in parts of at most so many rows, none of them copied."""
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
