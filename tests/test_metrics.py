"""`fastent.metrics` as a module: names, signatures, scikit-learn absent, its settings obeyed."""

from __future__ import annotations

import doctest
import inspect
import pkgutil
import sys
from typing import Any

import numpy as np
import pytest
import sklearn
import sklearn.metrics
from children import run
from metrics_peer import assert_same, outcome

import fastent.metrics as fm
from fastent.metrics import _parameters

MODULES = [f"fastent.metrics.{module.name}" for module in pkgutil.iter_modules(fm.__path__)]
P = np.array([[0.3, 0.7], [0.6, 0.4], [0.2, 0.8]])
every_function = pytest.mark.parametrize("name", fm.__all__)


@every_function
def test_signature(name: str) -> None:
    """Names, kinds and defaults of parameters are scikit-learn's."""
    ours, theirs = (inspect.signature(getattr(m, name)) for m in (fm, sklearn.metrics))
    shape = [[(p.name, p.kind, p.default) for p in s.parameters.values()] for s in (ours, theirs)]
    assert shape[0] == shape[1]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str) -> None:
    """Every example of a module prints what its docstring shows."""
    failed, tried = doctest.testmod(sys.modules[module])
    assert failed == 0
    assert tried or module.split("._")[1] not in ("log_loss", "brier", "information")


@every_function
def test_every_function_has_an_example(name: str) -> None:
    """A public function without a runnable example is not documented."""
    assert "\n    >>> " in (getattr(fm, name).__doc__ or "")


WITHOUT = """
import sys
import fastent
assert "fastent.metrics" not in sys.modules
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("sklearn", "scipy", "pandas", "narwhals"):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
import numpy as np
from fastent.metrics import *
from fastent.metrics import _parameters
print(log_loss(["b", "a"], [0.5, 0.25]))
print(brier_score_loss([0, 1], [[0.5, 0.5], [0.0, 1.0]], sample_weight=[1, 3]))
print(mutual_info_score([0, 0, 1, 1], ["x", "x", "y", "y"]))
print(mutual_info_score(None, None, contingency=np.eye(2, dtype=int)))
print(normalized_mutual_info_score([0, 0, 1, 1], [0, 0, 1, 2]))
print(adjusted_mutual_info_score([0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2]))
for error in (ValueError, TypeError, _parameters.InvalidParameterError):
    try:
        log_loss(3, [0.5])
    except error as raised:
        print(raised)
assert not {"sklearn", "scipy", "pandas"} & set(sys.modules)
"""


def test_without_scikit_learn() -> None:
    """Nothing of it is needed, nor of SciPy: the same values, and an error of both its bases."""
    done = run(WITHOUT)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    a, b = [0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2]
    want = [
        sklearn.metrics.log_loss(["b", "a"], [0.5, 0.25]),
        0.0625,
        np.log(2),
        np.log(2),
        sklearn.metrics.normalized_mutual_info_score([0, 0, 1, 1], [0, 0, 1, 2]),
        sklearn.metrics.adjusted_mutual_info_score(a, b),
    ]
    np.testing.assert_allclose(np.array(lines[:6], float), want, rtol=1e-14)
    message = "The 'y_true' parameter of log_loss must be an array-like. Got 3 instead."
    assert lines[6:] == [message] * 3


def test_error_is_scikit_learns() -> None:
    """Where it has been imported, the error is of its class."""
    from sklearn.utils._param_validation import InvalidParameterError

    with pytest.raises(InvalidParameterError):
        fm.log_loss(3, [0.5])
    assert issubclass(_parameters.InvalidParameterError, (ValueError, TypeError))


PARAMETERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *(("log_loss", (y, P), {}) for y in (3, None, "abc", np.float64(1))),
    *(("log_loss", ([0, 1, 1], p), {}) for p in (3, None, "abc")),
    *(("log_loss", ([0, 1, 1], P), {"normalize": n}) for n in (1, "x", None, np.bool_(False))),
    *(("log_loss", ([0, 1, 1], P), {"sample_weight": w}) for w in (3, "x", 2.0)),
    *(("log_loss", ([0, 1, 1], P), {"labels": x}) for x in (3, "x")),
    *(("log_loss", ([0, 1, 1],), {"y_pred": p}) for p in (P, None, 3, "x")),
    ("log_loss", ([0, 1, 1], P), {"y_pred": P}),
    *(("brier_score_loss", ([0, 1, 1], P), {"scale_by_half": s}) for s in (1, "x", None, [1])),
    *(("brier_score_loss", ([0, 1], [0, 1]), {"pos_label": p}) for p in ([1], 1j, b"a")),
    *(("brier_score_loss", (y, [0, 1]), {}) for y in (3, None)),
    ("brier_score_loss", ([0, 1], None), {}),
    *(("mutual_info_score", (a, [0, 1]), {}) for a in (3, None, "x")),
    *(("mutual_info_score", ([0, 1], [0, 1]), {"contingency": c}) for c in (3, "x")),
    *(
        (f"{kind}_mutual_info_score", ([0, 1], b), {"average_method": m})
        for kind in ("normalized", "adjusted")
        for b in ([0, 1], None)
        for m in ("x", None, 3, ["min"])
    ),
]


@pytest.mark.parametrize("case", PARAMETERS, ids=str)
def test_parameters(case: Any) -> None:
    """Parameters of another kind are refused in scikit-learn's words, or taken."""
    name, arguments, keywords = case
    assert_same(name, *arguments, **keywords)


def test_settings() -> None:
    """What scikit-learn is told not to check is not checked."""
    y, p = [0, 1, 1], np.array([0.25, np.nan, 0.5])
    with sklearn.config_context(assume_finite=True):
        assert_same("log_loss", y, p)
        assert_same("brier_score_loss", y, p)
    with sklearn.config_context(skip_parameter_validation=True):
        assert_same("log_loss", y, [0.25, 0.5, 0.5], normalize=1)
        assert outcome(fm.log_loss, 3, p).error == outcome(sklearn.metrics.log_loss, 3, p).error


def test_tensors() -> None:
    """Tensors, and the dtype that they have once scikit-learn is set to see it."""
    torch = pytest.importorskip("torch")
    prob = torch.tensor(P, dtype=torch.float32)
    weight, labels = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([0, 1, 1])
    for name in ("log_loss", "brier_score_loss"):
        for p in (prob, prob[:, 1]):
            got = assert_same(name, labels, p, sample_weight=weight, dtype="float32")
            with sklearn.config_context(array_api_dispatch=False):
                assert got == assert_same(name, labels, p, sample_weight=weight, dtype="float32")
    assert_same("adjusted_mutual_info_score", labels, labels)
    with pytest.raises(TypeError, match="meta"):
        fm.log_loss(labels, prob.to("meta"))


class Elsewhere:
    """Numbers on a device that only DLPack copies from."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape = array.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Refuse, as the tensors of other devices do."""
        raise TypeError("not on this device")

    def __dlpack__(self, **keywords: Any) -> Any:
        """Return the data's capsule."""
        return self.array.__dlpack__(stream=keywords.get("stream"))

    def __dlpack_device__(self) -> Any:
        """Say where the data is."""
        return self.array.__dlpack_device__()


def test_arrays_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are copied where scikit-learn is set to take them, and keep their dtype."""
    monkeypatch.setattr(sklearn, "get_config", lambda: {"array_api_dispatch": True})
    prob = P.astype(np.float32)
    got = fm.log_loss([0, 1, 1], Elsewhere(prob), sample_weight=Elsewhere(np.arange(3.0)))
    assert got == fm.log_loss([0, 1, 1], prob, sample_weight=np.arange(3.0))
    single = fm.log_loss([0, 1, 1], Elsewhere(prob))
    assert single == fm.log_loss([0, 1, 1], prob) == np.float32(single)
