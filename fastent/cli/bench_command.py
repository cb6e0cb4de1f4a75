"""``fastent bench``: how fast this machine is, beside what else is installed on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastent.cli.errors import DataError, UseError

if TYPE_CHECKING:
    from rich.table import Table

PICTURES = (".svg", ".png")


@click.command()
@click.option("--quick", is_flag=True, help="Ten seconds in place of a minute.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32")
@click.option("--mebibytes", type=click.IntRange(1, 4096), help="Of an operand; default 64.")
@click.option("--json", "document", metavar="FILE", type=click.Path(path_type=Path), help="Or -.")
@click.option(
    "--picture", metavar="FILE", type=click.Path(path_type=Path), help="An .svg or a .png."
)
def bench(
    quick: bool, dtype: str, mebibytes: int | None, document: Path | None, picture: Path | None
) -> None:
    """Time fastent here, beside NumPy, SciPy and PyTorch where they are installed.

    Results are checked. Figures are multiples of the floor: the time that reading the operands once
    from memory takes, on as many threads.
    """
    for path in (document, picture):
        if path is not None and not path.parent.is_dir():
            raise UseError(f"{path.parent}: no such folder")
    if picture is not None:
        if picture.suffix not in PICTURES:
            raise UseError(f"{picture}: a picture's name ends in .svg or .png")
        try:
            from fastent.cli.bench_picture import draw
        except ImportError as error:
            raise UseError(
                '--picture needs matplotlib: pip install "fastent-numpy[report]"'
            ) from error

    from fastent.cli import report
    from fastent.cli.bench import WrongResultError, run

    def advance(name: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"  {name}", err=True)

    try:
        found = run(quick, dtype, mebibytes, advance)
    except WrongResultError as error:
        raise DataError(str(error)) from error
    if document is not None and str(document) == "-":
        report.print_json(found)
    else:
        report.print_table(_table(found))
        click.echo(_words(found))
    if document is not None and str(document) != "-":
        import json

        document.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    if picture is not None:
        draw(found, picture)


def _table(found: dict[str, Any]) -> Table:
    """Return the timings as a table."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    table.add_column(f"{found['settings']['dtype']}, times the floor")
    peers = list(found["versions"])
    for name in ("fastent", *peers, "fastent, GB/s"):
        table.add_column(name, justify="right")
    for case in found["cases"]:
        ratios = [case["ratio"], *(case["peers"][name] for name in peers)]
        speed = case["mib_per_second"] * (1 << 20) / 1e9
        table.add_row(case["case"], *(f"{ratio:.3g}" for ratio in ratios), f"{speed:.1f}")
    return table


def _words(found: dict[str, Any]) -> str:
    """Return where and how it was measured."""
    machine, settings = found["machine"], found["settings"]
    floor = max(case["mib_per_second"] * case["ratio"] * (1 << 20) / 1e9 for case in found["cases"])
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    threads = settings["threads"]
    return (
        f"{machine['cpu']} ({machine['isa']}), {threads} thread{'s' * (threads > 1)} of "
        f"fastent, PyTorch and the floor; {versions}, fastent {machine['fastent']}.\n"
        f"{settings['mebibytes']} MiB an operand. The floor is {found['floor']}: up to {floor:.0f} "
        "GB/s here.\nEach time is over that of a floor just before it: fastent's median, the "
        "others' best. Every result agrees with NumPy's in float64."
    )
