"""The report of one file, or of two: gathered, drawn, and written whole or not at all."""

import os
from pathlib import Path

from fastent.report._drift import find_drift
from fastent.report._gather import Reading, gather
from fastent.report._page import make_page, pictures
from fastent.report._pictures import save_png
from fastent.report._sources import TABLES, Source, open_source


def write_report(
    path: str | Path,
    output: str | Path,
    *,
    other: str | Path | None = None,
    labels: str | Path | None = None,
    columns: str | None = None,
    base: float | None = None,
    temperature: float = 1.0,
    logits: bool = False,
    normalize: bool = False,
    drift_only: bool = False,
    ignore_index: int | None = None,
    pictures_folder: str | Path | None = None,
) -> None:
    """Write what the probabilities in a file say, as one self-contained HTML page.

    Parameters
    ----------
    path : str or Path
        A ``.npy`` file with the classes along its last axis, or of one probability a row; or a
        table (Parquet, Arrow IPC, CSV) with a column of lists or a column for each class.
    output : str or Path
        Where the page goes.
    other : str or Path, optional
        A later file: the page tells how each column has drifted.
    labels : str or Path, optional
        The true classes: a file of one integer a row, or the name of a column of the table. The
        page then has accuracy, log loss, Brier score and a reliability diagram. A row whose label
        is null has none.
    columns : str, optional
        The columns of the table that make up a row: a name, or a pattern such as ``"p_*"``.
    base : float, optional
        Of the logarithm: nats by default, 2 for bits.
    temperature : float
        Logits are divided by it.
    logits : bool
        The rows are logits.
    normalize : bool
        The rows are counts or weights.
    drift_only : bool
        Tell of the drift alone, of columns that need not be distributions.
    ignore_index : int, optional
        The label that marks rows without one; any other that is no class is an error.
    pictures_folder : str or Path, optional
        Where each picture goes as PNG.

    Raises
    ------
    ValueError, TypeError
        For what cannot be read as distributions, with the file, the row and what to do.

    Notes
    -----
    Files of any size are read block by block. The same files give the same bytes.
    """
    target = Path(output)
    reading = Reading(base, logits, normalize, temperature, ignore_index)
    source = open_source(Path(path), columns, None if labels is None else str(labels), logits)
    later = None if other is None else open_source(Path(other), columns, None, logits)
    if drift_only and later is None:
        raise ValueError("drift is between two files: pass the other one")
    one = two = drift = None
    if later is not None:
        drift = find_drift(source, later)
    if not drift_only:
        one = gather(source, _labels(source, labels), reading)
        two = None if later is None else gather(later, None, reading)
        if two is not None and two.classes != one.classes:
            raise ValueError(f"{path} has {one.classes} classes, {other} has {two.classes}")
    title = Path(path).name if later is None else f"{Path(path).name} and {later.path.name}"
    _replace(target, make_page(one, two, drift, title))
    if pictures_folder is not None:
        folder = Path(pictures_folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw, height in pictures(one, two, drift):
            save_png(draw, folder / f"{name}.png", height)


def _labels(source: Source, labels: str | Path | None) -> Source | None:
    """Return where the labels are: a column of the table itself, or another file."""
    if labels is None:
        return None
    if str(labels) in source:  # of whatever type: the rows are read with it, and say what is wrong
        return source
    path = Path(labels)
    if not path.exists():
        if source.path.suffix in TABLES:
            raise ValueError(f"{labels} is neither a file nor a column of {source.path}")
        raise ValueError(f"{labels}: no such file")
    return open_source(path)


def _replace(target: Path, text: str) -> None:
    """Write a file under a name of its own, and give it its name when it is whole."""
    beside = target.with_name(f".{target.name}.fastent-{os.getpid()}.tmp")
    try:
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
