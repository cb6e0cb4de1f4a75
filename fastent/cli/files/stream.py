"""Standard input: what it holds, told by its first bytes."""

from __future__ import annotations

from typing import IO

from fastent.cli.errors import UseError
from fastent.cli.files import FORMATS, Format
from fastent.cli.files.base import File


def format_of_stream(file: File) -> Format:
    """Return the format of standard input, by its first bytes."""
    start = b""
    while len(start) < 6 and (part := file.file.read(6 - len(start))):
        start += part
    file.file = _Pushed(start, file.file)  # type: ignore[assignment]
    if start.startswith(b"\xff\xff\xff\xff"):
        return FORMATS["arrows"]
    for magic, name in ((b"PAR1", "Parquet"), (b"ARROW1", "an Arrow file"), (b"\x93NUMPY", ".npy")):
        if start.startswith(magic):
            raise UseError(
                f"standard input is {name}, which is not read from its beginning to its end: pass "
                f"CSV or an Arrow stream, or name the file"
            )
    return FORMATS["csv"]


class _Pushed:
    """A stream of which the first bytes were read."""

    closed = False
    mode = "rb"

    def __init__(self, start: bytes, file: IO[bytes]) -> None:
        self._start, self._file = start, file

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes; fewer at the end only."""
        part, self._start = (
            (self._start, b"") if size < 0 else (self._start[:size], self._start[size:])
        )
        parts, missing = [part], size - len(part)
        while missing and (more := self._file.read(missing)):
            parts.append(more)
            missing -= len(more) if size >= 0 else 0
        return b"".join(parts)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that there is no way back."""
        return False

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file.fileno()

    def close(self) -> None:
        """Leave standard input as it is."""
        self.closed = True
