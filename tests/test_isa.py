"""Which instruction set is used: chosen at import, forced by FASTENT_ISA, switched by tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastent import _core

ASK = "import fastent._core as core; print(core.isa())"


def ask(folder: Path, wanted: str) -> subprocess.CompletedProcess[str]:
    """Import the library in a new process with FASTENT_ISA set."""
    environment = {**os.environ, "FASTENT_ISA": wanted}
    command = [sys.executable, "-c", ASK]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", _core.available_isas())
def test_environment_forces_one(tmp_path: Path, name: str) -> None:
    """Every available instruction set can be asked for."""
    assert ask(tmp_path, name).stdout == f"{name}\n"


def test_best_is_the_default(tmp_path: Path) -> None:
    """Without a wish, the last of those available is used."""
    assert ask(tmp_path, "").stdout == f"{_core.available_isas()[-1]}\n"


def test_unknown_one_is_an_error_that_lists_them(tmp_path: Path) -> None:
    """A mistyped name stops the import and says what there is."""
    done = ask(tmp_path, "avx3")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "FASTENT_ISA=avx3" in last
    assert all(name in last for name in _core.built_isas())


def test_switching_and_back() -> None:
    """using_isa() leaves the choice as it found it, also after an error."""
    before = _core.isa()

    def fail() -> None:
        with _core.using_isa("portable"):
            raise LookupError(_core.isa())

    with pytest.raises(LookupError, match="portable"):
        fail()
    assert _core.isa() == before


def test_version() -> None:
    """The version built in is that of the package's metadata, which import does not read."""
    from importlib.metadata import version

    import fastent

    assert fastent.__version__ == version("fastent-numpy")
