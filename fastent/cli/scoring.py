"""``fastent score``, once its options are parsed: checks them together, runs, and tells."""

from __future__ import annotations

import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

import fastent
from fastent.cli.errors import UseError
from fastent.cli.files import find_format
from fastent.cli.measures import Measure, find_measure
from fastent.cli.score import Execute, Request, Result, prepare, run, score_here
from fastent.cli.urls import parse_path

_KEYWORDS = (
    "base",
    "normalize",
    "check",
    "log_floor",
    "temperature",
    "alpha",
    "order",
    "top",
    "ignore_index",
    "pseudocount",
    "bias_correction",
)
_MEANINGS = {
    "top": "K: how many of the largest",
    "alpha": "X: the order, 0 or more, or inf",
    "order": "X: the order, 0 or more, or inf",
}


def score_files(options: dict[str, Any], said: set[str]) -> None:
    """Score as the command line says; `said` are the options that it names."""
    from fastent.cli import report

    measures, inputs = _measures_and_inputs(options["words"], options["several"])
    _check_options(measures, said, options)
    keywords = {name: options[name] for name in _KEYWORDS if name in said}
    if keywords.get("log_floor") == "none":
        keywords["log_floor"] = None
    format_name = options["format_name"]
    request = Request(
        measures,
        inputs,
        options["second"],
        options["labels"],
        options["columns"],
        options["output"],
        None if format_name is None else find_format(format_name),
        options["append"],
        options["axis"],
        keywords,
        options["batch_rows"],
        options["memory"],
        options["header"],
        options["nulls"],
        options["resume"],
    )
    title, quiet = ", ".join(measure.name for measure in measures), options["quiet"]
    with ExitStack() as stack:
        if options["threads"] is not None:
            stack.enter_context(fastent.num_threads(options["threads"]))
        work = prepare(request)
        execute: Execute = score_here
        if work.jobs and (options["scheduler"] or options["workers"]):
            from fastent.cli.cluster import on_cluster

            where = options["scheduler"], options["workers"], options["threads"]
            execute = stack.enter_context(on_cluster(request, work.jobs, *where))
        with report.progress_bar(title, work.rows, not quiet) as advance:
            results, overall = run(request, work, advance, execute)
    with redirect_stdout(sys.stderr if str(request.output) == "-" else sys.stdout):
        if options["as_json"]:
            report.print_json(_document(request, work.skipped, results, overall))
        elif not quiet:
            _print(measures, work.skipped, results, overall)
    _tell_invalid(max((each.nan_rows for each in overall), default=0))


def _print(
    measures: tuple[Measure, ...], skipped: int, results: list[Result], overall: list[Result]
) -> None:
    """Print a table for each measure."""
    from fastent.cli import report

    if skipped:
        print(
            f"{skipped} complete {'file was' if skipped == 1 else 'files were'} left as they are."
        )
    for measure, whole in zip(measures, overall, strict=True):
        own = [result for result in results if result.measure == measure.name]
        several = [whole] if len(own) > 1 else []
        if own:
            report.print_results(measure.name, [each.as_dict() for each in (*own, *several)])


def _measures_and_inputs(
    words: tuple[str, ...], several: str | None
) -> tuple[tuple[Measure, ...], tuple[Path, ...]]:
    """Return what is computed, and of what."""
    if several is None:
        if not words:
            raise UseError("Missing argument 'MEASURE' (and 'INPUT...'), see --help")
        several, words = words[0], words[1:]
    measures = tuple(find_measure(name.strip()) for name in several.split(",") if name.strip())
    if not measures:
        raise UseError("--measure names none")
    if len(set(measures)) < len(measures):
        raise UseError(f"--measure {several}: one is named twice")
    if not words:
        raise UseError("Missing argument 'INPUT...': a file, a folder, or - for standard input")
    return measures, tuple(parse_path(word) for word in words)


def _check_options(measures: tuple[Measure, ...], said: set[str], options: dict[str, Any]) -> None:
    """Refuse what no measure has a use for, and miss what one needs."""
    name = measures[0].name if len(measures) == 1 else "none of the measures"
    verb = "takes no" if len(measures) == 1 else "takes"
    taken = frozenset().union(*(measure.options for measure in measures))
    # Targets may be of any measure that has them; of arrays --labels is for class indices alone.
    if any(measure.first in ("target", "labels") for measure in measures):
        taken |= {"labels"}
    for option in sorted(said & {*_KEYWORDS, "axis", "labels"} - taken):
        raise UseError(f"{name} {verb} --{option.replace('_', '-')}")
    second = options["second"] is not None
    if second and all(measure.second is None for measure in measures):
        if len(measures) == 1:
            raise UseError(f"{name} has one operand, so it takes no --with")
        raise UseError("none of the measures has two operands, so there is no use for --with")
    if "labels" in said and second and not any(measure.labels_last for measure in measures):
        raise UseError(
            "--labels FILE and --with FILE: INPUT is one operand, so one of them will do"
        )
    for measure in measures:
        for option in measure.needs:
            if option not in said:
                raise UseError(f"{measure.name} needs --{option} {_MEANINGS[option]}")
    if options["resume"] and options["output"] is None:
        raise UseError("--resume goes on with a folder: -o FOLDER says which")
    if options["scheduler"] and options["workers"]:
        raise UseError("--scheduler joins a cluster and --workers starts one: say one of them")
    if options["append"] and options["output"] is None:
        raise UseError("--append is about the output: -o FILE says which")
    if options["format_name"] is not None and options["output"] is None:
        raise UseError("--format is about the output: -o FILE says which")


def _document(
    request: Request, skipped: int, results: list[Result], overall: list[Result]
) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    taken = frozenset().union(*(measure.options for measure in request.measures))
    options = dict(request.keywords) | {"axis": request.array_axis}
    whole = [each.as_dict() for each in overall]
    return {
        "fastent": fastent.__version__,
        "measure": ",".join(measure.name for measure in request.measures),
        "with": None if request.second is None else str(request.second),
        "labels": request.labels,
        "options": {name: value for name, value in options.items() if name in taken},
        "skipped": skipped,
        "inputs": [result.as_dict() for result in results],
        "overall": whole[0] if len(whole) == 1 else whole,
    }


def _tell_invalid(rows: int) -> None:
    """Say that there are NaN results, which an ill-formed row leads to."""
    if rows:
        who = "1 row holds" if rows == 1 else f"{rows} rows hold"
        message = f"fastent: {who} values that are no probabilities (NaN in the output)"
        print(message, file=sys.stderr)
