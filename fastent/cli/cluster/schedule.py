"""Hands the parts of inputs to a cluster, a few at a time, and gathers what comes of them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from distributed.scheduler import KilledWorker

import fastent
from fastent.cli import summary
from fastent.cli.cluster.tasks import Assignment, finish, look, score_part, state_of
from fastent.cli.errors import CommandError, DataError
from fastent.cli.output import MARK, Mark, remove_leftovers
from fastent.cli.parts import Part
from fastent.cli.score import Advance, Job, Outcome, Outcomes, Request

Client = Any
Future = Any
"""Of distributed, whose methods have no types."""
RETRIES = 2
"""How often a task that fails is tried again, elsewhere perhaps."""
PATIENCE = 60.0
"""Seconds that the last worker has to come back."""
_TICK = 0.5
_CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)


@dataclass
class _Input:
    """An input that is under way."""

    assignment: Assignment
    given: dict[str, str]
    """What the user calls each file, by its absolute path."""
    parts: list[Part]
    done: list[Future] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """A part of an input; None: its end, or all of it."""

    place: int
    part: Part | None
    number: int
    """Where it comes in the order of a run without a cluster."""


class _LostError(Exception):
    """The scheduler knows no more of a task."""


class Schedule:
    """The work of a run on a cluster."""

    def __init__(self, client: Client, threads: int) -> None:
        self._client, self._threads = client, threads
        self._ended: SimpleQueue[Future] = SimpleQueue()
        self._running: dict[str, tuple[_Task, Future]] = {}
        self._inputs: dict[int, _Input] = {}
        self._counted: set[tuple[int, Part | None]] = set()
        self._failures: dict[int, CommandError] = {}
        self._numbers = 0
        self._held: Counter[str] = Counter()
        self._cores = 1
        self._counted_at = self._alive_at = time.monotonic()
        self._outputs: list[Path] = []
        self._mark: Mark | None = None

    def execute(self, request: Request, jobs: Sequence[Job], advance: Advance) -> Outcomes:
        """Score all inputs, and yield their places and outcomes as they are done."""
        self._request, self._jobs, self._advance = request, jobs, advance
        if request.output is not None:
            self._mark = Mark.beside(request.output.absolute())
            self._outputs = [path.absolute() for job in jobs for path in job.outputs]
            for folder in {path.parent for path in self._outputs}:
                folder.mkdir(parents=True, exist_ok=True)
            self.sweep()
            self._mark.path.touch()
        try:
            self._look()
            yield from self._outcomes()
        finally:
            if self._mark is not None:
                # Tasks that still run see that it is gone, and leave nothing.
                self._mark.path.unlink(missing_ok=True)
            self._cancel(0)

    def sweep(self) -> None:
        """Remove what tasks that were stopped have left, of this run and of earlier ones."""
        if self._mark is not None and self._request.output is not None:
            whole = self._mark.path.with_name(self._request.output.name)
            remove_leftovers([*self._outputs, whole])

    def _look(self) -> None:
        """Raise, before any work, if a worker lacks what the run needs."""
        states = {path.absolute(): state_of(path) for job in self._jobs for path in job.sources}
        try:
            found = self._client.run(look, fastent.__version__, states, self._mark)
        except Exception as error:
            # A worker without this module cannot even read the question.
            raise DataError(
                f"the workers do not understand fastent {fastent.__version__}: install it with "
                f"them, pip install 'fastent-numpy[cluster]' ({error})"
            ) from error
        for worker, problem in sorted(found.items()):
            if problem is not None:
                raise DataError(f"worker {worker} {problem}")
        self._states = states

    # ---- tasks ----------------------------------------------------------------------------

    def _tasks(self, places: Sequence[int]) -> Iterator[_Task]:
        """Yield the tasks of inputs, in the order of a run without a cluster."""
        for place in places:
            job = self._jobs[place]
            assignment, given = self._assign(job)
            token = MARK.set(self._mark)
            try:
                parts = job.parts(self._mark.token if self._mark else "")
            finally:
                MARK.reset(token)
            self._inputs[place] = _Input(assignment, given, parts if len(parts) > 1 else [])
            for part in (*self._inputs[place].parts, None):
                self._numbers += 1
                yield _Task(place, part, self._numbers)

    def _assign(self, job: Job) -> tuple[Assignment, dict[str, str]]:
        """Return what a worker has to know of a job, and what the user calls its files."""
        labels, second = self._request.labels, self._request.second
        if labels is not None and Path(labels) in job.sources:
            labels = str(Path(labels).absolute())
        request = replace(
            self._request,
            inputs=(),
            labels=labels,
            second=None if second is None else second.absolute(),
        )
        states = {path.absolute(): self._states[path.absolute()] for path in job.sources}
        given = {str(path.absolute()): str(path) for path in (*job.sources, *job.outputs)}
        target = None if job.target is None else job.target.absolute()
        path = job.path.absolute()
        return Assignment(request, path, target, states, self._mark, self._threads), given

    def _submit(self, task: _Task) -> None:
        """Hand a task to the cluster."""
        mine = self._inputs[task.place]
        options: dict[str, Any] = {"pure": False, "retries": RETRIES}
        if task.part is not None:
            future = self._client.submit(score_part, mine.assignment, task.part, **options)
            mine.done.append(future)
        else:
            held = [self._held[measure.name] for measure in self._request.measures]
            exact = len(self._jobs) > 1 and min(held) <= summary.KEPT_VALUES
            future = self._client.submit(
                finish, mine.assignment, mine.parts, mine.done, exact, **options
            )
        self._running[future.key] = task, future
        future.add_done_callback(self._ended.put)

    def _outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Yield outcomes as they come; raise what a run without a cluster would have met first."""
        left = set(range(len(self._jobs)))
        tasks = self._tasks(sorted(left))
        self._fill(tasks)
        while self._running:
            try:
                future = self._ended.get(timeout=_TICK)
            except Empty:
                self._count_threads()
                self._fill(tasks)
                continue
            if future.key not in self._running:
                continue
            task, _ = self._running.pop(future.key)
            try:
                outcome = self._take(task, future)
            except _LostError:
                self._wait_for_scheduler()
                self._running.clear()
                tasks = self._tasks(sorted(left))
            else:
                if outcome is not None:
                    left.discard(task.place)
                    yield task.place, outcome
            self._fill(tasks)
        if self._failures:
            raise self._failures[min(self._failures)]

    def _fill(self, tasks: Iterator[_Task]) -> None:
        """Have some tasks wait for each thread of the cluster, until one has failed."""
        if not self._running or time.monotonic() > self._counted_at + _TICK:
            self._count_threads()
        while not self._failures and len(self._running) < 2 * self._cores + 2:
            try:
                task = next(tasks, None)
            except CommandError as error:
                # What was begun before it may have something to say first.
                self._failures[self._numbers + 1] = error
                return
            if task is None:
                return
            try:
                self._submit(task)
            except Exception as error:
                raise self._lost(_first_line(error)) from error

    def _take(self, task: _Task, future: Future) -> Outcome | None:
        """Return the outcome of an input that is done; note a failure."""
        mine = self._inputs[task.place]
        if future.status == "finished":
            if task.part is not None:
                self._count(task, task.part.rows)
                return None
            try:
                outcome: Outcome = future.result()
            except (OSError, *_CANCELLED) as error:
                raise _LostError from error
            except Exception as error:
                self._fail(task, error)
                return None
            return self._ended_well(task, mine, outcome)
        if future.status == "error":
            self._fail(task, future.exception())
            return None
        raise _LostError

    def _count(self, task: _Task, rows: int) -> None:
        """Tell of progress, once only of what had to be done twice."""
        if (task.place, task.part) not in self._counted:
            self._counted.add((task.place, task.part))
            self._advance(rows)

    def _ended_well(self, task: _Task, mine: _Input, outcome: Outcome) -> Outcome:
        """Clear away the parts of an input; return its outcome in the words of the user."""
        job = self._jobs[task.place]
        if not mine.parts:
            self._count(task, job.rows or 0)
        for part in mine.parts:
            for path in job.outputs:
                part.path_of(path.absolute()).unlink(missing_ok=True)
        del self._inputs[task.place]
        for each in outcome.results:
            self._held[each.measure] += each.rows - each.numbers["null_rows"] - each.nan_rows
        results = [replace(each, name=str(job.path), output=job.output) for each in outcome.results]
        return Outcome(results, outcome.summaries)

    # ---- failures -------------------------------------------------------------------------

    def _fail(self, task: _Task, error: BaseException) -> None:
        """Note a failure, and cancel what comes after it; what comes before may fail too."""
        mine, job = self._inputs[task.place], self._jobs[task.place]
        if isinstance(error, CommandError):
            message = str(error)
            for absolute, given in mine.given.items():
                message = message.replace(absolute, given)
            told = type(error)(message)
        elif isinstance(error, KilledWorker):
            told = DataError(
                f"{job.path}: workers died over it, {error.allowed_failures + 1} of them: have "
                f"they too little memory? --memory is what each task may take; {self._advice()}"
            )
        else:
            what = f"{type(error).__name__}: {_first_line(error)}"
            told = DataError(f"{job.path}: a task failed ({what}); {self._advice()}")
        self._failures[task.number] = told
        self._cancel(task.number)

    def _wait_for_scheduler(self) -> None:
        """Return when the scheduler is there again; raise if it does not come back."""
        while self._client.status == "connecting":
            time.sleep(0.05)
        if self._client.status != "running":
            raise self._lost("its connection is closed")

    def _count_threads(self) -> None:
        """See how many threads there are to work; raise if there were none for long."""
        self._counted_at = time.monotonic()
        if self._client.status == "running":
            with suppress(Exception):
                self._cores = sum(self._client.nthreads().values())
        if self._cores:
            self._alive_at = self._counted_at
        elif self._counted_at > self._alive_at + PATIENCE:
            raise DataError(f"the cluster has no workers left; {self._advice()}")

    def _lost(self, why: str) -> DataError:
        return DataError(f"lost the scheduler ({why}); {self._advice()}")

    def _advice(self) -> str:
        """Return how to go on."""
        several = self._request.output is not None and self._request.output.is_dir()
        return "--resume goes on with what is left" if several else "run again"

    def _cancel(self, number: int) -> None:
        """Cancel all tasks from a number on."""
        late = {k: future for k, (task, future) in self._running.items() if task.number >= number}
        for key in late:
            del self._running[key]
        with suppress(Exception):
            self._client.cancel(list(late.values()), force=True)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
