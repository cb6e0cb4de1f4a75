"""Measure what the command line asks for, and print, write and draw what came out."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import picture, results
from bench.binds import binds
from bench.cases import Case
from bench.cycles import l1_cycles
from bench.machine import machine
from bench.options import chosen, parse
from bench.peers import COMPILED, NAMES, available, compile_trouble
from bench.report import print_end, print_headings, print_machine, print_report, print_result
from bench.results import Report, Result
from bench.short import short_calls
from bench.timing import measure, writes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = parse(arguments)
    try:
        if options.picture:
            picture.load()  # before anything is measured: it may be missing
        if options.from_json:
            report = results.read(options.from_json)
            print_report(report)
            _draw(report, options.picture)
            return 0
        cases = chosen(options)
        if not cases:
            raise ValueError("no case has these measures, dtypes and columns: see bench/README.md")
        if options.picture:
            picture.check(cases)
        settings = {
            "mebibytes": options.mebibytes,
            "rounds": options.rounds,
            "threads": options.threads,
        }
        peers = available() if options.peers else ()
        if options.compile and "torch" in peers:
            trouble = compile_trouble()
            if trouble is None:
                peers = (*peers, COMPILED)
            else:
                settings["no_compile"] = trouble
        report = Report(machine(), settings, [])
        _measure(report, cases, peers, options.json)
        _draw(report, options.picture)
    except (ValueError, picture.MissingError) as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return 2
    return 0


def _measure(
    report: Report, cases: Sequence[Case], peers: tuple[str, ...], path: Path | None
) -> None:
    """Fill a report, printing (and writing) each case when it is done: a run may be cut off."""
    shown = [name for name in NAMES if name in peers]
    settings = report.settings
    print_machine(report.machine, settings)
    print_headings(shown)
    nbytes = int(settings["mebibytes"] * 2**20)
    for case in cases:
        job, runs = measure(case, nbytes, settings["rounds"], settings["threads"], peers)
        moved = (sum(array.nbytes for array in job.arrays) + writes(job)) / 1e6
        result = Result(case, job.entries, moved, l1_cycles(case), runs)
        del job  # the next one's data may need the room
        report.results.append(result)
        print_result(result, shown)
        _write(report, path)
    report.short_calls.extend(short_calls(peers=bool(peers)))
    _write(report, path)
    print_end(report, shown)


def _write(report: Report, path: Path | None) -> None:
    if path:
        report.write(path, binds(report))


def _draw(report: Report, path: Path | None) -> None:
    if path:
        picture.draw(report, path)
        print(f"drew {path}")
