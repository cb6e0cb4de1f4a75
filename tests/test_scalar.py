"""The scalar forms of fastent._scalar: another project can cimport them, and the kernels agree."""

import importlib.util
import math
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fastent as fe

# An editable install is not on sys.path, where Cython looks: say where the package is.
SETUP = """
from pathlib import Path

import fastent
from Cython.Build import cythonize
from setuptools import Extension, setup

where = [str(Path(fastent.__file__).parents[1])]
twin = Extension("scalar_twin", ["scalar_twin.pyx"])
setup(ext_modules=cythonize([twin], include_path=where, quiet=True))
"""
EDGES = [0.0, 5e-324, 1e-310, 1e-50, 1e-44, 1e-9, 0.25, 0.5, 0.75, 1.0, -0.0, math.nan, -0.5]


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build the Cython module that cimports the installed package's scalar forms."""
    folder = tmp_path_factory.mktemp("scalar_twin")
    shutil.copy(Path(__file__).with_name("scalar_twin.pyx"), folder)
    (folder / "setup.py").write_text(SETUP)
    build = [sys.executable, "setup.py", "build_ext", "--inplace"]
    done = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("scalar_twin*.so")
    return load(path)


def load(path: Path) -> ModuleType:
    """Import an extension module from its file."""
    spec = importlib.util.spec_from_file_location("scalar_twin", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(dtype: Any) -> np.ndarray[Any, Any]:
    """Return random probabilities, tiny and large ones, and the edges."""
    rng = np.random.default_rng()
    tiny = 10.0 ** rng.uniform(-320 if dtype == np.float64 else -44, 0, 500)
    return np.concatenate([rng.uniform(0, 1, 500), tiny, 1 - tiny, EDGES]).astype(dtype)


@pytest.mark.parametrize("floor", [-100.0, -7.0, None])
def test_elements_agree(twin: Any, isa: str, dtype: Any, floor: float | None) -> None:
    """Pointwise kernels are within two units of the last digit of the C library's logarithm."""
    p = values(dtype)
    target = np.random.default_rng().permutation(values(dtype))
    lowest = -math.inf if floor is None else floor
    scalar = np.empty_like(p)
    with np.errstate(invalid="ignore"):
        twin.surprisals(p, scalar, lowest)
        close(fe.surprisal(p, log_floor=floor), scalar)
        twin.binary_cross_entropies(target, p, scalar, lowest)
        close(fe.binary_cross_entropy(target, p, log_floor=floor), scalar)


@pytest.mark.parametrize("columns", [1, 2, 10, 300])
def test_rows_agree(twin: Any, isa: str, columns: int) -> None:
    """Row kernels agree with sums of the scalar terms, which round once a term."""
    rng = np.random.default_rng()
    p = np.where(rng.random((50, columns)) < 0.2, 0, rng.dirichlet(np.ones(columns), 50))
    q = np.where(rng.random((50, columns)) < 0.1, 0, rng.dirichlet(np.ones(columns), 50))
    slack = 4 * columns * np.finfo(np.float64).eps
    for floor in (-100.0, -3.0):
        pairs = [
            (fe.entropy(p), [twin.entropy(row) for row in p]),
            (
                fe.cross_entropy(p, q, log_floor=floor),
                [twin.cross_entropy(a, b, floor) for a, b in zip(p, q, strict=True)],
            ),
            (
                fe.kl_divergence(p, q, log_floor=floor),
                [twin.kl_divergence(a, b, floor) for a, b in zip(p, q, strict=True)],
            ),
        ]
        for got, want in pairs:
            np.testing.assert_allclose(got, want, rtol=max(slack, 2e-14), atol=0)


def close(got: Any, want: Any) -> None:
    """Assert equality to 3 ulps: two of ours, and the C library's own."""
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        near = np.abs(got - want) <= 3 * np.spacing(np.abs(want))
    assert np.all(same | near), (got[~(same | near)], want[~(same | near)])
