"""DataArrays: the bits of the direct call, dimensions by name, lazy where they are; errors."""

from __future__ import annotations

import importlib
import inspect
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fastent as fe
from fastent._measures import OF_ARRAYS, measures

xr: Any = pytest.importorskip("xarray")
door: Any = importlib.import_module("fastent.xarray")

RNG = np.random.default_rng(23)
DAYS, SITES, CLASSES = 5, 3, 4
SHAPE = (DAYS, SITES, CLASSES)
P, Q = (RNG.dirichlet(np.ones(CLASSES), SHAPE[:2]) for _ in range(2))
X = RNG.normal(0, 3, SHAPE)
Y = X + RNG.normal(0, 0.1, SHAPE)
LABELS = RNG.integers(0, CLASSES, SHAPE[:2])
WEIGHT = RNG.random(SHAPE[:2])
COORDS: dict[str, Any] = {
    "day": np.arange(10, 10 + DAYS),
    "site": list("abc"),
    "class": ["rain", "snow", "sun", "fog"],
    "height": ("site", [1.5, 2.5, 3.5]),
}
ARRAYS = {"p": P, "q": Q, "joint": P, "prob": Q, "logits": X, "logits_p": X, "logits_q": Y}
NAMES = sorted(measures())


def array(values: Any, *dims: str, **attrs: Any) -> Any:
    """Return a DataArray with the coordinates of its dimensions."""
    dims = dims or ("day", "site", "class")[: values.ndim]
    kept = {k: v for k, v in COORDS.items() if k in dims or (k == "height" and "site" in dims)}
    return xr.DataArray(values, dims=dims, coords=kept, attrs=attrs, name="input")


def operands(name: str) -> dict[str, Any]:
    """Return operands of a measure as arrays."""
    found = {}
    for role in measures()[name].operands:
        if role in ("target", "labels"):
            found[role] = (P > 0.5).astype(float) if measures()[name].elementwise else LABELS
        else:
            found[role] = ARRAYS[role]
    return found


def settings(name: str) -> dict[str, Any]:
    """Return what the measure needs besides."""
    return dict.fromkeys(measures()[name].needed, 2)


def dims(name: str) -> dict[str, Any]:
    """Return the dimension, if the measure has rows."""
    if measures()[name].elementwise:
        return {}
    return {"dim": ("site", "class") if name in TABLES else "class"}


TABLES = ("mutual_information", "conditional_entropy", "joint_entropy")


def parts(found: Any, want: Any) -> list[tuple[Any, Any, str]]:
    """Return results beside those of the measure of arrays, and what they are called."""
    if not isinstance(found, xr.Dataset):
        return [(found, want, found.name)]
    kept = [part for part in want if part is not None]
    return [(found[name], part, name) for name, part in zip(found, kept, strict=True)]


def same(found: Any, want: Any, *order: str) -> None:
    """Check the bits of results whose dimensions are in any order."""
    for got, expected, _ in parts(found, want):
        values = (got.transpose(*order) if order else got).values
        assert (values.shape, values.dtype) == (np.shape(expected), np.asarray(expected).dtype)
        assert values.tobytes() == np.asarray(expected).tobytes()


