"""Measures of DataArrays, along dimensions that are named: ``entropy(p, dim="class")``.

Every measure that has a result for each row is here under its own name. Operands are broadcast by
the names of their dimensions, coordinates of the rows are kept, and Dask's arrays stay lazy.

Examples
--------
>>> import xarray as xr
>>> from fastent.xarray import entropy, kl_divergence, score_logits
>>> p = xr.DataArray(
...     [[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]],
...     dims=("day", "class"),
...     coords={"day": ["mon", "tue"], "class": ["rain", "snow", "sun"]},
... )
>>> bits = entropy(p, dim="class", base=2)
>>> bits.name, bits.dims, bits.values.tolist()
('entropy', ('day',), [1.5, 0.0])
>>> float(bits.sel(day="mon"))
1.5
>>> kl_divergence(p, p.sel(day="mon"), dim="class").values[0].item()
0.0
>>> list(score_logits(None, p, dim="class"))
['entropy', 'confidence', 'margin', 'prediction']
"""

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np

try:
    import xarray as xr
except ImportError as error:
    raise ImportError(
        'fastent.xarray needs the package xarray: pip install "fastent-numpy[xarray]"'
    ) from error

from fastent._measures import Measure, measures
from fastent._names import nearest

__all__ = list(measures())

Dims = tuple[Hashable, ...]

OF_VALUES = (
    *("units", "long_name", "standard_name", "cell_methods"),
    *("valid_min", "valid_max", "valid_range", "actual_range"),
)
"""Attributes that tell what the values are, and not those of their measure."""

NO_OPTIONS = {
    "axis": "dim names the dimension",
    "keepdims": "expand_dims gives the result another dimension",
    "offsets": "rows lie along a dimension",
    "out": "the result is a new DataArray",
    "where": "mask the result, with its method where",
    "reduction": "each row has its result, which has methods mean and sum",
    "return_weight": "each row has its result",
}
"""Keywords of measures of arrays that DataArrays have no use for, and why."""

FIELDS = ("score_logits", "compare_logits", "top_log_probs")
"""Measures with several results, which have no broadcasting of their own."""

LENT = ("weight", "pos_weight", "class_weight", "indices_or_k")
"""Options that may be DataArrays."""

LISTS = ("class_weight", "indices_or_k")
"""Options that may be lists: of all classes, or for all rows."""

TOP = "top"
"""The dimension of what top_log_probs finds, if indices_or_k does not name it."""


