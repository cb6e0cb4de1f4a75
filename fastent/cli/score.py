"""Scores files: what was asked for, what there is to do, and the doing of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from fastent.cli.arrays import ArrayJob
from fastent.cli.errors import InterruptedRunError, UseError
from fastent.cli.fields import Comparison, FieldMeans
from fastent.cli.files import FORMATS, Format, format_of
from fastent.cli.inputs import STREAM, check_file, find_inputs, find_outputs
from fastent.cli.measures import Measure
from fastent.cli.output import Ledger, refuse_overwriting
from fastent.cli.parts import Part
from fastent.cli.sizes import DEFAULT_MEMORY
from fastent.cli.summary import Block, Statistics, Summary
from fastent.cli.urls import is_remote


@dataclass(frozen=True)
class Request:
    """What the command line asked for, its single options checked."""

    measures: tuple[Measure, ...]
    inputs: tuple[Path, ...]
    second: Path | None = None
    labels: str | None = None
    """A file or a column of class indices or targets, if INPUT holds what is judged."""
    columns: tuple[str, ...] = ()
    output: Path | None = None
    format: Format | None = None
    append: bool = False
    axis: int | None = None
    """None if it was not said: the last one."""
    keywords: dict[str, Any] = field(default_factory=dict)
    """What each call of a measure gets beside its operands, if it takes it."""
    batch_rows: int | None = None
    memory: int = DEFAULT_MEMORY
    header: bool | None = None
    nulls: str = "null"
    resume: bool = False

    @property
    def array_axis(self) -> int:
        """Along which axis of arrays distributions lie."""
        return -1 if self.axis is None else self.axis

    def keywords_of(self, measure: Measure) -> dict[str, Any]:
        """Return the keywords that this measure takes."""
        return {k: v for k, v in self.keywords.items() if k in measure.options}

    def as_dict(self) -> dict[str, Any]:
        """Return what decides the results, which a run that goes on must share."""
        second = None if self.second is None else str(self.second.resolve())
        return {
            "measures": [measure.name for measure in self.measures],
            "options": {name: value for name, value in sorted(self.keywords.items())},
            "with": second,
            "labels": self.labels,
            "columns": list(self.columns),
            "append": self.append,
            "nulls": self.nulls,
            "axis": self.axis,
            "format": None if self.format is None else self.format.name,
        }


class Job(Protocol):
    """One input to be scored."""

    path: Path
    output: Path | None
    rows: int | None
    target: Path | None
    """Where the output goes as it was said; of several files in .npy the name they begin with."""
    sources: Sequence[Path]
    """Every file that will be read."""

    @property
    def outputs(self) -> Sequence[Path]:
        """Every file that will be written."""

    def run(self, part: Part | None = None) -> Generator[tuple[dict[str, Block], int], None, None]:
        """Score and write; yield results by measure, for the summary, and the number of rows.

        The results of a part go to files of its own.
        """

    def parts(self, token: str) -> list[Part]:
        """Return parts that can be scored apart; their files will carry the token."""

    def assemble(self, parts: Sequence[Part]) -> Generator[int, None, None]:
        """Write the outputs from those of all parts; yield numbers of rows on the way."""


@dataclass(frozen=True)
class Result:
    """The statistics of one measure of one input, or of all of them together."""

    measure: str
    name: str
    output: Path | None
    rows: int
    nan_rows: int
    numbers: dict[str, Any]
    seconds: float

    @classmethod
    def of(
        cls, summary: Summary, measure: str, name: str, output: Path | None, seconds: float
    ) -> Result:
        """Return what a summary says now."""
        rows, nan_rows = summary.rows, summary.nan_rows
        return cls(measure, name, output, rows, nan_rows, summary.as_dict(), seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers under the names the summary shows them by."""
        return {
            "measure": self.measure,
            "input": self.name,
            "output": None if self.output is None else str(self.output),
            **self.numbers,
            "seconds": self.seconds,
            "rows_per_second": self.rows / self.seconds if self.seconds > 0 else math.nan,
        }


@dataclass(frozen=True)
class Outcome:
    """What came of one input: what is told of it, and what goes into the summary of all."""

    results: list[Result]
    summaries: dict[str, Summary]


Advance = Callable[[int], None]
Outcomes = Generator[tuple[int, Outcome], None, None]
Execute = Callable[[Request, "Sequence[Job]", Advance], Outcomes]
"""Scores all inputs, and yields their places and outcomes as they are done."""


@dataclass
class Work:
    """All there is to do."""

    jobs: list[Job]
    skipped: int
    """How many outputs an earlier run has left complete."""
    ledger: Ledger | None

    @property
    def rows(self) -> int | None:
        """How many rows there are; None if that is not known."""
        counts = [job.rows for job in self.jobs]
        return None if None in counts else sum(count for count in counts if count)


