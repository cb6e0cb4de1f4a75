"""Inputs of object stores and web servers: what is a URL is read by fsspec.

The package universal_pathlib makes paths of URLs, with the methods of `pathlib.Path` that inputs
need; the stores' own packages (s3fs, gcsfs, ...) are for the reader to install.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from fastent.cli.errors import CommandError, DataError, UseError


def parse_path(word: str) -> Path:
    """Return a word of the command line as a path, of this machine or of a URL."""
    if "://" not in word:
        return Path(word)
    try:
        from upath import UPath
    except ImportError:
        message = f'{word}: URLs need an extra: pip install "fastent-numpy[urls]"'
        raise UseError(message) from None
    try:
        found = UPath(word)
        found.fs  # noqa: B018 (the store's own package is imported here)
    except (ImportError, ValueError) as error:
        raise UseError(f"{word}: {error}") from None
    return cast(Path, found)


def is_remote(path: Path) -> bool:
    """Whether a path is a URL's."""
    return not isinstance(path, Path)


@contextmanager
def reaching(path: Path) -> Iterator[None]:
    """Turn what a store raises, which may be anything, into a line that names the URL."""
    try:
        yield
    except CommandError:
        raise
    except Exception as error:
        if not is_remote(path):
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{path}: cannot be reached ({lines[0]})") from error


def open_for_arrow(path: Path) -> Any:
    """Open a file for PyArrow: one of this machine by itself, else by way of Python."""
    import pyarrow as pa

    return pa.PythonFile(path.open("rb"), mode="r") if is_remote(path) else pa.OSFile(str(path))
