"""Sizes of memory as people write them."""

from __future__ import annotations

DEFAULT_MEMORY = 256 << 20
"""Of ``--memory``."""


def parse_memory(text: str) -> int:
    """Return the bytes that a size such as 256MiB, 1.5GB or 1e9 stands for."""
    units = {"": 1, "b": 1}
    for power, letter in enumerate("kmgt", 1):
        units |= {letter: 1024**power, f"{letter}ib": 1024**power, f"{letter}b": 1000**power}
    word = text.strip().lower()
    number = word.rstrip("bikmgt")
    value = float(number) * units[word[len(number) :].strip()]
    return int(value)


def mebibytes(size: float) -> str:
    """Return a size as people read it."""
    return f"{size / (1 << 20):,.0f} MiB" if size >= 1 << 20 else f"{size / 1024:,.0f} KiB"
