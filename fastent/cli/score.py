"""Scores files block by block: the work of ``fastent score``."""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastent
from fastent.cli.errors import DataError, UseError
from fastent.cli.measures import Measure
from fastent.cli.npy import NpyFile, NpyWriter, refuse_overwriting
from fastent.cli.rows import Rows, arrange
from fastent.cli.summary import Statistics


@dataclass(frozen=True)
class Request:
    """What the command line asked for, its single options checked."""

    measure: Measure
    inputs: tuple[Path, ...]
    second: Path | None
    labels: Path | None
    """The first operand, if INPUT holds the second."""
    output: Path | None
    axis: int
    keywords: dict[str, Any]
    """What each call of the measure gets beside its operands."""
    batch_rows: int | None


@dataclass(frozen=True)
class Job:
    """One input with everything that was found out about it before the work starts."""

    path: Path
    output: Path | None
    rows: Rows


@dataclass(frozen=True)
class Result:
    """The statistics of one input, or of all of them together."""

    name: str
    output: Path | None
    statistics: Statistics
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""
        statistics = self.statistics
        first, median, third = statistics.quartiles()
        empty = statistics.rows == statistics.nan_rows
        return {
            "input": self.name,
            "output": None if self.output is None else str(self.output),
            "rows": statistics.rows,
            "nan_rows": statistics.nan_rows,
            "infinite_rows": statistics.infinite_rows,
            "mean": statistics.mean,
            "min": math.nan if empty else statistics.minimum,
            "quartile_1": first,
            "median": median,
            "quartile_3": third,
            "max": math.nan if empty else statistics.maximum,
            "quartiles": "exact" if statistics.exact else "approximate",
            "seconds": self.seconds,
            "rows_per_second": statistics.rows / self.seconds if self.seconds > 0 else math.nan,
        }


def prepare(request: Request) -> list[Job]:
    """Open every file and check that all fit together, before anything is computed."""
    outputs = _output_paths(request)
    before = () if request.labels is None else (NpyFile(request.labels),)
    for file in before:
        if file.array.dtype.kind not in "biu":
            raise DataError(
                f"{file.path}: --labels wants class indices, not numbers of dtype "
                f"{file.array.dtype}: distributions are INPUT, and what is judged --with"
            )
    behind = () if request.second is None else (NpyFile(request.second),)
    jobs = []
    for path, output in zip(request.inputs, outputs, strict=True):
        file = NpyFile(path)
        files = (*before, file, *behind)
        jobs.append(Job(path, output, arrange(request.measure, files, request.axis)))
        if output is not None:
            others = [path for path in (request.second, request.labels) if path is not None]
            sources = [*request.inputs, *others]
            refuse_overwriting(output, sources)
    return jobs


def _output_paths(request: Request) -> list[Path] | list[None]:
    """Return where the result of each input goes."""
    output, inputs = request.output, request.inputs
    if output is None:
        return [None] * len(inputs)
    if len(inputs) == 1 and not output.is_dir():
        if output.suffix != ".npy":
            raise UseError(f"{output}: the output's name must end in .npy")
        if not output.parent.is_dir():
            raise UseError(f"{output.parent}: no such folder")
        return [output]
    if output.exists() and not output.is_dir():
        raise UseError(f"{output}: several inputs need a folder as output, and this is a file")
    names = [path.name for path in inputs]
    for name in names:
        if names.count(name) > 1:
            raise UseError(f"two inputs are called {name}, so their outputs would be too")
    return [output / name for name in names]


def run(
    request: Request, jobs: list[Job], advance: Callable[[int], None]
) -> tuple[list[Result], Result]:
    """Score every input; return the result of each, and of all together.

    `advance` is called with the number of rows that were scored since the last call.
    """
    if request.output is not None and len(jobs) > 1:
        request.output.mkdir(parents=True, exist_ok=True)
    results = []
    overall = Statistics()
    for job in jobs:
        begin = time.perf_counter()
        statistics = Statistics() if len(jobs) > 1 else overall
        output = nullcontext() if job.output is None else NpyWriter(job.output, job.rows.shape)
        with output as writer:
            for values in _score_blocks(request, job):
                if writer is not None:
                    writer.write(values)
                statistics.add(values)
                if statistics is not overall:
                    overall.add(values)
                advance(values.size)
        seconds = time.perf_counter() - begin
        results.append(Result(str(job.path), job.output, statistics, seconds))
    total = sum(result.seconds for result in results)
    return results, Result("overall", None, overall, total)


def _score_blocks(request: Request, job: Job) -> Iterator[NDArray[Any]]:
    """Yield the results of one block after the other."""
    function = getattr(fastent, request.measure.name)

    def call(*operands: NDArray[Any]) -> NDArray[Any]:
        with warnings.catch_warnings():
            # Invalid rows are counted by their NaN, and told in one line at the end.
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.asarray(function(*operands, **request.keywords))

    done = 0
    for operands in job.rows.blocks(request.batch_rows):
        try:
            values = call(*operands)
        except TypeError as error:
            raise DataError(f"{job.path}: {error}") from error
        except ValueError as error:
            row, reason = _find_row(call, operands, job.rows, error)
            row = None if row is None else done + row
            raise DataError(_explain(request.measure, job, row, reason)) from error
        # Let go of a copied block before the next one is made.
        del operands
        yield values
        done += values.size


def _find_row(
    call: Callable[..., NDArray[Any]],
    operands: tuple[NDArray[Any], ...],
    rows: Rows,
    error: ValueError,
) -> tuple[int | None, ValueError]:
    """Return the first row of a block that alone raises an error, and that error.

    It is found by halving, so nothing hangs on the wording of the message. An error that no
    single row raises comes back as it is, with None.
    """
    flat = rows.flatten(operands)
    low, high = 0, len(flat[0])
    while low < high:
        # Rows before `low` are fine, and rows from `low` up to `high` hold the first bad one.
        middle = low + max(1, (high - low) // 2)
        try:
            call(*(array[low:middle] for array in flat))
        except ValueError as found:
            if middle - low == 1:
                return low, found
            high = middle
        else:
            low = middle
    return None, error


def _explain(measure: Measure, job: Job, row: int | None, error: ValueError) -> str:
    """Return the message for a row that was scored alone, so that its own count began at 0."""
    path = job.path
    message = " ".join(str(error).split()).replace("normalize=True", "--normalize")
    for word, file in zip((measure.first, measure.second), job.rows.files, strict=False):
        # Who works with files knows the operand by its file.
        if message.startswith(f"{word}: "):
            path, message = file.path, message.removeprefix(f"{word}: ")
    if row is None:
        return f"{path}: {message}"
    message, found = re.subn(r"(\b(?:row|index|element) |\w\[)0\b(?!\.)", rf"\g<1>{row}", message)
    return f"{path}: {message}" if found else f"{path}: row {row}: {message}"
