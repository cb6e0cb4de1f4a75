"""Draw one picture of a run: how long the main cases take, over reading memory once."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cases import DTYPES, Case
from bench.results import JUDGED_THREADS, Report, Run

MAIN = {
    ("entropy", "10"): "entropy, rows of 10",
    ("entropy", "1000"): "entropy, rows of 1000",
    ("cross_entropy", "10"): "cross entropy, rows of 10",
    ("cross_entropy", "1000"): "cross entropy, rows of 1000",
    ("kl_divergence", "10"): "KL divergence, rows of 10",
    ("kl_divergence", "1000"): "KL divergence, rows of 1000",
    ("bce_mean_hard", "-"): "mean BCE, targets 0 and 1",
    ("bce_mean_soft", "-"): "mean BCE, soft targets",
    ("bce_logits_mean", "-"): "mean BCE with logits",
}
# Colours that colour-blind readers tell apart (Okabe and Ito's), and a shape of its own for each.
LOOKS = {
    "fastent": ("fastent", "#0072B2", "o"),
    "compile": ("torch.compile", "#D55E00", "s"),
    "torch": ("PyTorch", "#E69F00", "D"),
    "numpy": ("NumPy", "#009E73", "^"),
    "scipy": ("SciPy", "#8A4F7D", "v"),
    "jax": ("JAX", "#56B4E9", "P"),
}
WIDTH, ROW_HEIGHT, ROOM = 8.0, 0.36, 2.15  # inches; at 100 dots an inch 800 pixels wide
TICKS = (1, 3, 10, 30, 100, 300, 1000)
INK, FAINT = "#222222", "#D8D8D8"
STYLE: dict[str, Any] = {
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "fastent",  # the same picture from the same figures
}

Lines = list[tuple[str, str, dict[str, float]]]


class MissingError(Exception):
    """What draws is not installed."""


def load() -> Any:
    """Return matplotlib's module of figures; MissingError says what to install."""
    try:
        return importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise MissingError(
            f"--picture needs matplotlib ({error}): pip install matplotlib, or -e '.[bench]'"
        ) from error


def check(cases: Sequence[Case]) -> None:
    """Raise a ValueError unless the picture has something to show."""
    if not any((case.measure, case.layout) in MAIN for case in cases):
        raise ValueError(
            "--picture: none of the cases it shows is among these: add --measures entropy "
            "cross_entropy kl_divergence bce_mean_hard bce_mean_soft --columns 10 1000 -"
        )


def draw(report: Report, path: Path) -> None:
    """Write the picture, as SVG or PNG by the name's ending."""
    figures = load()
    threads = _threads(report)
    panels = {dtype: _lines(report, dtype, threads) for dtype in DTYPES}
    panels = {dtype: lines for dtype, lines in panels.items() if lines}
    check([result.case for result in report.results])
    labels = [
        MAIN[key] for key in MAIN if any(key == line[:2] for p in panels.values() for line in p)
    ]
    largest = max(max(line[2].values()) for lines in panels.values() for line in lines)
    height = ROW_HEIGHT * len(labels) + ROOM
    style = importlib.import_module("matplotlib").rc_context
    with style(STYLE):
        figure = figures.Figure(figsize=(WIDTH, height), dpi=100, facecolor="white")
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, (dtype, lines) in zip(axes, panels.items(), strict=True):
            _panel(axis, dtype, lines, labels, 1.25 * largest)
        top = 1 - 1.15 / height
        figure.subplots_adjust(left=0.295, right=0.985, top=top, bottom=1.0 / height, wspace=0.06)
        _words(figure, report, threads, height)
        handles, names = _legend(axes)
        figure.legend(
            handles,
            names,
            loc="lower center",
            ncols=len(names),
            frameon=False,
            columnspacing=1.4,
            handletextpad=0.3,
        )
        figure.text(
            0.64,
            0.5 / height,
            "time over reading the operands once (1 = the floor); less is better",
            ha="center",
            va="center",
            fontsize=10.5,
        )
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, facecolor="white", metadata=metadata)


def _threads(report: Report) -> int:
    """Return the number of threads to show: the contract's where it was measured."""
    measured = {run.threads for result in report.results for run in result.runs}
    return JUDGED_THREADS if JUDGED_THREADS in measured else max(measured, default=1)


def _lines(report: Report, dtype: str, threads: int) -> Lines:
    """Return the main cases that were measured: measure, layout, ratios by name."""
    by_case = {result.case: result for result in report.results}
    found: Lines = []
    for measure, layout in MAIN:
        result = by_case.get(Case(measure, dtype, layout))
        for run in result.runs if result else ():
            if run.threads == threads:
                found.append((measure, layout, _ratios(run)))
    return found


def _ratios(run: Run) -> dict[str, float]:
    return {"fastent": run.ratio, **run.peers}


def _panel(axis: Any, dtype: str, lines: Lines, labels: list[str], right: float) -> None:
    """Draw one dtype: a row a case, a mark a library."""
    axis.set_title(dtype, fontsize=11, loc="left", pad=5)
    axis.set_xscale("log")
    ticks = [tick for tick in TICKS if tick <= right]
    axis.set_xlim(0.8, right)
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.set_yticks(range(len(labels)), labels)
    axis.tick_params(length=0)
    axis.grid(axis="x", color=FAINT, linewidth=0.7)
    axis.axvline(1, color=INK, linewidth=1)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)
    rows = [labels.index(MAIN[line[:2]]) for line in lines]
    for row, (_, _, ratios) in zip(rows, lines, strict=True):
        ends = min(ratios.values()), max(ratios.values())
        axis.plot(ends, (row, row), color="#B0B0B0", linewidth=1.2, zorder=1)
    for name, (shown, colour, shape) in LOOKS.items():
        points = [
            (line[2][name], row) for row, line in zip(rows, lines, strict=True) if name in line[2]
        ]
        if points:
            size = 62 if name == "fastent" else 42
            across, down = zip(*points, strict=True)
            axis.scatter(
                across,
                down,
                s=size,
                c=colour,
                marker=shape,
                label=shown,
                zorder=3,
                edgecolors="white",
                linewidths=0.6,
            )


def _legend(axes: Any) -> tuple[list[Any], list[str]]:
    """Return the marks of all panels, each name once."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    return list(found.values()), list(found)


def _words(figure: Any, report: Report, threads: int, height: float) -> None:
    """Write the title, and below it where and with what it was measured."""
    machine, settings = report.machine, report.settings
    versions = machine["versions"]
    names = {"fastent": "fastent", "numpy": "NumPy", "scipy": "SciPy", "torch": "PyTorch"}
    shown = ", ".join(f"{names[key]} {versions[key]}" for key in names if key in versions)
    many = f"{threads} thread{'s' * (threads > 1)}"
    figure.text(
        0.015,
        1 - 0.2 / height,
        "How many times as long as reading memory once?",
        fontsize=14,
        weight="bold",
        va="center",
    )
    figure.text(
        0.015,
        1 - 0.58 / height,
        f"{machine['processor']} ({machine['isa']}), {many} (NumPy and SciPy: one), "
        f"{settings['mebibytes']:g} MiB each operand\n{shown}",
        fontsize=9,
        va="center",
        linespacing=1.4,
        color="#444444",
    )
