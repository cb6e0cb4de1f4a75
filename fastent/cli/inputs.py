"""Which files INPUT... and -o stand for: folders, patterns, and the output of each input."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastent.cli.errors import UseError
from fastent.cli.files import ENDINGS, Format, format_of
from fastent.cli.urls import is_remote, reaching

STREAM = Path("-")


@dataclass(frozen=True)
class Input:
    """A file to be scored, and its name below the output folder."""

    path: Path
    name: Path


def find_inputs(words: Sequence[Path]) -> tuple[list[Input], bool]:
    """Return all files, and whether there may be several: of a folder, of a pattern."""
    found: list[Input] = []
    several = len(words) > 1
    for word in words:
        with reaching(word):
            files, of_many = _files_of(word)
        found += files
        several = several or of_many
    if several and any(file.path == STREAM for file in found):
        raise UseError("- is standard input, which is the only input where it is one")
    return found, several


def _files_of(word: Path) -> tuple[list[Input], bool]:
    """Return the files that one word stands for, and whether it may stand for several."""
    if word.is_dir():
        return _in_folder(word), True
    if not glob.has_magic(str(word)) or word == STREAM or word.exists():
        return [Input(word, Path(word.name))], False
    paths = sorted(path for path in _matching(word) if path.is_file())
    if not paths:
        raise UseError(f"{word}: no file matches")
    return [Input(path, Path(path.name)) for path in paths], True


def _matching(pattern: Path) -> list[Path]:
    """Return what a pattern stands for."""
    if not is_remote(pattern):
        return [Path(name) for name in glob.glob(str(pattern), recursive=True)]
    folder = next(each for each in pattern.parents if not glob.has_magic(str(each)))
    return list(folder.glob(str(pattern.relative_to(folder))))


def _in_folder(folder: Path) -> list[Input]:
    """Return the files of a folder and those below, without hidden ones."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    files = [Input(path, Path(str(path.relative_to(folder)))) for path in paths if path.is_file()]
    files = [file for file in files if not any(part[0] in "._" for part in file.name.parts)]
    if not files:
        raise UseError(
            f"{folder}: not a file, and a folder without files that end in {', '.join(ENDINGS)}"
        )
    return files


def check_file(path: Path) -> None:
    """Raise unless there is a file that can be an input."""
    if path == STREAM:
        return
    format_of(path)
    with reaching(path):
        if not path.exists():
            raise UseError(f"{path}: no such file")
        if path.is_dir():
            raise UseError(f"{path}: not a file")


def find_outputs(
    inputs: Sequence[Input], several: bool, output: Path | None, format: Format | None
) -> list[Path] | list[None]:
    """Return where the results of each input go."""
    if output is None:
        return [None] * len(inputs)
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(output)):
        raise UseError(f"{output}: results are written to files of this machine, not to URLs")
    if output == STREAM:
        if several:
            raise UseError("-o - is standard output, which takes the results of one input")
        if format is not None and not format.streams:
            raise UseError(
                f"--format {format.name} needs a file: standard output takes csv, arrows"
            )
        return [output]
    if not several and not output.is_dir():
        if format is None:
            format_of(output)
        if not output.parent.is_dir():
            raise UseError(f"{output.parent}: no such folder")
        return [output]
    if output.exists() and not output.is_dir():
        raise UseError(f"{output}: several inputs need a folder as output, and this is a file")
    if any(each.path == STREAM for each in inputs):
        raise UseError(f"{output}: is a folder; the results of standard input need a file's name")
    names = [
        each.name if format is None else each.name.with_suffix(format.ending) for each in inputs
    ]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UseError(f"two inputs are called {twice}, so their outputs would be too")
    return [output / name for name in names]
