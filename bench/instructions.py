"""Count the instructions of every kernel and compare them with the record in the tree.

python -m bench.instructions             compare with bench/instructions.json
python -m bench.instructions --record    write it

Counts are the same on a busy machine. Ends with 1 where a kernel takes more instructions an entry
than recorded (see --tolerance), with 2 where nothing could be counted.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fastent import _core

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "bench/instructions.c"
RECORD = Path(__file__).with_name("instructions.json")
COUNTABLE = ("portable", "avx2", "neon")  # valgrind has no AVX-512
COUNTED = "counted"  # the function of the program whose calls are counted
DIGITS = 3
HEADINGS = ("measure", "dtype", "shape", "isa", "recorded", "now", "change %")
WIDTHS = (29, 7, 6, 8, 9, 9, 8)


class CountingError(Exception):
    """Nothing can be counted; the message says what to do about it."""


class Kernel(NamedTuple):
    """What is counted: one line of the record."""

    measure: str  # "binary_cross_entropy hard", "... soft": the targets too
    dtype: str
    shape: str  # columns; "10@0": ten along axis 0; "-": no rows
    isa: str

    @classmethod
    def parse(cls, words: str) -> "Kernel":
        """Return the kernel of these words; only the measure may have several."""
        return cls(*words.rsplit(" ", 3))

    def chosen(self, options: argparse.Namespace) -> bool:
        """Return whether the options ask for it."""
        measure = self.measure.split(" ")[0]
        return (not options.measures or measure in options.measures) and (
            not options.isa or self.isa in options.isa
        )


Counts = Mapping[Kernel, float]  # instructions an entry


@dataclass(frozen=True)
class Build:
    """What counts depend on beside the sources."""

    compiler: str
    flags: str
    isa_flags: str

    def record(self, counts: Counts) -> dict[str, Any]:
        """Return the record of these counts, a line a kernel."""
        return {**vars(self), "instructions": {" ".join(k): counts[k] for k in sorted(counts)}}


# ---- building and counting ----------------------------------------------------------------------


def run(command: Sequence[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command, its messages in English."""
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def the_compiler() -> list[str]:
    """Return the command that compiles C."""
    command = os.environ.get("CC", "cc").split()
    if not command or shutil.which(command[0]) is None:
        raise CountingError("no C compiler: install gcc or clang, or name one in CC")
    return command


def described(compiler: Sequence[str]) -> Build:
    """Return compiler and flags, the latter as the library was built here."""
    version, machine = (run([*compiler, option]) for option in ("--version", "-dumpmachine"))
    if version.returncode or machine.returncode:
        raise CountingError(
            f"{' '.join(compiler)} does not tell its version: name gcc or clang in CC"
        )
    name = f"{version.stdout.splitlines()[0]}, {machine.stdout.strip()}"
    if "Free Software Foundation" in version.stdout:  # GCC: cc, gcc and gcc-12 may be the same
        name = f"gcc {name.partition(' ')[2]}"
    flags = _core.BUILD["flags"]
    if "clang" in name:
        flags = flags.replace(" -fno-schedule-insns2", "")
    return Build(name, flags, _core.BUILD["isa_flags"])


def flags_of_isas(build: Build) -> dict[str, list[str]]:
    """Return the flags of each instruction set that is built here and that valgrind runs."""
    parts = (part.partition(": ") for part in build.isa_flags.split("; "))
    return {
        name: [] if flags == "none" else flags.split()
        for name, _, flags in parts
        if name in COUNTABLE
    }


def built(
    folder: Path, compiler: Sequence[str], build: Build, isas: Mapping[str, Sequence[str]]
) -> Path:
    """Compile the program and the kernels of these instruction sets, and link them."""
    own: dict[str, Sequence[str]] = {f"csrc/isa_{name}.c": isas[name] for name in isas}
    own["csrc/dispatch.c"] = [f"-DFE_BUILD_{name.upper()}" for name in isas]
    own["csrc/state.c"] = own["csrc/top.c"] = own[PROGRAM] = []
    flags = [*build.flags.split(), "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-Icsrc"]
    jobs = [
        [*compiler, *flags, *more, "-c", source, "-o", f"{folder / Path(source).stem}.o"]
        for source, more in own.items()
    ]
    program = folder / "instructions"
    # now: the search for a function of the C library is no part of its first call
    link = [*compiler, *(job[-1] for job in jobs), "-lm", "-Wl,-z,now", "-o", str(program)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        finished = list(pool.map(run, jobs))
    if all(done.returncode == 0 for done in finished):
        finished.append(run(link))
    for done in finished:
        if done.returncode != 0:
            raise CountingError(f"{' '.join(done.args)}\n{done.stderr}".rstrip())
    return program


def counted(program: Path, isas: Sequence[str], measures: Sequence[str]) -> dict[Kernel, float]:
    """Run the program under callgrind, once: it dumps its count after every call of a kernel."""
    dumps = program.with_suffix(".out")
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={dumps}"]
    valgrind += [f"--toggle-collect={COUNTED}", f"--dump-after={COUNTED}"]
    valgrind += ["--combine-dumps=yes", "--dump-line=no"]
    done = run([*valgrind, str(program), *isas, "-", *measures], program.parent)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if not line.startswith("==")]
        raise CountingError("\n".join(said or done.stderr.splitlines()))
    kernels = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    text = dumps.read_text(encoding="utf-8")
    totals = re.findall(
        rf"^desc: Trigger: --dump-after={COUNTED}$.*?^totals: (\d+)$", text, re.M | re.S
    )
    if len(totals) != len(kernels):
        raise CountingError(f"callgrind wrote {len(totals)} counts of {len(kernels)} calls")
    return {
        Kernel.parse(words): round(int(total) / int(entries), DIGITS)
        for (words, entries), total in zip(kernels, totals, strict=True)
    }


