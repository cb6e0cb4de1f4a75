"""The formats of files that hold tables: how each is read in batches, and written.

A format is one module here with a ``Reader`` and a ``Writer`` (`base` says what they are), and one
line in `FORMATS`. Modules are imported when a file of theirs is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastent._names import nearest
from fastent.cli.errors import UseError

if TYPE_CHECKING:
    from fastent.cli.files.base import Reader, Writer


@dataclass(frozen=True)
class Format:
    """A kind of file: its name, the endings of file names, and where its code is."""

    name: str
    endings: tuple[str, ...]
    module: str
    reader: str = "Reader"
    writer: str = "Writer"
    streams: bool = False
    """Whether it can be read from standard input and written to standard output."""

    @property
    def ending(self) -> str:
        """The usual ending, with its dot."""
        return self.endings[0]

    def open(self, *arguments: Any, **settings: Any) -> Reader:
        """Return a reader of a file."""
        opened: Reader = self._class(self.reader)(*arguments, **settings)
        return opened

    def create(self, *arguments: Any, **settings: Any) -> Writer:
        """Return a writer to an open file."""
        made: Writer = self._class(self.writer)(*arguments, **settings)
        return made

    def _class(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(import_module(f"fastent.cli.files.{self.module}"), name)
        return found


FORMATS = {
    each.name: each
    for each in (
        Format("npy", (".npy",), "npy", "NpyReader", "NpyTable"),
        Format("npz", (".npz",), "npy", "NpzReader", "NpzTable"),
        Format("parquet", (".parquet", ".pq"), "parquet"),
        Format("arrow", (".arrow", ".feather", ".ipc"), "ipc"),
        Format("arrows", (".arrows",), "ipc", "StreamReader", "StreamWriter", streams=True),
        Format("csv", (".csv",), "csv", streams=True),
    )
}
ENDINGS = {ending: each for each in FORMATS.values() for ending in each.endings}


def find_format(name: str) -> Format:
    """Return the format that ``--format`` names."""
    wanted = name.lower().lstrip(".")
    if wanted == "feather":
        wanted = "arrow"
    if wanted not in FORMATS:
        raise UseError(f"unknown --format '{name}'{nearest(wanted, FORMATS)}")
    return FORMATS[wanted]


def format_of(path: Path) -> Format:
    """Return the format that a file's name ends in."""
    found = ENDINGS.get(path.suffix.lower())
    if found is None:
        raise UseError(f"{path}: its name ends in none of {', '.join(ENDINGS)}")
    return found
