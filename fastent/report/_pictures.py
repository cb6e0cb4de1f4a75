"""The pictures of a report, drawn by matplotlib: SVG that takes the page's colours, or PNG."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from fastent._arrays import Array
from fastent.report._drift import Column, Drift
from fastent.report._gather import Distribution, Reliability

CROWDED = 0.4  # share of the rows in one bar, from which the axis is logarithmic
WIDTH, HEIGHT = 3.6, 2.5  # inches: as wide as a telephone, so that text keeps its size there
DOTS = 200  # of PNG, an inch

# Colours by role. In SVG they are names that the page's style sheet gives a meaning, light or dark.
LIGHT = {
    "ink": "#1f2328",
    "faint": "#57606a",
    "grid": "#d5dae0",
    "card": "#ffffff",
    "first": "#0b62a8",
    "second": "#b3480a",
}
STAND_INS = {role: f"#{place:02x}{place:02x}{place:02x}" for place, role in enumerate(LIGHT, 1)}

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "fastent",  # the same bytes from the same numbers
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.7,
    "ytick.major.size": 0,
    "text.parse_math": False,
}

Draw = Callable[[Figure, dict[str, str]], None]


def _figure(draw: Draw, colours: dict[str, str], height: float) -> Figure:
    """Return a figure in these colours."""
    ink = colours["ink"]
    names = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    with mpl.rc_context(STYLE | dict.fromkeys(names, ink) | {"grid.color": colours["grid"]}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure, colours)
    return figure


def as_svg(draw: Draw, name: str, height: float = HEIGHT) -> str:
    """Return a picture to put into a page, its names distinct from those of other pictures."""
    figure, file = _figure(draw, STAND_INS, height), io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    for role, stand_in in STAND_INS.items():
        text = text.replace(stand_in, f"var(--{role})")
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px sans-serif", text)
    used = set(re.findall(r"(?:#)([\w.-]+)(?=[)\"])", text))
    text = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    return re.sub(r">\s+<", "><", text).strip()


def save_png(draw: Draw, path: Path, height: float = HEIGHT) -> None:
    """Write a picture in light colours."""
    figure = _figure(draw, LIGHT, height)
    with mpl.rc_context(STYLE):
        figure.savefig(path, dpi=DOTS, facecolor="white", metadata={"Software": None})


def histogram(one: Distribution, other: Distribution | None, unit: str) -> Draw:
    """Return how to draw a measure of one file, or of two."""

    def draw(figure: Figure, colours: dict[str, str]) -> None:
        axes = figure.subplots()
        edges, both = one.bars.edges, [one] if other is None else [one, other]
        most = max(float(each.bars.shares.max()) for each in both)
        crowded = most > CROWDED
        # on a logarithmic axis bars begin below what one row is
        least = 0.5 / max(each.bars.counts.sum() for each in both) if crowded else 0.0
        first = np.maximum(one.bars.shares, least)
        axes.stairs(first, edges, baseline=least, fill=True, color=colours["first"], alpha=0.85)
        if other is not None:
            second = np.maximum(other.bars.shares, least)
            axes.stairs(second, edges, baseline=least, color=colours["second"], linewidth=1.4)
        if crowded:
            axes.set_yscale("log")
            axes.minorticks_off()
        label = one.name + (f", {unit}" if one.name in ("entropy", "log loss") else "")
        if one.bars.above or (other is not None and other.bars.above):
            label += " (last bar: and above)"
        words = "share of the rows" + (", log scale" if crowded else "")
        axes.set(xlabel=label, ylabel=words, ylim=(least, 1.6 if crowded else 1.05 * most or 1))
        axes.set_xlim(edges[0], edges[-1])
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")

    return draw


def reliability(found: Reliability, single: bool) -> Draw:
    """Return how to draw accuracy against confidence, over how many rows there are of each."""

    def draw(figure: Figure, colours: dict[str, str]) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        confidence, accuracy, count = found.curve
        some = count > 0
        edges = np.linspace(0, 1, len(count) + 1)
        upper.plot([0, 1], [0, 1], color=colours["ink"], linewidth=0.8, linestyle=(0, (4, 3)))
        sure, rows = np.clip(confidence[some], 0, 1), count[some]
        wide = 1.96 * np.sqrt(sure * (1 - sure) / rows)  # binomial, if confidence is deserved
        low, high = np.maximum(sure - wide, 0), np.minimum(sure + wide, 1)
        upper.vlines(sure, low, high, color=colours["faint"], linewidth=5, alpha=0.35)
        upper.plot(confidence[some], accuracy[some], color=colours["first"], linewidth=1)
        upper.scatter(confidence[some], accuracy[some], s=16, color=colours["first"], zorder=3)
        upper.set(
            ylabel="share of class 1" if single else "share that is right",
            xlim=(0, 1),
            ylim=(-0.03, 1.03),
        )
        lower.stairs(count / max(count.sum(), 1), edges, fill=True, color=colours["first"])
        lower.set(xlabel="probability of class 1" if single else "confidence", ylabel="rows")
        lower.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")

    return draw


def drift_bars(drift: Drift, most: int) -> Draw:
    """Return how to draw the columns that drifted most."""
    shown = drift.columns[:most]

    def draw(figure: Figure, colours: dict[str, str]) -> None:
        axes = figure.subplots()
        places = range(len(shown))
        axes.barh(places, [column.index for column in shown], color=colours["first"], height=0.7)
        chance = [column.chance for column in shown]
        # a mark with a border in the colour of the ground stands out from bars too
        for colour, width in (("card", 4.5), ("second", 1.8)):
            marks = colours[colour]
            axes.scatter(chance, places, marker="|", s=90, color=marks, linewidths=width, zorder=3)
        axes.set_yticks(places, [short(column.name) for column in shown])
        axes.invert_yaxis()
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("stability index ( | by chance alone)")

    return draw


def drift_height(drift: Drift, most: int) -> float:
    """Return the height of that picture, in inches."""
    return 0.75 + 0.19 * min(most, len(drift.columns))


def shares(column: Column) -> Draw:
    """Return how to draw a column's bins in both files."""

    def draw(figure: Figure, colours: dict[str, str]) -> None:
        axes = figure.subplots()
        labels, kept = bins(column)
        places = np.arange(len(labels))
        axes.bar(places - 0.2, column.before[kept], 0.4, color=colours["first"])
        axes.bar(places + 0.2, column.after[kept], 0.4, color=colours["second"])
        axes.set_xticks(places, labels, rotation=40, ha="right", rotation_mode="anchor")
        axes.set(xlabel=short(column.name, 40), ylabel="share of the rows")
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")

    return draw


def bins(column: Column) -> tuple[list[str], Array]:
    """Return what a column's bins hold, in words, and which they are."""
    edges = [f"{edge:.3g}" for edge in column.edges]
    words = ["any"]
    if edges:
        words = [f"< {edges[0]}", *(f"≤ {edge}" for edge in edges[1:]), f"> {edges[-1]}"]
    places = [*range(len(words)), len(column.before) - 1]
    words.append("missing")
    there = [i for i, at in enumerate(places) if column.before[at] or column.after[at]]
    return [words[i] for i in there], np.array([places[i] for i in there], np.intp)


def short(name: str, most: int = 16) -> str:
    """Return a name, or its beginning."""
    return name if len(name) <= most else name[: most - 1] + "…"