def count(
    compiler: Sequence[str], build: Build, options: argparse.Namespace
) -> dict[Kernel, float]:
    """Return instructions an entry of the chosen kernels."""
    if shutil.which("valgrind") is None:
        raise CountingError("no valgrind: install the package valgrind")
    flags = flags_of_isas(build)
    isas = options.isa or list(flags)
    for name in isas:
        if name not in flags:
            raise CountingError(
                f"the library is built here without {name}, but with {', '.join(flags)}"
            )
    wanted = {name: flags[name] for name in flags if name in isas or name == "portable"}
    with tempfile.TemporaryDirectory() as folder:
        counts = counted(built(Path(folder), compiler, build, wanted), isas, options.measures)
    for name in isas:
        if not any(kernel.isa == name for kernel in counts):
            raise CountingError(f"no counts of {name}: valgrind does not run it on this machine")
    return counts


# ---- comparing ----------------------------------------------------------------------------------


def change(recorded: float, now: float) -> float:
    """Return by how many per cent a count has risen."""
    return 100 * (now / recorded - 1)


def print_line(cells: Sequence[str], remark: str = "") -> None:
    """Print one line of the table: names to the left, figures to the right."""
    padded = [
        cell.ljust(width) if i < 4 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    ]
    print("  ".join([*padded, remark]).rstrip())


def compare(recorded: Counts, now: Counts, tolerance: float) -> int:
    """Print both counts of every kernel; return how many rose by more than `tolerance` per cent."""
    rose = new = gone = 0
    print_line(HEADINGS)
    for kernel in sorted(recorded.keys() | now.keys()):
        before, after = recorded.get(kernel), now.get(kernel)
        figures = ["-" if x is None else f"{x:.{DIGITS}f}" for x in (before, after)]
        if before is None:
            new += 1
            print_line([*kernel, *figures, "new"])
        elif after is None:
            gone += 1
            print_line([*kernel, *figures, "gone"])
        else:
            by = change(before, after)
            rose += by > tolerance
            print_line([*kernel, *figures, f"{by:+.2f}"], "rose" if by > tolerance else "")
    print(f"\n{len(now)} kernels: {rose} rose by more than {tolerance:g} %, {new} new, {gone} gone")
    return rose


def read_record() -> tuple[Build | None, dict[Kernel, float]]:
    """Return the record, an empty one where there is none."""
    if not RECORD.exists():
        return None, {}
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    counts = {Kernel.parse(words): count for words, count in found.pop("instructions").items()}
    return Build(**found), counts


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.instructions",
        description="Instructions an entry of every kernel, compared with those recorded.",
    )
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    parser.add_argument("--tolerance", type=float, default=2, metavar="PERCENT", help="default: 2")
    parser.add_argument("--measures", nargs="+", default=[], help="names of csrc/measures.def")
    parser.add_argument("--isa", nargs="+", choices=COUNTABLE, help="valgrind has no AVX-512")
    parser.add_argument(
        "--strict", action="store_true", help="fail even where the record is another compiler's"
    )
    options = parser.parse_args(arguments)
    if options.record and (options.measures or options.isa):
        parser.error("--record is of all kernels: leave out --measures and --isa")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Count and compare, or record; return the exit status."""
    options = parse(arguments)
    try:
        compiler = the_compiler()
        build = described(compiler)
        counts = count(compiler, build, options)
    except CountingError as error:
        print(error, file=sys.stderr)
        return 2
    if options.record:
        text = json.dumps(build.record(counts), indent=1)
        RECORD.write_text(text + "\n", encoding="utf-8")
        print(f"{len(counts)} kernels recorded in {RECORD.name}")
        return 0
    recorded_build, recorded = read_record()
    chosen = {kernel: recorded[kernel] for kernel in recorded if kernel.chosen(options)}
    rose = compare(chosen, counts, options.tolerance)
    if recorded_build is None:
        print("nothing is recorded: --record does that")
        return 0
    if recorded_build.flags != build.flags or recorded_build.isa_flags != build.isa_flags:
        print(f"recorded with other flags: {recorded_build.flags}; {recorded_build.isa_flags}")
    if recorded_build.compiler != build.compiler:
        print(
            f"recorded with {recorded_build.compiler}, counted with {build.compiler}: "
            "counts may differ for that reason alone"
        )
        return int(rose > 0 and options.strict)
    return int(rose > 0)


if __name__ == "__main__":
    sys.exit(main())
