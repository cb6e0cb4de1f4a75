"""Build the programs of tests/kernels and run them: on what is installed, sanitized, as aarch64.

check_kernels.c holds every instruction set against the portable one and against itself, between
guard pages; prove_float32.c and prove_samples.c hold the pointwise kernels against the C library.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from building import NATIVE, PAIRS, build, run

from fastent import _core

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g1"]
CROSS = {"portable": "", "neon": "-DFE_NEON"}

CALL = """
import ctypes, sys
from fastent import _core
table, isas, measures = _core.kernel_tables()
check = ctypes.CDLL(sys.argv[1]).check_kernels
sys.exit(check(ctypes.c_void_p(table), isas, measures, 1))
"""

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the kernels are compiled for this machine, once for all tests."""
    return tmp_path_factory.mktemp("native")


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where they are compiled for aarch64."""
    return tmp_path_factory.mktemp("cross")


def digests(printed: str) -> dict[str, str]:
    """Return what each instruction set's results came to."""
    lines = (line.split(": ") for line in printed.splitlines())
    return {name: rest.split(", ")[1] for name, rest in lines}


@needs_compiler
def test_installed(tmp_path: Path) -> None:
    """The kernels of the installed extension: every instruction set, every number of columns."""
    library = tmp_path / "check_kernels.so"
    flags = ["-O2", "-std=gnu11", "-shared", "-fPIC", "-DCHECK_LOADED", "-Icsrc"]
    sources = ["tests/kernels/check_kernels.c", "csrc/state.c"]
    built = run(["cc", *flags, *sources, "-lm", "-o", str(library)], 60)
    assert built.returncode == 0, built.stderr
    done = run([sys.executable, "-P", "-c", CALL, str(library)], 300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == list(_core.available_isas())


@pytest.mark.slow
@needs_compiler
@pytest.mark.skipif("avx2" not in _core.available_isas(), reason="no AVX2")
def test_avx512_in_pairs(native: Path) -> None:
    """AVX-512's logic where only AVX2 is: the same bits, as AVX-512's own where that is."""
    program = build(native, "check_kernels", ["cc"], NATIVE | PAIRS, [])
    done = run([str(program), "5"], 1200)
    assert done.returncode == 0, done.stdout
    found = digests(done.stdout)
    assert list(found) == [*_core.available_isas(), *PAIRS]
    assert len({digest for name, digest in found.items() if name != "portable"}) == 1


@pytest.mark.slow
@needs_compiler
def test_sanitized(tmp_path: Path) -> None:
    """No byte outside an operand, no undefined operation."""
    program = build(tmp_path, "check_kernels", ["cc"], NATIVE | PAIRS, [*SANITIZERS, "-O1"])
    done = run([str(program), "5"], 1200)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="no emulator")
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-gcc") is None, reason="no cross compiler")
def test_aarch64(cross: Path, native: Path) -> None:
    """NEON, under an emulator: every thirteenth number of columns; its bits are those of AVX2."""
    program = build(cross, "check_kernels", ["aarch64-linux-gnu-gcc"], CROSS, ["-static"])
    done = run(["qemu-aarch64", str(program), "13"], 1200)
    assert done.returncode == 0, done.stdout + done.stderr
    found = digests(done.stdout)
    assert list(found) == ["portable", "neon"]
    done = run([str(build(native, "check_kernels", ["cc"], NATIVE, [])), "13"], 300)
    here = digests(done.stdout)
    assert found["portable"] == here["portable"]
    assert found["neon"] == here.get("avx2", here.get("neon"))


def check_proof(done: list[subprocess.CompletedProcess[str]], isas: list[str]) -> None:
    """No bound is broken; the programs together prove every pointwise measure on every set.

    In both dtypes: every float is for measures of one operand, samples are for the others.
    """
    for program in done:
        assert program.returncode == 0, program.stdout + program.stderr
    printed = "".join(program.stdout for program in done)
    rows = re.findall(r"^(\w+).*? (float32|float64) +(\w+) +\d+ ", printed, re.MULTILINE)
    pointwise = [name for name, measure in _core.measures.items() if measure.pointwise]
    assert set(rows) == set(itertools.product(pointwise, ("float32", "float64"), isas))


@pytest.mark.slow
@needs_compiler
def test_proof(native: Path) -> None:
    """One float32 input in 257, and samples; ``python tests/prove.py`` takes a billion and all."""
    amounts = {"prove_float32": "257", "prove_samples": "2e6"}
    programs = {name: build(native, name, ["cc"], NATIVE, []) for name in amounts}
    done = [run([str(programs[name]), amount], 600) for name, amount in amounts.items()]
    check_proof(done, list(_core.available_isas()))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="no emulator")
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-gcc") is None, reason="no cross compiler")
def test_proof_on_aarch64(cross: Path) -> None:
    """2^24 inputs, evenly spaced over all floats; fewer samples: long double is emulated twice."""
    amounts = {"prove_float32": "256", "prove_samples": "2e5"}
    compiler = ["aarch64-linux-gnu-gcc"]
    programs = {name: build(cross, name, compiler, CROSS, ["-static"]) for name in amounts}
    done = [
        run(["qemu-aarch64", str(programs[name]), amount], 900) for name, amount in amounts.items()
    ]
    check_proof(done, ["portable", "neon"])
