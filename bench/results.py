"""What a run found, as plain data: to a JSON file and back."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.cases import Case

JUDGED_THREADS = 2  # the contract's ratios are for two threads


@dataclass(frozen=True)
class Cycles:
    """Cycles an element from L1, and whether enough samples were quiet."""

    value: float
    quiet: bool


@dataclass(frozen=True)
class Run:
    """A case on one number of threads; ratios are times over the floor's in the same round."""

    threads: int
    rounds: int  # kept
    quiet: bool  # whether enough rounds were undisturbed
    waited: float  # share of fastent's time that its threads were ready and had no core
    floor_seconds: float  # lower quartile
    clock_ghz: float
    ratio_low: float  # lower quartile
    ratio: float  # median
    ratio_into: float | None  # lower quartile with results in a preallocated array
    peers: dict[str, float]

    def cycles(self, entries: int, ratio: float = 1.0) -> float:
        """Return a core's cycles an element at a ratio; the floor's own at 1."""
        return ratio * self.floor_seconds * self.clock_ghz * 1e9 * self.threads / entries


@dataclass(frozen=True)
class Result:
    """What one case measured."""

    case: Case
    entries: int  # of one operand; rows for log_loss, which reads one entry of each
    megabytes: float  # that the floor reads, and writes where it writes
    cycles: Cycles | None
    runs: list[Run]

    @property
    def misses_gate(self) -> bool:
        """Whether it takes more cycles from L1 than the contract allows."""
        gate = self.case.gate
        return gate is not None and self.cycles is not None and round(self.cycles.value, 2) > gate

    @property
    def judged(self) -> Run | None:
        """The run that the contract's ratio is about, if it was made."""
        return next((run for run in self.runs if run.threads == JUDGED_THREADS), None)

    @property
    def misses_goal(self) -> bool:
        """Whether its lower quartile is above the contract's ratio."""
        goal, run = self.case.goal, self.judged
        return goal is not None and run is not None and round(run.ratio_low, 2) > goal


@dataclass(frozen=True)
class Report:
    """One whole run: where, how, and what came out."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    results: list[Result]
    short_calls: list[dict[str, Any]] = field(default_factory=list)

    def write(self, path: Path, binds: dict[str, str]) -> None:
        """Write every figure, with what binds the cases that miss their goals."""
        cases = []
        for result in self.results:
            case = result.case
            contract = {"goal": case.goal, "gate": case.gate, "binds": binds.get(case.name)}
            cases.append({**asdict(result), **contract})
        whole = {
            "machine": self.machine,
            "settings": self.settings,
            "cases": cases,
            "short_calls": self.short_calls,
        }
        path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Report:
    """Return what `Report.write` wrote; a ValueError says what is wrong with the file."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        results = [_result(one) for one in whole["cases"]]
        return Report(whole["machine"], whole["settings"], results, whole["short_calls"])
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is not what this version writes by --json ({type(error).__name__}: {error}): "
            "measure again"
        ) from error


def _result(one: dict[str, Any]) -> Result:
    cycles = None if one["cycles"] is None else Cycles(**one["cycles"])
    runs = [Run(**run) for run in one["runs"]]
    return Result(Case(**one["case"]), one["entries"], one["megabytes"], cycles, runs)
