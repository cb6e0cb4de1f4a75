"""The click commands: options in, one line for every error out."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import fastent
from fastent.cli.bench_command import bench
from fastent.cli.errors import CommandError, UseError
from fastent.cli.measures import MEASURES, Measure, find_measure
from fastent.cli.report_command import report as report_command

if TYPE_CHECKING:
    from fastent.cli.score import Request, Result


class OneLineErrors(click.Group):
    """A group whose every failure is one line on stderr and an exit code."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command, and end the process with its exit code."""
        options["standalone_mode"] = False
        try:
            code = super().main(*arguments, **options)
        except CommandError as error:
            code = _complain(str(error), error.exit_code)
        except click.ClickException as error:
            code = _complain(error.format_message(), error.exit_code)
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            code = _complain(f"{named}{error.strerror or error}", 1)
        except MemoryError:
            code = _complain("not enough memory; a smaller --batch-rows may help", 1)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, context: click.Context) -> Any:
        """Run the subcommand; click itself would add an empty line to Ctrl-C."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            return _complain("interrupted", 130)


def _complain(message: str, code: int) -> int:
    """Print `message` on one line of stderr and return `code`."""
    click.echo("fastent: " + " ".join(message.split()), err=True)
    return code


def _parse_base(context: click.Context, option: click.Parameter, value: float | None) -> Any:
    """Refuse what is no base of a logarithm."""
    if value is not None and not (0 < value < math.inf and value != 1):
        raise click.BadParameter(f"{value:g} is no base; it must be positive and not 1.")
    return value


def _parse_log_floor(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    """Return a number of at most 0, or the word itself if it is ``none``."""
    if value is None or value == "none":
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not -math.inf < number <= 0:
        raise click.BadParameter(f"'{value}' is neither a number of at most 0 nor 'none'.")
    return number


@click.group(
    cls=OneLineErrors,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(fastent.__version__, prog_name="fastent", message="%(prog)s %(version)s")
@click.pass_context
def command(context: click.Context) -> None:
    """Score probabilities in files: entropy, cross entropy, KL divergence and more."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


command.add_command(report_command)
command.add_command(bench)


@command.command(
    epilog="Measures: " + ", ".join(MEASURES) + ".",
)
@click.argument("measure")
@click.argument(
    "inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the results go: a .npy file; with several inputs a folder, made if needed. What "
    "says several things of a row has a file for each: out.entropy.npy, ...",
)
@click.option(
    "--with",
    "second",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The second operand, what is judged: q, prob.",
)
@click.option(
    "--labels",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The class indices; INPUT then holds what is judged: prob, logits. Of compare-logits, "
    "which needs INPUT and --with, beside both.",
)
@click.option("--axis", type=int, default=-1, show_default=True, help="Where a distribution lies.")
@click.option("--base", type=float, callback=_parse_base, help="Of the logarithm; default e.")
@click.option("--normalize", is_flag=True, help="The values are weights or counts.")
@click.option("--check", is_flag=True, help="Stop at the first row that is no distribution.")
@click.option(
    "--log-floor",
    metavar="X|none",
    callback=_parse_log_floor,
    help="The least a logarithm can be, in nats; none for exact.",
)
@click.option("--temperature", type=float, help="What logits are divided by; default 1.")
@click.option("--top", type=click.IntRange(min=0), help="How many of the largest.")
@click.option("--batch-rows", type=click.IntRange(min=1), help="Most rows to work on at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar, and no summary but with --json.")
@click.pass_context
def score(
    context: click.Context,
    /,
    measure: str,
    inputs: tuple[Path, ...],
    output: Path | None,
    second: Path | None,
    labels: Path | None,
    axis: int,
    batch_rows: int | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Compute MEASURE for every row of the .npy files INPUT...

    Files of any size are read in blocks. A measure of two operands, such as kl-divergence, takes
    the first, the truth, from INPUT and the second from --with; or class indices from --labels and
    what is judged from INPUT.
    """
    chosen = find_measure(measure)
    given = {
        name
        for name in (*options, "axis", "labels")
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    _check_options(chosen, given, second)
    keywords = {name: options[name] for name in given if name in options}
    if keywords.get("log_floor") == "none":
        keywords["log_floor"] = None

    from fastent.cli import report
    from fastent.cli.score import Request, prepare, run

    request = Request(chosen, inputs, second, labels, output, axis, keywords, batch_rows)
    jobs = prepare(request)
    total = sum(job.rows.count for job in jobs)
    with report.progress_bar(chosen.name, total, not quiet) as advance:
        results, overall = run(request, jobs, advance)
    if as_json:
        report.print_json(_document(request, keywords | {"axis": axis}, results, overall))
    elif not quiet:
        several = [overall] if len(results) > 1 else []
        report.print_results(chosen.name, [result.as_dict() for result in (*results, *several)])
    _tell_invalid(overall.statistics.nan_rows)


def _check_options(measure: Measure, given: set[str], second: Path | None) -> None:
    """Refuse what the measure has no use for, and miss what it needs."""
    for name in sorted(given - measure.options):
        raise UseError(f"{measure.name} takes no --{name.replace('_', '-')}")
    if measure.second is None and second is not None:
        raise UseError(f"{measure.name} has one operand, so it takes no --with")
    if "labels" in given and second is not None and not measure.labels_last:
        raise UseError(
            "--labels FILE and --with FILE: INPUT is one operand, so one of them will do"
        )
    if "top" in measure.options and "top" not in given:
        raise UseError(f"{measure.name} needs --top K: how many of the largest")
    missing = second is None and ("labels" not in given or measure.labels_last)
    if measure.second is not None and missing and measure.needs_first:
        takes = "labels" in measure.options and not measure.labels_last
        labels = f", or INPUT {measure.second} and --labels FILE their class indices"
        raise UseError(
            f"{measure.name} needs a second file: INPUT holds {measure.first}, "
            f"--with FILE holds {measure.second}{labels if takes else ''}"
        )


def _document(
    request: Request,
    options: dict[str, Any],
    results: list[Result],
    overall: Result,
) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "fastent": fastent.__version__,
        "measure": request.measure.name,
        "with": None if request.second is None else str(request.second),
        "labels": None if request.labels is None else str(request.labels),
        "options": {
            name: value for name, value in options.items() if name in request.measure.options
        },
        "inputs": [result.as_dict() for result in results],
        "overall": overall.as_dict(),
    }


def _tell_invalid(rows: int) -> None:
    """Say that there are NaN results, which an ill-formed row leads to."""
    if rows:
        who = "1 row holds" if rows == 1 else f"{rows} rows hold"
        click.echo(f"fastent: {who} values that are no probabilities (NaN in the output)", err=True)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Show versions, the processor, and the code fastent chose for it."""
    from fastent._config import gather_info
    from fastent.cli import report

    facts = gather_info()
    if as_json:
        report.print_json(facts)
    else:
        report.print_info(facts)
