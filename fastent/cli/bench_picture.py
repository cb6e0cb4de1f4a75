"""The picture of ``fastent bench``: a line a case, a mark a library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# Colours that colour-blind readers tell apart (Okabe and Ito's), and a shape of its own for each.
LOOKS = {
    "fastent": ("#0072B2", "o"),
    "PyTorch": ("#E69F00", "D"),
    "NumPy": ("#009E73", "^"),
    "SciPy": ("#8A4F7D", "v"),
}
STYLE: Any = {"font.size": 10, "svg.hashsalt": "fastent", "svg.fonttype": "none"}


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the picture, as SVG or PNG by the name's ending."""
    cases, settings = found["cases"], found["settings"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.5 + 0.36 * len(cases)), dpi=100, layout="constrained")
        axes = figure.subplots()
        for row, case in enumerate(cases):
            ratios = {"fastent": case["ratio"], **case["peers"]}
            ends = [min(ratios.values()), max(ratios.values())]
            axes.plot(ends, [row, row], color="#b0b0b0", linewidth=1.2, zorder=1)
        for name, (colour, shape) in LOOKS.items():
            points = [
                ({"fastent": case["ratio"], **case["peers"]}[name], row)
                for row, case in enumerate(cases)
                if name == "fastent" or name in case["peers"]
            ]
            if points:
                across, down = zip(*points, strict=True)
                axes.scatter(across, down, s=48, c=colour, marker=shape, label=name, zorder=3)
        axes.set_xscale("log")
        axes.axvline(1, color="#222222", linewidth=1)
        ticks = [1, 3, 10, 30, 100, 300, 1000]
        most = max(max(case["ratio"], *case["peers"].values()) for case in cases)
        axes.set_xlim(0.8, 1.3 * max(most, 3))
        axes.set_xticks([tick for tick in ticks if tick <= 1.3 * max(most, 3)])
        axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}")
        axes.minorticks_off()
        axes.set_yticks(range(len(cases)), [case["case"] for case in cases])
        axes.invert_yaxis()
        axes.grid(axis="x", color="#d8d8d8", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xlabel("time over reading the operands once (1 = the floor); less is better")
        threads = settings["threads"]
        axes.set_title(
            f"{found['machine']['cpu']}, {threads} thread{'s' * (threads > 1)}, "
            f"{settings['dtype']}",
            loc="left",
            fontsize=10,
        )
        figure.legend(loc="outside lower center", ncols=len(LOOKS), frameon=False)
        svg = path.suffix == ".svg"
        figure.savefig(path, facecolor="white", metadata={"Date": None} if svg else None)
