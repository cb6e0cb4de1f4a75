"""The examples of the docstrings and of the pages run, and print what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import fastent
from fastent import special

# Modules that fastent does not import.
DROP_INS = [
    *("fastent.stats", "fastent.special", "fastent._special_softmax"),
    *(f"fastent.metrics.{name}" for name in ("_brier", "_information", "_log_loss")),
]
MODULES = sorted(
    {getattr(getattr(fastent, name), "__module__", "fastent") for name in fastent.__all__}
    | set(DROP_INS)
)
ROOT = Path(__file__).resolve().parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in DOCS if ">>>" in page.read_text(encoding="utf-8")]
NEEDED = {
    "README.md": ["polars", "duckdb", "pandas", "xarray", "pyarrow"],
    "arrow.md": ["pyarrow"],
    "duckdb.md": ["duckdb", "pyarrow"],
    "pandas.md": ["pandas", "pyarrow"],
    "polars.md": ["polars", "pyarrow"],
    "report.md": ["matplotlib"],
    "torch.md": ["torch", "ml_dtypes"],
    "xarray.md": ["xarray"],
}
"""Packages that the examples of a page import."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page: Path) -> None:
    """So does every example of a page of the documentation."""
    for package in NEEDED.get(page.name, ()):
        pytest.importorskip(package)
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert failed == 0
    assert tried > 0


def test_examples_of_tables() -> None:
    """So do those of the module that needs PyArrow."""
    pytest.importorskip("pyarrow")
    for name in ("_score", "_scorer"):
        failed, tried = doctest.testmod(importlib.import_module(f"fastent.arrow.{name}"))
        assert failed == 0
        assert tried > 0


@pytest.mark.parametrize("name", ["duckdb", "pandas", "polars", "xarray"])
def test_examples_of_other_libraries(name: str) -> None:
    """So do those of the modules that need another library."""
    pytest.importorskip("pyarrow")
    pytest.importorskip(name)
    failed, tried = doctest.testmod(importlib.import_module(f"fastent.{name}"))
    assert failed == 0
    assert tried > 0


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """Every example of a module prints what its docstring shows."""
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("name", special.__all__)
def test_every_special_name_has_one(name: str) -> None:
    """A ufunc's examples are in what it says of itself, too."""
    parser = doctest.DocTestParser()
    assert parser.get_examples(getattr(special, name).__doc__)


def test_every_public_function_has_one() -> None:
    """A public function without a runnable example is not documented."""
    finder = doctest.DocTestFinder()
    for name in fastent.__all__:
        examples = [test for test in finder.find(getattr(fastent, name)) if test.examples]
        assert examples, f"fastent.{name} has no example"
    for module in map(importlib.import_module, ("fastent.stats", "fastent.metrics")):
        for name in module.__all__:
            examples = [test for test in finder.find(getattr(module, name)) if test.examples]
            assert examples, f"{module.__name__}.{name} has no example"
