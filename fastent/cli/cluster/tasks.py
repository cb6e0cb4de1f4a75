"""What runs on the workers of a cluster."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import fastent
from fastent.cli.errors import CommandError, DataError
from fastent.cli.output import MARK, Mark
from fastent.cli.parts import Part
from fastent.cli.score import (
    Job,
    Outcome,
    Request,
    add_blocks,
    make_job,
    new_summaries,
    settle,
)
from fastent.cli.summary import Summary

State = tuple[int, int]
"""The size of a file, and when it was changed, in nanoseconds."""


def state_of(path: Path) -> State:
    """Return what tells a file from its other versions."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


_lock = threading.Lock()
_before: list[int] = []
"""How many threads there were when tasks of this process began, once for each of them."""


@contextmanager
def _num_threads(threads: int) -> Iterator[None]:
    """Use so many threads; who ends last restores what was there before the first.

    The number is that of the process, in which a worker may have several tasks at a time.
    """
    with _lock:
        _before.append(_before[0] if _before else fastent.get_num_threads())
        fastent.set_num_threads(threads)
    try:
        yield
    finally:
        with _lock:
            before = _before.pop()
            if not _before:
                fastent.set_num_threads(before)


@dataclass(frozen=True)
class Assignment:
    """An input to be scored, with all that a worker has to know; its paths are absolute."""

    request: Request
    path: Path
    output: Path | None
    states: dict[Path, State]
    """The files that are read, as they were when the run began."""
    mark: Mark | None
    threads: int

    @contextmanager
    def working(self) -> Iterator[Job]:
        """Yield the job; failures come out as the lines that are told of them."""
        mark = MARK.set(self.mark)
        try:
            with _num_threads(self.threads):
                for path, state in self.states.items():
                    if state_of(path) != state:
                        raise DataError(f"{path}: was changed since the run began; run again")
                self.check()
                yield make_job(self.request, self.path, self.output)
                self.check()
        except CommandError as error:
            raise type(error)(str(error)) from None
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            raise DataError(f"{named}{error.strerror or error}") from None
        except MemoryError:
            raise DataError("not enough memory; a smaller --batch-rows may help") from None
        finally:
            MARK.reset(mark)

    def check(self, rows: int = 0) -> None:
        """Raise if the run is over."""
        if self.mark is not None:
            self.mark.check()


@dataclass(frozen=True)
class Done:
    """What came of a part."""

    summaries: dict[str, Summary]
    seconds: float


def score_part(assignment: Assignment, part: Part) -> Done:
    """Score a part; its results lie in files of its own afterwards."""
    begin = time.perf_counter()
    summaries = new_summaries(assignment.request)
    with assignment.working() as job:
        add_blocks(job.run(part), summaries, assignment.check)
    return Done(summaries, time.perf_counter() - begin)


def finish(
    assignment: Assignment, parts: Sequence[Part], done: Sequence[Done], exact: bool
) -> Outcome:
    """Make the outputs of what all parts left, or score an input that has none.

    `exact` says whether the quantiles of all inputs together may still be exact.
    """
    begin = time.perf_counter()
    summaries = new_summaries(assignment.request)
    with assignment.working() as job:
        if not parts:
            add_blocks(job.run(), summaries, assignment.check)
        elif job.outputs:
            with closing(job.assemble(parts)) as counts:
                for rows in counts:
                    assignment.check(rows)
        for each in done:
            for name, summary in each.summaries.items():
                summaries[name].merge(summary)
        seconds = time.perf_counter() - begin + sum(each.seconds for each in done)
        outcome = settle(job, summaries, seconds)
    if not exact:
        for summary in summaries.values():
            summary.condense()
    return outcome


def look(version: str, states: dict[Path, State], mark: Mark | None) -> str | None:
    """Return what keeps this worker from a run: a line, or None."""
    if fastent.__version__ != version:
        return f"has fastent {fastent.__version__}, not {version}: install the same version"
    missing, others = [], []
    for path, state in states.items():
        try:
            if state_of(path) != state:
                others.append(path)
        except OSError as error:
            missing.append((path, error.strerror))
    if missing:
        more = f", nor {len(missing) - 1} other files" if len(missing) > 1 else ""
        return f"cannot see {missing[0][0]} ({missing[0][1]}){more}: {_SHARE}"
    if others:
        return f"has another {others[0]}, of other size or time: {_SHARE}"
    if mark is None:
        return None
    folder = mark.path.parent
    try:
        if not mark.path.exists():
            return f"does not share {folder}, where the output goes: {_SHARE}"
        probe = mark.path.with_name(f"{mark.path.name}.{os.getpid()}.tmp")
        probe.touch()
        probe.unlink()
    except OSError as error:
        return f"cannot write to {folder} ({error.strerror}), where the output goes"
    return None


_SHARE = "all workers need the same files under the same paths"
