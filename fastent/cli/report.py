"""What the reader sees: the table of results and the progress bar."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from fastent._config import Facts

COLUMNS = {
    "input": "input",
    "rows": "rows",
    "null_rows": "null rows",
    "nan_rows": "NaN rows",
    "infinite_rows": "infinite",
    "mean_cross_entropy": "mean cross entropy",
    "perplexity": "perplexity",
    "accuracy": "accuracy",
    "mean_confidence": "mean confidence",
    "mean_margin": "mean margin",
    "mean_entropy": "mean entropy",
    "mean_top_share": "mean share of the top",
    "mean": "mean",
    "standard_error": "standard error",
    "min": "min",
    "q_0.1%": "0.1 %",
    "q_1%": "1 %",
    "q_5%": "5 %",
    "quartile_1": "25 %",
    "median": "median",
    "quartile_3": "75 %",
    "q_95%": "95 %",
    "q_99%": "99 %",
    "q_99.9%": "99.9 %",
    "max": "max",
    "mean_same_prediction": "same prediction",
    "mean_entropy_p": "mean entropy of p",
    "mean_entropy_q": "mean entropy of q",
    "mean_target_log_prob_change": "mean change of log prob",
    "standard_error_target_log_prob_change": "its standard error",
    "seconds": "seconds",
    "rows_per_second": "rows/s",
}


RARE = ("null_rows", "infinite_rows")
"""Shown only if there are any."""


class RateColumn(ProgressColumn):
    """Shows how many rows a second were scored so far."""

    def render(self, task: Task) -> Text:
        """Return the rate as text."""
        return Text(f"{task.completed / task.elapsed:,.0f} rows/s" if task.elapsed else "")


@contextmanager
def progress_bar(title: str, rows: int | None, wanted: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr if that is a terminal; yield the function that moves it."""
    if not wanted or not sys.stderr.isatty():
        yield lambda count: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), RateColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=rows)
        yield lambda count: progress.advance(task, count)


def print_results(title: str, results: list[dict[str, Any]]) -> None:
    """Print one result as a list of its numbers, several as a table with a line for each."""
    print(title)  # a title of the table would break in two where it is longer than a number
    table = Table(box=box.SIMPLE)
    columns = [
        name
        for name in COLUMNS
        if name in results[0] and (name not in RARE or any(result[name] for result in results))
    ]
    if len(results) == 1:
        table.show_header = False
        table.add_column()
        table.add_column(justify="right", overflow="fold")
        for name in columns:
            table.add_row(COLUMNS[name], format_value(name, results[0][name]))
    else:
        for name in columns:
            table.add_column(COLUMNS[name], justify="left" if name == "input" else "right")
        for result in results:
            table.add_row(*(format_value(name, result[name]) for name in columns))
    print_table(table)
    names = {"null_rows": "Null", "nan_rows": "NaN"}
    left = [word for name, word in names.items() if any(result[name] for result in results)]
    if left:
        print(f"{' and '.join(left)} rows are left out of the statistics.")
    if any(result.get("quartiles") == "approximate" for result in results):
        print("The quartiles are approximate: within 0.05 % of their value.")


def print_info(facts: Facts) -> None:
    """Print the facts of ``fastent info``."""
    table = Table(show_header=False, box=box.SIMPLE)
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else str(value or "(not set)")
        table.add_row(name.replace("_", " ") if name.islower() else name, shown)
    print_table(table)


def print_json(document: dict[str, Any]) -> None:
    """Print strict JSON: what is no finite number becomes null."""
    print(json.dumps(_finite(document), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    """Return `value` with null in the place of NaN and the infinities."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(table: Table) -> None:
    """Print a table at its full width: a cut-off number would be worse than a long line."""
    console = Console(markup=False, emoji=False, highlight=False)
    console.width = max(console.width, 1000)
    console.width = max(1, console.measure(table).maximum)
    console.print(table)


def format_value(name: str, value: Any) -> str:
    """Return a value of the summary as a reader wants it."""
    if isinstance(value, str):
        # A file's name need not be valid text.
        return value.encode("utf-8", "replace").decode("utf-8")
    if name == "rows_per_second":
        return "-" if math.isnan(value) else f"{value:,.0f}"
    if name == "seconds":
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if math.isnan(value) else f"{value:.6g}"
