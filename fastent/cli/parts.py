"""Parts of an input, scored apart on a cluster: each has a file of results until all are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PART_BYTES = 256 << 20
"""About how many bytes of rows make up a part: some tenths of a second of work."""


@dataclass(frozen=True)
class Part:
    """Stretches of an input that are read by themselves."""

    tag: str
    start: int
    """The number of its first stretch."""
    stop: int
    first_row: int
    rows: int

    def path_of(self, output: Path) -> Path:
        """Return where its results wait."""
        return output.with_name(f".{output.name}.fastent-{self.tag}.tmp")


def make_parts(stretches: Sequence[int], row_bytes: float, token: str) -> list[Part]:
    """Return parts of about `PART_BYTES` of stretches with so many rows."""
    parts: list[Part] = []
    start = first_row = rows = 0
    for place, count in enumerate(stretches, 1):
        rows += count
        if rows * row_bytes >= PART_BYTES or place == len(stretches):
            parts.append(Part(f"{token}.{len(parts)}", start, place, first_row, rows))
            start, first_row, rows = place, first_row + rows, 0
    return parts
