"""The click commands: options in, one line for every error out."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import click

from fastent.cli.bench_command import bench
from fastent.cli.errors import CommandError
from fastent.cli.files import FORMATS
from fastent.cli.measures import BIAS_CORRECTIONS, MEASURES
from fastent.cli.report_command import report as report_command
from fastent.cli.sizes import parse_memory
from fastent.cli.urls import parse_path


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
        code = code if isinstance(code, int) else 0
        pipeline = sys.modules.get("fastent.cli.pipeline")
        if pipeline is not None and pipeline.is_stuck():
            # Python would wait for the thread that waits for standard input.
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)

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


def _parse_path(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    """Return a file of this machine, or of a URL."""
    return None if value is None else parse_path(value)


def _parse_temperature(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Refuse what is not above 0."""
    if value is not None and not value > 0:
        raise click.BadParameter(f"{value:g} is none; it must be a positive number.")
    return value


def _parse_order(context: click.Context, option: click.Parameter, value: float | None) -> Any:
    """Refuse what is below 0, and no number."""
    if value is not None and not value >= 0:
        raise click.BadParameter(f"{value:g} is less than 0, or no number.")
    return value


def _parse_memory(context: click.Context, option: click.Parameter, value: str) -> int:
    """Return the bytes of a size such as 256MiB."""
    try:
        size = parse_memory(value)
    except (ValueError, KeyError, OverflowError):
        size = 0
    if size < 1 << 20:
        raise click.BadParameter(f"'{value}' is no size of 1 MiB or more, such as 256MiB.")
    return size


@click.group(
    cls=OneLineErrors,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def command(context: click.Context, version: bool) -> None:
    """Score probabilities in files: entropy, cross entropy, KL divergence and more."""
    if version:
        import fastent

        click.echo(f"fastent {fastent.__version__}")
        context.exit()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


command.add_command(report_command)
command.add_command(bench)


@command.command(
    epilog="Measures: " + ", ".join(MEASURES) + ".",
)
@click.argument("words", metavar="MEASURE INPUT...", nargs=-1)
@click.option(
    "--measure",
    "several",
    metavar="A,B,...",
    help="Several measures, for which the inputs are read once; MEASURE is left out then.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the results go: a file, whose name says the format, or a folder (made if needed) "
    "with a file for each of several inputs; - for standard output. In .npy what says several "
    "things of a row has a file for each: out.entropy.npy, ...",
)
@click.option("--format", "format_name", metavar="F", help="Of the output: " + ", ".join(FORMATS))
@click.option("--append", is_flag=True, help="Keep the columns of the input; results come last.")
@click.option(
    "--columns",
    multiple=True,
    metavar="A,B",
    help="The columns of a table, or the array of a .npz, that hold the rows: a name, a pattern "
    "such as 'p_*', or several; for two operands, one each, or --columns twice.",
)
@click.option(
    "--with",
    "second",
    metavar="FILE",
    callback=_parse_path,
    help="The second operand, what is judged: q, prob.",
)
@click.option(
    "--labels",
    "--target",
    metavar="FILE|COLUMN",
    help="The class indices or targets; INPUT then holds what is judged: prob, logits. Of "
    "compare-logits, which needs INPUT and --with, beside both.",
)
@click.option("--axis", type=int, help="Where a distribution lies in .npy; default the last.")
@click.option("--base", type=float, callback=_parse_base, help="Of the logarithm; default e.")
@click.option("--normalize", is_flag=True, help="The values are weights or counts.")
@click.option("--check", is_flag=True, help="Stop at the first row that is no distribution.")
@click.option(
    "--nulls",
    type=click.Choice(["null", "zero"]),
    default="null",
    help="What a null within a row means: an error, or probability 0.",
)
@click.option(
    "--log-floor",
    metavar="X|none",
    callback=_parse_log_floor,
    help="The least a logarithm can be, in nats; none for exact.",
)
@click.option(
    "--temperature",
    type=float,
    callback=_parse_temperature,
    help="What logits are divided by; default 1.",
)
@click.option("--alpha", type=float, callback=_parse_order, help="The order of a Renyi measure.")
@click.option("--order", type=float, callback=_parse_order, help="The order of tsallis-entropy.")
@click.option("--top", type=click.IntRange(min=0), help="How many of the largest.")
@click.option("--ignore-index", type=int, help="The label of rows that count for nothing.")
@click.option(
    "--pseudocount",
    type=float,
    callback=_parse_order,
    help="Added to every entry, of entropy before dividing by the sum.",
)
@click.option(
    "--bias-correction",
    type=click.Choice(BIAS_CORRECTIONS),
    help="Of the entropy of counts.",
)
@click.option("--header/--no-header", default=None, help="Whether CSV begins with names.")
@click.option("--threads", type=click.IntRange(min=1), help="Of the measures.")
@click.option("--batch-rows", type=click.IntRange(min=1), help="Most rows to work on at a time.")
@click.option(
    "--memory",
    callback=_parse_memory,
    default="256MiB",
    show_default=True,
    help="What the work may take, beside the program itself.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes of a cluster to start here.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster to do the work.")
@click.option("--resume", is_flag=True, help="Skip inputs whose output in the folder is complete.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar, and no summary but with --json.")
@click.pass_context
def score(context: click.Context, /, **given: Any) -> None:
    """Compute MEASURE for every row of INPUT...

    An input is a .npy, .npz, Parquet, Arrow, Feather or CSV file, a folder of them, a pattern, or -
    for a CSV or an Arrow stream on standard input. Files of any size are read in batches. A measure
    of two operands, such as kl-divergence, takes the first, the truth, from INPUT and the second
    from --with; or both from two columns; or class indices from --labels and what is judged from
    INPUT.
    """
    from fastent.cli.scoring import score_files

    said = {
        name
        for name in given
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    score_files(given, said)


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