def __getattr__(name: str) -> Callable[..., Any]:
    """Return the measure of this name."""
    if name not in measures():
        hint = nearest(name, measures())
        raise AttributeError(f"fastent.xarray has no measure {name!r}{hint}")
    return _of_data_arrays(name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


@cache
def _of_data_arrays(name: str) -> Callable[..., Any]:
    """Return a measure as a function of DataArrays."""
    measure = measures()[name]
    signature = _signature(measure)

    def function(*arguments: Any, **keywords: Any) -> Any:
        for keyword in keywords:
            if keyword in NO_OPTIONS and keyword not in signature.parameters:
                raise TypeError(f"{keyword}= has no place here: {NO_OPTIONS[keyword]}")
        try:
            given = signature.bind(*arguments, **keywords).arguments
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None
        dim = given.pop("dim", ())
        operands = {role: given.pop(role, None) for role in measure.operands}
        if any(isinstance(operand, xr.Dataset) for operand in operands.values()):
            return _of_datasets(function, operands, given if dim == () else {**given, "dim": dim})
        return _apply(measure, operands, dim, given)

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__doc__ = _docstring(measure)
    return function


def _signature(measure: Measure) -> inspect.Signature:
    """Return the parameters of the measure, with `dim` first among its keywords."""
    own = inspect.signature(measure.function).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    first = [each.replace(annotation=Any) for each in own if each.kind is not kind]
    rest = [each for each in own if each.kind is kind and each.name in measure.options]
    dim = [] if measure.elementwise else [inspect.Parameter("dim", kind)]
    return inspect.Signature([*first, *dim, *rest])


DOCSTRING = """{summary}

    Parameters
    ----------
    {operands} : {kinds}
        As those of `fastent.{name}`, with dimensions of any order, by whose names they are
        broadcast. Coordinates of a dimension have to be the same in all.
    {dim}**options
        Those of `fastent.{name}`. Weights may be DataArrays too.

    Returns
    -------
    {returns}
        With the coordinates of the rows, and the attributes that no operand contradicts, but for
        those that tell what values are, such as `units` and `long_name`. Lazy for Dask's arrays.
    """

DIM = """dim : {kind}
        Along which {what}. A Dask array has it in one chunk.
    """


def _docstring(measure: Measure) -> str:
    """Return the summary of the measure, and what differs for DataArrays."""
    (summary, *_) = (measure.function.__doc__ or "").splitlines()
    dim, several = "", measure.name in FIELDS
    if "joint" in measure.operands:
        dim = DIM.format(kind="two of str", what="the two axes of a table lie, in this order")
    elif not measure.elementwise:
        kind = "str" if _takes_one_dim(measure) else "str, sequence of str or ..."
        dim = DIM.format(kind=kind, what="the entries of a row lie")
    return DOCSTRING.format(
        summary=summary,
        name=measure.name,
        operands=", ".join(measure.operands),
        kinds="DataArray" if several else "DataArray, or Datasets with the same variables",
        dim=dim,
        returns="Dataset, with a variable for each result" if several else "DataArray, or Dataset",
    )


@cache
def _axis_of(measure: Measure) -> Any:
    """Return what the signature says of `axis`: nothing, an int alone, or any."""
    parameters = inspect.signature(measure.function).parameters
    return parameters["axis"].annotation if "axis" in parameters else None


def _takes_one_dim(measure: Measure) -> bool:
    """Whether rows lie along one axis alone."""
    return _axis_of(measure) in (int, "int")


# ---- what a call does -------------------------------------------------------------------------


def _of_datasets(
    function: Callable[..., Any], operands: Mapping[str, Any], keywords: Mapping[str, Any]
) -> xr.Dataset:
    """Return the results of each variable."""
    sets = {role: value for role, value in operands.items() if isinstance(value, xr.Dataset)}
    (first, whole), *others = sets.items()
    for role, other in others:
        if set(other) != set(whole):
            raise ValueError(
                f"{first} has variables {', '.join(map(str, whole))}, and {role} "
                f"{', '.join(map(str, other))}: each needs those of the other"
            )
    results = {}
    for variable in whole:
        given = {role: v[variable] if role in sets else v for role, v in operands.items()}
        try:
            results[variable] = function(**given, **keywords)
        except (TypeError, ValueError) as error:
            error.add_note(f"This is of the variable {variable!r}.")
            raise
        if isinstance(results[variable], xr.Dataset):
            raise TypeError("a measure with several results takes DataArrays: pass one variable")
    return xr.Dataset(results, attrs=whole.attrs if _keeps_attributes() else {})


def _apply(
    measure: Measure, operands: Mapping[str, Any], dim: Any, given: Mapping[str, Any]
) -> Any:
    """Return a measure of DataArrays."""
    rows = {role: value for role, value in operands.items() if value is not None}
    for role in measure.required():
        if role not in rows:
            raise TypeError(f"{role} is None: {measure.name} needs it")
    lent = {name: given[name] for name in LENT if isinstance(given.get(name), xr.DataArray)}
    _check_kinds(measure, rows, {name: given[name] for name in given if name not in lent})
    dims = _dims_of(measure, dim, rows)
    cores = {role: _core(measure, role, rows, dims) for role in rows}
    cores |= {name: _core_of_option(name, value, rows, dims) for name, value in lent.items()}
    arrays = rows | lent
    _check_chunks(arrays, cores)
    options: dict[str, Any] = {role: None for role in operands if role not in rows}
    options |= {name: value for name, value in given.items() if name not in lent}
    if _axis_of(measure) is not None:
        options["axis"] = -1 if len(dims) == 1 else tuple(range(-len(dims), 0))
    results = _results_of_nothing(measure, arrays, cores, options)
    if dims and (measure.name in FIELDS or () in [cores[role] for role in rows]):
        arrays = _alike(arrays, cores)

    def call(*parts: Any) -> Any:
        found = measure.function(**dict(zip(arrays, parts, strict=True)), **options)
        if not isinstance(found, tuple):
            return found
        return tuple(part for part in found if part is not None)

    # derivatives take arrays in memory alone: xarray calls them on blocks
    lazily: Literal["allowed", "parallelized"] = "allowed"
    if measure.name.endswith("_grad"):
        lazily = "parallelized"
    spread = cores.get("indices_or_k", (TOP,)) if measure.name == "top_log_probs" else dims
    found = xr.apply_ufunc(
        call,
        *arrays.values(),
        input_core_dims=list(cores.values()),
        output_core_dims=[spread if part.ndim > 1 else () for part in results.values()],
        join="exact",
        dask=lazily,
        output_dtypes=[part.dtype for part in results.values()],
        keep_attrs="drop_conflicts" if _keeps_attributes() else False,
    )
    order = [d for value in rows.values() if np.ndim(value) for d in value.dims]
    parts = zip(results, found if len(results) > 1 else (found,), strict=True)
    finished = {name: _finished(part, name, order) for name, part in parts}
    return xr.Dataset(finished) if len(finished) > 1 else next(iter(finished.values()))


def _check_kinds(measure: Measure, rows: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Raise a TypeError for arrays whose dimensions have no names."""
    if not any(isinstance(value, xr.DataArray) for value in rows.values()):
        kinds = ", ".join(type(value).__name__ for value in rows.values())
        raise TypeError(
            f"there is no DataArray among the operands ({kinds}): pass others to "
            f"fastent.{measure.name}"
        )
    for name, value in {**rows, **others}.items():
        if name in (*LISTS, "dim") or isinstance(value, xr.DataArray):
            continue
        single = np.ndim(value) == 0 and (measure.elementwise or name not in rows)
        if not single:
            raise TypeError(
                f"{name} is of type {type(value).__name__}, whose dimensions have no names: "
                f"pass xarray.DataArray({name}, dims=...)"
            )


def _dims_of(measure: Measure, dim: Any, rows: Mapping[str, Any]) -> Dims:
    """Return the dimensions along which the entries of rows lie."""
    if measure.elementwise:
        return ()
    *_, judged = (value for role, value in rows.items() if role != "target")
    if dim is ...:
        dims: Dims = judged.dims
    else:
        dims = tuple(dim) if isinstance(dim, (list, tuple)) else (dim,)
    if "joint" in rows and len(dims) != 2:
        raise ValueError(f"dim has to name two dimensions, the axes of a table, not {dim!r}")
    if "joint" not in rows and _takes_one_dim(measure) and len(dims) != 1:
        raise ValueError(f"dim has to name one dimension, that of the classes, not {dim!r}")
    if len(set(dims)) != len(dims) or not dims:
        raise ValueError(f"dim has to name dimensions, each once, not {dim!r}")
    return dims


def _core(measure: Measure, role: str, rows: Mapping[str, Any], dims: Dims) -> Dims:
    """Return those dimensions of an operand along which its rows lie."""
    if measure.elementwise:
        return ()
    there = rows[role].dims
    has = [d for d in dims if d in there]
    if role == "labels" or (role == "target" and not has):
        if has:
            raise ValueError(f"{role} has the dimension {has[0]!r}: it takes one class index a row")
        return ()
    for d in dims:
        if d not in has:
            names = ", ".join(map(str, there)) or "none"
            raise ValueError(f"{role} has no dimension {d!r}: its dimensions are {names}")
    return dims


def _core_of_option(name: str, value: xr.DataArray, rows: Mapping[str, Any], dims: Dims) -> Dims:
    """Return the dimensions of a weight, or of places, that rows have no part in."""
    outer = {d for each in rows.values() if np.ndim(each) for d in each.dims} - {*dims}
    core = tuple(d for d in value.dims if d not in outer)
    if name == "class_weight" and value.dims != dims:
        raise ValueError(f"class_weight has to have the dimension {dims[0]!r} alone")
    if name == "indices_or_k" and (len(core) != 1 or core == dims):
        raise ValueError(
            "indices_or_k has to have one dimension that logits lack, along which the places of a "
            f"row lie: its dimensions are {', '.join(map(str, value.dims)) or 'none'}"
        )
    if name in ("weight", "pos_weight") and core:
        raise ValueError(f"{name} has the dimension {core[0]!r}, which the results lack")
    return core


def _check_chunks(arrays: Mapping[str, Any], cores: Mapping[str, Dims]) -> None:
    """Raise a ValueError for rows that lie in several chunks."""
    for role, value in arrays.items():
        chunks = value.chunks if np.ndim(value) else None
        for d, of_dim in zip(value.dims, chunks, strict=True) if chunks else ():
            if d in cores[role] and len(of_dim) > 1:
                raise ValueError(
                    f"{role} has {len(of_dim)} chunks along {d!r}, where its rows lie: "
                    f"pass {role}.chunk({{{d!r}: -1}})"
                )


def _results_of_nothing(
    measure: Measure,
    arrays: Mapping[str, Any],
    cores: Mapping[str, Dims],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the results of no rows, which tell names, types and axes; bad options raise here."""
    nothing = {
        role: np.ones((0, *(value.sizes[d] for d in cores[role])), value.dtype)
        if isinstance(value, xr.DataArray)
        else value
        for role, value in arrays.items()
        if role not in ("weight", "pos_weight")
    }
    if "class_weight" in nothing:
        nothing["class_weight"] = np.ones(arrays["class_weight"].size)
    found = measure.function(**nothing, **options)
    parts = found if isinstance(found, tuple) else (found,)
    named = zip(measure.result_names(found), parts, strict=True)
    return {name: part for name, part in named if part is not None}


def _alike(arrays: dict[str, Any], cores: Mapping[str, Dims]) -> dict[str, Any]:
    """Return operands with a row for each of the others', which class indices need."""
    several = arrays.get("indices_or_k", np.empty(0)).ndim > 1
    own = {d for core in cores.values() for d in core}
    shared = [role for role in arrays if role not in LENT or (role == "indices_or_k" and several)]
    aligned = xr.align(*(arrays[role] for role in shared), join="exact", copy=False)
    return arrays | dict(zip(shared, xr.broadcast(*aligned, exclude=own), strict=True))


def _keeps_attributes() -> bool:
    return bool(xr.get_options()["keep_attrs"])  # type: ignore[no-untyped-call]


def _finished(part: xr.DataArray, name: str, order: Sequence[Hashable]) -> xr.DataArray:
    """Return a result under its name, its dimensions in the order of the operands'."""
    part.name = name
    part.attrs = {key: value for key, value in part.attrs.items() if key not in OF_VALUES}
    first = [d for d in dict.fromkeys(order) if d in part.dims]
    return part if part.dims[: len(first)] == tuple(first) else part.transpose(*first, ...)
