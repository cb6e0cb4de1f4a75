"""Information measures over large arrays: one pass, at the speed of memory, to the last digits.

Truth first: ``entropy(p)``, ``kl_divergence(p, q)``, ``binary_cross_entropy(target, prob)``. A
distribution lies along ``axis`` (the last by default); the result is one number a row.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastent._api import *  # noqa: F403 (type checkers follow it)
    from fastent._api import __all__ as __all__
    from fastent._api import __version__ as __version__


def __getattr__(name: str) -> Any:
    """Import NumPy and the kernels when the first name is asked for: ``--help`` needs neither."""
    if name in ("__all__", "__version__") or not name.startswith("_"):
        api = import_module("fastent._api")
        public = {each: getattr(api, each) for each in (*api.__all__, "__all__", "__version__")}
        globals().update(public)
        if name in public:
            return public[name]
    unknown = f"module 'fastent' has no attribute {name!r}"
    raise AttributeError(unknown, name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__getattr__("__all__")})
