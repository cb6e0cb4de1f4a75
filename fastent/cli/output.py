"""Files that are written whole or not at all, and folders of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from fastent.cli.errors import DataError, UseError


@dataclass(frozen=True)
class Mark:
    """The sign that a run of several processes goes on: a file, which it removes at its end.

    The temporary files of such a run carry its token instead of the number of a process, which
    says nothing on another machine.
    """

    path: Path
    token: str

    @classmethod
    def beside(cls, output: Path) -> Mark:
        """Return a mark for a run that writes `output`, a file or a folder."""
        token = f"r{os.urandom(4).hex()}"
        folder = output if output.is_dir() else output.parent
        return cls(folder / f".{output.name}.fastent-{token}.run.tmp", token)

    def check(self) -> None:
        """Raise if the run is over: somebody else may write the same output now."""
        if not self.path.exists():
            raise DataError(f"{self.path}: is gone, so the run that this is a part of is over")


MARK: ContextVar[Mark | None] = ContextVar("MARK", default=None)
"""The mark of the run that this is a part of, if it is."""


class Output:
    """A file that has a temporary name until it is whole, then takes the place of an older one.

    Leaving the ``with`` block by an exception removes what was written. A process that is killed
    leaves a temporary file, which the next run to the same output removes.
    """

    def __init__(self, path: Path) -> None:
        # Through a symbolic link, to the file it stands for.
        self._path = Path(os.path.realpath(path))
        self._mark = MARK.get()
        tag = os.getpid() if self._mark is None else f"{self._mark.token}.{os.urandom(4).hex()}"
        self._temporary = self._path.with_name(f".{self._path.name}.fastent-{tag}.tmp")
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Output:
        """Begin. The file is made later, within the block, where no Ctrl-C can orphan it."""
        return self

    @property
    def file(self) -> IO[bytes]:
        """The file, made when it is first asked for: in the same folder, so it can be renamed."""
        if self._file is None:
            if self._mark is None:  # else who began the run has done so
                remove_leftovers([self._path])
            self._file = open(self._temporary, "xb")  # noqa: SIM115
        return self._file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the file in its place, or remove it after a failure."""
        try:
            if self._file is not None and kind is None:
                with self._file as file:
                    file.flush()
                    os.fsync(file.fileno())
                if self._mark is not None:
                    self._mark.check()
                os.replace(self._temporary, self._path)
                _sync_folder(self._path.parent)
        finally:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
            self._temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_TEMPORARY = re.compile(r"\.+(.+?)\.fastent-(?:(\d+)|r[0-9a-f]{8}\..*)\.tmp")


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove temporary files of runs to these outputs whose process is gone, or of clusters."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    for folder, outputs in names.items():
        for name in os.listdir(folder):
            found = _TEMPORARY.fullmatch(name)
            if found and found[1] in outputs and (found[2] is None or _is_gone(int(found[2]))):
                (folder / name).unlink(missing_ok=True)


def _is_gone(process: int) -> bool:
    """Whether no process of this number runs, or it is this one, which has just begun."""
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False


def refuse_overwriting(output: Path, inputs: Iterable[Path]) -> None:
    """Stop before an output takes the place of a file that is being read."""
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise UseError(f"{output}: would overwrite an input file")


class Ledger:
    """What was asked of an output folder, and since when: what ``--resume`` has to know.

    It lies beside the folder as ``.NAME.fastent.json``. An output is complete if it holds something
    and was written after the ledger, by a run that was asked for the same, and after every file
    that was read for it.
    """

    def __init__(self, folder: Path, asked: dict[str, Any]) -> None:
        folder = Path(os.path.realpath(folder))
        self._folder = folder
        self._path = folder.with_name(f".{folder.name}.fastent.json")
        self._text = json.dumps(asked, indent=1, sort_keys=True) + "\n"

    def begin(self, resume: bool) -> None:
        """Start anew, or make sure that what was begun is what is asked for."""
        if resume and self._path.exists():
            if self._path.read_text(encoding="utf-8") != self._text:
                raise UseError(
                    f"{self._folder}: was begun with other options, so --resume would mix two kinds"
                    f" of results; leave it out to do all anew"
                )
            return
        # Where the parent folder may not be written to, there is nothing to go on with.
        with contextlib.suppress(PermissionError), Output(self._path) as output:
            output.file.write(self._text.encode())

    def is_done(self, output: Path, sources: Iterable[Path]) -> bool:
        """Return whether an output is complete, and none of its sources has changed since."""
        try:
            written = output.stat()
            begun = self._path.stat().st_mtime_ns
            changed = [source.stat().st_mtime_ns for source in sources]
        except OSError:
            return False
        # A store that keeps no times says 0: nobody knows whether such a source has changed.
        known = all(changed)
        return written.st_size > 0 and known and written.st_mtime_ns >= max(begun, *changed)
