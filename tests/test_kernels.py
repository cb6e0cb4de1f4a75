"""Build tests/kernels/check_kernels.c with the kernels and run it: here, sanitized, and as aarch64.

The program holds every instruction set against the portable one and against itself, between guard
pages. Where the package was installed without its sources' folder there is nothing to build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastent import _core

ROOT = Path(__file__).resolve().parents[1]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g1"]
NATIVE = dict(
    (name, "" if flags == "none" else flags)
    for name, _, flags in (part.partition(": ") for part in _core.BUILD["isa_flags"].split("; "))
)
CROSS = {"portable": "", "neon": "-DFE_NEON"}


def build(folder: Path, compiler: list[str], isas: dict[str, str], extra: list[str]) -> Path:
    """Compile the kernels of some instruction sets, and the program, with the library's flags."""
    flags = [*_core.BUILD["flags"].split(), "-Wall", "-Wextra", "-Werror", "-Wno-psabi", *extra]
    if "clang" in compiler[0]:
        flags.remove("-fno-schedule-insns2")
    sources = [f"isa_{name}.c" for name in isas] + [
        "dispatch.c",
        "../tests/kernels/check_kernels.c",
    ]
    defines = [f"-DFE_BUILD_{name.upper()}" for name in isas]
    jobs = []
    for i, (source, own) in enumerate(
        zip(sources, [*isas.values(), " ".join(defines), ""], strict=True)
    ):
        target = folder / f"{i}.o"
        jobs.append(
            [*compiler, *flags, *own.split(), "-Icsrc", "-c", f"csrc/{source}", "-o", str(target)]
        )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(lambda job: run(job, 900), jobs):
            assert done.returncode == 0, done.stderr
    program = folder / "check"
    objects = [job[-1] for job in jobs]
    done = run([*compiler, *extra, *objects, "-lm", "-o", str(program)], 60)
    assert done.returncode == 0, done.stderr
    return program


def run(command: list[str], seconds: int) -> subprocess.CompletedProcess[str]:
    """Run a command in the root of the tree."""
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_native(tmp_path: Path) -> None:
    """Every instruction set of this machine, every number of columns."""
    done = run([str(build(tmp_path, ["cc"], NATIVE, []))], 120)
    assert done.returncode == 0, done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == list(_core.available_isas())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_sanitized(tmp_path: Path) -> None:
    """No byte outside an operand, no undefined operation."""
    done = run([str(build(tmp_path, ["cc"], NATIVE, [*SANITIZERS, "-O1"])), "3"], 600)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="no emulator")
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-gcc") is None, reason="no cross compiler")
def test_aarch64(tmp_path: Path) -> None:
    """NEON, under an emulator: every eleventh number of columns."""
    program = build(tmp_path, ["aarch64-linux-gnu-gcc"], CROSS, ["-static"])
    done = run(["qemu-aarch64", str(program), "11"], 600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["portable", "neon"]
