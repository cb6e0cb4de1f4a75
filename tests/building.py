"""Build the C programs of tests/kernels with the kernels, as the library was built."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import installed  # noqa: F401  (before fastent)

from fastent import _core

ROOT = Path(__file__).resolve().parents[1]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g1"]
# Those that run here: to compile another would take minutes for nothing.
NATIVE = dict(
    (name, "" if flags == "none" else flags)
    for name, _, flags in (part.partition(": ") for part in _core.BUILD["isa_flags"].split("; "))
    if name in _core.available_isas()
)
# AVX-512's logic on any machine with AVX2: csrc/simd/avx512_pairs.h.
PAIRS = {"avx512_pairs": f"{NATIVE['avx2']} -DFE_PAIRS"} if "avx2" in NATIVE else {}


def build(
    folder: Path, program: str, compiler: list[str], isas: dict[str, str], extra: list[str]
) -> Path:
    """Compile the kernels of some instruction sets, and a program, with the library's flags.

    Kernels that an earlier call has compiled into this folder are taken as they are; which of them
    there are is compiled anew.
    """
    flags = [*_core.BUILD["flags"].split(), "-Wall", "-Wextra", "-Werror", "-Wno-psabi", *extra]
    if "clang" in compiler[0]:
        flags.remove("-fno-schedule-insns2")
    own = {f"csrc/isa_{name}.c": own.split() for name, own in isas.items()}
    own["csrc/dispatch.c"] = [f"-DFE_BUILD_{name.upper()}" for name in isas]
    own["csrc/state.c"] = own["csrc/top.c"] = own[f"tests/kernels/{program}.c"] = []
    jobs = [
        [*compiler, *flags, *more, "-Icsrc", "-c", source, "-o", f"{folder / Path(source).stem}.o"]
        for source, more in own.items()
    ]
    objects = [job[-1] for job in jobs]
    jobs = [job for job in jobs if "dispatch" in job[-1] or not Path(job[-1]).exists()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(lambda job: run(job, 1800), jobs):
            assert done.returncode == 0, done.stderr
    target = folder / program
    done = run([*compiler, *extra, *objects, "-lm", "-pthread", "-o", str(target)], 60)
    assert done.returncode == 0, done.stderr
    return target


def run(command: list[str], seconds: int) -> subprocess.CompletedProcess[str]:
    """Run a command in the root of the tree."""
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT)
