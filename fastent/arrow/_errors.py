"""What is said of the first bad row: its column, its place in the input, its type."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fastent.arrow._layouts import Layout
from fastent.arrow._readers import Rows

Call = Callable[[Mapping[str, Rows]], Any]


def first_bad_row(
    call: Call, operands: Mapping[str, Rows], rows: int, error: ValueError
) -> tuple[int | None, ValueError]:
    """Return the first row of a block that alone raises an error, and that error.

    It is found by halving, whatever the message says. An error that no single row raises comes
    back as it is, with None.
    """
    low, high = 0, rows
    while low < high:
        # rows before `low` are good, and the first bad one is below `high`, if there is any
        middle = low + max(1, (high - low) // 2)
        try:
            call({role: part[low:middle] for role, part in operands.items()})
        except ValueError as found:
            if middle - low == 1:
                return low, found
            high = middle
        else:
            low = middle
    return None, error


def explain(layouts: list[Layout], row: int | None, error: ValueError) -> ValueError:
    """Return the error of a row that was scored alone, told of the input's column and row."""
    message = str(error).replace("with offsets", "with lists of different lengths")
    for layout in layouts:
        place = r": (?:row|element) (?:0\b|\(0, (?P<place>[^)]*)\))(?: at)?"
        found = re.match(rf"{layout.role}(?:{place})? (?P<rest>.*)", message, re.DOTALL)
        if found and row is not None:
            place = found["place"]
            entry = "" if place is None else f", entry {place.rstrip(',')}"
            return ValueError(
                f"{layout.title}, row {row}{entry} ({layout.role}, {layout.kind}) {found['rest']}"
            )
    titles = ", ".join(f"{layout.role} in {layout.title}" for layout in layouts)
    where = "" if row is None else f"row {row}: "
    return ValueError(f"{where}{message} ({titles})")
