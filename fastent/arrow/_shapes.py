"""Whether the rows of operands go together, and how they are passed to a measure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastent._arrays import Array
from fastent.arrow._layouts import Layout
from fastent.arrow._measures import Measure
from fastent.arrow._readers import Ragged, Rows

Shape = tuple[int, ...] | None


class LengthsError(Exception):
    """Rows are not of the lengths that they need: the row of a block, and what is wrong."""

    def __init__(self, row: int, what: str) -> None:
        super().__init__(row, what)
        self.row, self.what = row, what


# ---- of a schema ------------------------------------------------------------------------------


def check_shapes(measure: Measure, layouts: Sequence[Layout], options: dict[str, Any]) -> None:
    """Raise unless a measure takes rows of these shapes together."""
    operands = [layout for layout in layouts if layout.role in measure.operands]
    judged = [layout for layout in operands if layout.role != "target"][-1]
    for layout in operands:
        _check_axes(measure, layout)
        one_a_row = layout.shape == _outer(judged.shape) and not measure.elementwise
        alike = layout.role != "labels" and _matches(layout.shape, judged.shape)
        if not alike and not (one_a_row and layout.role in ("labels", "target")):
            sizes = f"{_sizes(layout.shape)} and {_sizes(judged.shape)}"
            if layout.role == "labels":
                wanted = _sizes(_outer(judged.shape))
                sizes = f"labels are class indices, {wanted}, not {_sizes(layout.shape)}"
            raise ValueError(f"{_named(layout)} and {_named(judged)} do not go together: {sizes}")
    for layout in layouts:
        _check_integers(measure, layout, judged)
        if layout.role == "indices_or_k" and (_axes(layout) != 1 or _axes(judged) != 1):
            raise TypeError(f"{_named(layout)}: it needs a list of class indices a row")
        whole = judged.shape if measure.elementwise else _outer(judged.shape)
        if layout.role == "weight" and (layout.shape != () or whole != ()):
            raise TypeError(f"{_named(layout)}: it needs one number a row, beside one result a row")
        if layout.role == "pos_weight" and not _matches(layout.shape, judged.shape):
            raise TypeError(f"{_named(layout)}: it needs a weight beside each of {judged.title}")
    if np.ndim(options.get("pos_weight", 1)) > _axes(judged):
        raise TypeError("pos_weight is a number, the name of a column, or one weight an entry")
    if np.ndim(options.get("indices_or_k", 1)) > 1:
        raise TypeError("indices_or_k is a number, a list of classes, or the name of a column")


def _check_axes(measure: Measure, layout: Layout) -> None:
    """Raise a TypeError unless a row of this operand has the axes that a measure needs."""
    needed = measure.axes(layout.role)
    if _axes(layout) >= needed:
        return
    if needed == 2:
        remedy = "a table takes fixed-size lists of fixed-size lists, or a tensor of two axes"
    else:
        remedy = "rows lie in a column of lists, or in several columns: a list of names, or p_*"
    raise TypeError(f"{_named(layout)}: {remedy}")


def _check_integers(measure: Measure, layout: Layout, judged: Layout) -> None:
    """Raise a TypeError unless class indices are integers."""
    indices = layout.role in ("labels", "indices_or_k") or (
        layout.role == "target"
        and not measure.elementwise
        and judged.shape != ()
        and layout.shape == _outer(judged.shape)
    )
    if indices and layout.dtype.kind not in "biu":
        raise TypeError(
            f"{_named(layout)}: class indices are integers, such as .cast(pyarrow.int64())"
        )


def _named(layout: Layout) -> str:
    return f"{layout.title} ({layout.role}) is {layout.kind}"


def _axes(layout: Layout) -> int:
    return 1 if layout.shape is None else len(layout.shape)


def _outer(shape: Shape) -> tuple[int, ...]:
    """Return the axes of a row without its last, along which the entries of distributions lie."""
    return () if shape is None else shape[:-1]


def _matches(one: Shape, other: Shape) -> bool:
    """Whether rows may be of one shape; that of lists is known row by row."""
    if one is None or other is None:
        return (one is None or len(one) == 1) and (other is None or len(other) == 1)
    return one == other


def _sizes(shape: Shape) -> str:
    if shape is None:
        return "lists"
    return "one number a row" if shape == () else f"{' x '.join(map(str, shape))} numbers a row"


def empty_operands(layouts: Sequence[Layout], options: dict[str, Any]) -> dict[str, Rows]:
    """Return operands of no rows. Lists are given a length that the others can have."""
    width = 2
    if options.get("class_weight") is not None:
        width = len(options["class_weight"])
    elif isinstance(options.get("indices_or_k"), int):
        width = max(width, options["indices_or_k"])
    elif np.size(options.get("indices_or_k", ())):
        width = max(width, 1 + int(np.max(options["indices_or_k"])))
    elif np.ndim(options.get("pos_weight", 1)):
        width = np.size(options["pos_weight"])
    for layout in layouts:
        if layout.shape and layout.role != "indices_or_k":
            width = layout.shape[-1]
    return {
        layout.role: np.empty(
            (0, *((width,) if layout.shape is None else layout.shape)), layout.dtype
        )
        for layout in layouts
    }


# ---- of rows ----------------------------------------------------------------------------------


def arguments(measure: Measure, operands: Mapping[str, Rows]) -> dict[str, Any]:
    """Return what a measure is called with; raise where the lengths of lists do not fit."""
    rows = {role: _squared(part) for role, part in operands.items()}
    ragged = {role: part for role, part in rows.items() if isinstance(part, Ragged)}
    if ragged and "indices_or_k" in rows:
        _refuse_ragged(measure, ragged)
    beside = {role: _lengths(part) for role, part in rows.items() if role != "indices_or_k"}
    known = [(role, lengths) for role, lengths in beside.items() if lengths is not None]
    for role, lengths in known[1:]:
        _check_lengths(known[0], (role, lengths))
    if not ragged:
        return rows
    if not (measure.ragged or measure.elementwise):
        _refuse_ragged(measure, ragged)
    flat: dict[str, Any] = rows | {role: part.values for role, part in ragged.items()}
    if not measure.elementwise:
        flat["offsets"] = next(iter(ragged.values())).offsets
    return flat


def _squared(rows: Rows) -> Rows:
    """Return rows as an array of two axes, if they are of one length."""
    if not isinstance(rows, Ragged):
        return rows
    lengths = np.diff(rows.offsets)
    if (lengths == lengths[0]).all():
        return rows.values.reshape(len(lengths), int(lengths[0]))
    return rows


def _lengths(rows: Rows) -> Array | int | None:
    """Return how long rows are, if they have a length."""
    if isinstance(rows, Ragged):
        return np.diff(rows.offsets)
    return rows.shape[1] if rows.ndim == 2 else None


def _check_lengths(one: tuple[str, Any], other: tuple[str, Any]) -> None:
    """Raise unless the rows of two operands are of the same lengths."""
    same = np.atleast_1d(one[1] == other[1])
    if not same.all():
        row = int(np.argmin(same))
        sizes = [(role, int(np.broadcast_to(n, same.shape)[row])) for role, n in (one, other)]
        what = " and ".join(f"{size} entries in {role}" for role, size in sizes)
        raise LengthsError(row, f"there are {what}: they have to be as many")


def _refuse_ragged(measure: Measure, ragged: Mapping[str, Ragged]) -> None:
    """Raise for rows of different lengths, which the measure does not take."""
    role, rows = next(iter(ragged.items()))
    lengths = np.diff(rows.offsets)
    row = int(np.argmax(lengths != lengths[0]))
    raise LengthsError(
        row,
        f"there are {lengths[row]} entries in {role}, {lengths[0]} in a row before: "
        f"{measure.name} takes rows of one length",
    )
