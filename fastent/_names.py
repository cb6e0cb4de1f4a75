"""Names: an error about one that is unknown lists the others, and says which is nearest."""

from collections.abc import Iterable, Sequence
from typing import Any


def check_name(keyword: str, value: Any, known: Sequence[str]) -> None:
    """Raise a ValueError unless this is one of the known names."""
    if isinstance(value, str) and value in known:
        return
    names = ", ".join(map(repr, known))
    hint = nearest(str(value), known, or_all=False)
    raise ValueError(f"{keyword} must be one of {names} or None, not {value!r}{hint}")


def nearest(name: str, known: Iterable[str], or_all: bool = True) -> str:
    """Return the end of a message: the known name that is nearest, else all of them."""
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(name, known, n=1)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": choose from {', '.join(known)}" if or_all and known else ""