def prepare(request: Request) -> Work:
    """Look at every file and check that all fit together, before anything is computed."""
    inputs, several = find_inputs(request.inputs)
    for each in inputs:
        check_file(each.path)
    for path in (request.second, Path(request.labels) if request.labels else None):
        if path is not None and path == request.second:
            check_file(path)
    outputs = find_outputs(inputs, several, request.output, request.format)
    folder = several and request.output is not None
    ledger = Ledger(request.output, request.as_dict()) if folder and request.output else None
    if ledger is not None and request.resume:
        ledger.begin(resume=True)
    jobs: list[Job] = []
    skipped = 0
    read = [each.path for each in inputs if each.path != STREAM]
    read += [path for path in (request.second,) if path is not None]
    read = [path for path in read if not is_remote(path)]
    read += [Path(request.labels)] if request.labels and Path(request.labels).is_file() else []
    for each, output in zip(inputs, outputs, strict=True):
        job = make_job(request, each.path, output)
        for path in job.outputs:
            refuse_overwriting(path, read)
        done = ledger is not None and [ledger.is_done(path, job.sources) for path in job.outputs]
        if request.resume and done and all(done):
            skipped += 1
            continue
        jobs.append(job)
    return Work(jobs, skipped, ledger)


def make_job(request: Request, path: Path, output: Path | None) -> Job:
    """Return how an input is scored: arrays as they lie, or as a table."""
    format = request.format
    if format is None and output is not None and output != STREAM:
        format = format_of(output)
    arrays = path.suffix.lower() == ".npy" and (format is None or format.name == "npy")
    plain = output != STREAM and not request.columns and not request.append
    files = [request.second, Path(request.labels) if request.labels else None]
    others = all(each is None or each.suffix.lower() == ".npy" for each in files)
    here = not any(each is not None and is_remote(each) for each in (path, *files))
    if arrays and plain and others and here:
        return ArrayJob(request, path, output)
    try:
        from fastent.cli.tables import TableJob
    except ImportError as error:
        raise UseError(
            f'{path}: tables need the package pyarrow: pip install "fastent-numpy[arrow]"'
        ) from error

    if output == STREAM and format is None:
        format = FORMATS["csv"]
    return TableJob(request, path, output, format)


def score_here(request: Request, jobs: Sequence[Job], advance: Advance) -> Outcomes:
    """Score one input after the other in this process."""
    for place, job in enumerate(jobs):
        begin = time.perf_counter()
        for path in job.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
        summaries = new_summaries(request)
        add_blocks(job.run(), summaries, advance)
        yield place, settle(job, summaries, time.perf_counter() - begin)


def add_blocks(
    blocks: Generator[tuple[dict[str, Block], int], None, None],
    summaries: dict[str, Summary],
    advance: Advance,
) -> None:
    """Go through all blocks of a job."""
    with closing(blocks):
        for shown, rows in blocks:
            for name, block in shown.items():
                summaries[name].add(*block)
            advance(rows)


def settle(job: Job, summaries: dict[str, Summary], seconds: float) -> Outcome:
    """Return what came of a job that is done."""
    results = [
        Result.of(summary, name, str(job.path), job.output, seconds)
        for name, summary in summaries.items()
    ]
    return Outcome(results, summaries)


def run(
    request: Request, work: Work, advance: Advance, execute: Execute = score_here
) -> tuple[list[Result], list[Result]]:
    """Score every input; return the results of each, and those of all together.

    `advance` is called with the number of rows that were scored since the last call.
    """
    jobs = work.jobs
    found: dict[int, list[Result]] = {}
    overall = new_summaries(request)
    begin = time.perf_counter()
    try:
        if work.ledger is not None:
            request.output.mkdir(parents=True, exist_ok=True)  # type: ignore[union-attr]
            work.ledger.begin(request.resume)
        with closing(execute(request, jobs, advance)) as outcomes:
            for place, outcome in outcomes:
                found[place] = outcome.results
                for name, summary in outcome.summaries.items():
                    overall[name].merge(summary)
    except KeyboardInterrupt:
        raise InterruptedRunError(_told(len(found), len(jobs), request.output)) from None
    results = [result for place in sorted(found) for result in found[place]]
    if len(jobs) == 1:
        return results, [replace(each, name="overall", output=None) for each in results]
    total = time.perf_counter() - begin
    return results, [Result.of(each, n, "overall", None, total) for n, each in overall.items()]


def _told(done: int, jobs: int, output: Path | None) -> str:
    """Return what is said of a run that was interrupted."""
    if jobs < 2:
        return "interrupted"
    kept = "" if output is None else f" in {output}; --resume goes on"
    return f"interrupted: {done} of {jobs} files are done{kept}"


def new_summaries(request: Request) -> dict[str, Summary]:
    """Return summaries of no results yet, by the names of the measures."""
    return {measure.name: _new_summary(request, measure) for measure in request.measures}


def _new_summary(request: Request, measure: Measure) -> Summary:
    """Return the summary of no results yet."""
    if measure.labels_last:
        return Comparison()
    if measure.fields:
        return FieldMeans(request.keywords_of(measure).get("base"))
    return Statistics()