# ---- every measure ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_every_measure(name: str, dtype: str) -> None:
    """In any order of the dimensions; names and coordinates; the input is left alone."""
    plain = {k: v.astype(dtype) if v.dtype.kind == "f" else v for k, v in operands(name).items()}
    want = getattr(fe, name)(*plain.values(), **settings(name))
    given = {role: array(values) for role, values in plain.items()}
    found = getattr(door, name)(*given.values(), **settings(name), **dims(name))
    same(found, want)
    for got, expected, called in parts(found, want):
        assert got.name == called
        full = ("day", "site", "class")[: np.ndim(expected)]
        if called in ("indices", "log_probs"):
            full = ("day", "site", "top")
        assert got.dims == full
        for dim in set(full) - {"top"}:
            assert (got[dim] == COORDS[dim]).all()
        if "site" in full:
            assert got["height"].dims == ("site",)
    if isinstance(want, tuple):
        if hasattr(want, "_fields"):
            assert list(found) == list(want._fields)
    else:
        assert found.name == ("gradient" if name.endswith("_grad") else name)
    turned = {
        role: each.transpose(*each.dims[1:], each.dims[0]) if i % 2 else each.transpose(..., "day")
        for i, (role, each) in enumerate(given.items())
    }
    found = getattr(door, name)(**turned, **settings(name), **dims(name))
    for got, expected, called in parts(found, want):
        last = ("top",) if called in ("indices", "log_probs") else ("class",)
        full = ("day", "site", *last)[: np.ndim(expected)]
        same(got, expected, *full)
    assert all(each.name == "input" for each in given.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_measure_lazily(name: str) -> None:
    """Dask's arrays stay so, in chunks of rows; one operand that is in memory changes nothing."""
    pytest.importorskip("dask.array")
    plain = operands(name)
    want = getattr(fe, name)(*plain.values(), **settings(name))
    chunks = {"day": 2} if name in TABLES else {"day": 2, "site": 1}
    lazy = {role: array(values).chunk(chunks) for role, values in plain.items()}
    first = next(iter(plain))
    for given in (lazy, {**lazy, first: array(plain[first])}):
        if len(given) == 1 and given is not lazy:
            continue
        found = getattr(door, name)(**given, **settings(name), **dims(name))
        for got, _, _ in parts(found, want):
            assert got.chunks is not None
        same(found, want)


def test_without_a_target() -> None:
    """Fields that need one are left out."""
    same(door.score_logits(None, array(X), dim="class"), fe.score_logits(None, X))
    found = door.compare_logits(array(X), array(Y), dim="class")
    same(found, fe.compare_logits(X, Y))
    assert "target_log_prob_change" not in found
    with pytest.raises(TypeError, match="logits is None: score_logits needs it"):
        door.score_logits(array(LABELS), None, dim="class")


def test_values_beside_gradients() -> None:
    """Variables called loss, gradient, hessian."""
    found = door.softmax_cross_entropy_grad(
        array(LABELS), array(X), dim="class", value_and_grad=True
    )
    assert list(found) == ["loss", "gradient"]
    same(found, fe.softmax_cross_entropy_grad(LABELS, X, value_and_grad=True))
    found = door.binary_cross_entropy_grad(1, array(Q), value_and_grad=True)
    assert list(found) == ["loss", "gradient", "hessian"]
    same(found, fe.binary_cross_entropy_grad(1.0, Q, value_and_grad=True))


# ---- dimensions -------------------------------------------------------------------------------


def test_broadcasting_by_name() -> None:
    """A dimension that one lacks is that of the other; so it is for labels."""
    climate = array(Q[0], "site", "class")
    same(door.kl_divergence(array(P), climate, dim="class"), fe.kl_divergence(P, Q[0]))
    found = door.kl_divergence(array(P[:, 0], "day", "class"), climate, dim="class")
    assert found.dims == ("day", "site")
    same(found, fe.kl_divergence(P[:, :1], Q[0]))
    by_day = array(LABELS[:, 0].copy(), "day")
    repeated = np.repeat(LABELS[:, :1], SITES, axis=1)
    for lazy in (False, True):
        logits = array(X)
        if lazy:
            pytest.importorskip("dask.array")
            logits = logits.chunk({"day": 2})
        for name in ("softmax_cross_entropy", "score_logits"):
            found = getattr(door, name)(by_day, logits, dim="class")
            same(found, getattr(fe, name)(repeated, X), "day", "site")
    found = door.log_loss(array(LABELS), array(Q[:, 0], "day", "class"), dim="class")
    same(found, fe.log_loss(LABELS, np.repeat(Q[:, :1], SITES, axis=1)), "day", "site")
    found = door.compare_logits(array(X), array(Y[0], "site", "class"), dim="class")
    same(found, fe.compare_logits(X, np.repeat(Y[:1], DAYS, axis=0)))
    same(door.binary_cross_entropy(0.5, array(Q)), fe.binary_cross_entropy(0.5, Q))


def test_distributions_as_targets() -> None:
    """A target that has the dimension holds distributions, one that lacks it class indices."""
    for name in ("softmax_cross_entropy", "brier_score"):
        for target in (P, LABELS):
            found = getattr(door, name)(array(target), array(Q), dim="class")
            same(found, getattr(fe, name)(target, Q))


def test_several_dimensions() -> None:
    """Make up one row; all of them leave one number."""
    found = door.entropy(array(P), dim=["site", "class"], normalize=True)
    same(found, fe.entropy(P, axis=(1, 2), normalize=True))
    found = door.entropy(array(P), dim=..., normalize=True)
    same(found, fe.entropy(P, axis=None, normalize=True))
    assert found.dims == ()
    found = door.conditional_entropy(array(P), dim=("class", "site"), normalize=True)
    same(found, fe.conditional_entropy(P.transpose(0, 2, 1), normalize=True))


def test_options_that_are_arrays() -> None:
    """Weights are broadcast by name; classes' weights lie along the dimension."""
    by_site = array(WEIGHT[0].copy(), "site")
    found = door.entropy(array(P), dim="class", weight=by_site)
    same(found, fe.entropy(P, weight=WEIGHT[0]))
    found = door.entropy(array(P), dim="class", weight=array(WEIGHT[:, 0].copy(), "day"))
    same(found, fe.entropy(P, weight=WEIGHT[:, :1]))
    same(door.entropy(array(P), dim="class", weight=2.0), fe.entropy(P, weight=2.0))
    found = door.binary_cross_entropy(array(P), array(Q), pos_weight=array(P[0, 0], "class"))
    same(found, fe.binary_cross_entropy(P, Q, pos_weight=P[0, 0]))
    of_classes = [1, 2, 3, 0.5]
    want = fe.log_loss(LABELS, Q, class_weight=of_classes)
    for given in (of_classes, np.array(of_classes), array(np.array(of_classes), "class")):
        found = door.log_loss(array(LABELS), array(Q), dim="class", class_weight=given)
        same(found, want)


def test_places() -> None:
    """Of each row, or of all; the dimension that lists them names that of the results."""
    places = np.argsort(RNG.random(SHAPE))[..., :2]
    for given, plain in ((places, places), (places[0, 0], places[0, 0])):
        listed = xr.DataArray(given, dims=("day", "site", "place")[-given.ndim :])
        found = door.top_log_probs(array(X), listed, dim="class")
        same(found, fe.top_log_probs(X, plain))
        assert found["log_probs"].dims == ("day", "site", "place")
    by_site = xr.DataArray(places[0], dims=("site", "place"))
    found = door.top_log_probs(array(X), by_site, dim="class")
    same(found, fe.top_log_probs(X, np.repeat(places[:1], DAYS, axis=0)))
    same(door.top_log_probs(array(X), [2, 0], dim="class"), fe.top_log_probs(X, [2, 0]))


def test_datasets() -> None:
    """A result for each variable."""
    whole = xr.Dataset({"one": array(P), "other": array(Q[0], "site", "class")}, attrs={"a": 1})
    found = door.entropy(whole, dim="class", base=2)
    assert list(found) == ["one", "other"]
    assert found.attrs == {"a": 1}
    same(found["one"], fe.entropy(P, base=2))
    same(found["other"], fe.entropy(Q[0], base=2))
    found = door.kl_divergence(whole, array(Q), dim="class")
    same(found["one"], fe.kl_divergence(P, Q))
    same(door.kl_divergence(whole, whole, dim="class")["other"], np.zeros(SITES))
    same(door.surprisal(whole)["one"], fe.surprisal(P))
    with pytest.raises(TypeError, match="several results takes DataArrays: pass one variable"):
        door.score_logits(None, whole, dim="class")
    with pytest.raises(ValueError, match="p has variables one, other, and q one"):
        door.kl_divergence(whole, whole[["one"]], dim="class")
    with pytest.raises(ValueError, match="p has no dimension 'day'") as error:
        door.entropy(whole, dim="day")
    assert error.value.__notes__ == ["This is of the variable 'other'."]


def test_attributes() -> None:
    """Those on which operands agree, but for what the values of the input were."""
    one = array(P, who="me", model="a", units="1", long_name="probability of weather")
    other = array(Q, who="me", model="b", seed=7)
    assert door.entropy(one, dim="class").attrs == {"who": "me", "model": "a"}
    assert door.kl_divergence(one, other, dim="class").attrs == {"who": "me", "seed": 7}
    scores = door.score_logits(None, one, dim="class")
    assert all(each.attrs == {"who": "me", "model": "a"} for each in scores.values())
    assert one.attrs["units"] == "1"
    one["site"].attrs["units"] = "m"
    assert door.entropy(one, dim="class")["site"].attrs == {"units": "m"}
    with xr.set_options(keep_attrs=False):
        assert door.entropy(one, dim="class").attrs == {}


# ---- errors -----------------------------------------------------------------------------------

p, q, y, x = array(P), array(Q), array(LABELS), array(X)

ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "no dim": (lambda: door.entropy(p), TypeError, "entropy: missing .* 'dim'"),
    "a dim too much": (lambda: door.surprisal(p, dim="class"), TypeError, "'dim'"),
    "unknown dim": (
        lambda: door.entropy(p, dim="klass"),
        ValueError,
        "p has no dimension 'klass': its dimensions are day, site, class",
    ),
    "one lacks it": (lambda: door.kl_divergence(p, y, dim="class"), ValueError, "q has no dim"),
    "twice": (lambda: door.entropy(p, dim=["class"] * 2), ValueError, "each once"),
    "none": (lambda: door.entropy(p, dim=[]), ValueError, r"each once, not \[\]"),
    "one of classes": (
        lambda: door.log_loss(y, q, dim=["site", "class"]),
        ValueError,
        "has to name one dimension, that of the classes",
    ),
    "two of tables": (
        lambda: door.mutual_information(p, dim="class"),
        ValueError,
        "has to name two dimensions, the axes of a table, not 'class'",
    ),
    "labels with it": (
        lambda: door.log_loss(y.expand_dims({"class": CLASSES}), q, dim="class"),
        ValueError,
        "labels has the dimension 'class': it takes one class index a row",
    ),
    "an array": (lambda: door.entropy(P, dim="class"), TypeError, "pass others to fastent.entropy"),
    "an array beside": (
        lambda: door.kl_divergence(p, Q, dim="class"),
        TypeError,
        r"q is of type ndarray, whose dimensions have no names: pass xarray.DataArray\(q, dims=",
    ),
    "a scalar beside": (lambda: door.kl_divergence(p, 0.5, dim="class"), TypeError, "q is of type"),
    "a list of weights": (
        lambda: door.entropy(p, dim="class", weight=[1, 2, 3]),
        TypeError,
        "weight is of type list",
    ),
    "a weight's own dim": (
        lambda: door.entropy(p, dim="class", weight=xr.DataArray([1.0], dims="run")),
        ValueError,
        "weight has the dimension 'run', which the results lack",
    ),
    "places": (
        lambda: door.top_log_probs(x, y, dim="class"),
        ValueError,
        "indices_or_k has to have one dimension that logits lack, .*: its dimensions are day, site",
    ),
    "weights of classes": (
        lambda: door.log_loss(y, q, dim="class", class_weight=q[0, 0].rename({"class": "other"})),
        ValueError,
        "class_weight has to have the dimension 'class' alone",
    ),
    "other labels": (
        lambda: door.kl_divergence(p, q.assign_coords({"class": list("abcd")}), dim="class"),
        ValueError,
        "join='exact'",
    ),
    "other days": (lambda: door.log_loss(y[1:], q, dim="class"), ValueError, "join='exact'"),
    "bad label": (
        lambda: door.log_loss(y + CLASSES, q, dim="class"),
        ValueError,
        "but there are 4 classes",
    ),
    "base": (lambda: door.entropy(p, dim="class", base=1), ValueError, "base must be"),
    "check": (lambda: door.entropy(p * 2, dim="class", check=True), ValueError, "sums to"),
    "axis": (lambda: door.entropy(p, dim="class", axis=1), TypeError, "axis= .*: dim names"),
    "reduction": (
        lambda: door.entropy(p, dim="class", reduction="mean"),
        TypeError,
        "reduction= has no place here: .* methods mean and sum",
    ),
    "unknown option": (lambda: door.entropy(p, dim="class", bse=2), TypeError, "entropy: .*'bse'"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what: str) -> None:
    """Each says what to do."""
    call, kind, message = ERRORS[what]
    with pytest.raises(kind, match=message):
        call()


def test_rows_in_several_chunks() -> None:
    """Raise at once, with the call that mends it."""
    pytest.importorskip("dask.array")
    with pytest.raises(ValueError, match=r"q has 4 chunks along 'class'.*q.chunk\({'class': -1}\)"):
        door.kl_divergence(p, q.chunk({"class": 1}), dim="class")
    found = door.entropy(p.chunk({"class": 1}).chunk({"class": -1}), dim="class")
    same(found, fe.entropy(P))
    late = door.log_loss(y.chunk({"day": 1}) + CLASSES, q, dim="class")
    with pytest.raises(ValueError, match="but there are 4 classes"):
        late.compute()


# ---- the functions ----------------------------------------------------------------------------


def test_functions() -> None:
    """Are found by name, documented, and travel to other processes."""
    assert set(NAMES) == set(door.__all__) <= set(dir(door))
    assert set(door.NO_OPTIONS) == set(OF_ARRAYS)
    for name in NAMES:
        function = getattr(door, name)
        assert pickle.loads(pickle.dumps(function)) is function
        summary, said = (inspect.getdoc(f) or "" for f in (getattr(fe, name), function))
        assert said.splitlines()[0] == summary.splitlines()[0]
        own = inspect.signature(function).parameters
        assert ("dim" in own) == (not measures()[name].elementwise)
        assert {*measures()[name].operands, *measures()[name].options} <= set(own)
    with pytest.raises(AttributeError, match="no measure 'entrpy': did you mean 'entropy'"):
        door.entrpy  # noqa: B018
    with pytest.raises(ImportError):
        exec("from fastent.xarray import pairwise_kl_divergence")


def test_the_measures_of_arrays() -> None:
    """Take a DataArray for what it holds, by position: an ndarray comes back."""
    found = fe.kl_divergence(p, q, base=2)
    assert type(found) is np.ndarray
    assert found.tobytes() == fe.kl_divergence(P, Q, base=2).tobytes()
    assert (fe.entropy(p, axis=1) == fe.entropy(P, axis=1)).all()
    assert (fe.log_loss(y, q) == fe.log_loss(LABELS, Q)).all()
    with pytest.raises(TypeError, match=r"p cannot be read as an array: .*xarray\.Dataset"):
        fe.entropy(xr.Dataset({"p": p}))


def test_without_xarray() -> None:
    """The error says what to install."""
    code = (
        "import sys; sys.modules['xarray'] = None\n"
        "import fastent; assert 'fastent.xarray' not in sys.modules\n"
        "import fastent.xarray\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert 'pip install "fastent-numpy[xarray]"' in done.stderr


def test_pyarrow_is_not_needed() -> None:
    """Nor is it imported."""
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import numpy as np, xarray as xr, fastent.xarray\n"
        "p = xr.DataArray(np.array([0.5, 0.5]), dims='c')\n"
        "print(float(fastent.xarray.entropy(p, dim='c', base=2)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1.0\n"
