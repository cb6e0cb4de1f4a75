"""Build the C kernels, once for each instruction set, and the Cython module that calls them.

Metadata is in pyproject.toml. Switches of the environment:
  FASTENT_DEBUG=1      no optimisation, debug information
  FASTENT_SANITIZE=1   address and undefined-behaviour sanitizers
"""

import os
import platform
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib

VERSION = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
X86_64 = platform.machine().lower() in {"x86_64", "amd64"}

# Instruction set -> compiler flags. Each has a wrapper csrc/isa_<name>.c of its own: setuptools
# compiles a source only once, whatever the number of libraries that list it.
ISAS = {"portable": []}
if X86_64:
    ISAS["avx2"] = ["-mavx2", "-mfma", "-mf16c"]
    ISAS["avx512"] = [*ISAS["avx2"], "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"]
    # Without this GCC makes 64-byte conversions of 32-byte halves.
    ISAS["avx512"].append("-mprefer-vector-width=512")

if platform.machine().lower() in {"aarch64", "arm64"}:
    ISAS["neon"] = ["-DFE_NEON"]  # every aarch64 has it, and fused multiply-add

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-psabi"]
# Contraction off: FMA is written where it is meant, and every build gives the same bits.
# No instruction scheduling before register allocation: the kernels are interleaved by hand.
FLAGS = [
    "-O2",
    "-std=gnu11",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fvisibility=hidden",
    "-fPIC",
]
if "clang" not in os.environ.get("CC", "gcc"):
    FLAGS.append("-fno-schedule-insns2")
LINK: list[str] = []
if os.environ.get("FASTENT_SANITIZE"):
    SANITIZERS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g"]
    FLAGS += SANITIZERS
    LINK += SANITIZERS
elif os.environ.get("FASTENT_DEBUG"):
    FLAGS += ["-O0", "-g"]
else:
    FLAGS.append(
        "-g0"
    )  # Python's own flags ask for it: three quarters of the file, a fifth of the time

ISA_FLAGS = "; ".join(f"{isa}: {' '.join(flags) or 'none'}" for isa, flags in ISAS.items())

HEADERS = sorted(
    str(path)
    for pattern in ("*.h", "*.def", "kernels/*.h", "simd/*.h")
    for path in Path("csrc").glob(pattern)
)
SOURCES = sorted(str(path) for path in Path("csrc").glob("*.c"))


def library(name: str, source: str, flags: list[str]) -> tuple[str, dict[str, object]]:
    """Describe a static library for build_clib; a changed header recompiles it."""
    return (
        f"fastent_{name}",
        {
            "sources": [source],
            "include_dirs": ["csrc"],
            "cflags": [*FLAGS, *WARNINGS, *flags],
            "obj_deps": {"": HEADERS},
        },
    )


libraries = [
    library("dispatch", "csrc/dispatch.c", [f"-DFE_BUILD_{name.upper()}" for name in ISAS]),
    library("memory", "csrc/memory.c", []),
    library("state", "csrc/state.c", []),
    library("top", "csrc/top.c", []),
    library("threads", "csrc/threads.c", ["-pthread"]),
    *(library(name, f"csrc/isa_{name}.c", flags) for name, flags in ISAS.items()),
]

core = Extension(
    "fastent._core",
    ["fastent/_core.pyx"],
    include_dirs=["csrc", numpy.get_include()],
    libraries=[
        "fastent_dispatch",
        "fastent_threads",
        "fastent_memory",
        *(f"fastent_{name}" for name in ISAS),
        "fastent_state",
    ],
    define_macros=[
        ("FE_VERSION", f'"{VERSION}"'),  # to read it from the metadata takes 30 ms at import
        ("FE_FLAGS", f'"{" ".join(FLAGS)}"'),
        ("FE_ISA_FLAGS", f'"{ISA_FLAGS}"'),
        ("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"),
        ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION"),
    ],
    extra_compile_args=["-O2", "-ffp-contract=off"],
    extra_link_args=[*LINK, "-pthread"],
    depends=[
        *HEADERS,
        *SOURCES,
        "pyproject.toml",
        *sorted(str(path) for path in Path("fastent").glob("*.pxi")),
        "fastent/_kernels.pxd",
    ],
)


class BuildSideBySide(build_clib):
    """Compiles the libraries side by side: an instruction set takes a minute or two."""

    def build_libraries(self, libraries):
        """Build each as setuptools does; the first error is raised."""
        build = super().build_libraries
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda one: build([one]), libraries):
                pass


Options.warning_errors = True

setup(
    libraries=libraries,
    cmdclass={"build_clib": BuildSideBySide},
    ext_modules=cythonize([core]),
)
