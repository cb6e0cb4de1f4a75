"""What binds a case that misses its goal: a verdict, with the figures that it rests on."""

from dataclasses import dataclass

from bench.cases import Case
from bench.ports import evidence as instruction_evidence
from bench.results import Report, Result, Run
from bench.timing import WAITED

MOST = 0.8  # of the whole time: what takes as much of it binds
TELLING = 0.1  # of the whole time: a change that says something
GATE_PRECISION = {True: 0.15, False: 0.05}  # cycles from L1: of means, of rows


@dataclass(frozen=True)
class Evidence:
    """Cycles an element, by where they were counted."""

    whole: float
    floor: float
    waited: float | None  # share of the time without a core, where the rounds were not quiet
    from_l1: float | None
    into: float | None  # the whole, with results in a preallocated array
    alone: float | None  # the whole on one thread
    contiguous: float | None  # the whole of the same rows lying contiguous, for axis 0

    def line(self) -> str:
        """Return the figures in words."""
        from_l1 = "none from L1" if self.from_l1 is None else f"{self.from_l1:.2f} from L1"
        alone = "" if self.alone is None else f" ({self.alone:.2f} on one thread)"
        return (
            f"cycles an element: {from_l1}, {self.whole:.2f} of the whole{alone}, "
            f"{self.floor:.2f} of the floor"
        )


def verdict(evidence: Evidence) -> str:
    """Return what the whole time is spent on."""
    whole, floor = evidence.whole, evidence.floor
    arithmetic = evidence.from_l1 or 0.0
    if arithmetic >= MOST * whole:
        if arithmetic >= whole:
            return f"arithmetic: with the data in L1 it takes as long, {arithmetic:.2f} cycles"
        return (
            f"arithmetic: {arithmetic:.2f} of the {whole:.2f} cycles are spent with the data in L1"
        )
    if evidence.waited is not None and evidence.waited > WAITED:
        return (
            f"not known: other programs ran (threads waited for a core {evidence.waited:.0%} of "
            "the time): measure again on a quiet machine"
        )
    if evidence.waited is not None:
        return (
            "not known: the floor's time varied by half and more, as it does while arrays partly "
            "stay in the last cache: measure again with more --mebibytes"
        )
    if evidence.into is not None and evidence.into <= (1 - TELLING) * whole:
        return (
            f"neither: {whole - evidence.into:.2f} of the {whole:.2f} cycles go into fresh pages "
            "for the results; a preallocated out= saves them"
        )
    if floor >= MOST * whole:
        return f"memory: the floor itself takes {floor:.2f} of the {whole:.2f} cycles"
    if evidence.alone is not None and evidence.alone <= (1 - 2 * TELLING) * whole:
        return (
            f"two threads at once: one alone takes {evidence.alone:.2f} cycles, beside another "
            f"{whole:.2f}; they share memory, and cores that a virtual machine may not have whole"
        )
    if evidence.contiguous is not None:
        if evidence.contiguous >= MOST * whole:
            return f"as contiguous rows, which take {evidence.contiguous:.2f} cycles"
        return (
            f"strides: the same rows lying contiguous take {evidence.contiguous:.2f} of the "
            f"{whole:.2f} cycles"
        )
    if arithmetic and arithmetic + floor >= MOST * whole:
        return (
            f"neither alone: {arithmetic:.2f} from L1 and {floor:.2f} of the floor make "
            f"{arithmetic + floor:.2f} one after the other, {whole:.2f} measured: they overlap "
            "too little"
        )
    beyond = whole - max(arithmetic, floor)
    return f"neither: {beyond:.2f} of the {whole:.2f} cycles are in neither arithmetic nor floor"


def _whole(result: Result, threads: int) -> float | None:
    run = next((run for run in result.runs if run.threads == threads), None)
    return None if run is None else run.cycles(result.entries, run.ratio_low)


def _evidence(result: Result, run: Run, contiguous: Result | None) -> Evidence:
    return Evidence(
        whole=run.cycles(result.entries, run.ratio_low),
        floor=run.cycles(result.entries),
        waited=None if run.quiet else run.waited,
        from_l1=None if result.cycles is None else result.cycles.value,
        into=None if run.ratio_into is None else run.cycles(result.entries, run.ratio_into),
        alone=None if run.threads == 1 else _whole(result, 1),
        contiguous=None if contiguous is None else _whole(contiguous, run.threads),
    )


def _gate(result: Result) -> str:
    """Return by how much the gate is missed, and whether the measurement can tell."""
    if not result.misses_gate or result.cycles is None or result.case.gate is None:
        return ""
    over = result.cycles.value - result.case.gate
    doubt = ""
    if not result.cycles.quiet:
        doubt = " (too few quiet samples: measure again on a quiet machine)"
    elif over <= GATE_PRECISION[result.case.layout == "-"]:
        doubt = " (within the error of the measurement)"
    return f"{result.cycles.value:.2f} cycles from L1, {result.case.gate:.2f} promised{doubt}"


def binds(report: Report) -> dict[str, str]:
    """Return what binds each case that misses its goal or gate, by the case's name."""
    by_case = {result.case: result for result in report.results}
    lines = {}
    for result in report.results:
        case, run = result.case, result.judged
        missed = []
        if result.misses_goal and run is not None:
            missed.append(f"ratio {run.ratio_low:.2f}, {case.goal:.2f} promised")
        if result.misses_gate:
            missed.append(_gate(result))
        if not missed:
            continue
        shown = run or result.runs[-1]
        row = Case(case.measure, case.dtype, str(case.columns))
        evidence = _evidence(result, shown, by_case.get(row) if case.axis == 0 else None)
        what = verdict(evidence)
        if not result.misses_goal:
            what = f"arithmetic alone; the ratio is within its goal ({what})"
            if run is None:
                what = "arithmetic alone; ratios are judged on two threads"
        cycles = None if result.cycles is None else result.cycles.value
        ports = instruction_evidence(case, report.machine["isa"], cycles)
        said = [*missed, evidence.line(), *([ports] if ports else []), what]
        lines[case.name] = "; ".join(said)
    return lines


def summary(report: Report) -> list[str]:
    """Return how many goals, gates and peers are met and beaten."""
    goals = [(r, r.judged) for r in report.results if r.case.goal is not None and r.judged]
    gates = [r for r in report.results if r.case.gate is not None and r.cycles is not None]
    lines = []
    if goals:
        met = sum(not result.misses_goal for result, _ in goals)
        median = sum(round(run.ratio, 2) <= (r.case.goal or 0) for r, run in goals if run)
        lines.append(
            f"ratios on two threads: {met} of {len(goals)} goals met by the lower quartile, "
            f"{median} by the median"
        )
    else:
        lines.append("ratios: none judged (no case here has a goal, or none ran on two threads)")
    met = sum(not result.misses_gate for result in gates)
    lines.append(f"cycles from L1: {met} of {len(gates)} gates met")
    runs = [run for result in report.results for run in result.runs if run.peers]
    if runs:
        first = sum(run.ratio < min(run.peers.values()) for run in runs)
        lines.append(f"peers: fastent is the fastest in {first} of {len(runs)} lines")
    return lines
