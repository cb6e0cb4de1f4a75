"""Print the table of the speed contract: every case against the floor, its goal and its peers."""

import argparse
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fastent
from bench import floor
from bench.cases import CASES, DTYPES, LAYOUTS, MEASURES, Case
from bench.peers import LIBRARIES, available
from bench.timing import Result, measure, seconds, short_calls
from fastent import _core

HEADINGS = ("measure", "columns", "dtype", "floor ms", "low", "median", "goal", "c/e", "gate")
WIDTHS = (14, 8, 8, 9, 7, 7, 6, 8, 6)
REMARK = """\
low, median: time over the floor's in the same round, lower quartile and median.
goal: the contract's ratio, on two threads. One thread has about 1.35 times the memory speed that
      each of two has, so the same arithmetic gives a ratio up to 1.35 times as large.
c/e:  core cycles an element from L1, quiet samples (~: too few were quiet); gate: the contract's.
      log_loss reads one entry of each row: its floor does too, and its element is a row.
peers: their time over the floor's in the same rounds, on as many threads."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    layouts = (*LAYOUTS, "-", "axis0")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument(
        "--columns",
        nargs="+",
        choices=layouts,
        default=list(layouts),
        metavar="COLUMNS",
        help=f"of {' '.join(layouts)}; 10@0: along axis 0 (axis0: all of those); -: no rows",
    )
    parser.add_argument("--mebibytes", type=float, default=64, help="of each operand")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="of fastent, floors and peers")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the cases that the options ask for."""
    layouts = set(options.columns)
    if "axis0" in layouts:
        layouts |= {layout for layout in LAYOUTS if layout.endswith("@0")}
    return [
        case
        for case in CASES
        if case.measure in options.measures
        and case.dtype in options.dtype
        and case.layout in layouts
    ]


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, versions, the floor itself."""
    names = ("fastent-numpy", "numpy", "scipy", "torch")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    size = 16 << 20
    first, second, to = (np.full(size, i, np.float32) for i in range(3))
    floors = {
        "read one": first.nbytes / _best(lambda: floor.read(first)),
        "read two": 2 * first.nbytes / _best(lambda: floor.read(first, second)),
        "copy (read and written)": 2 * first.nbytes / _best(lambda: floor.copy(to, first)),
        "read one, two threads": first.nbytes / _best(lambda: floor.read(first, threads=2)),
    }
    return {
        "processor": processor(),
        "isa": _core.isa(),
        "clock_ghz": max(floor.clock_ghz() for _ in range(20)),
        "versions": versions,
        "floor_bytes_per_second": floors,
    }


def processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _best(call: Any) -> float:
    return min(seconds(call) for _ in range(9))


def print_machine(facts: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the conditions of this run."""
    print(f"{facts['processor']}, {facts['clock_ghz']:.2f} GHz, fastent kernels: {facts['isa']}")
    print(", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
    floors = facts["floor_bytes_per_second"].items()
    print("floor, GB/s: " + ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in floors))
    rounds = f"{options.rounds} rounds, threads: {options.threads}"
    print(f"{options.mebibytes:g} MiB each operand, {rounds}\n")


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure, or a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.{digits}f}"


def line(cells: Iterable[str], peers: Sequence[str]) -> str:
    """Return one line of the table: names to the left, figures to the right."""
    widths = (*WIDTHS, *(7 for _ in peers))
    return "  ".join(
        cell.ljust(width) if i in (0, 2) else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def result_line(result: Result, peers: Sequence[str]) -> str:
    """Return the line of one case."""
    case = result.case
    cycles = "-"
    if result.cycles is not None:
        cycles = ("" if result.cycles.quiet else "~") + number(result.cycles.value)
    cells = [case.measure, case.layout, case.dtype, number(result.floor_seconds * 1e3)]
    cells += [number(result.ratio_low), number(result.ratio), number(case.goal)]
    cells += [cycles, number(case.gate)]
    return line([*cells, *(number(result.peers.get(name), 1) for name in peers)], peers)


def print_short_calls(rows: list[dict[str, Any]], peers: Sequence[str]) -> None:
    """Print what one call on eight elements costs."""
    print("\none call on 8 elements, microseconds; goal with default keywords: array 2, list 4")
    names = ("fastent", *peers)
    print(f"{'measure':14}  {'given':14}  " + "  ".join(f"{name:>7}" for name in names))
    for row in rows:
        given = f"{row['given']} {row['dtype']}"
        figures = "  ".join(f"{number(row.get(name)):>7}" for name in names)
        print(f"{row['measure']:14}  {given:14}  {figures}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen cases; return the exit status."""
    options = parse(arguments)
    fastent.set_num_threads(options.threads)
    cases = chosen(options)
    if not cases:
        print("no case has these measures, dtypes and columns", file=sys.stderr)
        return 2
    peers = [name for name in LIBRARIES if options.peers and name in available()]
    facts = machine()
    print_machine(facts, options)
    print(line([*HEADINGS, *peers], peers))
    results = []
    for case in cases:
        results.append(measure(case, int(options.mebibytes * 2**20), options.rounds, options.peers))
        print(result_line(results[-1], peers), flush=True)
    print("\n" + REMARK)
    short = short_calls(peers=options.peers)
    print_short_calls(short, peers)
    if options.json:
        records = [result.record() for result in results]
        report = {"fastent": fastent.__version__, **facts, "cases": records, "short_calls": short}
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0
