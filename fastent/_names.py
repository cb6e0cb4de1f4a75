"""Names that keywords take: an error about another one lists them, and says which is nearest."""

from collections.abc import Sequence
from typing import Any


def check_name(keyword: str, value: Any, known: Sequence[str]) -> None:
    """Raise a ValueError unless this is one of the known names."""
    if isinstance(value, str) and value in known:
        return
    from difflib import get_close_matches

    names = ", ".join(map(repr, known))
    near = get_close_matches(str(value), known, n=1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{keyword} must be one of {names} or None, not {value!r}{hint}")
