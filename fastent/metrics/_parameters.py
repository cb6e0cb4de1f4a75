"""Parameters as scikit-learn checks them: in the order of the signature, in its words."""

import sys
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np


class InvalidParameterError(ValueError, TypeError):
    """A parameter has a type or value that the function does not take.

    Raised where scikit-learn has not been imported; its own class of this name, where it has.
    """


class Kind(NamedTuple):
    """What a parameter may be: in words, and as a test. Without words it is not told of."""

    words: str
    test: Callable[[Any], bool]


def setting(name: str) -> bool:
    """Return one of scikit-learn's settings, False where it has not been imported."""
    get_config = getattr(sys.modules.get("sklearn"), "get_config", None)
    return bool(get_config and get_config().get(name, False))


def is_sparse(value: Any) -> bool:
    """Whether this is one of SciPy's sparse arrays or matrices: none is without its module."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(value))


def _is_array_like(value: Any) -> bool:
    """Whether this has a length, a shape or an array, and is no scalar."""
    if type(value) in (np.ndarray, list):
        return True
    if is_sparse(value) or np.isscalar(value):
        return False
    return any(hasattr(value, name) for name in ("__len__", "shape", "__array__"))


ARRAY_LIKE = Kind("an array-like", _is_array_like)
SPARSE = Kind("a sparse array or matrix", is_sparse)
NONE = Kind("None", lambda value: value is None)
UNTOLD_NONE = Kind("", lambda value: value is None)
TEXT = Kind("an instance of 'str'", lambda value: isinstance(value, str))
REAL = Kind("an instance of 'float'", lambda value: isinstance(value, Real))
BOOLEAN = Kind(
    "an instance of 'bool' or an instance of 'numpy.bool'",
    lambda value: isinstance(value, (bool, np.bool_)),
)


def one_of(options: set[str]) -> Kind:
    """Return the kind of one of these strings, told in the order in which the set has them."""
    words = ", ".join(map(repr, options))
    test = lambda value: isinstance(value, str) and value in options  # noqa: E731
    return Kind(f"a str among {{{words}}}", test)


def check_parameters(function: str, **parameters: tuple[Any, tuple[Kind, ...]]) -> None:
    """Raise for the first parameter that is of none of its kinds."""
    if setting("skip_parameter_validation"):
        return
    for name, (value, kinds) in parameters.items():
        if any(kind.test(value) for kind in kinds):
            continue
        told = [kind.words for kind in kinds if kind.words]
        words = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} or {told[-1]}"
        message = f"The {name!r} parameter of {function} must be {words}. Got {value!r} instead."
        theirs = sys.modules.get("sklearn.utils._param_validation")
        error = getattr(theirs, "InvalidParameterError", InvalidParameterError)
        raise error(message)
