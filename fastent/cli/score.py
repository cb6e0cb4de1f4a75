"""Scores files block by block: the work of ``fastent score``."""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastent
from fastent.cli.errors import DataError, UseError
from fastent.cli.fields import Comparison, FieldMeans
from fastent.cli.measures import Measure
from fastent.cli.npy import NpyFile, NpyWriter, refuse_overwriting
from fastent.cli.rows import Rows, arrange
from fastent.cli.summary import Statistics, Summary

_KEYWORDS = {"top": "indices_or_k"}


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
    files: dict[str, Path]
    """Where each result of the measure goes, by its name."""
    rows: Rows
    turned: bool
    """Whether rows are columns, and so are their results."""


@dataclass(frozen=True)
class Result:
    """The statistics of one input, or of all of them together."""

    name: str
    output: Path | None
    statistics: Summary
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""
        rows = self.statistics.rows
        return {
            "input": self.name,
            "output": None if self.output is None else str(self.output),
            **self.statistics.as_dict(),
            "seconds": self.seconds,
            "rows_per_second": rows / self.seconds if self.seconds > 0 else math.nan,
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
        jobs.append(_job(request, path, output, arrange(request.measure, files, request.axis)))
        others = [path for path in (request.second, request.labels) if path is not None]
        for name in jobs[-1].files.values():
            refuse_overwriting(name, [*request.inputs, *others])
    return jobs


def _job(request: Request, path: Path, output: Path | None, rows: Rows) -> Job:
    """Return the job of one input, or say why it cannot be done."""
    measure, shape = request.measure, rows.operands[-1].shape
    top = request.keywords.get("top")
    if top is not None and top > shape[-1]:
        raise UseError(f"{path}: has {shape[-1]} classes, so there is no --top {top}")
    last = request.axis % len(shape) == len(shape) - 1 if shape else True
    if measure.spreads and output is not None and not last and len(shape) > 2:
        raise UseError(
            f"{path}: has {len(shape)} axes, and results are written along the last of them, not "
            f"along axis {request.axis}; without --output they are summarised"
        )
    files = {} if output is None else {measure.name: output}
    if measure.fields and output is not None:
        files = {name: output.with_name(f"{output.stem}.{name}.npy") for name in measure.fields}
        output = output.with_name(f"{output.stem}.*.npy")
    return Job(path, output, files, rows, measure.spreads and not last)


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
    overall = _new_summary(request)
    for job in jobs:
        begin = time.perf_counter()
        statistics = _new_summary(request) if len(jobs) > 1 else overall
        with ExitStack() as stack:
            writers = {
                name: stack.enter_context(NpyWriter(path, job.rows.shape, job.turned))
                for name, path in job.files.items()
            }
            for fields, outer in _score_blocks(request, job):
                for name, writer in writers.items():
                    if name in fields:
                        writer.write(fields[name], fields[name].shape[outer:])
                shown = _summarised(request.measure, fields)
                statistics.add(shown)
                if statistics is not overall:
                    overall.add(shown)
                advance(math.prod(next(iter(fields.values())).shape[:outer]))
        seconds = time.perf_counter() - begin
        results.append(Result(str(job.path), job.output, statistics, seconds))
    total = sum(result.seconds for result in results)
    return results, Result("overall", None, overall, total)


def _new_summary(request: Request) -> Summary:
    """Return the summary of no results yet."""
    if request.measure.labels_last:
        return Comparison()
    return FieldMeans(request.keywords.get("base")) if request.measure.fields else Statistics()


def _summarised(measure: Measure, fields: dict[str, NDArray[Any]]) -> Any:
    """Return what the summary tells of: of a row of results, the largest."""
    if measure.fields:
        return fields
    values = fields[measure.name]
    return values.max(axis=-1, initial=-math.inf) if measure.spreads else values


def _score_blocks(request: Request, job: Job) -> Iterator[tuple[dict[str, NDArray[Any]], int]]:
    """Yield the results of one block after the other, and how many axes its rows have."""
    measure = request.measure
    function = getattr(fastent, measure.name)
    keywords = {_KEYWORDS.get(name, name): value for name, value in request.keywords.items()}

    def call(*operands: NDArray[Any]) -> dict[str, NDArray[Any]]:
        if measure.labels_last and len(operands) == 3:
            operands = (*operands[1:], operands[0])
        elif measure.second is not None and len(operands) == 1:
            operands = (None, *operands)  # type: ignore[assignment]
        with warnings.catch_warnings():
            # Invalid rows are counted by their NaN, and told in one line at the end.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = function(*operands, **keywords)
        names, parts = (measure.fields, found) if measure.fields else ([measure.name], [found])
        pairs = zip(names, parts, strict=True)
        return {name: np.asarray(part) for name, part in pairs if part is not None}

    done = 0
    for operands in job.rows.blocks(request.batch_rows):
        try:
            fields = call(*operands)
        except TypeError as error:
            raise DataError(f"{job.path}: {error}") from error
        except ValueError as error:
            row, reason = _find_row(call, operands, job.rows, error)
            row = None if row is None else done + row
            raise DataError(_explain(request.measure, job, row, reason)) from error
        outer = job.rows.outer_axes(operands)
        # Let go of a copied block before the next one is made.
        del operands
        yield fields, outer
        done += math.prod(next(iter(fields.values())).shape[:outer])


def _find_row(
    call: Callable[..., Any],
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
