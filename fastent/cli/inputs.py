"""Which files INPUT... and -o stand for: folders, patterns, and the output of each input."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastent.cli.errors import UseError
from fastent.cli.files import ENDINGS, Format, format_of

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
        if word.is_dir():
            files = _in_folder(word)
            several = True
        elif not word.exists() and word != STREAM and glob.has_magic(str(word)):
            names = sorted(glob.glob(str(word), recursive=True))
            files = [Input(Path(name), Path(Path(name).name)) for name in names]
            files = [file for file in files if file.path.is_file()]
            several = True
            if not files:
                raise UseError(f"{word}: no file matches")
        else:
            files = [Input(word, Path(word.name))]
        found += files
    if several and any(file.path == STREAM for file in found):
        raise UseError("- is standard input, which is the only input where it is one")
    return found, several


def _in_folder(folder: Path) -> list[Input]:
    """Return the files of a folder and those below, without hidden ones."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    files = [Input(path, path.relative_to(folder)) for path in paths if path.is_file()]
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
