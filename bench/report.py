"""Print what a run found: the machine, a line a case and thread count, and what binds."""

from collections.abc import Iterable, Sequence
from typing import Any

from bench.binds import binds, summary
from bench.peers import LIBRARIES, NAMES
from bench.results import JUDGED_THREADS, Report, Result, Run

HEADINGS = (
    "measure",
    "columns",
    "dtype",
    "threads",
    "floor ms",
    "low",
    "median",
    "goal",
    "c/e",
    "gate",
)
WIDTHS = (14, 8, 8, 7, 9, 7, 7, 6, 8, 6)
TO_THE_LEFT = (0, 2)
REMARK = """\
low, median: time over the floor's in the same round, lower quartile and median
      (~: too few rounds were undisturbed; those that waited for a core count).
goal: the contract's ratio, for two threads; it is judged by `low`.
c/e:  core cycles an element from L1, quiet samples (~: too few were quiet); gate: the contract's.
      log_loss reads one entry of each row: its floor does too, and its element is a row.
peers: their time over the floor's in the same rounds; NumPy and SciPy have one thread whatever,
      JAX all there are, compile is torch.compile of the expression in the column torch."""


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure, or a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.{digits}f}"


def _line(cells: Iterable[str], peers: Sequence[str]) -> str:
    """Return one line of the table: names to the left, figures to the right."""
    widths = (*WIDTHS, *(7 for _ in peers))
    return "  ".join(
        cell.ljust(width) if i in TO_THE_LEFT else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def print_machine(machine: dict[str, Any], settings: dict[str, Any]) -> None:
    """Print where and how it was measured."""
    processors = f"{machine['processors']} processors"
    clock = f"{machine['clock_ghz']:.2f} GHz"
    print(f"{machine['processor']}, {clock}, {processors}, {machine['system']}")
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    print(f"{versions}; fastent kernels: {machine['isa']}")
    for threads in sorted({one["threads"] for one in machine["floors"]}):
        rates = ", ".join(
            f"{one['kind']} {one['bytes_per_second'] / 1e9:.1f}"
            for one in machine["floors"]
            if one["threads"] == threads
        )
        print(f"floor, GB/s, {threads} thread{'s' * (threads > 1)}: {rates}")
    threads = " and ".join(str(count) for count in settings["threads"])
    print(f"{settings['mebibytes']:g} MiB each operand, {settings['rounds']} rounds, ", end="")
    print(f"threads: {threads}")
    cache = machine.get("last_cache_mebibytes")
    if cache and settings["mebibytes"] < 2 * cache:
        print(
            f"the last-level cache has {cache:g} MiB: below {2 * cache:g} MiB each operand, the ",
            end="",
        )
        print("floor partly reads from it, and ratios are larger than from memory")
    if settings.get("no_compile"):
        print(f"no column for torch.compile: {settings['no_compile']}")
    print()


def print_headings(peers: Sequence[str]) -> None:
    """Print the first line of the table."""
    print(_line([*HEADINGS, *peers], peers))


def print_result(result: Result, peers: Sequence[str]) -> None:
    """Print a case: a line for each number of threads; cycles from L1 once."""
    for run in result.runs:
        print(_run_line(result, run, peers), flush=True)


def _run_line(result: Result, run: Run, peers: Sequence[str]) -> str:
    case, once = result.case, run is result.runs[0]
    cycles = "-"
    if once and result.cycles is not None:
        cycles = ("" if result.cycles.quiet else "~") + number(result.cycles.value)
    cells = [case.measure, case.layout, case.dtype, str(run.threads)]
    cells += [number(run.floor_seconds * 1e3), ("" if run.quiet else "~") + number(run.ratio_low)]
    cells += [number(run.ratio)]
    cells += [number(case.goal if run.threads == JUDGED_THREADS else None)]
    cells += [cycles, number(case.gate if once else None)]
    return _line([*cells, *(number(run.peers.get(name), 1) for name in peers)], peers)


def print_short_calls(rows: list[dict[str, Any]], peers: Sequence[str]) -> None:
    """Print what one call on eight elements costs."""
    print("\none call on 8 elements, microseconds; goal with default keywords: array 2, list 4")
    names = ("fastent", *(name for name in peers if name in LIBRARIES))
    print(f"{'measure':14}  {'given':14}  " + "  ".join(f"{name:>7}" for name in names))
    for row in rows:
        given = f"{row['given']} {row['dtype']}"
        figures = "  ".join(f"{number(row.get(name)):>7}" for name in names)
        print(f"{row['measure']:14}  {given:14}  {figures}")


def print_end(report: Report, peers: Sequence[str]) -> None:
    """Print all that follows the table."""
    print("\n" + REMARK)
    if report.short_calls:
        print_short_calls(report.short_calls, peers)
    missed = binds(report)
    if missed:
        print("\nwhat binds the cases that miss their goal or gate")
        for name, why in missed.items():
            print(f"{name}: {why}")
    print()
    for sentence in summary(report):
        print(sentence)


def print_report(report: Report) -> None:
    """Print a whole run again, from its file."""
    found = {name for result in report.results for run in result.runs for name in run.peers}
    peers = [name for name in NAMES if name in found]
    print_machine(report.machine, report.settings)
    print_headings(peers)
    for result in report.results:
        print_result(result, peers)
    print_end(report, peers)
