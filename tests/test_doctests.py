"""The examples of the docstrings run, and print what they say."""

import doctest
import importlib

import pytest

MODULES = (
    "fastent",
    "fastent._binary_gradients",
    "fastent._calibration",
    "fastent._compare",
    "fastent._distributions",
    "fastent._events",
    "fastent._gradients",
    "fastent._log_loss",
    "fastent._logits",
    "fastent._losses",
    "fastent._pairs",
    "fastent._pairwise",
    "fastent._scores",
    "fastent._softmax",
    "fastent._spread",
    "fastent._top_log_probs",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """Every example of a module prints what its docstring shows."""
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_public_function_has_one() -> None:
    """A public function without a runnable example is not documented."""
    import fastent

    finder = doctest.DocTestFinder()
    for name in fastent.__all__:
        examples = [test for test in finder.find(getattr(fastent, name)) if test.examples]
        assert examples, f"fastent.{name} has no example"
