"""Draw the pictures of which_measure.md: ``python docs/make_pictures.py`` (needs matplotlib).

Each is of two outcomes, of which one has the probability p, or of a histogram that slides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

import fastent as fe

mpl.use("svg")
from matplotlib import pyplot

HERE = Path(__file__).resolve().parent
P = np.linspace(0, 1, 401)
ROWS = np.stack([P, 1 - P], -1)
Q = np.array([0.3, 0.7])  # what p is held against
SHIFTS = np.linspace(0, 6, 121)  # of a bell-shaped histogram, in its standard deviations
BINS = np.arange(-8, 14, 0.25)
INK = "#555555"  # reads on white and on black
COLOURS = ("#0072B2", "#D55E00", "#009E73")  # that colour-blind readers tell apart
STYLE: dict[str, Any] = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "fastent",  # the same file from the same numbers
    "svg.fonttype": "none",
}

Panel = tuple[str, Sequence[tuple[str, Callable[[], Any]]]]

OF_ONE: list[Panel] = [
    ("surprisal", [("", lambda: fe.surprisal(P[1:], base=2))]),
    ("entropy", [("", lambda: fe.entropy(ROWS, base=2))]),
    ("perplexity", [("", lambda: fe.perplexity(ROWS))]),
    (
        "renyi_entropy",
        [(f"order {a}", lambda a=a: fe.renyi_entropy(ROWS, a, base=2)) for a in (0.3, 2, np.inf)],
    ),
    (
        "tsallis_entropy",
        [(f"order {t}", lambda t=t: fe.tsallis_entropy(ROWS, t)) for t in (0.5, 1, 2)],
    ),
]
OF_TWO: list[Panel] = [
    ("cross_entropy", [("", lambda: fe.cross_entropy(ROWS, Q))]),
    (
        "kl_divergence",
        [
            ("(p, q)", lambda: fe.kl_divergence(ROWS, Q)),
            ("(q, p)", lambda: fe.kl_divergence(Q, ROWS)),
        ],
    ),
    ("jeffreys_divergence", [("", lambda: fe.jeffreys_divergence(ROWS, Q))]),
    ("js_divergence", [("", lambda: fe.js_divergence(ROWS, Q))]),
    ("js_distance", [("", lambda: fe.js_distance(ROWS, Q))]),
    ("hellinger_distance", [("", lambda: fe.hellinger_distance(ROWS, Q))]),
    ("total_variation_distance", [("", lambda: fe.total_variation_distance(ROWS, Q))]),
    (
        "renyi_divergence",
        [(f"order {a}", lambda a=a: fe.renyi_divergence(ROWS, Q, a)) for a in (0.5, 2, np.inf)],
    ),
]


def draw(name: str, panels: Sequence[Panel], across: int, most: float) -> None:
    """Draw a panel for each measure, against p."""
    down = -(-len(panels) // across)
    figure, axes = pyplot.subplots(
        down, across, figsize=(8, 1.9 * down), layout="constrained", squeeze=False
    )
    for place, axis in enumerate(axes.flat):
        if place >= len(panels):
            axis.axis("off")
            continue
        title, lines = panels[place]
        for (label, line), colour in zip(lines, COLOURS, strict=False):
            y = line()
            axis.plot(P[len(P) - len(y) :], np.minimum(y, most), color=colour, label=label)
        axis.set_title(title, fontsize=9)
        axis.set(xlim=(0, 1), ylim=(0, None), xlabel="p")
        if len(lines) > 1:
            axis.legend(fontsize=7, frameon=False)
    save(figure, name)


def draw_shift(name: str) -> None:
    """Draw what becomes of divergences as one histogram slides away from another."""
    bell = np.exp(-(BINS**2) / 2)
    moved = np.exp(-((BINS - SHIFTS[:, None]) ** 2) / 2)
    figure, axis = pyplot.subplots(figsize=(8, 2.6), layout="constrained")
    lines: dict[str, Callable[..., Any]] = {
        "kl_divergence": fe.kl_divergence,
        "js_divergence": fe.js_divergence,
        "total_variation_distance": fe.total_variation_distance,
        "hellinger_distance": fe.hellinger_distance,
    }
    for (label, measure), dash in zip(lines.items(), ("-", "--", "-.", ":"), strict=True):
        axis.plot(SHIFTS, measure(bell, moved, normalize=True), dash, label=label)
    index = fe.population_stability_index(bell, moved)
    axis.plot(SHIFTS, index, color=INK, linewidth=1, label="population_stability_index")
    axis.set(xlabel="shift, in standard deviations", ylim=(0, 3), xlim=(0, 6))
    axis.legend(fontsize=8, frameon=False)
    save(figure, name)


def draw_tables(name: str) -> None:
    """Draw the measures of a 2 x 2 table as its variables come to agree."""
    agree = np.linspace(0, 1, 201)
    half = np.array([[0.5, 0.0], [0.0, 0.5]])
    tables = agree[:, None, None] * half + (1 - agree[:, None, None]) / 4
    figure, axis = pyplot.subplots(figsize=(8, 2.2), layout="constrained")
    for (label, measure), dash in zip(
        (
            ("joint_entropy", fe.joint_entropy),
            ("conditional_entropy", fe.conditional_entropy),
            ("mutual_information", fe.mutual_information),
        ),
        ("-", "--", "-."),
        strict=True,
    ):
        axis.plot(agree, measure(tables, base=2), dash, label=label)
    axis.set(xlabel="from independence to agreement", ylabel="bits", xlim=(0, 1), ylim=(0, None))
    axis.legend(fontsize=8, frameon=False)
    save(figure, name)


def save(figure: Any, name: str) -> None:
    """Write a picture without its date, on no ground of its own."""
    figure.savefig(HERE / name, transparent=True, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Draw all pictures."""
    with mpl.rc_context(STYLE), np.errstate(divide="ignore"):
        draw("one_distribution.svg", OF_ONE, 5, 8.0)
        draw("two_distributions.svg", OF_TWO, 4, 3.0)
        draw_shift("sliding.svg")
        draw_tables("joint_tables.svg")


if __name__ == "__main__":
    main()
