"""``fastent report``: what probabilities in a file say, or how two files differ, as one page."""

from __future__ import annotations

from pathlib import Path

import click

from fastent.cli.errors import DataError, UseError

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("path", metavar="FILE", type=FILE)
@click.option("-o", "--output", required=True, type=FILE, help="The page: a name in .html.")
@click.option(
    "--labels",
    metavar="FILE|COLUMN",
    help="The true classes: a file of one integer a row, or a column of FILE.",
)
@click.option("--ignore-index", type=int, help="The label of rows that have none.")
@click.option("--with", "other", metavar="OTHER", type=FILE, help="A later file: has it drifted?")
@click.option("--columns", metavar="NAME", help="Of a table: those that make up a row, as 'p_*'.")
@click.option("--base", type=float, help="Of the logarithm; default e.")
@click.option("--logits", is_flag=True, help="The rows are logits.")
@click.option("--temperature", type=float, default=1.0, help="What logits are divided by.")
@click.option("--normalize", is_flag=True, help="The rows are weights or counts.")
@click.option("--drift-only", is_flag=True, help="Columns that need not be distributions.")
@click.option("--png", metavar="FOLDER", type=FILE, help="Where each picture goes as PNG too.")
def report(
    path: Path,
    output: Path,
    labels: str | None,
    ignore_index: int | None,
    other: Path | None,
    columns: str | None,
    base: float | None,
    logits: bool,
    temperature: float,
    normalize: bool,
    drift_only: bool,
    png: Path | None,
) -> None:
    """Write what the probabilities in FILE say as one self-contained HTML page.

    FILE is .npy, Parquet, Arrow IPC or CSV: the distribution of entropy, confidence and margin, the
    most surprising rows; with --labels how well confidence and accuracy agree; with --with how each
    column has drifted, the worst first.
    """
    _check(output, base, logits, temperature, normalize, drift_only, other, labels)
    if ignore_index is not None and labels is None:
        raise UseError(f"--ignore-index {ignore_index} is a label, so it needs --labels")
    for file in (path, other):
        if file is not None and file.is_dir():
            raise UseError(f"{file}: is a folder: a report is about one file")
        if file is not None and not file.is_file():
            raise UseError(f"{file}: no such file")
    if not output.parent.is_dir():
        raise UseError(f"{output.parent}: no such folder")
    try:
        from fastent.report import write_report
        from fastent.report._sources import EndingError
    except ImportError as error:
        raise UseError(str(error)) from error
    try:
        write_report(
            path,
            output,
            other=other,
            labels=labels,
            columns=columns,
            base=base,
            temperature=temperature,
            logits=logits,
            normalize=normalize,
            drift_only=drift_only,
            ignore_index=ignore_index,
            pictures_folder=png,
        )
    except (ImportError, EndingError) as error:  # an import of pyarrow, which tables alone need
        raise UseError(str(error)) from error
    except (ValueError, TypeError) as error:
        raise DataError(str(error)) from error


def _check(
    output: Path,
    base: float | None,
    logits: bool,
    temperature: float,
    normalize: bool,
    drift_only: bool,
    other: Path | None,
    labels: str | None,
) -> None:
    """Refuse what makes no sense before any file is opened."""
    if output.suffix not in (".html", ".htm"):
        raise UseError(f"{output}: the page's name must end in .html")
    if base is not None and not (0 < base < float("inf") and base != 1):
        raise UseError(f"--base {base:g} is no base; it must be positive and not 1")
    if not 0 < temperature < float("inf"):
        raise UseError(f"--temperature {temperature:g} is none; it must be positive")
    if logits and normalize:
        raise UseError("--logits and --normalize: rows are one or the other")
    if temperature != 1 and not logits:
        raise UseError("--temperature divides logits, so it needs --logits")
    if drift_only and other is None:
        raise UseError("--drift-only needs --with FILE: drift is between two files")
    if drift_only and (labels is not None or logits or normalize):
        raise UseError("--drift-only looks at no distributions: drop --labels, --logits, ...")
